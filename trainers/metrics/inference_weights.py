"""Convolutions with the batch norm behind them folded in, and their weights from a file."""

from importlib.resources.abc import Traversable

import keras
import numpy as np

NORM_KINDS = ("gamma", "beta", "moving_mean", "moving_variance")


def set_weights(model: keras.Model, file: Traversable, epsilon: float) -> None:
    """Sets the weights of a model without batch norm from those of one with it.

    Args:
        model: Each layer with weights is named "a-b": it stands for the convolution "a" and the
            batch norm "b".
        file: numpy arrays named `layer/variable`, no pickle.
        epsilon: Of the batch norm.

    Raises:
        ValueError: The file does not fit the network.
    """
    layers = {layer: layer.name.split("-") for layer in model.layers if layer.weights}
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        expected = {
            f"{name}/{kind}"
            for convolution, norm in layers.values()
            for name, kinds in ((convolution, ("kernel",)), (norm, NORM_KINDS))
            for kind in kinds
        }
        if set(arrays.files) != expected:
            odd = sorted(set(arrays.files) ^ expected)
            raise ValueError(
                f"The weights file must hold one array for each variable of {model.name}. "
                f"Received: {len(arrays.files)} arrays for {len(expected)} variables; "
                f"without a partner: {', '.join(odd[:3])}."
            )
        for layer, (convolution, norm) in layers.items():
            norms = (arrays[f"{norm}/{kind}"] for kind in NORM_KINDS)
            layer.set_weights(fold(arrays[f"{convolution}/kernel"], *norms, epsilon))


def fold(
    kernel: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    moving_mean: np.ndarray,
    moving_variance: np.ndarray,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """A convolution and the batch norm behind it as one convolution with a bias.

        gamma (k * x - mean) / std + beta  =  (gamma / std k) * x  +  (beta - gamma mean / std)

    Args:
        kernel: [h, w, in, out], or depthwise [h, w, channels, 1].
        gamma, beta, moving_mean, moving_variance: [out].
        epsilon: std = sqrt(moving_variance + epsilon).

    Returns:
        (kernel, bias), float32.
    """
    scale = gamma / np.sqrt(moving_variance.astype(np.float64) + epsilon)
    depthwise = kernel.shape[-1] == 1
    folded = kernel * (scale[:, None] if depthwise else scale)
    return folded.astype(np.float32), (beta - moving_mean * scale).astype(np.float32)
