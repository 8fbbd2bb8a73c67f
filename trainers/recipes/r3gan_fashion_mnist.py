"""Narrow R3GAN networks on all 60,000 training images of Fashion-MNIST, at 32 px.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=r3gan_fashion_mnist --workdir=runs/r3gan_fashion_mnist
Cost: 600,000 images (10 epochs); not measured yet.
Score: not measured yet.

The schedules end after 400,000 images, two thirds of the run; in the authors' code they end after
20 million. The run is short, so the half-life of the average is 20,000 images, not 500,000.
"""

RECIPE = {
    "preset": "r3gan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 9_375,  # 10 epochs
    "evaluate_every": 3_125,
}
