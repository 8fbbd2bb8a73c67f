"""Narrow Pix2Pix networks at 64 px: the outlines of OpenMoji's emoji to the coloured ones.

Command:
    python -m trainers.data prepare openmoji_pairs
    python -m trainers --recipe=pix2pix_openmoji --workdir=runs/pix2pix_openmoji
Cost: about 30 minutes on two CPU cores, by --dry_run (95 images/s).
Score: L1 .057 and perceptual distance .88 on held-out emoji; nearest neighbour .117 and 2.60.

The bare outline has .069 and .72: its L1 is larger, but it is nearer in perceptual distance, since
most of its pixels are right. So the result is not bundled. These 20,000 steps ran on one H100 GPU.
"""

RECIPE = {
    "preset": "pix2pix_openmoji",
    "dataset": "openmoji_pairs",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 8,
    "steps": 20_000,
    "sample_every": 1_000,
    "evaluate_every": 5_000,
}
