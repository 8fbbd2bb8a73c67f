"""TF Serving's messages, and numpy arrays to and from `TensorProto`, without TensorFlow.

The message classes come from `tf_serving_api.binpb`, in a descriptor pool of their own. They do not
clash with a later `import tensorflow`, which registers the same names in the default pool. Those of
the Open Inference Protocol come from `open_inference.binpb`.
`to_numpy` and `fill_tensor` work by field name, so they accept TensorFlow's own `TensorProto` as
well: the server uses them too.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

# The bits of bfloat16, the upper half of a float32. numpy has no such type; that of TensorFlow
# (`ml_dtypes`) has the same bits.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])

# DataType number -> (numpy dtype, field of TensorProto that holds typed values, its number).
_TYPES: dict[int, tuple[np.dtype, str, int]] = {
    number: (np.dtype(dtype), field, field_number)
    for number, dtype, field, field_number in [
        (1, "<f4", "float_val", 5),
        (2, "<f8", "double_val", 6),
        (3, "<i4", "int_val", 7),
        (4, "u1", "int_val", 7),
        (5, "<i2", "int_val", 7),
        (6, "i1", "int_val", 7),
        (7, "O", "string_val", 8),
        (8, "<c8", "scomplex_val", 9),
        (9, "<i8", "int64_val", 10),
        (10, "?", "bool_val", 11),
        (17, "<u2", "int_val", 7),
        (18, "<c16", "dcomplex_val", 12),
        (19, "<f2", "half_val", 13),
        (22, "<u4", "uint32_val", 16),
        (23, "<u8", "uint64_val", 17),
    ]
}
DT_BFLOAT16 = 14
_TYPES[DT_BFLOAT16] = (BFLOAT16, "half_val", 13)
_NUMBERS = {dtype: number for number, (dtype, _, _) in _TYPES.items()}
# The fields whose packed bytes are the array's own bytes: they can be copied in and out.
_RAW_FIELDS = {"float_val", "double_val", "scomplex_val", "dcomplex_val"}
DT_STRING = 7
MAX_MESSAGE_BYTES = 2**31 - 1
# A tensor may leave out its last values if they repeat. A few bytes can therefore claim any size:
# this is the most that such a tensor may have.
MAX_REPEATED_BYTES = 2**26


def files(name: str) -> Sequence[Any]:
    """Returns the proto files that a descriptor set beside this module holds."""
    data = Path(__file__).with_name(name).read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(data).file


def _load_messages() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for name in ("tf_serving_api.binpb", "open_inference.binpb"):
        for file in files(name):
            pool.Add(file)
    return pool


_POOL = _load_messages()


def message_class(name: str) -> type[Message]:
    """Returns the class of a message, e.g. `tensorflow.TensorProto`."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


PredictRequest = message_class("tensorflow.serving.PredictRequest")
PredictResponse = message_class("tensorflow.serving.PredictResponse")
GetModelMetadataRequest = message_class("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = message_class("tensorflow.serving.GetModelMetadataResponse")
GetModelStatusRequest = message_class("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = message_class("tensorflow.serving.GetModelStatusResponse")
SignatureDefMap = message_class("tensorflow.serving.SignatureDefMap")
TensorProto = message_class("tensorflow.TensorProto")
RepositoryIndexRequest = message_class("inference.RepositoryIndexRequest")
RepositoryIndexResponse = message_class("inference.RepositoryIndexResponse")

_DATA_TYPES = _POOL.FindEnumTypeByName("tensorflow.DataType").values_by_number
_STATES = _POOL.FindEnumTypeByName("tensorflow.serving.ModelVersionStatus.State").values_by_number


def dtype_name(number: int) -> str:
    """Returns TensorFlow's short name of a `DataType` number: 1 -> "float"."""
    value = _DATA_TYPES.get(number)
    return value.name.removeprefix("DT_").lower() if value else f"unknown type {number}"


def state_name(number: int) -> str:
    """Returns the name of a model version's state: 30 -> "AVAILABLE"."""
    value = _STATES.get(number)
    return value.name if value else str(number)


def numpy_dtype(number: int) -> np.dtype:
    """Returns the numpy dtype of a `DataType` number.

    Strings are `object` arrays of bytes; bfloat16 is `BFLOAT16`.

    Raises:
        ValueError: numpy has no such type.
    """
    if number not in _TYPES:
        raise ValueError(f"The type must have a numpy dtype. Received: {dtype_name(number)}")
    return _TYPES[number][0]


def to_tensor(array: Any) -> Message:
    """Returns a `TensorProto` of `array`, with its values in `tensor_content`.

    Strings (`str` as UTF-8, or `bytes`) go to `string_val`, the only form every server reads.
    bfloat16 is an array of `ml_dtypes.bfloat16`, or of `to_bfloat16`.

    Raises:
        ValueError: TensorFlow has no such type.
    """
    proto = TensorProto()
    fill_content(proto, array)
    return proto


def fill_tensor(proto: Message, array: Any) -> None:
    """Writes `array` into an empty `TensorProto` with the values in its typed `*_val` field.

    Floats are copied as packed bytes, which is a hundred times faster than element by element.
    """
    array, number = _normalize(array)
    _, field, field_number = _TYPES[number]
    proto.dtype = number
    _set_shape(proto, array.shape)
    if array.size == 0:
        return
    if field in _RAW_FIELDS:
        proto.MergeFromString(_varint(field_number << 3 | 2) + _varint(array.nbytes) + array.data)
    elif field == "half_val":
        proto.half_val.extend(array.view(np.uint16).ravel().tolist())
    else:
        getattr(proto, field).extend(array.ravel().tolist())


def fill_content(proto: Message, array: Any) -> None:
    """Writes `array` into an empty `TensorProto` with the values in `tensor_content`.

    Strings go to `string_val`.
    """
    array, number = _normalize(array)
    proto.dtype = number
    _set_shape(proto, array.shape)
    if number == DT_STRING:
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.tensor_content = array.tobytes()


def to_numpy(proto: Message) -> np.ndarray:
    """Returns the array of a `TensorProto`, from `tensor_content` or from its typed values.

    If there are fewer typed values than elements, the last one is repeated, as in TensorFlow (no
    value means zeros). Surplus values are ignored. Strings become an `object` array of `bytes`,
    bfloat16 the same numbers in float32.

    Raises:
        ValueError: the message does not hold a whole tensor.
    """
    dtype = numpy_dtype(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError(f"A tensor's shape must be known. Received: {proto.tensor_shape}")
    size = math.prod(shape)
    if size * dtype.itemsize > MAX_MESSAGE_BYTES:
        raise ValueError(f"A tensor must have at most 2 GiB. Received: shape {list(shape)}")
    content = proto.tensor_content  # each access copies it
    if (
        size * dtype.itemsize > MAX_REPEATED_BYTES
        and not content
        and len(getattr(proto, _TYPES[proto.dtype][1])) < size * (2 if dtype.kind == "c" else 1)
    ):
        raise ValueError(
            f"A tensor of more than {MAX_REPEATED_BYTES} bytes must hold all of its values."
            f" Received: shape {list(shape)} and fewer values"
        )
    if proto.dtype == DT_STRING:
        values = list(_split_strings(content, size)) if content else list(proto.string_val)
        array = np.empty(size, dtype)
        array[:] = _repeat_last(values, size, b"")
    elif content:
        if len(content) != size * dtype.itemsize:
            raise ValueError(
                f"tensor_content must have {size * dtype.itemsize} bytes for shape {list(shape)} of"
                f" {dtype}. Received: {len(content)} bytes"
            )
        array = np.frombuffer(content, dtype)
    else:
        array = _typed_values(proto, dtype, size)
    if dtype == BFLOAT16:
        array = (array["bfloat16"].astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.reshape(shape)


def to_bfloat16(values: Any) -> np.ndarray:
    """Rounds floats to the nearest bfloat16, ties to even: an array of dtype `BFLOAT16`."""
    values = np.asarray(values, np.float32)
    bits = values.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) >> 16
    quiet = bits >> 16 | 0x40  # a NaN stays one
    return np.where(np.isnan(values), quiet, rounded).astype("<u2").view(BFLOAT16)


def to_strings(values: Any) -> np.ndarray:
    """Returns `str` or `bytes`, or lists of them, as an `object` array.

    numpy's own string arrays drop zero bytes at the end.
    """
    return values if isinstance(values, np.ndarray) else np.array(values, object)


def _typed_values(proto: Message, dtype: np.dtype, size: int) -> np.ndarray:
    _, field, field_number = _TYPES[proto.dtype]
    if field in _RAW_FIELDS:
        numbers = getattr(proto, field)
        if hasattr(numbers, "__array__"):  # since protobuf 7.34
            values = np.asarray(numbers)
            pairs = len(values) // 2 * 2  # a complex number is two
            values = values[:pairs].view(dtype) if dtype.kind == "c" else values
        else:
            values = _packed(proto, field_number, dtype)
    elif field == "half_val":
        values = np.array(proto.half_val, np.uint16).view(dtype)
    else:
        # int_val holds int32; the narrower types take its low bits, as TensorFlow does.
        values = np.array(getattr(proto, field)[:size], _WIDE.get(field)).astype(dtype)
    if len(values) >= size:
        return values[:size]
    last = values[-1] if len(values) else np.zeros((), dtype)[()]
    return np.concatenate([values, np.full(size - len(values), last, dtype)])


def _packed(proto: Message, field_number: int, dtype: np.dtype) -> np.ndarray:
    """The values of a packed field, from the message's bytes: without a Python number for each."""
    payload = b"".join(_payloads(proto.SerializeToString(), field_number))
    return np.frombuffer(payload, dtype, len(payload) // dtype.itemsize)


_WIDE = {
    "int_val": np.int32,
    "int64_val": np.int64,
    "bool_val": np.bool_,
    "uint32_val": np.uint32,
    "uint64_val": np.uint64,
}


def _normalize(array: Any) -> tuple[np.ndarray, int]:
    """Returns a C-ordered, little-endian array and its DataType number."""
    given, array = array, np.asarray(array)
    if array.dtype.kind in "USO":
        array = to_strings(given)
        flat = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
        if not all(isinstance(value, bytes) for value in flat):
            raise ValueError(f"A string tensor must hold str or bytes. Received: {array!r:.200}")
        strings = np.empty(len(flat), object)
        strings[:] = flat
        return strings.reshape(array.shape), DT_STRING
    if array.dtype.kind == "V" and array.dtype.name == "bfloat16":
        array = array.view(BFLOAT16)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.dtype not in _NUMBERS:
        raise ValueError(f"A tensor's dtype must be one of TensorFlow's. Received: {array.dtype}")
    # Not ascontiguousarray: it makes a scalar one-dimensional.
    return np.asarray(array, order="C"), _NUMBERS[array.dtype]


def _set_shape(proto: Message, shape: tuple[int, ...]) -> None:
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)


def _repeat_last(values: list, size: int, default: Any) -> list:
    return values[:size] + [values[-1] if values else default] * (size - len(values))


def _split_strings(content: bytes, size: int) -> Iterator[bytes]:
    """Splits the `tensor_content` of strings: all lengths as varints, then all bytes."""
    lengths, at = [], 0
    for _ in range(size):
        length, at = _read_varint(content, at)
        lengths.append(length)
    if at + sum(lengths) != len(content):
        raise ValueError(
            f"tensor_content must have {at + sum(lengths)} bytes for its {size} strings."
            f" Received: {len(content)} bytes"
        )
    for length in lengths:
        yield content[at : at + length]
        at += length


def _payloads(data: bytes, field_number: int) -> Iterator[memoryview]:
    """Yields the length-delimited payloads of one field of a serialized message."""
    view, at = memoryview(data), 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        wire_type = tag & 7
        if wire_type == 0:
            _, at = _read_varint(data, at)
        elif wire_type == 2:
            length, at = _read_varint(data, at)
            if tag >> 3 == field_number:
                yield view[at : at + length]
            at += length
        else:
            at += 8 if wire_type == 1 else 4


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the varint at `data[at]` and the position after it."""
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError(f"A varint must end. Received: {len(data)} bytes without its end")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
