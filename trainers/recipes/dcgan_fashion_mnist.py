"""DCGAN's small networks on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=dcgan_fashion_mnist --workdir=runs/dcgan_fashion_mnist
Cost: about 58 minutes on two CPU cores of 2.5 GHz (1.2 M images at 345 images/s).
Score: KID x 1000 166 (MobileNetV2, 64 px, 5,000 images against as many test images).

The batch size is 64, not the paper's 128: twice the updates for the same number of images, which
matters on a CPU.
"""

RECIPE = {
    "preset": "dcgan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 18_750,  # 20 epochs
    "evaluate_every": 3_750,
}
