"""Narrow StyleGAN2 networks on 50,000 drawn faces, at 64 px.

Command:
    python -m trainers.data prepare peeps
    python -m trainers --recipe=stylegan2_peeps --workdir=runs/stylegan2_peeps
Cost: 240,000 images; not measured yet. At half the width (`--set fmap_base=512`) with batches of
    16: 17 images/s on two busy CPU cores, about four hours.
Score: not measured yet.

R1's gamma is .0002 x resolution^2 / batch, the authors' rule for new data sets.
"""

RECIPE = {
    "preset": "stylegan2_peeps",
    "dataset": "peeps",
    "batch_size": 32,
    "steps": 7_500,
    "sample_every": 500,
}
