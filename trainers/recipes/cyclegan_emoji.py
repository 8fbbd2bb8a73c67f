"""Narrow CycleGAN networks at 64 px: Google's flat emoji to Fluent's 3D emoji, and back.

Command:
    python -m trainers.data prepare emoji_styles
    python -m trainers --recipe=cyclegan_emoji --workdir=runs/cyclegan_emoji
Cost: about 55 minutes on one core of a CPU with AVX-512 (8 images/s of each domain).
Score: on held-out emoji, to Fluent KID x 1000 684 and perceptual distance 3.56, to Google 1,401 and
    4.04; the unchanged emoji have 1,068 and 3.91.

To Google the model scores worse than leaving the emoji unchanged, so the result is not bundled.
`cyclegan_emoji.md` next to this file lists what else was tried, with scores.
"""

RECIPE = {
    "preset": "cyclegan_emoji",
    "dataset": "emoji_styles",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 4,
    "steps": 7_000,  # 2,500 at the full rate, then linear decay to zero
    "sample_every": 2_000,
    "evaluate_every": 3_500,
}
