"""BigGAN at 32 px and width 12: drawn people, each of twelve styles a class.

Command:
    python -m trainers.data prepare avatars
    python -m trainers --recipe=biggan_avatars --workdir=runs/biggan_avatars
Cost: 192,000 images; about 80 minutes on two busy CPU cores (41 images/s in the first 835 steps).
Score: not measured yet.

The rates and the one update of D to one of G are those of `biggan_fashion_mnist`.
"""

RECIPE = {
    "preset": "biggan_avatars",
    "dataset": "avatars",
    "batch_size": 32,
    "steps": 6_000,
}
