"""Compares an exported model with the live one."""

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from export.signatures import has_pictures, has_styles, task_png
from zoo import GAN
from zoo.core.conditions import rows_like
from zoo.core.image_to_image import ImageToImage
from zoo.core.noise_to_image import with_condition
from zoo.pictures.images import encode_png, from_uint8
from zoo.pictures.marks import Mark

TOLERANCE = 1e-5
# For images to images, an eighth of a grey level: dividing by an image's statistics amplifies
# rounding.
IMAGE_TOLERANCE = 1e-3
SEEDS = 8


class ParityError(ValueError):
    """An export whose outputs differ from those of its model."""


def check(gan: GAN, folder: pathlib.Path, mark: Mark) -> float:
    """Runs every signature of an export and compares it with the live model.

    Args:
        gan: The live model.
        folder: A SavedModel with the signatures that `export.signatures` has for the model.
        mark: What its PNG files say of their origin.

    Returns:
        The largest difference of a float output, at most `TOLERANCE`, or `IMAGE_TOLERANCE` for an
        image-to-image model.

    Raises:
        ParityError: A larger difference, PNG bytes that differ, translated pictures that differ by
            more than a grey level, or a signature that the live model does not have.
    """
    signatures = tf.saved_model.load(str(folder)).signatures
    is_image_to_image = isinstance(gan, ImageToImage)
    expected = _live_image_to_image(gan) if is_image_to_image else _live(gan, mark)
    tolerance = IMAGE_TOLERANCE if is_image_to_image else TOLERANCE
    if set(signatures) != set(expected):
        raise ParityError(
            f"Every exported signature must have its twin in the live model: {sorted(expected)}. "
            f"Received: {sorted(signatures)}. Nothing was exported."
        )
    largest = 0.0
    for name, (inputs, live) in expected.items():
        (exported,) = signatures[name](**inputs).values()
        if exported.dtype == tf.string and is_image_to_image:
            _check_pictures(name, exported.numpy().tolist(), live)
            continue
        if exported.dtype == tf.string:
            if exported.numpy().tolist() != live:
                differ = sum(a != b for a, b in zip(exported.numpy(), live, strict=True))
                raise ParityError(
                    f"The exported signature {name!r} must give the model's own PNG bytes. "
                    f"Received: {differ} of {SEEDS} images that differ. Nothing was exported."
                )
            continue
        difference = float(np.max(np.abs(np.asarray(exported) - np.asarray(live))))
        if not difference <= tolerance:  # NaN too
            raise ParityError(
                f"The exported signature {name!r} must equal the model within {tolerance}. "
                f"Received: a difference of {difference:.3g}. Nothing was exported."
            )
        largest = max(largest, difference)
    return largest


def _live(gan: GAN, mark: Mark) -> dict[str, tuple[dict[str, Any], Any]]:
    """Signature -> (inputs, the live model's outputs)."""
    seeds = tf.range(SEEDS, dtype=tf.int64)
    latents = gan.latents_from_seeds(seeds)
    # Every other row is given; the model chooses the others.
    some = tf.range(SEEDS) % 2 == 0
    condition = some_of_it = None
    given, partly, array = {}, {}, {}  # the condition, by the name of its input
    if gan.condition is not None:
        name = gan.condition.argument
        condition = gan.condition.draw([SEEDS], [SEEDS, 1])
        some_of_it = tf.where(rows_like(some, condition), condition, gan.condition.any_value)
        given, partly = {name: condition}, {name: some_of_it}
        array = {name: condition.numpy()}
    half = tf.fill([SEEDS], 0.5) if gan.truncates else None
    some_half = tf.where(some, half, np.nan) if gan.truncates else None
    images = gan(with_condition(latents, condition))
    pngs = gan.generate(SEEDS, seed=0, truncation=None if half is None else half.numpy(), **array)
    live = {
        "serving_default": (_inputs(latents=latents, **given), images),
        "generate": (
            _inputs(seed=seeds, truncation=some_half, **partly),
            gan.images_from_seeds(seeds, some_of_it, some_half),
        ),
        "generate_png": (
            _inputs(seed=seeds, truncation=half, **given),
            [encode_png(image, mark) for image in pngs],
        ),
    }
    if gan.judges:
        live["discriminate"] = (
            _inputs(images=images, **given),
            gan.discriminate(images.numpy(), **array),
        )
    if has_styles(gan):
        w = gan.map_latents(latents, condition, some_half)
        others = seeds + SEEDS
        cutoff = tf.range(SEEDS) % (w.shape[1] + 1)
        live |= {
            "map": (_inputs(latents=latents, truncation=some_half, **given), w),
            "synthesize": ({"w": w}, gan.synthesize_w(w)),
            "mix": (
                _inputs(seed_a=seeds, seed_b=others, cutoff=cutoff, **given),
                gan.mix_seeds(seeds, others, cutoff, condition),
            ),
        }
    return live


def _check_pictures(name: str, files: list[bytes], live: list[np.ndarray]) -> None:
    for file, image in zip(files, live, strict=True):
        pixels = tf.io.decode_png(file).numpy()
        fits = pixels.shape == image.shape
        if not fits or np.max(np.abs(pixels.astype(int) - image)) > 1:
            received = f"a size of {pixels.shape}" if not fits else "a larger difference"
            raise ParityError(
                f"The exported signature {name!r} must give the model's own pictures within a grey "
                f"level. Received: {received}. Nothing was exported."
            )


def _live_image_to_image(gan: ImageToImage) -> dict[str, tuple[dict[str, Any], Any]]:
    """Like `_live`, with two images of the training size, and pictures of two sizes."""
    if gan.task == "paint":
        return _live_painting(gan)
    height, width, _ = gan.source_shape
    live = {}
    for i, direction in enumerate(gan.directions or (None,)):
        shape = [2, height, width, gan.channels_of(direction)[0]]
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        sources = [images[0], images[1, : -(-height // 2)]]
        pngs = {"image_bytes": tf.constant([encode_png(image) for image in sources])}
        raw = {"images": from_uint8(tf.constant(images))}
        made = gan.made_from(raw["images"], direction=direction)
        whole, files = (raw, made), None
        if has_pictures(gan):
            files = pngs, [gan.translated(image[None], None, direction)[0] for image in sources]
        if i == 0:
            live["serving_default"] = whole
            live |= {task_png(gan): files} if files else {}
        if direction:
            live[direction] = whole
            live |= {f"{direction}_png": files} if files else {}
    return live


def _live_painting(gan: ImageToImage) -> dict[str, tuple[dict[str, Any], Any]]:
    """As `_live_image_to_image`, of maps of classes and a seed each."""
    height, width = gan.source_shape
    classes = gan.source.num_classes
    maps = np.random.default_rng(0).integers(0, classes, [2, height, width], np.uint8)
    seeds = tf.range(2, dtype=tf.int64)
    rows = [
        gan.made_from(gan.source.from_uint8(tf.constant(maps[i : i + 1])), tf.stack([seeds[i], 0]))
        for i in range(2)
    ]
    whole = {"label_map": tf.constant(maps), "seed": seeds}, tf.concat(rows, axis=0)
    live = {"serving_default": whole, "paint": whole}
    if has_pictures(gan):
        sources = [maps[0], maps[1, : -(-height // 2)]]
        pngs = tf.constant([encode_png(source[..., None]) for source in sources])
        painted = [gan.paint(source[None], seed=i)[0] for i, source in enumerate(sources)]
        live[task_png(gan)] = {"image_bytes": pngs, "seed": seeds}, painted
    return live


def _inputs(**tensors: tf.Tensor | None) -> dict[str, tf.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}
