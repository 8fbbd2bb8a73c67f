"""DCGAN's small networks on all 60,000 training images of Fashion-MNIST.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=dcgan_fashion_mnist --workdir=runs/dcgan_fashion_mnist
Cost: about 58 minutes on two CPU cores of 2.5 GHz (1.2 M images at 345 images/s).
Score: KID (MobileNetV2) x 1000 = 166, 5,000 images against as many test images, at 64 px.

The batch is 64, not the paper's 128: twice the updates for the same images, which matters on a CPU.
"""

RECIPE = {
    "preset": "dcgan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 18_750,  # 20 epochs
    "evaluate_every": 3_750,
}
