"""The metrics by name. Does not import TensorFlow, so a mistyped name fails at once."""

import dataclasses
from collections.abc import Iterable

from trainers.metrics.inception_score import MIN_PER_SPLIT, SPLITS
from trainers.metrics.precision_recall import NEAREST_K
from zoo.core.spelling import near_misses


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        label: Printed name, followed by the network in brackets.
        least: Minimum number of real and of generated images; None for more than the network has
            features.
        needs: The inputs of the metric, out of:
            "features", all of them, kept on disk meanwhile;
            "moments", count, mean and covariance of the features;
            "probabilities" of the network's ImageNet classifier, only with InceptionV3;
            "training", the real training images;
            "labels" of the real training images;
            "generator", for metrics that generate images themselves.
    """

    label: str
    least: int | None
    needs: frozenset[str]


def _metric(label: str, least: int | None, *needs: str) -> Metric:
    return Metric(label, least, frozenset(needs))


_BALLS = NEAREST_K + 1
_SPLITS = SPLITS * MIN_PER_SPLIT


METRICS = {
    "kid": _metric("KID", 2, "features"),
    "fid": _metric("FID", None, "moments"),
    "inception_score": _metric("Inception Score", _SPLITS, "probabilities"),
    "precision": _metric("Precision", _BALLS, "features"),
    "recall": _metric("Recall", _BALLS, "features"),
    "density": _metric("Density", _BALLS, "features"),
    "coverage": _metric("Coverage", _BALLS, "features"),
    "ppl": _metric("PPL", 2, "generator"),
    "class_accuracy": _metric("Class accuracy", 1, "generator", "training", "labels"),
    "class_balance": _metric("Class balance", 1, "training", "labels"),
    "nearest": _metric("Nearest training images", 1, "features", "training"),
}
SYNONYMS = {"frechet_distance": "fid"}

# Cheap metrics of both image quality (KID) and diversity (recall, coverage).
DEFAULT = ("kid", "recall", "coverage")


def resolve(names: Iterable[str]) -> tuple[str, ...]:
    """The metrics with these names, without duplicates, in order.

    Raises:
        ValueError: no name, or an unknown one.
    """
    metrics = []
    for name in names:
        metric = SYNONYMS.get(name, name)
        if metric not in METRICS:
            known = [*METRICS, *SYNONYMS]
            raise ValueError(
                f"A metric must be one of {', '.join(known)}. Received: '{name}'."
                + near_misses(name, known)
            )
        if metric not in metrics:
            metrics.append(metric)
    if not metrics:
        raise ValueError(f"Name at least one metric of {', '.join(METRICS)}. Received: none.")
    return tuple(metrics)


def needed(metrics: Iterable[str], what: str) -> list[str]:
    """The metrics that need `what`."""
    return [name for name in metrics if what in METRICS[name].needs]


def least(metric: str, dimension: int) -> int:
    """Minimum number of real and of generated images for a metric over `dimension` features."""
    number = METRICS[metric].least
    return dimension + 1 if number is None else number
