"""`load_training`: the set that a model of a kind is trained on."""

from typing import Any

from trainers.data.errors import DataError
from trainers.data.image_set import ImageSet
from trainers.data.loading import load
from trainers.data.low_high import LowHighSet, load_low_high
from trainers.data.pair_set import PairSet
from trainers.data.pairs import load_pairs
from trainers.data.unpaired import UnpairedSet, load_unpaired
from zoo.presets import near_misses

LOADERS = {
    "images": load,
    "pairs": load_pairs,
    "unpaired": load_unpaired,
    "low_high": load_low_high,
}


def load_training(
    kind: str, spec: str, **arguments: Any
) -> ImageSet | PairSet | UnpairedSet | LowHighSet:
    """Loads a set of the kind that a model asks for.

    Whatever the kind, a set has `spec`, `source`, `split`, `count`, `num_classes`, `licence`,
    `skipped`, `images` (unbatched, uint8, in a fixed order), `contents()`, and
    `batches(batch_size, seed=, start_step=, share=)`, which is what `fit` is given.

    Args:
        kind: "images", "pairs", "unpaired" or "low_high".
        spec: What to load.
        arguments: Of `load`, `load_pairs`, `load_unpaired` or `load_low_high`.

    Raises:
        DataError: for an unknown kind, or as the loader.
    """
    if kind not in LOADERS:
        raise DataError(
            f"Unknown kind of set.{near_misses(kind, LOADERS)} The kinds are: "
            f"{', '.join(LOADERS)}. Received: '{kind}'."
        )
    return LOADERS[kind](spec, **arguments)
