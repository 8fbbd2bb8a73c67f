"""What a loaded set of pairs is, and the training batches drawn from it."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import tensorflow as tf

from trainers.data.image_set import in_order, to_float
from trainers.data.jitter import jitter, mirror
from trainers.data.order import FIXED, draw, is_training, row_seeds
from trainers.data.tasks import Degrade


@dataclasses.dataclass(frozen=True)
class PairSet:
    """A set of pairs: a source image and the target image that it is to become.

    Attributes:
        spec, source, split, licence, skipped: As of an `ImageSet`.
        count: Pairs.
        reader: int64 [N] -> (source uint8 [N, R, R, Cs], target uint8 [N, R, R, Ct]), without
            augmentation; what a task draws is fixed by the index.
        degrade: Makes sources from targets and seeds, where the pairs are those of a task.
        seed: Of what `reader` draws then.
        sharp: Whether targets must stay as sharp as they are: then pairs are mirrored alone.
    """

    spec: str
    source: str
    split: str
    count: int
    licence: str | None
    reader: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] = dataclasses.field(repr=False)
    skipped: tuple[str, ...] = ()
    degrade: Degrade | None = dataclasses.field(default=None, repr=False)
    seed: int = 0
    sharp: bool = False

    num_classes: ClassVar[None] = None

    @property
    def images(self) -> tf.data.Dataset:
        """Unbatched, in a fixed order: (source uint8 [R, R, Cs], target uint8 [R, R, Ct])."""
        return in_order(self.reader, self.count)

    def batches(
        self,
        batch_size: int,
        *,
        seed: int,
        start_step: int = 0,
        share: tuple[int, int] = (0, 1),
        augment: bool | None = None,
    ) -> tf.data.Dataset:
        """Returns training batches without end, a function of `seed` alone.

        A task draws anew in every pass over a training split, from the target as augmented.

        Args:
            batch_size, seed, start_step, share: As in `trainers.data.order.draw`.
            augment: Whether pairs are jittered as in Pix2Pix, both images alike, or mirrored where
                targets must stay `sharp`. By default those of a training split are.

        Returns:
            Batches of (source float32 [N / count, R, R, Cs], target float32 [N / count, R, R, Ct])
            in [-1, 1].

        Raises:
            DataError: as `draw`.
        """
        training = is_training(self.split)
        augment = training if augment is None else augment

        def read(index: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            source, target = self.reader(index)
            if augment:
                source, target = (mirror if self.sharp else jitter)(seeds, source, target)
            if self.degrade is not None:
                fixed = row_seeds(self.seed, FIXED, index)
                source = self.degrade(target, seeds if training else fixed)
            return to_float(source), to_float(target)

        return draw(self, batch_size, read, seed=seed, start_step=start_step, share=share)

    def contents(self) -> Iterator[np.ndarray]:
        """All that the set holds, array after array, for its fingerprint."""
        for source, target in self.images.batch(64).as_numpy_iterator():
            yield source
            yield target
