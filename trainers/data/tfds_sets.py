"""Sets of TensorFlow Datasets (TFDS), by name."""

import contextlib
import dataclasses
import io
import logging
import os
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import requests
import tensorflow_datasets as tfds
from absl import logging as absl_logging

from trainers.data import DataError, builders
from zoo.core.spelling import near_misses

# Sets that `python -m trainers.data prepare` can make without TFDS's own servers.
PREPARED_FROM_PACKAGES = ("fashion_mnist", "mnist", *builders.NAMES)

# Licences that this project has checked, since TFDS states few.
_LICENCES = {"fashion_mnist": "MIT", "mnist": "CC-BY-SA-3.0", "mnist_5k": "CC-BY-SA-3.0"}

_NETWORK_TIMEOUT_S = 10


def is_known(spec: str) -> bool:
    """Whether TFDS or a registered builder knows this "name" or "name/config"."""
    name, _, config = spec.partition("/")
    known = name in tfds.list_builders(with_community_datasets=False)
    return known and (not config or config in tfds.builder_cls(name).builder_configs)


def check(spec: str, data_dir: str | os.PathLike | None = None) -> None:
    """Raises DataError for a name or config that is neither known to TFDS nor in `data_dir`.

    Uses neither the network nor TensorFlow.
    """
    name, _, config = spec.partition("/")
    if not is_known(name):
        if _has_folder(name, data_dir):
            return
        known = tfds.list_builders(with_community_datasets=False)
        raise DataError(
            f"Unknown data set.{near_misses(name, [*known, 'sample:fashion_mnist'])}"
            " Use a TFDS name such as 'fashion_mnist', 'sample:fashion_mnist', or the path of a "
            f"folder of images. Received: '{spec}'."
        )
    configs = tfds.builder_cls(name).builder_configs if config else {}
    if config and config not in configs:
        has = f"It has: {', '.join(sorted(configs)[:20])}. " if configs else "It has no configs. "
        raise DataError(
            f"Unknown config of the TFDS set '{name}'.{near_misses(config, configs)} {has}"
            f"Received: '{spec}'."
        )


def _has_folder(name: str, data_dir: str | os.PathLike | None) -> bool:
    root = pathlib.Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
    return bool(name) and (root / name).is_dir()


def builder(spec: str, data_dir: str | os.PathLike | None = None) -> tfds.core.DatasetBuilder:
    """Returns TFDS's builder of "name" or "name/config", prepared or not. Uses no network.

    It also finds prepared sets in `data_dir` that TFDS does not know by name.

    Raises:
        DataError: for a name or config that is neither.
    """
    check(spec, data_dir)
    try:
        with _quiet():
            return tfds.builder(spec, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:  # a folder of that name with other content
        raise DataError(
            f"Unknown data set. The folder of that name in the data_dir is no prepared TFDS set. "
            f"Received: '{spec}'."
        ) from None


def is_prepared(set_builder: tfds.core.DatasetBuilder) -> bool:
    """Whether the set is prepared on this machine."""
    with _quiet():
        return set_builder.is_prepared()


def offline_reason(set_builder: tfds.core.DatasetBuilder) -> str | None:
    """Returns why the download server of a set cannot be reached; None if it can.

    TFDS itself would retry for minutes before failing.
    """
    urls = [url for url in set_builder.url_infos or {} if url.startswith("http")]
    if not urls:
        return None  # no URL to check: let TFDS try
    host = requests.utils.urlparse(urls[0]).hostname
    try:
        answer = requests.head(urls[0], timeout=_NETWORK_TIMEOUT_S, allow_redirects=True)
    except requests.RequestException:
        return f"{host} cannot be reached"
    # Some hosts refuse HEAD but serve the file. TFDS retries for minutes only from status 500 on.
    return f"{host} answers {answer.status_code}" if answer.status_code >= 500 else None


def download(set_builder: tfds.core.DatasetBuilder, manual_dir: str | None = None) -> None:
    """Lets TFDS download (or take from `manual_dir`) and prepare a set.

    TFDS's progress bars are shown only on a terminal; its other messages are hidden.

    Raises:
        DataError: if that fails, with the reason.
    """
    if manual_dir is None:
        reason = offline_reason(set_builder)
        if reason:
            raise DataError(f"TFDS could not download '{set_builder.name}': {reason}.")
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(manual_dir=manual_dir) if manual_dir else None
    try:
        with _quiet(), contextlib.redirect_stdout(io.StringIO()):
            set_builder.download_and_prepare(download_config=config)
    except DataError:  # from this project's own builders, with a clear message
        raise
    except Exception as error:  # a builder may raise anything
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise DataError(f"TFDS could not prepare '{set_builder.name}': {reason}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the warnings of TFDS and of its retries; errors still raise."""
    urllib3 = logging.getLogger("urllib3")
    before = absl_logging.get_verbosity(), urllib3.level
    absl_logging.set_verbosity(absl_logging.ERROR)
    urllib3.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(before[0])
        urllib3.setLevel(before[1])


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a prepared set, not yet read.

    Attributes:
        spec: "name" or "name/config".
        builder: TFDS's builder.
        split: In TFDS's syntax.
        count: Number of examples.
        licence: The licence, or None if unknown.
    """

    spec: str
    builder: tfds.core.DatasetBuilder
    split: str
    count: int
    licence: str | None

    @property
    def features(self) -> tfds.features.FeaturesDict:
        return self.builder.info.features

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None without labels."""
        return self.features["label"].num_classes if self.label_keys else None

    @property
    def label_keys(self) -> list[str]:
        """["label"] if there are labels."""
        label = dict(self.features).get("label")
        return ["label"] if isinstance(label, tfds.features.ClassLabel) else []

    def size(self, key: str) -> tuple[int | None, int | None]:
        """(height, width) of a feature; None for what differs between examples."""
        return self.features[key].shape[:2]

    def image_keys(self) -> list[str]:
        """Features that are 8-bit images."""
        images = [(k, f) for k, f in self.features.items() if isinstance(f, tfds.features.Image)]
        return [key for key, feature in images if feature.np_dtype == np.uint8]

    def image_key(self) -> str:
        """The image feature of an example: 'image', or the only image.

        Raises:
            DataError: if there is none.
        """
        images = [k for k, f in self.features.items() if isinstance(f, tfds.features.Image)]
        key = "image" if "image" in images else images[0] if len(images) == 1 else ""
        if key not in self.image_keys():
            raise DataError(
                "A TFDS set must have one 8-bit image an example (uint8, 0 to 255), under 'image' "
                f"or as its only image. Received: '{self.spec}' with the features "
                f"{', '.join(f'{k} ({f.np_dtype})' for k, f in sorted(self.features.items()))}."
            )
        return key

    def examples(self, keys: Sequence[str]) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields these features of every example, in TFDS's stored order.

        Raises:
            DataError: if the prepared files are damaged.
        """
        import tensorflow as tf  # not at the top: names are checked before it is imported

        with _quiet():
            dataset = self.builder.as_dataset(
                split=self.split,
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True)),
                read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            )
        # Images of one size are converted to numpy in batches, others one by one.
        one_size = all(None not in self.features[key].shape for key in keys)
        dataset = dataset.batch(256 if one_size else 1).prefetch(tf.data.AUTOTUNE)
        done = 0
        try:
            for batch in dataset.as_numpy_iterator():
                for example in zip(*(batch[key] for key in keys), strict=True):
                    yield example
                    done += 1
        except tf.errors.OpError as error:
            reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message)
            raise DataError(
                f"The prepared files of '{self.spec}' are damaged after image {done} of "
                f"{self.count}: delete {self.builder.data_dir} and prepare the set again. "
                f"Received: {reason}."
            ) from error


def open_split(spec: str, split: str, data_dir: str | os.PathLike | None = None) -> Split:
    """Opens one split of a TFDS set, after downloading and preparing the set if necessary.

    Args:
        spec: "name" or "name/config".
        split: In TFDS's syntax: "train", "test", "train[:10000]", "train+test".
        data_dir: Where TFDS keeps prepared sets.

    Raises:
        DataError: for an unknown name or split, or a set that cannot be downloaded.
    """
    set_builder = builder(spec, data_dir)
    if not is_prepared(set_builder):
        try:
            download(set_builder)
        except DataError as error:
            raise DataError(f"{str(error).rstrip('.')}. {_how_to_prepare(spec)}") from error
    info = set_builder.info
    try:
        count = info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        count, cause = 0, error
    else:
        cause = None
    if not count:
        raise DataError(
            f"'{spec}' has no images under this split. It has: "
            f"{', '.join(f'{name} ({s.num_examples} images)' for name, s in info.splits.items())}; "
            f"a part of one is written 'train[:1000]'. Received: split='{split}'."
        ) from cause
    stated = info.as_proto.redistribution_info.license  # most sets do not state a licence
    licence = _LICENCES.get(set_builder.name) or stated or None
    return Split(spec, set_builder, split, count, licence)


def _how_to_prepare(spec: str) -> str:
    if spec in PREPARED_FROM_PACKAGES and spec not in builders.NAMES:
        return f"Run `python -m trainers.data prepare {spec}`, which has another source as well."
    return "Prepare it where there is a network, then pass that folder as data_dir."
