"""BigGAN at 32 px and width 12: drawn people, each of twelve styles a class.

Command:
    python -m trainers.data prepare avatars
    python -m trainers --recipe=biggan_avatars --workdir=runs/biggan_avatars
Cost: not measured yet.
Score: not measured yet.

The rates and the one update of D to one of G are those of `biggan_fashion_mnist`.
"""

RECIPE = {
    "preset": "biggan_avatars",
    "dataset": "avatars",
    "batch_size": 32,
    "steps": 6_000,
}
