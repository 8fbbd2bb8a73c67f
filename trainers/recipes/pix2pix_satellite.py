"""Narrow Pix2Pix networks at 64 px: the Earth from satellites to relief maps.

Command:
    python -m trainers.data prepare satellite_maps
    python -m trainers --recipe=pix2pix_satellite --workdir=runs/pix2pix_satellite
Cost: about 20 minutes on two CPU cores, by --dry_run (107 images/s).
Score: not measured yet.
"""

RECIPE = {
    "preset": "pix2pix_satellite",
    "dataset": "satellite_maps",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 8,
    "steps": 15_000,
    "sample_every": 1_000,
    "evaluate_every": 5_000,
}
