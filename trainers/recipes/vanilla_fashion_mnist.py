"""The first GAN's networks on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=vanilla_fashion_mnist --workdir=runs/vanilla_fashion_mnist
Cost: about 40 minutes on two CPU cores (8 M images at 3,700 images/s).
Score: not measured yet.
"""

RECIPE = {
    "preset": "vanilla_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 100,  # the paper's
    "steps": 30_000,  # 50 epochs
    "evaluate_every": 10_000,
    "sample_every": 2_000,
    "checkpoint_every": 5_000,
}
