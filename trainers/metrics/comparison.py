"""Compares generated with real images: `evaluate` does it once, an `Evaluator` repeatedly."""

import datetime
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainers import data
from trainers.data import ImageSet, naming
from trainers.data.fingerprint import share_seen
from trainers.metrics import catalogue
from trainers.metrics.cache import cached, cached_classifier, store
from trainers.metrics.catalogue import METRICS, needed
from trainers.metrics.extractor import Features
from trainers.metrics.fakes import BATCH, Batches, Fakes
from trainers.metrics.frechet import Moments
from trainers.metrics.inception_score import InceptionScore
from trainers.metrics.rows import blocks
from trainers.metrics.scores import Measured, score
from trainers.workdir import versions
from zoo.core.progress import with_progress

# Shares of the real images that the model was trained on: refused, warned about.
REFUSED, WARNED = 0.1, 0.02
CLASSIFIER_IMAGES = 60_000  # maximum number of training images for the classifier


class Evaluator:
    """Reads the real images once, on construction, and can then evaluate any number of times.

    Args:
        real: Real images to compare with; None if no metric needs them.
        metrics: Names from `catalogue.METRICS`.
        num_images: Maximum number of real images.
        features: The feature network; the bundled MobileNetV2 by default.
        training: Real training images, for metrics that need them; none may be in `real`.
        cache_folder: Cache of real images' features; see `cache.default_folder`.

    Raises:
        ValueError: An unknown metric, one that the network or the images do not support, or too few
            images.

    Example:
        evaluator = Evaluator(test_set, ["kid", "recall"], num_images=1000)
        record = evaluator.record(fakes.from_gan(gan, 1000, seed=0))  # also during training
        record["metrics"]["kid"]["value_x1000"]
    """

    def __init__(
        self,
        real: ImageSet | None,
        metrics: Iterable[str] = catalogue.DEFAULT,
        *,
        num_images: int = 5000,
        features: Features | None = None,
        training: ImageSet | None = None,
        cache_folder: str | os.PathLike | None = None,
    ) -> None:
        self.metrics = catalogue.resolve(metrics)
        self.features = features or Features()
        self.real, self.training = real, training
        check_network(self.metrics, self.features)
        self._count = min(num_images, real.count) if real else 0
        compared = [name for name in self.metrics if compares(name)]
        if compared and real is None:
            raise ValueError(f"{METRICS[compared[0]].label} needs real images. Received: none.")
        check_count(compared, self.features, "real", self._count)
        self._check_training()

        self._parts: dict[str, Any] = {}
        if compared:
            self._parts["real"] = self._features_of(real, self._count, cache_folder)
        if needed(self.metrics, "moments"):
            self._parts["real_moments"] = _moments(self._parts["real"])
        if "nearest" in self.metrics:
            self._parts["training"] = self._features_of(training, training.count, cache_folder)
            self._parts["training_images"] = image_batches(training, training.count)
        if needed(self.metrics, "labels"):
            count = min(CLASSIFIER_IMAGES, training.count)
            images = image_batches(training, count)
            classifier = cached_classifier(
                lambda: images, labels(training, count), real.num_classes, cache_folder
            )
            self._parts["num_classes"] = real.num_classes
            self._parts["classifier"] = classifier
            self._parts["real_labels"] = labels(real, self._count)
            self._parts["real_classes"] = classifier.predict(image_batches(real, self._count))

    def record(self, fakes: Fakes, *, nearest_out: str | os.PathLike | None = None) -> dict:
        """Evaluates images, in one pass over them.

        Memory does not grow with their number: features that a metric needs in full go to a
        temporary file, 4 d bytes per image.

        Args:
            fakes: The images to evaluate.
            nearest_out: PNG file for a picture of the fakes closest to training images, each next
                to its nearest training images; needs the metric "nearest".

        Returns:
            The record, JSON-serialisable: {"metrics": {name: {"name", "value", ...}}, ...}.

        Raises:
            ValueError: Too few images, or a metric that needs a generator, for images of a folder.
        """
        check_fakes(self.metrics, self.features, fakes, self.real)
        if nearest_out and "nearest" not in self.metrics:
            raise ValueError(
                "nearest_out shows what the metric 'nearest' finds: ask for that metric too. "
                f"Received: {', '.join(self.metrics)}."
            )
        with tempfile.TemporaryDirectory() as scratch:
            measured = Measured(
                features=self.features,
                fakes=fakes,
                nearest_out=pathlib.Path(nearest_out) if nearest_out else None,
                **self._parts,
                **self._see(fakes, pathlib.Path(scratch) / "fake.npy"),
            )
            # Check again, without the files that could not be read.
            check_count(self.metrics, self.features, "fake", measured.count)
            metrics = {
                key(name, self.features): {
                    "name": label(name, self.features),
                    **score(name, measured),
                }
                for name in self.metrics
            }
        real, training = self.real, self.training
        return {
            "metrics": metrics,
            **self.features.describe(),
            "image_shape": list(fakes.image_shape),
            "dataset": real.source if real else None,
            "split": real.split if real else None,
            "training_split": training.split if training else None,
            "num_real": self._count,
            "num_training": training.count if training else None,
            "num_fake": measured.count,
            "seed": fakes.seed,
            "source": fakes.source
            | ({} if fakes.skipped is None else {"skipped": len(fakes.skipped)}),
            "trained_on": without_sketch(fakes.trained_on),
            "versions": versions(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }

    def _see(self, fakes: Fakes, path: pathlib.Path) -> dict[str, Any]:
        """The single pass: sends every image through the network and on to all metrics."""
        moments = Moments(self.features.dimension) if needed(self.metrics, "moments") else None
        inception = InceptionScore() if needed(self.metrics, "probabilities") else None
        keep = bool(needed(self.metrics, "features"))
        classes = [] if "class_balance" in self.metrics else None
        if not (moments or inception or keep or classes is not None):
            return {"count": fakes.count}  # the other metrics generate their own images

        def batches() -> Iterator[np.ndarray]:
            for images in with_progress(fakes.batches, fakes.count, "fake images", len):
                if classes is not None:
                    classes.append(self._parts["classifier"].predict([images]))
                yield images

        def features() -> Iterator[np.ndarray]:
            for seen in self.features.stream(batches()):
                if moments:
                    moments.update(seen.features)
                if inception:
                    inception.update(seen.probabilities)
                yield seen.features

        fake = None
        if keep:
            fake = store(path, features(), fakes.count, self.features.dimension)
            count = len(fake)
        else:
            count = sum(map(len, features()))
        return {
            "count": count,
            "fake": fake,
            "fake_moments": moments,
            "fake_classes": None if classes is None else np.concatenate(classes),
            "inception": inception,
        }

    def _features_of(self, images: ImageSet, count: int, folder) -> np.ndarray:
        batches = image_batches(images, count)
        return cached(
            lambda: batches, self.features, folder, count=count, what=f"{images.split} images"
        )

    def _check_training(self) -> None:
        for name in needed(self.metrics, "training"):
            if self.training is None:
                raise ValueError(
                    f"{METRICS[name].label} needs real training images. Received: none."
                )
        for name in needed(self.metrics, "labels"):
            for images in (self.training, self.real):
                if images.num_classes is None:
                    raise ValueError(
                        f"{METRICS[name].label} needs a labelled data set. "
                        f"Received: '{images.spec}', which has no labels."
                    )


def key(metric: str, features: Features) -> str:
    """Key of a metric in a record: `fid` is called FID only on InceptionV3."""
    inception = bool(features.network.classes)
    return "frechet_distance" if metric == "fid" and not inception else metric


def label(metric: str, features: Features) -> str:
    """Printed name: "KID (MobileNetV2)". Metrics on labels do not use the network: only a name."""
    name = METRICS[metric].label
    if "labels" in METRICS[metric].needs:
        return name
    if key(metric, features) == "frechet_distance":
        name = "Frechet distance"
    return f"{name} ({features.network.label})"


def check_count(metrics: Iterable[str], features: Features, side: str, found: int) -> None:
    """Checks that there are enough images.

    Raises:
        ValueError: fewer than a metric needs.
    """
    for name in metrics:
        least = catalogue.least(name, features.dimension)
        if found < least:
            raise ValueError(
                f"{label(name, features)} needs at least {least} {side} images. Received: {found}."
            )


def check_fakes(
    metrics: Iterable[str], features: Features, fakes: Fakes, real: ImageSet | None
) -> None:
    """Checks that the fakes suit the metrics, before anything is computed.

    Raises:
        ValueError: too few images, no generator, or one without the classes of the real images.
    """
    check_count(metrics, features, "fake", fakes.count)
    for name in needed(metrics, "generator"):
        if fakes.gan is None:
            raise ValueError(
                f"{METRICS[name].label} asks a generator for images: measure a preset or a run. "
                f"Received: {fakes.source}."
            )
        classes = fakes.gan.num_classes
        if name == "class_accuracy" and classes != real.num_classes:
            raise ValueError(
                f"{METRICS[name].label} needs a model that makes images of the "
                f"{real.num_classes} classes of '{real.spec}'. "
                f"Received: a model {f'of {classes}' if classes else 'without'} classes."
            )


def check_network(metrics: Iterable[str], features: Features) -> None:
    """Checks that the network supports the metrics.

    Raises:
        ValueError: An Inception Score without InceptionV3's classifier.
    """
    if "inception_score" in metrics and not features.network.classes:
        raise ValueError(
            "An Inception Score needs InceptionV3, --network=inception_v3; the bundled MobileNetV2 "
            f"has no classifier. Received: {features.network.label}."
        )


def compares(metric: str) -> bool:
    """Whether a metric uses real images."""
    return bool(METRICS[metric].needs & {"features", "moments", "training"})


def image_batches(images: ImageSet, count: int) -> Batches:
    """`count` images of a set, uint8 [n, H, W, C] at a time.

    For a TFDS set, which TFDS has shuffled, the first ones. For a folder, which may be sorted by
    class, the first of a fixed permutation.
    """

    def batches() -> Iterator[np.ndarray]:
        return (image for image, _ in _chosen(images, count).as_numpy_iterator())

    return Batches(batches)


def labels(images: ImageSet, count: int) -> np.ndarray:
    """The labels of `image_batches`, int64 [count]."""
    return np.concatenate([label for _, label in _chosen(images, count).as_numpy_iterator()])


def _chosen(images: ImageSet, count: int) -> tf.data.Dataset:
    if naming.is_path(images.source) and images.reader:
        order = np.random.default_rng(0).permutation(images.count)[:count]
        return tf.data.Dataset.from_tensor_slices(order).batch(BATCH).map(images.reader)
    return images.images.take(count).batch(BATCH)


def _moments(features: np.ndarray) -> Moments:
    moments = Moments(features.shape[1])
    for _, block in blocks(features):
        moments.update(block)
    return moments


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
) -> dict[str, Any]:
    """Metrics of the images, against the first `num_images` of a split.

    Args:
        fakes: The images to evaluate.
        metrics: Names from `catalogue.METRICS`; all are computed in one pass over the images.
        dataset: A spec of `trainers.data.load`; by default the training data set of the model.
        split: Its split; never one the model was trained on.
        num_images: Maximum number of real images; the record has the actual number.
        data_dir: Where TFDS keeps its sets.
        features: The feature network; the bundled MobileNetV2 by default.
        nearest_out: PNG file for the picture of the metric "nearest".

    Returns:
        The record, JSON-serialisable; see `Evaluator.record`.

    Raises:
        DataError: The data set cannot be read.
        ValueError: An unknown or unsupported metric, no data set given or known, too few real or
            generated images, or a split that the model has seen.
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
        how = {"resolution": height, "channels": channels, "data_dir": data_dir}
        conditional = bool(fakes.gan and fakes.gan.num_classes)
        how["labels"] = conditional or bool(catalogue.needed(metrics, "labels"))
        real = data.load(dataset, split=split, **how)
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
            training = data.load(dataset, split=seen, **how)
    check_fakes(metrics, features, fakes, real)
    evaluator = Evaluator(
        real, metrics, num_images=num_images, features=features, training=training
    )
    return evaluator.record(fakes, nearest_out=nearest_out)


def check_unseen(trained_on: dict[str, Any] | None, real: Any) -> None:
    """Refuses images that the model was trained on: memorised images would score best.

    Parts of a split count as the whole split: "train[:10000]" and "train" are the same here. Other
    sets, and folders of any name, are compared by pixels if the model's card has the hashes of its
    training images (`trainers.data.fingerprint`).

    Args:
        trained_on: The data in the model's card: {"name", "split", "sketch"}.
        real: Any set of `trainers.data`.

    Raises:
        ValueError: Set and base split are those of the training, or a share of at least `REFUSED`
            of the images is. From a share of `WARNED` on, a warning is printed.
    """
    if trained_on is None:
        return
    same = trained_on.get("name") == real.source
    rule = "A model is measured on images that it has not seen, and this one was trained on"
    received = f"Received: '{real.source}', split '{real.split}'"
    if same and splits_overlap(trained_on.get("split", "all"), real.split):
        raise ValueError(
            f"{rule} '{trained_on['name']}', split '{trained_on.get('split', 'all')}'. "
            f"{received}. Give another --split or --dataset."
        )
    if not trained_on.get("sketch") or (same and not naming.is_path(real.source)):
        return  # the declared splits of a set are disjoint
    share = share_seen(trained_on["sketch"], real)
    if share >= REFUSED:
        raise ValueError(
            f"{rule} {share:.0%} of these, as their pixels show. {received}. "
            "Give another --split or --dataset."
        )
    if share >= WARNED:
        print(
            f"warning: the model was trained on {share:.0%} of the images of '{real.source}', "
            f"split '{real.split}', as their pixels show",
            file=sys.stderr,
        )


def without_sketch(trained_on: dict[str, Any] | None) -> dict[str, Any] | None:
    """The training data for a record, without the hashes, which are in the card."""
    if not trained_on:
        return None
    return {key: value for key, value in trained_on.items() if key != "sketch"}


def splits_overlap(a: str, b: str) -> bool:
    """Whether two splits may share images; part of a split counts as the whole split."""
    # "train[:10%]+test" -> {"train", "test"}
    a, b = ({part.split("[")[0].strip() for part in split.split("+")} for split in (a, b))
    return bool(a & b) or "all" in a | b


def _training_split(trained_on: dict[str, Any] | None, real: data.ImageSet) -> str:
    """The split of this set that the model was trained on; "train" if it used another set."""
    if trained_on and trained_on.get("name") == real.source:
        return trained_on.get("split", "all")
    return "all" if real.split.partition("[")[0] == "all" else "train"
