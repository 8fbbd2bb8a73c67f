"""BigGAN at 32 px and width 12: drawn people, each of twelve styles a class.

Command:
    python -m trainers.data prepare avatars
    python -m trainers --recipe=biggan_avatars --workdir=runs/biggan_avatars
Cost: 320,000 images; 88 minutes on two CPU cores that did other work too (70 images/s at the end).
Score: KID x 1000 313, recall .02, coverage .13 (MobileNetV2, 64 px, 5,000 test images); the style
    asked for is recognised in 99.6 % of the images. Each style has few faces: hair, skin and
    background vary, the features hardly do.

The rates and the one update of D to one of G are those of `biggan_fashion_mnist`.
"""

RECIPE = {
    "preset": "biggan_avatars",
    "dataset": "avatars",
    "batch_size": 32,
    "steps": 10_000,
}
