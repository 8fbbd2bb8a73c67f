"""BigGAN at 32 px and width 8, with labels, on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=biggan_fashion_mnist --workdir=runs/biggan_fashion_mnist
Cost: about 41 minutes on two CPU cores (480,000 images at 200 images/s, and three evaluations).
Score: KID x 1000 46, recall .42, coverage .76 (MobileNetV2, 64 px, 5,000 test images); 93 % of the
    classes asked for are recognised.

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
