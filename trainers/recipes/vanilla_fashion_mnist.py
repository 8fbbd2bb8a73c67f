"""The original GAN's networks on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=vanilla_fashion_mnist --workdir=runs/vanilla_fashion_mnist
Cost: about 20 minutes on two CPU cores with AVX2 only (2 M images at 1,650 images/s, by --dry_run),
    10 with AVX512.
Score: KID x 1000 1,144 (MobileNetV2, 64 px, 5,000 images against as many test images).
"""

RECIPE = {
    "preset": "vanilla_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 100,  # the paper's
    "steps": 20_000,  # 33 epochs
    "evaluate_every": 10_000,
    "sample_every": 2_000,
    "checkpoint_every": 5_000,
}
