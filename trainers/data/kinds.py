"""Loads the kind of data set that a model is trained on."""

import dataclasses
import os
from typing import Any

from trainers.data import DataError
from trainers.data.loading import load
from trainers.data.low_high import LowHighSet, load_low_high
from trainers.data.pairs import load_pairs
from trainers.data.sets import ImageSet, PairSet
from trainers.data.unpaired import UnpairedSet, load_unpaired
from zoo import GAN
from zoo.core.conditions import Embedding, LabelMap
from zoo.core.spelling import near_misses

LOADERS = {
    "images": load,
    "pairs": load_pairs,
    "unpaired": load_unpaired,
    "low_high": load_low_high,
}


def load_training(
    kind: str, spec: str, **arguments: Any
) -> ImageSet | PairSet | UnpairedSet | LowHighSet:
    """Loads a set of the given kind.

    Sets of every kind have `spec`, `source`, `split`, `count`, `num_classes`, `licence`, `skipped`,
    `images` (unbatched, uint8, in a fixed order), `contents()`, and
    `batches(batch_size, seed=, start_step=, share=)`, whose result goes to `fit`.

    Args:
        kind: "images", "pairs", "unpaired" or "low_high".
        spec: The data set to load.
        arguments: Arguments of `load`, `load_pairs`, `load_unpaired` or `load_low_high`.

    Raises:
        DataError: for an unknown kind, or as the loader.
    """
    if kind not in LOADERS:
        raise DataError(
            f"Unknown kind of set.{near_misses(kind, LOADERS)} The kinds are: "
            f"{', '.join(LOADERS)}. Received: '{kind}'."
        )
    return LOADERS[kind](spec, **arguments)


def load_for(
    gan: GAN,
    spec: str,
    *,
    split: str = "train",
    task: str | None = None,
    reverse: bool = False,
    jitter: bool = True,
    data_dir: str | os.PathLike | None = None,
) -> ImageSet | PairSet | UnpairedSet | LowHighSet:
    """Loads the set that a model trains on, at the size of its networks.

    Args:
        gan: The model; its `takes` is the kind.
        spec, split, data_dir: As in `load`.
        task: For pairs: the task that makes the sources.
        reverse: For pairs: whether to swap source and target.
        jitter: For pairs and two domains: whether training enlarges and crops the images at random,
            as Pix2Pix and CycleGAN do, which softens small images. If False, they are only
            mirrored.

    Raises:
        DataError: as the loader; for a task or `reverse` with a model that does not take pairs; for
            two domains with different channels; for `jitter=False` with a model whose images are
            not jittered; or for a model of embeddings or label maps, which no set provides yet.
    """
    given = gan.condition or getattr(gan, "source", None)
    if isinstance(given, Embedding | LabelMap):
        raise DataError(
            f"A data set holds images, with labels or in pairs: train a model of {given.argument} "
            f"with gan.fit. Received: {type(gan).__name__}."
        )
    height, _, channels = gan.image_shape
    arguments: dict[str, Any] = {"split": split, "resolution": height, "data_dir": data_dir}
    of_pairs = "models that are trained on pairs, such as Pix2Pix"
    of_either = "models that are trained on pairs or on two domains, such as Pix2Pix and CycleGAN"
    for asked, takers, rule, received in (
        (task is not None, ("pairs",), f"A task makes pairs, for {of_pairs}", f"task={task!r}"),
        (reverse, ("pairs",), f"reverse swaps pairs, for {of_pairs}", "reverse=True"),
        (not jitter, ("pairs", "unpaired"), f"jitter is for {of_either}", "jitter=False"),
    ):
        if asked and gan.takes not in takers:
            raise DataError(
                f"{rule}. Received: {received} for {type(gan).__name__}, which takes {gan.takes}."
            )
    if gan.takes == "unpaired" and gan.source_shape[-1] != channels:
        raise DataError(
            "Both domains are read with the same channels: train any other model with gan.fit. "
            f"Received: {gan.source_shape[-1]} channels of A and {channels} of B."
        )
    if gan.takes == "pairs":
        arguments |= {
            "source_channels": gan.source_shape[-1],
            "target_channels": channels,
            "task": task,
            "reverse": reverse,
        }
    else:
        arguments["channels"] = channels
    if gan.takes == "images":
        arguments["labels"] = bool(gan.num_classes)
    if gan.takes == "low_high":
        arguments["scale"] = gan.scale
    loaded = load_training(gan.takes, spec, **arguments)
    return loaded if jitter else dataclasses.replace(loaded, sharp=True)
