"""Both networks updated from one forward pass, next to one after the other, at equal minutes.

    python tests/benchmarks/alternate.py --minutes=15 --seed=0

It trains a preset from its first weights in both ways at once, on 5,000 images of the bundled
sample, and scores each on 5,000 others. Which way is a family's default follows from this: see
`compile(alternate=...)`.
"""

import argparse

from tests.benchmarks import equal_minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="dcgan_fashion_mnist")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    flags = [f"--preset={arguments.preset}", f"--seed={arguments.seed}"]
    runs = {
        "from one forward pass": [*flags, "--no-alternate"],
        "one after the other": [*flags, "--alternate"],
    }
    equal_minutes.scored(runs, arguments.minutes, num_images=5000)


if __name__ == "__main__":
    main()
