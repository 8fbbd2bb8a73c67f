"""Narrow Pix2Pix networks at 64 px: colours for grey photographs.

Command:
    python -m trainers.data prepare photo_tiles
    python -m trainers --recipe=pix2pix_colorize --workdir=runs/pix2pix_colorize
Cost: 8 minutes on two CPU cores (97 to 107 images/s).
Score: L1 .093 and perceptual distance 1.45 on held-out photographs; left grey .074 and 1.13.

Grey is nearer by both measures, so the result is not bundled. The model has seen about 30
photographs. Its colours fit the texture, but not the truth. Larger sets of photographs need a
download. When the network drew the whole image, without `tint`, 20,000 steps left a stain at one
place of every image, probably a droplet of the per-image normalisation.
"""

RECIPE = {
    "preset": "pix2pix_colorize",
    "dataset": "photo_tiles",
    "task": "colorize",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 8,
    "steps": 6_000,  # more of them learn these photographs by heart
    "sample_every": 1_000,
    "evaluate_every": 3_000,
}
