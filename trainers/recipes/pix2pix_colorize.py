"""Narrow Pix2Pix networks at 64 px: colours for grey photographs of landscapes.

Command:
    python -m trainers.data prepare landscapes
    python -m trainers --recipe=pix2pix_colorize --workdir=runs/pix2pix_colorize
Cost: 40,000 images: about 12 minutes on two busy CPU cores (60 images/s).
Score: L1 .0487 and perceptual distance .82 on squares of 56 held-out photographs; the grey images
have .0493 and .90.

The colours are muted: with l1=1000 G comes near to the median of what is plausible. With the
paper's l1=100 (10,000 steps, the photographs in the public domain alone, no jitter) colours are
vivid and more often wrong: L1 .060 and perceptual distance 1.02, where the grey images have .056
and .98. The same photographs with l1=1000 and jitter gave .0556 and .94: more photographs
helped more than more steps (after 3,000 the scores are those of 5,000). On 30 photographs
(photo_tiles) it lost clearly, .093 beside .074.

Jitter does not soften the result, since `tint` keeps the source's brightness. Without `tint` G
draws the whole image; after 20,000 steps that left a stain at the same place in every image,
probably a droplet artifact of the per-image normalisation.
"""

RECIPE = {
    "preset": "pix2pix_colorize",
    "dataset": "landscapes",
    "task": "colorize",
    "batch_size": 8,
    "steps": 5_000,
    "sample_every": 1_000,
}
