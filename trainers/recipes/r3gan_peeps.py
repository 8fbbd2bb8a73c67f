"""Narrow R3GAN networks on Open Peeps, at 64 px.

Command:
    python -m trainers.data prepare peeps
    python -m trainers --recipe=r3gan_peeps --workdir=runs/r3gan_peeps
Cost: 400,000 images (8 epochs). Too much for two CPU cores: 3 images/s next to another training
    run, more than a day. Not tried on a GPU.
Score: not measured yet.

The schedules end after 300,000 images, three quarters of the run; in the authors' code they end
after 20 million. The run is short, so the half-life of the average is 20,000 images, not 500,000.
"""

RECIPE = {
    "preset": "r3gan_peeps",
    "dataset": "peeps",
    "batch_size": 32,
    "steps": 12_500,  # 8 epochs
    "evaluate_every": 5_000,
}
