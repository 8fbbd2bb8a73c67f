"""Inception Score: does a classifier see one thing in each image, and many things overall?

Reference: Salimans et al. 2016, "Improved Techniques for Training GANs", section 4.

    IS = exp( E_x KL(p(y | x) || p(y)) ),    p(y) = E_x p(y | x)

over each of `splits` equal parts of the images; the score is the mean over the parts. It does not
use real images, lies in [1, classes], and cannot exceed n for n images.
"""

import numpy as np

SPLITS = 10
MIN_PER_SPLIT = 100  # with fewer, the bound "n images score at most n" matters


class InceptionScore:
    """The score of batches of predictions; holds one sum of predictions per split.

    Image i is in split i mod `splits`, so that the order of the images hardly matters.

    Args:
        splits: number of parts, at least 1.
    """

    def __init__(self, splits: int = SPLITS) -> None:
        self.splits = splits
        self._sizes = np.zeros(splits)
        self._predictions: np.ndarray | float = 0.0  # [splits, classes], sums of p(y | x)
        self._sums = np.zeros(splits)  # of sum_y p(y | x) log p(y | x)

    def update(self, probabilities: np.ndarray) -> None:
        """Adds p(y | x), float [n, classes], rows summing to 1."""
        p = np.asarray(probabilities, np.float64)
        split = (int(self._sizes.sum()) + np.arange(len(p))) % self.splits
        member = np.equal.outer(np.arange(self.splits), split).astype(np.float64)  # [splits, n]
        self._sizes += member.sum(axis=1)
        self._predictions = self._predictions + member @ p
        self._sums += member @ _sum_p_log_p(p)

    def result(self) -> tuple[float, float]:
        """(mean, standard deviation) over the splits.

        E_x KL(p(y | x) || p(y)) is  E_x sum_y p(y | x) log p(y | x)  -  sum_y p(y) log p(y).

        Raises:
            ValueError: too few images for the splits.
        """
        if self._sizes.min() < MIN_PER_SPLIT:
            raise ValueError(
                f"An Inception Score of {self.splits} splits needs at least "
                f"{self.splits * MIN_PER_SPLIT} fake images, {MIN_PER_SPLIT} a split. "
                f"Received: {int(self._sizes.sum())}."
            )
        marginal = self._predictions / self._sizes[:, None]
        scores = np.exp(self._sums / self._sizes - _sum_p_log_p(marginal))
        return float(scores.mean()), float(scores.std())


def _sum_p_log_p(p: np.ndarray) -> np.ndarray:
    """[..., classes] -> [...]; 0 log 0 = 0."""
    return np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)
