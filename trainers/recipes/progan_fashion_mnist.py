"""Narrow ProGAN networks on all 60,000 training images of Fashion-MNIST, at 32 px.

Command:
    python -m trainers.data prepare fashion_mnist
    python -m trainers --recipe=progan_fashion_mnist --workdir=runs/progan_fashion_mnist
Cost: about 55 minutes on two CPU cores of 2.5 GHz (636,000 images: 1,250 images/s at 4 px, 350 at
    8 px, 245 at 16 px, 173 at 32 px, and four evaluations).
Score: not measured yet.
"""

RECIPE = {
    "preset": "progan_fashion_mnist",
    "dataset": "fashion_mnist",
    "batch_size": 32,
    "batch_sizes": {4: 64, 8: 64},
    "steps": 10_000,  # 4 px to step 625, 8 px to 1,875, 16 px to 4,375, 32 px fading to 5,625
    "evaluate_every": 5_000,
}
