"""DCGAN at a fifth of its width: drawn faces in colour, 64 px.

Command:
    python -m trainers.data prepare peeps
    python -m trainers --recipe=dcgan_peeps --workdir=runs/dcgan_peeps
Cost: 160,000 images (3 epochs); about 15 minutes on two CPU cores, not measured yet.
Score: not measured yet.
"""

RECIPE = {
    "preset": "dcgan_peeps",
    "dataset": "peeps",
    "batch_size": 32,
    "steps": 5_000,
    "sample_every": 500,
}
