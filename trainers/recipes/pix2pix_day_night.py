"""Narrow Pix2Pix networks at 64 px: the Earth by day to by night.

Command:
    python -m trainers.data prepare earth_day_night
    python -m trainers --recipe=pix2pix_day_night --workdir=runs/pix2pix_day_night
Cost: about 20 minutes on two CPU cores, by --dry_run (96 images/s).
Score: not measured yet.
"""

RECIPE = {
    "preset": "pix2pix_day_night",
    "dataset": "earth_day_night",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 8,
    "steps": 15_000,
    "sample_every": 1_000,
    "evaluate_every": 5_000,
}
