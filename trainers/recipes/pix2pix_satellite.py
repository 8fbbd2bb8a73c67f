"""Narrow Pix2Pix networks at 64 px: satellite images of the Earth to relief maps.

Command:
    python -m trainers.data prepare satellite_maps
    python -m trainers --recipe=pix2pix_satellite --workdir=runs/pix2pix_satellite
Cost: about 10 minutes on two CPU cores with AVX-512 (210 images/s); 20 without, by --dry_run.
Score: L1 .126 and perceptual distance 6.18 on held-out longitudes; nearest neighbour .149 and 6.24.
    Seas and vegetation look right, mountains hardly, and land has a dotted grid (KID x 1000 1,062).

The grid is there throughout the run, and from step 1,500 on D recognises nine of ten fakes
(L1 .128, .128 and .126 after 5,000, 10,000 and 15,000 steps). The sources do not show relief, so
712 tiles hold little to learn. With `dropout=0` the grid is gone and the sheet looks better, but
all scores are worse (.129 and 6.43). Not tried: least-squares loss, nearest-neighbour upsampling as
in CycleGAN, DiffAugment.
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
