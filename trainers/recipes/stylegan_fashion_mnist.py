"""Narrow StyleGAN networks on all 60,000 training images of Fashion-MNIST, at 32 px.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=stylegan_fashion_mnist --workdir=runs/stylegan_fashion_mnist
Cost: about 50 minutes on two CPU cores (660,000 images, 206 images/s at 32 px, and evaluations).
Score: KID x 1000 231, recall .14, coverage .33 (MobileNetV2, 64 px, 5,000 test images).
"""

RECIPE = {
    "preset": "stylegan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 32,
    "batch_sizes": {8: 64},
    "steps": 20_000,  # 8 px to step 625, 16 px to 3,125, 32 px fading to 4,375
    "evaluate_every": 5_000,
}
