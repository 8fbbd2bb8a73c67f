"""BigGAN at 32 px and width 8, with labels, on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=biggan_fashion_mnist --workdir=runs/biggan_fashion_mnist
Cost: about 41 minutes on two CPU cores (480,000 images at 200 images/s, and three evaluations).
Score: KID x 1000 46, recall .42, coverage .76 (MobileNetV2, 64 px, 5,000 test images); class
    accuracy 93 %.

The paper's learning rates are for batches of 2,048 and two updates of D per update of G. With
batches of 64 that would leave too few updates of G in the available time. So here D makes one
update, at twice G's rate, and both rates are higher, close to those of the reference code for
CIFAR-10 (2e-4).
"""

RECIPE = {
    "preset": "biggan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 7_500,  # 8 epochs
    "evaluate_every": 2_500,
}
