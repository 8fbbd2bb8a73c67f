"""Measures a generator, or a folder of images, against real images: one call, one record."""

import os
from collections.abc import Iterable
from typing import Any

from trainers import data
from trainers.metrics import catalogue
from trainers.metrics.evaluator import Evaluator, check_fakes, check_network, compares
from trainers.metrics.fakes import Fakes, from_folder, from_gan, from_preset, from_run
from trainers.metrics.features import Features

__all__ = ["evaluate", "from_folder", "from_gan", "from_preset", "from_run"]


def evaluate(
    fakes: Fakes,
    *,
    metrics: Iterable[str] = catalogue.DEFAULT,
    dataset: str | None = None,
    split: str = "test",
    num_images: int = 5000,
    data_dir: str | None = None,
    features: Features | None = None,
    nearest_out: str | os.PathLike | None = None,
    cache_folder: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Metrics of the images, against the first `num_images` of a split.

    Args:
        fakes: What to measure.
        metrics: Names from `catalogue.METRICS`; all are computed in one pass over the images.
        dataset: What `trainers.data.load` reads; by default the one the model was trained on.
        split: The part of it; never one the model was trained on.
        num_images: Most real images to use; the record says how many there were.
        data_dir: Where TFDS keeps its sets.
        features: The feature network; the bundled MobileNetV2 by default.
        nearest_out: Also write the picture of the metric "nearest" to this PNG.
        cache_folder: Where features of real images are kept.

    Returns:
        The record, ready for JSON; see `Evaluator.record`.

    Raises:
        DataError: The data set cannot be read.
        ValueError: An unknown metric or one that cannot be had here, no data set given or known,
            too few images on a side, or a split that the model has seen.
    """
    metrics = catalogue.resolve(metrics)
    features = features or Features()
    check_network(metrics, features)
    real = training = None
    if any(compares(name) for name in metrics):
        dataset = dataset or (fakes.trained_on or {}).get("name")
        if not dataset:
            raise ValueError("Nothing says which data set to compare with: give --dataset.")
        height, _, channels = fakes.image_shape
        size = {"resolution": height, "channels": channels, "data_dir": data_dir}
        real = data.load(dataset, split=split, **size)
        check_unseen(fakes.trained_on, real)
        needing = catalogue.needed(metrics, "training")
        if needing:
            seen = _training_split(fakes.trained_on, real)
            if splits_overlap(seen, real.split):
                raise ValueError(
                    f"{catalogue.METRICS[needing[0]].label} needs a data set whose training images "
                    f"are apart from those compared with. Received: '{dataset}', split "
                    f"'{real.split}', training split '{seen}'."
                )
            training = data.load(dataset, split=seen, **size)
    check_fakes(metrics, features, fakes, real)
    evaluator = Evaluator(
        real,
        metrics,
        num_images=num_images,
        features=features,
        training=training,
        cache_folder=cache_folder,
    )
    return evaluator.record(fakes, nearest_out=nearest_out)


def check_unseen(trained_on: dict[str, Any] | None, real: data.ImageSet) -> None:
    """Refuses a split that the model was trained on: memorised images would score best.

    Parts of one split count as that split: "train[:10000]" and "train" are the same here.

    Raises:
        ValueError: The set and a base split are those of the training.
    """
    if trained_on is None or trained_on.get("name") != real.source:
        return
    if splits_overlap(trained_on.get("split", "all"), real.split):
        raise ValueError(
            f"A model is measured on images that it has not seen, and this one was trained on "
            f"'{trained_on['name']}', split '{trained_on.get('split', 'all')}'. "
            f"Received: '{real.source}', split '{real.split}'. Give another --split or --dataset."
        )


def splits_overlap(a: str, b: str) -> bool:
    """Whether two splits may share images: a part of one counts as the whole of it."""
    # "train[:10%]+test" -> {"train", "test"}
    a, b = ({part.split("[")[0].strip() for part in split.split("+")} for split in (a, b))
    return bool(a & b) or "all" in a | b


def _training_split(trained_on: dict[str, Any] | None, real: data.ImageSet) -> str:
    """What the model was trained on, if it is a split of this set; else "train"."""
    if trained_on and trained_on.get("name") == real.source:
        return trained_on.get("split", "all")
    return "all" if real.split == "all" else "train"
