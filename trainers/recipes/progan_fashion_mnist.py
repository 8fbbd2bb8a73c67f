"""Narrow ProGAN networks on all 60,000 training images of Fashion-MNIST, at 32 px.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=progan_fashion_mnist --workdir=runs/progan_fashion_mnist
Cost: about 50 minutes on two CPU cores (700,000 images, 210 images/s at 32 px, and evaluations).
Score: KID x 1000 244, recall .22, coverage .39 (MobileNetV2, 64 px, 5,000 test images).
"""

RECIPE = {
    "preset": "progan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 32,
    "batch_sizes": {4: 64, 8: 64},
    "steps": 20_000,  # 4 px to step 625, 8 px to 1,875, 16 px to 4,375, 32 px fading to 5,625
    "evaluate_every": 5_000,
}
