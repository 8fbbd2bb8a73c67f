"""DCGAN's small networks on all 60,000 training images of Fashion-MNIST.

python -m trainers.data prepare fashion_mnist
python -m trainers --recipe=dcgan_fashion_mnist --workdir=runs/dcgan_fashion_mnist
"""

RECIPE = {
    "preset": "dcgan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 18_750,  # 20 epochs
}
