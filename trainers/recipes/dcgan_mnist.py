"""DCGAN's small networks on MNIST's handwritten digits.

Command:
    python -m trainers.data prepare mnist
    python -m trainers --recipe=dcgan_mnist --workdir=runs/dcgan_mnist
If only a package index can be reached, the first command prepares 5,000 of the digits as `mnist_5k`
(4,000 for training). Then add
    --dataset=mnist_5k --evaluate_images=1000
Cost: about 15 minutes on two idle CPU cores (600,000 images at 687 images/s, by --dry_run).
Score: not measured yet.
"""

RECIPE = {
    "preset": "dcgan_mnist",
    "dataset": "mnist",
    "batch_size": 64,
    "steps": 9_375,  # 10 epochs
    "evaluate_every": 3_125,
}
