"""Narrow Pix2Pix networks at 64 px: a face painted in flat colours becomes a drawn one.

Command:
    python -m trainers.data prepare toons
    python -m trainers --recipe=pix2pix_toons --workdir=runs/pix2pix_toons
Cost: 40,000 pairs (4 epochs); about 8 minutes on two CPU cores, not measured yet.
Score: not measured yet.
"""

RECIPE = {
    "preset": "pix2pix_toons",
    "dataset": "toons",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 8,
    "steps": 5_000,
    "sample_every": 500,
}
