"""The conditional GAN's convolutional form on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=cgan_fashion_mnist --workdir=runs/cgan_fashion_mnist
Cost: about 40 minutes on two CPU cores (1.2 M images at 547 images/s, and five evaluations).
Score: not measured yet.
"""

RECIPE = {
    "preset": "cgan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 15_000,  # 16 epochs
    "evaluate_every": 5_000,
}
