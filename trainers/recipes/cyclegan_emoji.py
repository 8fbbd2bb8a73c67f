"""Narrow CycleGAN networks at 64 px: Google's flat emoji to Fluent's solid ones, and back.

Command:
    python -m trainers.data prepare emoji_styles
    python -m trainers --recipe=cyclegan_emoji --workdir=runs/cyclegan_emoji
Cost: about an hour on two CPU cores, by --dry_run (12 images/s of each domain).
Score: not measured yet.
"""

RECIPE = {
    "preset": "cyclegan_emoji",
    "dataset": "emoji_styles",
    "jitter": False,  # it would soften images of 64 px
    "batch_size": 2,
    "steps": 20_000,  # half of them at the full rate, then linearly to zero
    "sample_every": 2_000,
    "evaluate_every": 10_000,
}
