"""What readers read, and what they refuse: in one line, at once, and without running anything."""

import os
import pathlib
import pickle
import struct
import time
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from tests.zoo.core.readers import files
from zoo.core import readers
from zoo.core.readers import CheckpointError, Record, hdf5, pickles

SECONDS, BYTES = 1.0, 200 << 20
GOOD = {
    "weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "half": np.linspace(-1, 1, 5).astype(np.float16),
    "steps": np.array(7),
}


def read_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    checkpoint = readers.read(path)
    return readers.tensors_of(checkpoint, checkpoint.content)


@pytest.mark.parametrize("old", [False, True])
def test_state_dicts_are_read_in_both_of_torchs_formats(tmp_path: pathlib.Path, old: bool) -> None:
    path = tmp_path / "any_name.txt"  # the name means nothing
    files.state_dict(path, GOOD, old)
    found = read_tensors(path)
    assert found.keys() == GOOD.keys()
    for key, array in GOOD.items():
        np.testing.assert_array_equal(found[key], array)


def test_strides_offsets_and_bfloat16_are_followed(tmp_path: pathlib.Path) -> None:
    numbers = np.arange(10, dtype=np.float32)
    upper = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    items = {
        "turned": files.tensor("0", 10, (2, 3), (1, 2), 3),
        "brain": files.tensor("1", 2, (2,), (1,), kind="BFloat16Storage"),
    }
    storages = {"0": numbers.tobytes(), "1": upper.tobytes()}
    files.zipped(tmp_path / "x", files.pickled(files.dictionary(items)), storages)
    found = read_tensors(tmp_path / "x")
    np.testing.assert_array_equal(found["turned"], [[3, 5, 7], [4, 6, 8]])
    np.testing.assert_array_equal(found["brain"], [1.5, -2.0])


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpys_arrays_are_read(tmp_path: pathlib.Path, protocol: int) -> None:
    arrays = {"big": np.arange(6, dtype=">f4").reshape(2, 3), "f": np.asfortranarray(np.eye(3))}
    (tmp_path / "x").write_bytes(pickle.dumps(arrays, protocol))
    found = read_tensors(tmp_path / "x")
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)


def test_safetensors_are_read(tmp_path: pathlib.Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": GOOD["weight"]}, tmp_path / "x")
    np.testing.assert_array_equal(readers.read(tmp_path / "x").content["a"], GOOD["weight"])
    data = (tmp_path / "x").read_bytes()
    (tmp_path / "y").write_bytes(data[:-3])
    with pytest.raises(CheckpointError, match="must be a safetensors file"):
        readers.read(tmp_path / "y")


def test_a_persistent_modules_source_is_left_alone(tmp_path: pathlib.Path) -> None:
    state = files.dictionary({"_parameters": b"}", "_buffers": b"}", "_modules": b"}"})
    meta = files.dictionary(
        {
            "class_name": files.text("Generator"),
            "module_src": files.text("raise SystemExit('it ran')"),
            "state": state,
        }
    )
    function = files.name("torch_utils.persistence", "_reconstruct_persistent_obj")
    (tmp_path / "x").write_bytes(files.pickled(files.call(function, meta)))
    record = readers.read(tmp_path / "x").content
    assert isinstance(record, Record)
    assert record.name == "Generator"
    assert "module_src" not in record.state


# ---- hostile files

RUNS = files.call(files.name("os", "system"), files.text("touch pwned"))
REBUILD = files.name("torch._utils", "_rebuild_tensor_v2")


def one(value: bytes) -> bytes:
    return files.pickled(files.dictionary({"x": value}))


PICKLES = {
    "os.system": RUNS,
    "builtins.eval": files.call(files.name("builtins", "eval"), files.text("1")),
    "a dotted name": files.call(files.name("collections", "_sys.exit"), files.integer(42)),
    "an instance": b"(ios\nsystem\n",
    "an object": b"(" + files.name("os", "system") + files.text("touch pwned") + b"o",
    "an extension": b"\x82\x01",
    "state of a builder": REBUILD + files.dictionary({"x": files.integer(1)}) + b"b",
    "a list called": b"](" + files.text("x") + b"tR",
    "append to a name": REBUILD + files.integer(1) + b"a",
    "a tuple as a key": b"}" + b")" + b"\x85" * 20_000 + files.integer(1) + b"s",
    "a memo of 2^31": b"Nr\xff\xff\xff\x7f",
    "a long text": b"\x8d" + struct.pack("<Q", 2**40),
    "a long number": b"\x8b" + struct.pack("<i", 2**31 - 1),
    "a long frame": b"\x95" + struct.pack("<Q", 2**40),
    "a numpy array of objects": files.call(
        files.name("numpy", "dtype"), files.text("O8"), b"\x89", b"\x88"
    ),
    "a type with line ends and commands for a terminal": files.call(
        files.name("numpy", "dtype"), files.text("f\n\x1b[2J"), b"\x89", b"\x88"
    ),
    "a class whose name is long": files.call(files.name("numpy", "x" * 100_000), files.text("1")),
    "a storage without a file": files.tensor("0", 4, (4,), (1,)),
}


@pytest.mark.parametrize("what", PICKLES)
def test_pickles_that_are_programs_are_refused(tmp_path: pathlib.Path, what: str) -> None:
    (tmp_path / "x").write_bytes(one(PICKLES[what]))
    refused(tmp_path)


@pytest.mark.parametrize("what", ["os.system", "a tuple as a key", "a memo of 2^31"])
def test_so_are_those_within_torchs_files(tmp_path: pathlib.Path, what: str) -> None:
    files.zipped(tmp_path / "x", one(PICKLES[what]), {})
    refused(tmp_path)
    (tmp_path / "x").write_bytes(files.legacy(one(PICKLES[what]), {}))
    refused(tmp_path)


TENSORS = {
    "beyond its storage": dict(shape=(1000,), strides=(1,)),
    "strides of 2^40": dict(shape=(2, 2), strides=(2**40, 1)),
    "a stride of -1": dict(shape=(4,), strides=(-1,)),
    "a negative offset": dict(shape=(4,), strides=(1,), offset=-1),
    "broadcast to 64 GB": dict(shape=(2**17, 2**17), strides=(0, 0)),
    "many axes": dict(shape=(1,) * 40, strides=(1,) * 40),
    "a storage of 4096": dict(shape=(4,), strides=(1,), count=4096),
    "a negative storage": dict(shape=(4,), strides=(1,), count=-4),
    "a path for a key": dict(shape=(4,), strides=(1,), key="../x"),
}


@pytest.mark.parametrize("what", TENSORS)
@pytest.mark.parametrize("old", [False, True])
def test_tensors_that_are_not_there_are_refused(
    tmp_path: pathlib.Path, what: str, old: bool
) -> None:
    given = {"key": "0", "count": 4, **TENSORS[what]}
    pickled = one(files.tensor(**given, legacy=old))
    if old:
        (tmp_path / "x").write_bytes(files.legacy(pickled, {given["key"]: (4, bytes(16))}))
    else:
        files.zipped(tmp_path / "x", pickled, {given["key"]: bytes(16)})
    refused(tmp_path)


def test_a_pickle_has_so_many_steps(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(one(b"N0" * 100 + b"N"))
    readers.read(tmp_path / "x")
    monkeypatch.setattr(pickles, "MOST_STEPS", 150)
    with pytest.raises(CheckpointError, match="A pickle must have at most 150 steps."):
        readers.read(tmp_path / "x")


def test_a_storage_of_8_gb_is_refused(tmp_path: pathlib.Path) -> None:
    pickled = one(files.tensor("0", 2**31, (2**31,), (1,), legacy=True))
    (tmp_path / "x").write_bytes(files.legacy(pickled, {"0": (2**31, bytes(16))}))
    refused(tmp_path)


def test_many_tensors_of_one_storage_are_refused(tmp_path: pathlib.Path) -> None:
    """A hundred times 4 MB in a file of 4 MB."""
    count = 1 << 20
    items = {f"x{i}": files.tensor("0", count, (count,), (1,)) for i in range(100)}
    pickled = files.pickled(files.dictionary(items))
    files.zipped(tmp_path / "x", pickled, {"0": bytes(4 * count)})
    refused(tmp_path)


def test_compressed_entries_are_refused(tmp_path: pathlib.Path) -> None:
    pickled = one(files.tensor("0", 1 << 20, (1 << 20,), (1,)))
    how = {"compression": zipfile.ZIP_DEFLATED}
    files.zipped(tmp_path / "x", pickled, {"0": bytes(4 << 20)}, **how)
    refused(tmp_path)


def test_nesting_is_not_followed_for_ever(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x").write_bytes(files.pickled(b"]" * 20_000 + b"a" * 19_999))
    refused(tmp_path)
    # Ten lists, each twice in the next: a walk would take 2^30 steps.
    value = b"]q\x00" + b"".join(b"]q%c(h%ch%ce" % (i, i - 1, i - 1) for i in range(1, 31))
    (tmp_path / "x").write_bytes(one(value))
    refused(tmp_path)


@pytest.mark.parametrize("old", [False, True])
def test_files_that_end_early_are_refused(tmp_path: pathlib.Path, old: bool) -> None:
    files.state_dict(tmp_path / "whole", GOOD, old)
    data = (tmp_path / "whole").read_bytes()
    for end in range(20, len(data), 13):
        (tmp_path / "x").write_bytes(data[:end])
        with pytest.raises(CheckpointError):
            read_tensors(tmp_path / "x")


@pytest.mark.parametrize("old", [False, True])
def test_damage_is_refused_or_harmless(tmp_path: pathlib.Path, old: bool) -> None:
    files.state_dict(tmp_path / "whole", GOOD, old)
    data = (tmp_path / "whole").read_bytes()
    random = np.random.RandomState(0)
    for _ in range(300):
        damaged = bytearray(data)
        for place in random.randint(0, len(data), 3):
            damaged[place] = random.randint(0, 256)
        (tmp_path / "x").write_bytes(damaged)
        try:
            read_tensors(tmp_path / "x")
        except CheckpointError:
            continue


def keras_weights(path: pathlib.Path, make) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"conv2d"])
        group = file.create_group("conv2d")
        group.attrs["weight_names"] = np.array([b"kernel:0"])
        make(file, group)


def link_in_a_circle(file: h5py.File, group: h5py.Group) -> None:
    group["kernel:0"] = np.zeros(3, np.float32)
    group["again"] = file["/"]


LINKS = {
    "external link": lambda f, g: g.__setitem__(
        "kernel:0", h5py.ExternalLink("elsewhere.h5", "/x")
    ),
    "soft link": lambda f, g: g.__setitem__("kernel:0", h5py.SoftLink("/conv2d/kernel:0")),
    "hard link to the root": link_in_a_circle,
    "external storage": lambda f, g: g.create_dataset(
        "kernel:0", (4,), "f4", external=[("/etc/hostname", 0, 16)]
    ),
    "nothing stored": lambda f, g: g.create_dataset("kernel:0", (2**31,), "f8"),
    "compressed": lambda f, g: g.create_dataset(
        "kernel:0", data=np.zeros(1 << 22, np.float32), compression="gzip"
    ),
    "references": lambda f, g: g.create_dataset("kernel:0", (1,), h5py.ref_dtype),
    "texts": lambda f, g: g.create_dataset("kernel:0", data="x"),
}


@pytest.mark.parametrize("what", LINKS)
def test_hdf5_that_points_elsewhere_is_refused(tmp_path: pathlib.Path, what: str) -> None:
    keras_weights(tmp_path / "x", LINKS[what])
    refused(tmp_path)


def test_hdf5_of_a_newer_format_is_refused(tmp_path: pathlib.Path) -> None:
    """libhdf5 1.14 crashes on damaged files of it."""
    with h5py.File(tmp_path / "x", "w", libver="latest") as file:
        file["x"] = np.zeros(3, np.float32)
    with pytest.raises(CheckpointError, match="version 0. Received: version 3."):
        hdf5.check(tmp_path / "x")
    refused(tmp_path)


def text_lengths(data: bytes) -> tuple[bytes, str]:
    """libhdf5 makes room for as many bytes as a text claims."""
    at = data.index(struct.pack("<I", len("conv2d")), data.index(b"layer_names\0") + 16)
    return data[:at] + struct.pack("<I", 2**31) + data[at + 4 :], "Received: 2,147,483,648."


def free_room_of_nothing(data: bytes) -> tuple[bytes, str]:
    """libhdf5 1.14 looks for what follows such an object for ever."""
    at = data.index(b"conv2d", data.index(b"GCOL")) - 16  # its number, and its size at 8
    return data[:at] + bytes(16) + data[at + 16 :], "must hold the texts of layer_names"


def a_large_collection(data: bytes) -> tuple[bytes, str]:
    at = data.index(b"GCOL") + 8
    return data[:at] + struct.pack("<Q", 2**40) + data[at + 8 :], "must hold the texts of layer"


@pytest.mark.parametrize("damage", [text_lengths, free_room_of_nothing, a_large_collection])
def test_texts_of_any_length_are_those_of_the_file(tmp_path: pathlib.Path, damage) -> None:
    any_length = h5py.string_dtype("ascii")
    with h5py.File(tmp_path / "x", "w") as file:
        file.attrs.create("layer_names", ["conv2d"], dtype=any_length)
        group = file.create_group("conv2d")
        group.attrs.create("weight_names", ["kernel:0"], dtype=any_length)
        group["kernel:0"] = np.zeros(3, np.float32)
    ((name, arrays),) = hdf5.read_keras_weights(tmp_path / "x")
    assert (name, [array.shape for array in arrays]) == ("conv2d", [(3,)])
    damaged, message = damage((tmp_path / "x").read_bytes())
    (tmp_path / "x").write_bytes(damaged)
    with pytest.raises(CheckpointError, match=message):
        hdf5.read_keras_weights(tmp_path / "x")
    refused(tmp_path)


def test_keras_weights_are_read(tmp_path: pathlib.Path) -> None:
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    keras_weights(tmp_path / "x", lambda f, g: g.__setitem__("kernel:0", kernel))
    ((layer, arrays),) = readers.read(tmp_path / "x").content
    assert layer == "conv2d"
    np.testing.assert_array_equal(arrays[0], kernel)


def test_anything_else_is_told_what_it_must_be(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    with pytest.raises(CheckpointError, match="A checkpoint must be a PyTorch file.*Received: .*x"):
        readers.read(tmp_path / "x")
    with pytest.raises(CheckpointError, match="does not exist. A checkpoint must be a PyTorch"):
        readers.read(tmp_path / "y")


def refused(folder: pathlib.Path) -> None:
    """Reading `x` fails in one line, within a second and 200 MB, and runs nothing."""
    here = os.getcwd()
    os.chdir(folder)
    begun = time.process_time()
    try:
        with pytest.raises(CheckpointError) as raised:
            read_tensors(folder / "x")
        seconds = time.process_time() - begun
        tracemalloc.start()
        with pytest.raises(CheckpointError):
            read_tensors(folder / "x")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        os.chdir(here)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000
    assert peak < BYTES
    assert seconds < SECONDS
    assert not (folder / "pwned").exists()
