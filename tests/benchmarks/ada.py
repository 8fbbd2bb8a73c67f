"""ADA's warp next to that of the paper's code, and StyleGAN2 on 1,000 images at equal minutes.

    python tests/benchmarks/ada.py                  # the power that the warp keeps: a minute
    python tests/benchmarks/ada.py --minutes=60     # KID of a run so long: a quiet machine

For KID before and after a change of the augmentations, run the second command on both commits at
once, each pinned to a core of its own (`taskset`), with the same minutes and --seed, and compare.
It trains the preset stylegan2_fashion_mnist with ADA on 1,000 images of the bundled sample, and
scores it on 5,000 others.
"""

import argparse

import numpy as np
import tensorflow as tf

from tests.benchmarks import equal_minutes
from tests.zoo.nn import warp_reference
from zoo.nn import augment


def power(draws: int, size: int) -> None:
    """Prints the share of the power above a quarter of the sampling rate that each warp keeps."""

    def ours(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        return augment.warp(tf.constant(images[..., None], tf.float32), matrices).numpy()[..., 0]

    def papers(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        return np.stack([warp_reference.warp(*pair) for pair in zip(images, matrices, strict=True)])

    for p in (0.3, 0.6):
        seed = tf.constant([1, 2], tf.int64)
        matrices = augment.geometry(tf.constant(draws), size, p, seed).numpy()
        kept = [warp_reference.power_kept(warp, matrices, size) for warp in (ours, papers)]
        print(f"p = {p}: here {kept[0]:.4f}, the paper's code {kept[1]:.4f}")


def kid(minutes: float, seed: int) -> None:
    """Trains for so many minutes, and prints the scores."""
    flags = ["--preset=stylegan2_fashion_mnist", "--set", "augment=ada", f"--seed={seed}"]
    equal_minutes.scored({"ADA": [*flags, "--batch_size=64"]}, minutes, num_images=1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help="train for so long, and score")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1500)
    arguments = parser.parse_args()
    if arguments.minutes:
        kid(arguments.minutes, arguments.seed)
    else:
        power(arguments.draws, size=32)


if __name__ == "__main__":
    main()
