"""An exported model against the live one."""

import pathlib

import numpy as np
import tensorflow as tf

from zoo import GAN
from zoo.images import encode_png

TOLERANCE = 1e-5
SEEDS = 8


class ParityError(ValueError):
    """An export that does not compute what its model computes."""


def check(gan: GAN, folder: pathlib.Path) -> float:
    """Runs every signature of an export beside the live model.

    Args:
        gan: The live model.
        folder: A SavedModel with the signatures of `export.signatures.noise_to_image`.

    Returns:
        The largest difference of a float output, at most `TOLERANCE`.

    Raises:
        ParityError: A larger difference, or PNG bytes that differ.
    """
    signatures = tf.saved_model.load(str(folder)).signatures
    seeds = tf.range(SEEDS, dtype=tf.int64)
    latents = gan.latents_from_seeds(seeds)
    images = gan(latents)

    pairs = {
        "serving_default": (signatures["serving_default"](latents=latents)["images"], images),
        "generate": (signatures["generate"](seed=seeds)["images"], images),
        "discriminate": (
            signatures["discriminate"](images=images)["probability"],
            gan.discriminate(images.numpy()),
        ),
    }
    largest = 0.0
    for name, (exported, live) in pairs.items():
        difference = float(np.max(np.abs(np.asarray(exported) - np.asarray(live))))
        if not difference <= TOLERANCE:  # NaN too
            raise ParityError(
                f"The exported signature {name!r} must equal the model within {TOLERANCE}. "
                f"Received: a difference of {difference:.3g}. Nothing was exported."
            )
        largest = max(largest, difference)

    exported = signatures["generate_png"](seed=seeds)["image_bytes"].numpy().tolist()
    live = [encode_png(image) for image in gan.generate(SEEDS, seed=0)]
    if exported != live:
        raise ParityError(
            "The exported signature 'generate_png' must give the model's own PNG bytes. "
            f"Received: {sum(a != b for a, b in zip(exported, live, strict=True))} of {SEEDS} "
            "images that differ. Nothing was exported."
        )
    return largest
