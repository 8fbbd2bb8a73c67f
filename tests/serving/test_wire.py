"""numpy <-> TensorProto, held against TensorFlow's own conversion, and the descriptor file."""

import json
import warnings
from importlib import metadata

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2
from tensorflow.core.framework import tensor_pb2

from serving import build_descriptors, wire
from serving.server import json_tensors, open_inference_json

ARRAYS = {
    "float": np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3),
    "double scalar": np.float64(3.25),
    "half": np.array([0.5, -2, 65504], np.float16),
    "int8": np.array([-128, 127], np.int8),
    "int16": np.array([[-32768], [32767]], np.int16),
    "int32": np.array([-(2**31), 2**31 - 1], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1], np.int64),
    "uint8": np.arange(250, 256, dtype=np.uint8),
    "uint16": np.array([0, 65535], np.uint16),
    "uint32": np.array([0, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "bool": np.array([True, False, True]),
    "complex64": np.array([1 + 2j, -3j], np.complex64),
    "complex128": np.array([[1 + 2j]], np.complex128),
    "bytes": np.array([[b"", b"\x00\xff"]], object),
    "no rows": np.zeros((0, 4), np.float32),
}


def _official(proto) -> tensor_pb2.TensorProto:
    return tensor_pb2.TensorProto.FromString(proto.SerializeToString())


def _same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_array_equal(a, b)
    assert a.dtype == np.asarray(b).dtype
    assert a.shape == np.shape(b)


@pytest.mark.parametrize("name", ARRAYS)
def test_tensorflow_reads_what_we_write(name):
    proto = _official(wire.to_tensor(ARRAYS[name]))
    _same(tf.make_ndarray(proto), ARRAYS[name])
    if np.size(ARRAYS[name]) and name != "bytes":
        assert len(proto.tensor_content) == np.asarray(ARRAYS[name]).nbytes


@pytest.mark.parametrize("name", ARRAYS)
def test_tensorflow_reads_our_typed_values(name):
    proto = tensor_pb2.TensorProto()
    wire.fill_tensor(proto, ARRAYS[name])
    _same(tf.make_ndarray(proto), ARRAYS[name])
    assert not proto.tensor_content


@pytest.mark.parametrize("name", ARRAYS)
def test_we_read_both_forms(name):
    content = wire.to_tensor(ARRAYS[name])
    typed = wire.TensorProto()
    wire.fill_tensor(typed, ARRAYS[name])
    _same(wire.to_numpy(content), ARRAYS[name])
    _same(wire.to_numpy(typed), ARRAYS[name])
    _same(wire.to_numpy(_official(typed)), ARRAYS[name])


@pytest.mark.parametrize("order", ["F", "strided", "big-endian"])
def test_memory_layout_does_not_matter(order):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    laid_out = {
        "F": np.asfortranarray(array),
        "strided": np.repeat(array, 2, axis=1)[:, ::2],
        "big-endian": array.astype(">f4"),
    }[order]
    typed = wire.TensorProto()
    wire.fill_tensor(typed, laid_out)
    np.testing.assert_array_equal(wire.to_numpy(wire.to_tensor(laid_out)), array)
    np.testing.assert_array_equal(wire.to_numpy(typed), array)


@pytest.mark.parametrize(
    ("dtype", "field", "values"),
    [
        (tf.float32, "float_val", [1.5, 2.5]),
        (tf.int32, "int_val", [7]),
        (tf.int64, "int64_val", [1, 2, 3, 4, 5, 6, 7]),
        (tf.bool, "bool_val", [True]),
        (tf.string, "string_val", [b"a", b"b"]),
        (tf.float16, "half_val", [15360]),
        (tf.bfloat16, "half_val", [16256, 16320]),
        (tf.bfloat16, "half_val", []),
        (tf.complex64, "scomplex_val", [1.0, 2.0]),
        (tf.float64, "double_val", []),
    ],
)
def test_last_value_is_repeated_as_tensorflow_does(dtype, field, values):
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.dim.add(size=2)
    proto.tensor_shape.dim.add(size=3)
    getattr(proto, field).extend(values)
    # The runtime's own parser, through a constant of a graph.
    expected = tf.raw_ops.ParseTensor(serialized=proto.SerializeToString(), out_type=dtype).numpy()
    np.testing.assert_array_equal(wire.to_numpy(proto), expected)


FLOATS = np.array([[1, -2.5, 3.1415927], [1e-40, np.inf, -np.inf]], np.float32)
# The middle of two bfloat16 (the even one is taken), and next to it; NaN.
TIES = np.array([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 3.4e38, np.nan], np.float32)


@pytest.mark.parametrize("values", [FLOATS, TIES, np.float32(0.1), FLOATS[:0]])
def test_bfloat16_is_tensorflows(values):
    theirs = values.astype(tf.bfloat16.as_numpy_dtype)
    for ours in (wire.to_bfloat16(values), theirs):
        typed = wire.TensorProto()
        wire.fill_tensor(typed, ours)
        for proto in (wire.to_tensor(ours), typed):
            read = tf.make_ndarray(_official(proto))
            assert read.dtype == theirs.dtype
            _same(read.astype(np.float32), theirs.astype(np.float32))
    for proto in (wire.to_tensor(theirs), tf.make_tensor_proto(theirs)):
        _same(wire.to_numpy(proto), theirs.astype(np.float32))


def test_strings_in_tensor_content_are_read():
    proto = wire.TensorProto(dtype=wire.DT_STRING, tensor_content=b"\x01\x80\x01a" + b"b" * 128)
    proto.tensor_shape.dim.add(size=2)
    assert wire.to_numpy(proto).tolist() == [b"a", b"b" * 128]


def test_str_is_sent_as_utf8():
    assert wire.to_numpy(wire.to_tensor(["é", b"b"])).tolist() == ["é".encode(), b"b"]


@pytest.mark.parametrize("value", [[b"a\0", "b\0"], [[b"\0"], [b"\xff\0\0"]], b"\0"])
def test_strings_keep_zero_bytes_at_their_end(value):
    _same(
        tf.make_ndarray(_official(wire.to_tensor(value))),
        tf.make_ndarray(tf.make_tensor_proto(value)),
    )


def _broken(case):
    proto = wire.TensorProto(dtype=1)
    if case == "half a float":
        proto.tensor_shape.dim.add(size=2)
        proto.tensor_content = b"1234567"
    elif case == "unknown rank":
        proto.tensor_shape.unknown_rank = True
    elif case == "negative size":
        proto.tensor_shape.dim.add(size=-1)
    elif case == "huge":
        proto.tensor_shape.dim.add(size=2**40)
        proto.float_val.append(0)
    elif case == "type":
        proto.dtype = 20  # DT_RESOURCE
    elif case == "strings cut off":
        proto.dtype = wire.DT_STRING
        proto.tensor_shape.dim.add(size=2)
        proto.tensor_content = b"\x05"
    return proto


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("half a float", r"must have 8 bytes for shape \[2\] of float32. Received: 7 bytes"),
        ("unknown rank", "shape must be known. Received: unknown_rank"),
        ("negative size", "shape must be known. Received: dim"),
        ("huge", r"at most 2 GiB. Received: shape \[1099511627776\]"),
        ("type", "must have a numpy dtype. Received: resource"),
        ("strings cut off", "A varint must end"),
    ],
)
def test_broken_tensors_are_refused(case, message):
    with pytest.raises(ValueError, match=message):
        wire.to_numpy(_broken(case))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array(["2020-01-01"], "M8[D]"), "one of TensorFlow's. Received: datetime64"),
        ([1, None], "must hold str or bytes. Received: array"),
    ],
)
def test_what_no_tensor_holds_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        wire.to_tensor(value)


def test_floats_are_spliced_not_copied_one_by_one():
    import timeit

    array = np.zeros((16, 64, 64, 3), np.float32)

    def fill():
        wire.fill_tensor(tensor_pb2.TensorProto(), array)

    def one_by_one():
        tensor_pb2.TensorProto().float_val.extend(array.ravel().tolist())

    fast = min(timeit.repeat(fill, number=1, repeat=5))
    assert fast < min(timeit.repeat(one_by_one, number=1, repeat=3)) / 3


@pytest.mark.parametrize("name", ["float", "double scalar", "complex64", "complex128", "no rows"])
def test_values_are_read_without_protobufs_arrays(name):
    """As before protobuf 7.34."""
    array = np.asarray(ARRAYS[name])
    proto = wire.TensorProto()
    wire.fill_tensor(proto, array)
    _, field, number = wire._TYPES[proto.dtype]
    assert hasattr(getattr(proto, field), "__array__")
    _same(wire._packed(proto, number, array.dtype).reshape(array.shape), array)


def test_json_numbers_beyond_a_float_are_infinite_without_a_word():
    """NumPy's warning would be lines in the server's log that no request can be told from."""
    with warnings.catch_warnings(action="error"):
        assert json_tensors._array("x", [1e300, 1], 1).tolist() == [np.inf, 1]
        tensor = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1e300, 1]}
        asked = open_inference_json.read_infer(json.dumps({"inputs": [tensor]}).encode(), None)
    values = np.frombuffer(asked.raw_input_contents[0], np.float32)
    assert values.tolist() == [np.inf, 1]


def test_names():
    assert wire.dtype_name(tf.float32.as_datatype_enum) == "float"
    assert wire.dtype_name(999) == "unknown type 999"
    assert wire.state_name(30) == "AVAILABLE"
    assert wire.state_name(31) == "31"


def _fields(files: bytes) -> dict:
    """Full field name -> number and type, of all messages."""
    found = {}

    def walk(prefix, messages):
        for message in messages:
            name = f"{prefix}.{message.name}"
            for field in message.field:
                found[f"{name}.{field.name}"] = (field.number, field.type, field.label)
            walk(name, message.nested_type)

    for file in descriptor_pb2.FileDescriptorSet.FromString(files).file:
        walk(file.package, file.message_type)
    return found


def test_descriptor_file_is_what_the_builder_makes():
    ours, installed = build_descriptors.PATH.read_bytes(), build_descriptors.build()
    # Of any version: what the client was built with means the same on the wire.
    known = _fields(installed)
    changed = {name for name, field in _fields(ours).items() if known.get(name, field) != field}
    assert not changed
    versions = [metadata.version(name) for name in ("tensorflow", "tensorflow-serving-api")]
    notice = build_descriptors.NOTICE_PATH.read_text(encoding="utf-8")
    if build_descriptors.build_notice() != notice:
        pytest.skip(f"the file is of other versions than the installed {versions}: {notice[-60:]}")
    assert ours == installed, "run `python -m serving.build_descriptors`"


def test_descriptor_notice_names_the_licence():
    notice = build_descriptors.NOTICE_PATH.read_text(encoding="utf-8")
    assert "Apache License, Version 2.0" in notice
    assert "The TensorFlow Authors" in notice


def test_open_inference_descriptor_is_what_the_builder_makes():
    ours = build_descriptors.OPEN_INFERENCE_PATH.read_bytes()
    made = build_descriptors.build_open_inference()
    parse = descriptor_pb2.FileDescriptorSet.FromString
    assert parse(ours) == parse(made), "run `python -m serving.build_descriptors`"
