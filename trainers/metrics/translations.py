"""Evaluates an image-to-image GAN on unseen images, next to simple baselines."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainers import data
from trainers.data import ImageSet, LowHighSet, PairSet, UnpairedSet, bicubic
from trainers.metrics import likeness, neighbours
from trainers.metrics.comparison import check_unseen, without_sketch
from trainers.metrics.extractor import Features
from trainers.metrics.fakes import training_data
from trainers.metrics.kid import kid
from trainers.workdir import versions
from zoo.core import cards
from zoo.core.image_to_image import ImageToImage
from zoo.core.progress import with_progress
from zoo.pictures.images import like

BATCH = 16
# Makes images from sources: uint8 [N, h, w, c] -> uint8 [N, H, W, C].
Maker = Callable[[np.ndarray], np.ndarray]


def evaluate(
    gan: ImageToImage,
    *,
    dataset: str | None = None,
    task: str | None = None,
    split: str = "test",
    num_images: int = 5000,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Evaluates a model that was loaded from a preset with a card of its training data.

    Calls `measure_unpaired` if it was trained on two domains, otherwise `measure`.

    Args:
        gan: The model.
        dataset: A spec of `trainers.data.load_for`; by default the training data set of the model.
        task: The task that makes the sources; by default that of the training. Pairs are swapped
            (`reverse`) if the model was trained that way.
        split: Its split; never one that the model was trained on.
        num_images: Maximum number of pairs, or of images per domain.
        data_dir: Where TFDS keeps its sets.

    Raises:
        DataError: The data set cannot be read.
        ValueError: No data set given or known, or a split that the model has seen.
    """
    card = gan.card or {}
    trained_on = training_data(card) or {}
    training = cards.training_of(card)
    task, reverse = task or training.get("task"), training.get("reverse", False)
    dataset = dataset or trained_on.get("name")
    if not dataset:
        raise ValueError("Nothing says which data set to compare with: give --dataset.")

    def load(split: str) -> ImageSet | PairSet | UnpairedSet | LowHighSet:
        return data.load_for(
            gan, dataset, split=split, task=task, reverse=reverse, data_dir=data_dir
        )

    held_out = load(split)
    check_unseen(trained_on, held_out)
    if gan.takes == "unpaired":
        record = measure_unpaired(gan, held_out, num_images=num_images)
    else:
        known = gan.takes == "pairs" and trained_on.get("name") == dataset
        seen = load(trained_on["split"]) if known and "split" in trained_on else None
        record = measure(gan, held_out, training=seen, num_images=num_images)
    return {**record, "trained_on": without_sketch(trained_on)}


def measure(
    gan: ImageToImage,
    held_out: PairSet | LowHighSet,
    *,
    training: PairSet | LowHighSet | None = None,
    num_images: int = 5000,
    beside: Mapping[str, Maker] | None = None,
) -> dict[str, Any]:
    """Scores of the model and of each baseline, means over the same images.

    The baseline of a model that enlarges is "bicubic". Other models have "identity", the unchanged
    source, and with `training` also "mean_colour", one colour for all images, and
    "nearest_neighbour", the target of the training pair whose source is nearest in pixels.

    The scores are l1, psnr and ssim of all channels and of Y (psnr_y, ssim_y), perceptual, and
    kid_x1000 of all images together. psnr and ssim ignore `crop` pixels on each side: the model's
    scale if it enlarges, else 0.

    Args:
        gan: The model.
        held_out: Pairs that it was not trained on.
        training: Pairs that it was trained on.
        num_images: Maximum number of pairs.
        beside: Other makers to evaluate: name -> function from sources to images.

    Returns:
        {"scores": {"model": {name: value}, baseline: {...}}, "crop", "num_images", ...}, for JSON.

    Raises:
        ValueError: No pairs, or images too small for a score.
    """
    check(gan, held_out, num_images)
    count = min(num_images, held_out.count)
    crop = _crop(gan)
    makers = {"model": gan.translate, **(beside or {}), **_baselines(gan, training)}
    scores: dict[str, dict[str, list[np.ndarray]]] = {name: {} for name in makers}
    made: dict[str, list[np.ndarray]] = {name: [] for name in makers}
    features = Features()
    seen_targets = []
    for sources, targets in with_progress(
        _pairs(held_out, count), count, "held-out pairs", lambda pair: len(pair[0])
    ):
        seen_targets.append(features([targets]))
        for name, make in makers.items():
            images = make(sources)
            made[name].append(features([images]))
            for score, values in _scores(images, targets, crop).items():
                scores[name].setdefault(score, []).append(values)
    real = np.concatenate(seen_targets)
    return {
        "scores": {
            name: {
                **{score: float(np.concatenate(v).mean()) for score, v in scores[name].items()},
                "kid_x1000": 1000.0 * kid(real, np.concatenate(made[name])),
            }
            for name in makers
        },
        "crop": crop,
        "num_images": count,
        **_circumstances(gan, held_out, features),
    }


def measure_unpaired(
    gan: ImageToImage, held_out: UnpairedSet, *, num_images: int = 5000
) -> dict[str, Any]:
    """Scores of each direction, next to those of the identity, which leaves images unchanged.

    The scores are kid_x1000 of all translations against the target domain; cycle_l1 between an
    image and its translation there and back; and, if the set has counterparts, l1 and perceptual
    between the translation and the true counterpart. The identity has a cycle_l1 of 0, so that
    score alone means nothing.

    Args:
        gan: The model.
        held_out: Images that it was not trained on.
        num_images: Maximum number of images per domain.

    Returns:
        {"scores": {"a_to_b": {name: value}, "a_to_b identity": {...}, "b_to_a": ...},
        "counterparts", "num_images" of each domain, ...}, for JSON.

    Raises:
        ValueError: Fewer than 2 images in a domain.
    """
    check(gan, held_out, num_images)
    domains = [_stacked(domain, num_images) for domain in (held_out.a, held_out.b)]
    counts = [len(images) for images in domains]
    features = Features()
    there, back = gan.directions
    scores = {}
    for direction, opposite, (images, wanted) in (
        (there, back, domains),
        (back, there, domains[::-1]),
    ):
        chunks = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        made, returned = [], []
        for chunk in with_progress(chunks, len(images), direction, len):
            made.append(gan.translate(chunk, direction))
            returned.append(gan.translate(made[-1], opposite))
        real = features([wanted])
        as_they_are = np.stack([like(image, wanted.shape[1:]) for image in images])
        for name, translated, cycled in (
            (direction, np.concatenate(made), np.concatenate(returned)),
            (f"{direction} identity", as_they_are, images),
        ):
            scores[name] = {
                "kid_x1000": 1000.0 * kid(real, features([translated])),
                "cycle_l1": _mean(likeness.l1, cycled, images),
            }
            if held_out.counterparts:
                scores[name] |= {
                    "l1": _mean(likeness.l1, translated, wanted),
                    "perceptual": _mean(likeness.perceptual, translated, wanted),
                }
    return {
        "scores": scores,
        "counterparts": held_out.counterparts,
        "num_images": counts,
        **_circumstances(gan, held_out, features),
    }


def check(gan: ImageToImage, held_out: Any, num_images: int) -> None:
    """Checks that `record` can evaluate these images.

    Raises:
        ValueError: Fewer than 2 images in a domain, or images too small for SSIM.
    """
    sides = (held_out.a, held_out.b) if isinstance(held_out, UnpairedSet) else (held_out,)
    counts = [min(num_images, side.count) for side in sides]
    if min(counts) < 2:
        raise ValueError(f"At least 2 held-out images are needed. Received: {min(counts)}.")
    left = gan.image_shape[0] - 2 * _crop(gan)
    if left < likeness.SMALLEST_SSIM and not isinstance(held_out, UnpairedSet):
        raise ValueError(
            f"SSIM needs {likeness.SMALLEST_SSIM} pixels a side, less a border of {_crop(gan)}. "
            f"Received: images of {gan.image_shape[0]} pixels."
        )


def _crop(gan: ImageToImage) -> int:
    return gan.scale if gan.scale > 1 else 0


def record(gan: ImageToImage, held_out: Any, *, num_images: int = 5000) -> dict[str, Any]:
    """The model's scores, each averaged over its directions, for evaluations during a run.

    Args:
        gan: The model.
        held_out: As in `measure` or `measure_unpaired`.
        num_images: Maximum number of pairs, or of images per domain.

    Returns:
        {"metrics": {name: {"name", "value", ...}}, "num_real", "num_fake", ...}, for JSON.
    """
    unpaired = isinstance(held_out, UnpairedSet)
    found = (measure_unpaired if unpaired else measure)(gan, held_out, num_images=num_images)
    rows = [found["scores"][name] for name in gan.directions or ("model",)]
    means = {score: float(np.mean([row[score] for row in rows])) for score in rows[0]}
    kid_x1000 = means.pop("kid_x1000")
    count = int(np.min(found["num_images"]))
    return {
        "metrics": {
            **{score: {"name": score, "value": value} for score, value in means.items()},
            "kid": {"name": "KID", "value": kid_x1000 / 1000.0, "value_x1000": kid_x1000},
        },
        "num_real": count,
        "num_fake": count,
        **{key: found[key] for key in ("dataset", "split", "network", "resize", "versions")},
    }


def _circumstances(gan: ImageToImage, held_out: Any, features: Features) -> dict[str, Any]:
    return {
        "dataset": held_out.source,
        "split": held_out.split,
        "image_shape": list(gan.image_shape),
        **features.describe(),
        "versions": versions(),
    }


def _stacked(domain: ImageSet, most: int) -> np.ndarray:
    """The first images of a domain: uint8 [n, R, R, C]."""
    return np.stack([image for image, _ in domain.images.take(most).as_numpy_iterator()])


def _mean(score: Callable, made: np.ndarray, targets: np.ndarray) -> float:
    """Mean over all images, in batches."""
    starts = range(0, len(made), BATCH)
    return float(
        np.concatenate([score(made[i : i + BATCH], targets[i : i + BATCH]) for i in starts]).mean()
    )


def _scores(made: np.ndarray, targets: np.ndarray, crop: int) -> dict[str, np.ndarray]:
    return {
        "l1": likeness.l1(made, targets),
        "psnr": likeness.psnr(made, targets, crop=crop),
        "psnr_y": likeness.psnr(made, targets, y=True, crop=crop),
        "ssim": likeness.ssim(made, targets, crop=crop),
        "ssim_y": likeness.ssim(made, targets, y=True, crop=crop),
        "perceptual": likeness.perceptual(made, targets),
    }


def _pairs(
    pairs: PairSet | LowHighSet, count: int, size: int = BATCH
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The first `count` (sources, targets), in batches."""
    return pairs.images.take(count).batch(size).as_numpy_iterator()


def _baselines(gan: ImageToImage, training: Any) -> dict[str, Maker]:
    height, width, _ = shape = gan.image_shape
    if gan.scale > 1:
        return {"bicubic": lambda low: bicubic.resize(tf.constant(low), height, width).numpy()}
    makers: dict[str, Maker] = {
        "identity": lambda sources: np.stack([like(image, shape) for image in sources])
    }
    if training is not None:
        sources, targets = (
            np.concatenate(part)
            for part in zip(*_pairs(training, training.count, 256), strict=True)
        )
        colour = np.uint8(np.rint(targets.mean(axis=(0, 1, 2))))
        makers["mean_colour"] = lambda given: np.broadcast_to(colour, (len(given), *shape))

        def of_nearest(given: np.ndarray) -> np.ndarray:
            """By the smallest squared distance over all pixels of the sources."""
            pixels = (images.reshape(len(images), -1) for images in (given, sources))
            _, indices = neighbours.nearest(*pixels, 1)
            return targets[indices[:, 0]]

        makers["nearest_neighbour"] = of_nearest
    return makers
