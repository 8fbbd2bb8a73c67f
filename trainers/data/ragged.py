"""Decoded images of different sizes, from which crops are read."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from trainers.data import pixels


class Photos:
    """Images with the same number of channels, stored end to end in one array.

    Args:
        sizes: (height, width) of each image.
        channels: 1 or 3.

    Raises:
        DataError: if they fit neither in memory nor in the temporary folder.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], channels: int):
        self.sizes = np.asarray(sizes, np.int64).reshape(-1, 2)
        self.channels = channels
        ends = np.cumsum(self.sizes.prod(axis=1) * channels)
        self._starts = np.concatenate([[0], ends])[:-1]
        size = int(ends[-1]) if len(ends) else 0
        self._pixels = pixels.allocate_flat(size, f"{len(sizes)} pictures")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i as a view: uint8 [height, width, channels]."""
        height, width = self.sizes[i]
        size = height * width * self.channels
        start = self._starts[i]
        return self._pixels[start : start + size].reshape(height, width, self.channels)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def keep(self, good: Sequence[int]) -> None:
        """Drops all images except the good ones."""
        self.sizes, self._starts = self.sizes[good], self._starts[good]

    def crops(self, index: tf.Tensor, where: tf.Tensor, resolution: int) -> tf.Tensor:
        """Reads squares inside a tf.data pipeline.

        Args:
            index: int64 [N].
            where: f32 [N, 2] in [0, 1): position down and across, as a share of the possible range.
            resolution: Height and width of the squares (R), no larger than any image.

        Returns:
            uint8 [N, R, R, channels].
        """

        def cut(index: np.ndarray, where: np.ndarray) -> np.ndarray:
            room = self.sizes[index] - resolution + 1
            corners = np.floor(where * room).astype(np.int64)
            return np.stack(
                [
                    self[i][y : y + resolution, x : x + resolution]
                    for i, (y, x) in zip(index, corners, strict=True)
                ]
            )

        crops = tf.numpy_function(cut, [index, where], tf.uint8)
        return tf.ensure_shape(crops, (index.shape[0], resolution, resolution, self.channels))
