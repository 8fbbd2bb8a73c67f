"""BigGAN at 32 px and width 8, with labels, on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=biggan_fashion_mnist --workdir=runs/biggan_fashion_mnist
Cost: about 73 minutes on two free CPU cores (768,000 images at 175 images/s) and four evaluations.
Score: not measured yet.

The paper's rates belong to batches of 2,048 and two updates of D to one of G. With batches of 64
that would leave too few updates of G within the time: here D makes one, at twice G's rate, and both
rates are higher, near those of the reference code for CIFAR-10 (2e-4).
"""

RECIPE = {
    "preset": "biggan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 7_500,  # 8 epochs
    "evaluate_every": 2_500,
}
