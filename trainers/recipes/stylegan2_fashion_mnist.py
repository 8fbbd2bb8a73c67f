"""Narrow StyleGAN2 networks on all 60,000 training images of Fashion-MNIST, at 32 px.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=stylegan2_fashion_mnist --workdir=runs/stylegan2_fashion_mnist
Cost: not measured yet.
Score: not measured yet.
"""

RECIPE = {
    "preset": "stylegan2_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 64,
    "steps": 12_500,  # 13 epochs
    "evaluate_every": 3_500,
}
