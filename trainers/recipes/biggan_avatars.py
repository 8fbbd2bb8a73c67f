"""BigGAN at 32 px and width 12: drawn people in twelve styles, one class per style.

Command:
    python -m trainers.data prepare avatars
    python -m trainers --recipe=biggan_avatars --workdir=runs/biggan_avatars
Cost: 320,000 images; 88 minutes on two busy CPU cores (70 images/s at the end).
Score: KID x 1000 313, recall .02, coverage .13 (MobileNetV2, 64 px, 5,000 test images); class
    accuracy 99.6 %. Each style has few faces: hair, skin and background vary, facial features
    hardly do.

The learning rates and the one update of D per update of G are those of `biggan_fashion_mnist`.
"""

RECIPE = {
    "preset": "biggan_avatars",
    "dataset": "avatars",
    "batch_size": 32,
    "steps": 10_000,
}
