"""What can be measured, by name. No TensorFlow here: a mistyped name fails before it is loaded."""

import dataclasses
from collections.abc import Iterable

from trainers.metrics.inception_score import MIN_PER_SPLIT, SPLITS
from trainers.metrics.precision_recall import NEAREST_K
from zoo.core.spelling import near_misses


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        label: As printed, before the network in brackets.
        least: Fewest images on either side; None for more than the network has features.
        needs: What it is computed from, of:
            "features", all of them, kept on disk while it is computed;
            "moments", count, mean and covariance of the features;
            "probabilities", what the network's ImageNet classifier says: InceptionV3 alone;
            "training", the real training images;
            "labels", of the real training images;
            "generator", to ask it for images of its own choice.
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

# What is cheap, and sees both how images look (KID) and how they vary (recall, coverage).
DEFAULT = ("kid", "recall", "coverage")


def resolve(names: Iterable[str]) -> tuple[str, ...]:
    """The metrics of these names, each once, in their order.

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
    """Those of the metrics that need `what`."""
    return [name for name in metrics if what in METRICS[name].needs]


def least(metric: str, dimension: int) -> int:
    """Fewest images that a metric over `dimension` features can do with, on either side."""
    number = METRICS[metric].least
    return dimension + 1 if number is None else number
