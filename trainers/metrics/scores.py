"""Computes the entry of each metric in the record from the collected data."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.metrics import neighbours, ppl
from trainers.metrics.classifier import DESCRIPTION, Classifier, accuracy, class_balance
from trainers.metrics.extractor import Features
from trainers.metrics.fakes import BATCH, Batches, Fakes, pick
from trainers.metrics.frechet import Moments, frechet_distance
from trainers.metrics.inception_score import SPLITS, InceptionScore
from trainers.metrics.kid import kid, kid_standard_error
from trainers.metrics.nearest_images import nearest_images
from trainers.metrics.precision_recall import NEAREST_K, precision_recall
from zoo.core.noise_to_image import with_condition
from zoo.pictures import images as image_io

PATHS = 1000  # maximum for PPL; each takes two images
PICTURE_ROWS, PICTURE_COLUMNS = 8, 5


@dataclasses.dataclass(frozen=True)
class Measured:
    """The inputs of all metrics; inputs that no requested metric needs are None.

    Attributes:
        features: The feature network.
        fakes: The images that are evaluated.
        count: Their number.
        fake: Their features.
        fake_moments: Count, mean and covariance of these features.
        fake_classes: Classes predicted by the classifier, int64 [n].
        inception: Sums of their class probabilities.
        real: Features of the real images.
        real_moments: Count, mean and covariance of these features.
        real_labels: Labels of the real images, int64 [m].
        real_classes: Classes predicted by the classifier, int64 [m].
        training: Features of the real training images.
        training_images: The training images, in the same order.
        classifier: The classifier trained on them.
        num_classes: Number of classes of the real images.
        nearest_out: Where to write the picture of the nearest training images.
    """

    features: Features
    fakes: Fakes
    count: int
    fake: np.ndarray | None = None
    fake_moments: Moments | None = None
    fake_classes: np.ndarray | None = None
    inception: InceptionScore | None = None
    real: np.ndarray | None = None
    real_moments: Moments | None = None
    real_labels: np.ndarray | None = None
    real_classes: np.ndarray | None = None
    training: np.ndarray | None = None
    training_images: Batches | None = None
    classifier: Classifier | None = None
    num_classes: int | None = None
    nearest_out: pathlib.Path | None = None

    @functools.cached_property
    def precision_recall(self) -> dict[str, float]:
        """Precision, recall, density and coverage: computed once for all four."""
        return precision_recall(self.real, self.fake)


def score(metric: str, measured: Measured) -> dict[str, Any]:
    """The entry of one metric, `value` first."""
    return _SCORES[metric](measured)


def _kid(m: Measured) -> dict[str, Any]:
    value, error = kid(m.real, m.fake), kid_standard_error(m.real, m.fake)
    return {
        "value": value,
        "value_x1000": 1000 * value,
        "standard_error_x1000": None if error is None else 1000 * error,
    }


def _fid(m: Measured) -> dict[str, Any]:
    return {"value": frechet_distance(m.real_moments, m.fake_moments)}


def _inception_score(m: Measured) -> dict[str, Any]:
    mean, deviation = m.inception.result()
    return {"value": mean, "standard_deviation": deviation, "splits": SPLITS}


def _of_precision_recall(name: str) -> Callable[[Measured], dict[str, Any]]:
    return lambda m: {"value": m.precision_recall[name], "nearest_k": NEAREST_K}


def _ppl(m: Measured) -> dict[str, Any]:
    gan, seed, paths = m.fakes.gan, m.fakes.seed, min(m.count, PATHS)

    def ends() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, paths, BATCH // 2):
            first = seed + np.arange(start, min(start + BATCH // 2, paths))
            z1, z2 = (
                gan.latents_from_seeds(tf.constant(seeds, tf.int64)).numpy()
                for seeds in (first, first + paths)
            )
            # The seed of a path's first end determines the condition of the whole path.
            seeds = tf.constant(first, tf.int64)
            fixed = [] if gan.condition is None else [gan.condition_from_seeds(seeds)]
            yield z1, z2, *fixed

    def images_of(latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        tensors = (tf.constant(latents), None if labels is None else tf.constant(labels))
        return gan(with_condition(*tensors)).numpy()

    value, error = ppl.ppl(
        images_of=images_of,
        features_of=m.features.of_floats,
        ends=ends(),
        path=getattr(ppl, gan.interpolation),
        seed=seed,
    )
    return {
        "value": value,
        "standard_error": error,
        "space": "z",
        "path": gan.interpolation,
        "epsilon": ppl.EPSILON,
        "paths": paths,
        "distance": "squared, between pooled features of unit length",
    }


def _class_accuracy(m: Measured) -> dict[str, Any]:
    labels = np.arange(m.count) % m.num_classes
    predicted = []
    for start in range(0, m.count, BATCH):
        asked = labels[start : start + BATCH]
        images = m.fakes.gan.generate(len(asked), seed=m.fakes.seed + start, labels=asked)
        predicted.append(m.classifier.predict([images]))
    return {"value": accuracy(labels, np.concatenate(predicted)), **_of_classifier(m)}


def _class_balance(m: Measured) -> dict[str, Any]:
    value, real, fake = class_balance(m.real_classes, m.fake_classes, m.num_classes)
    return {"value": value, "shares_real": real, "shares_fake": fake, **_of_classifier(m)}


def _of_classifier(m: Measured) -> dict[str, Any]:
    return {
        "classifier": DESCRIPTION,
        "classifier_accuracy_on_real": accuracy(m.real_labels, m.real_classes),
    }


def _nearest(m: Measured) -> dict[str, Any]:
    figures, distances = nearest_images(m.training, m.real, m.fake)
    if m.nearest_out:
        closest = np.argsort(distances, kind="stable")[:PICTURE_ROWS]
        gan = m.fakes.gan  # None for a folder, whose model is unknown
        mark = dataclasses.replace(gan.mark, composite=True) if gan else None
        image_io.write_png(m.nearest_out, _picture(m, closest), mark)
    return {"value": figures["ratio"], **figures}


def _picture(m: Measured, closest: np.ndarray) -> np.ndarray:
    """One row per fake: the fake on the left, its nearest training images on the right."""
    columns = min(PICTURE_COLUMNS, len(m.training))
    _, indices = neighbours.nearest(m.fake[closest], m.training, columns)
    left = image_io.grid(pick(m.fakes.batches, closest), columns=1)
    right = image_io.grid(pick(m.training_images, indices.ravel()), columns=columns)
    gap = np.full([len(left), left.shape[1] // 4, left.shape[2]], 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


_SCORES: dict[str, Callable[[Measured], dict[str, Any]]] = {
    "kid": _kid,
    "fid": _fid,
    "inception_score": _inception_score,
    **{name: _of_precision_recall(name) for name in ("precision", "recall", "density", "coverage")},
    "ppl": _ppl,
    "class_accuracy": _class_accuracy,
    "class_balance": _class_balance,
    "nearest": _nearest,
}
