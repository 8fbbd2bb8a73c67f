"""Similarity of images to their targets, by pixels and by network features.

Images are uint8 [N, H, W, C], C = 1 or 3, and every metric gives one number per image, [N].
`crop` pixels are omitted on each side, as is usual for super-resolution.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainers.metrics import extractor, trunks

# The first block of each resolution, from 1/2 to 1/32 of the image's.
STAGES = (
    "features.1.conv.1-features.1.conv.2",
    "features.2.conv.2-features.2.conv.3",
    "features.4.conv.2-features.4.conv.3",
    "features.7.conv.2-features.7.conv.3",
    "features.14.conv.2-features.14.conv.3",
)
SMALLEST_SSIM = 11  # the size of its window
ROUNDING = 1 / 12  # variance of the error of rounding to integers


def luma(images: np.ndarray) -> np.ndarray:
    """Y of Rec. 601 in studio range, as used in super-resolution papers: float64 [N, H, W, 1].

    Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255, from 16 to 235. For grey images R = G = B.
    """
    rgb = np.broadcast_to(images, (*images.shape[:3], 3)).astype(np.float64)
    return 16.0 + rgb @ (np.array([65.481, 128.553, 24.966]) / 255.0)[:, None]


def l1(made: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean absolute difference, with pixels scaled to [0, 1]: float64 [N]."""
    made, targets = _checked(made, targets)
    return np.abs(made - targets).mean(axis=(1, 2, 3)) / 255.0


def psnr(made: np.ndarray, targets: np.ndarray, *, y: bool = False, crop: int = 0) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, 10 log10(255^2 / MSE): [N].

    MSE is clipped below at 1/12, the error of rounding to 8 bits. Equal images thus have 58.9 dB
    and not infinity, so that means over images are finite.

    Args:
        made, targets: See above.
        y: Whether to use `luma` instead of all channels.
        crop: See above.
    """
    made, targets = _checked(made, targets, y=y, crop=crop)
    error = np.square(made - targets).mean(axis=(1, 2, 3))
    return 10.0 * np.log10(255.0**2 / np.maximum(error, ROUNDING))


def ssim(made: np.ndarray, targets: np.ndarray, *, y: bool = False, crop: int = 0) -> np.ndarray:
    """Structural similarity (Wang et al. 2004), 1 for equal images: [N].

    It uses a Gaussian window of 11 pixels with sigma 1.5, K1 = .01, K2 = .03, no padding, and is
    the mean over channels.

    Args:
        made, targets: See above; at least 11 pixels a side after cropping.
        y: Whether to use `luma` instead of all channels.
        crop: See above.
    """
    made, targets = _checked(made, targets, y=y, crop=crop)
    if min(made.shape[1:3]) < SMALLEST_SSIM:
        raise ValueError(
            f"SSIM needs images of {SMALLEST_SSIM} pixels a side, crop={crop} omitted on each. "
            f"Received: {made.shape[1]}x{made.shape[2]} left."
        )
    # TensorFlow computes in float32: accurate to about 1e-5.
    made, targets = (tf.constant(x, tf.float32) for x in (made, targets))
    return tf.image.ssim(made, targets, max_val=255.0).numpy().astype(np.float64)


def perceptual(made: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Perceptual distance in the features of a network, 0 for equal images: [N].

        d(x, y) = sum_l 1 / (H_l W_l) sum_hw |f_l(x)_hw - f_l(y)_hw|^2

    (Zhang et al. 2018, equation 1, with all weights 1.) f_l are the features of stage l at one
    position, scaled to length 1. The network is the bundled MobileNetV2, so this is not LPIPS.
    """
    made, targets = _checked(made, targets)
    distances = 0.0
    for ours, theirs in zip(_features(made), _features(targets), strict=True):
        distances = distances + np.square(ours - theirs).sum(axis=-1).mean(axis=(1, 2))
    return distances


def _features(images: np.ndarray) -> list[np.ndarray]:
    """float64 [N, H, W, C] in [0, 255] -> [N, h, w, c] for each stage, normalised over c."""
    rgb = np.broadcast_to(images, (*images.shape[:3], 3)).astype(np.float32)
    mean, std = (
        np.asarray(v, np.float32) for v in (extractor.IMAGENET_MEAN, extractor.IMAGENET_STD)
    )
    stages = _stages()(tf.constant((rgb / 255.0 - mean) / std))
    return [tf.math.l2_normalize(stage, axis=-1, epsilon=1e-10).numpy() for stage in stages]


@functools.cache
def _stages() -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """The network as a graph: eagerly it takes five times as long."""
    network = trunks.MOBILENET_V2.pretrained()
    outputs = [network.get_layer(name).output for name in STAGES]
    stages = keras.Model(network.inputs, outputs)
    return tf.function(lambda images: stages(images, training=False), reduce_retracing=True)


def _checked(
    made: np.ndarray, targets: np.ndarray, *, y: bool = False, crop: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, all channels or `luma`, without the border."""
    for images in (made, targets):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape != made.shape:
            raise ValueError(
                "Two sets of uint8 images [N, H, W, C] of one shape are compared. Received: "
                f"{made.dtype} {list(made.shape)} and {targets.dtype} {list(targets.shape)}."
            )
    if crop < 0 or 2 * crop >= min(made.shape[1:3]):
        raise ValueError(
            f"crop must leave something of the images, {made.shape[1]}x{made.shape[2]}. "
            f"Received: {crop}."
        )
    inner = slice(crop, -crop or None)
    made, targets = (images[:, inner, inner] for images in (made, targets))
    if y:
        return luma(made), luma(targets)
    return made.astype(np.float64), targets.astype(np.float64)
