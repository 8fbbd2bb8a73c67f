"""Narrow StyleGAN2 networks on 50,000 drawn faces, at 64 px.

Command:
    python -m trainers.data prepare peeps
    python -m trainers --recipe=stylegan2_peeps --workdir=runs/stylegan2_peeps
Cost: 320,000 images; 92 minutes on two CPU cores that did other work too (62 images/s). Two cores
    with AVX512-BF16 train 158 images/s, and 210 with --mixed_precision=auto.
Score: KID x 1000 8,018 (MobileNetV2) and 13,824 (EfficientNet-Lite0), recall and coverage 0;
    training images have 17 and 40, recall .95, coverage .89.

The result is not bundled. One recognises people with hair, skin and shoulders in front of plain
backgrounds, but the faces have no clear eyes, and the flat colours run. The samples still improved
at the end, so more steps are the first thing to try.

The authors' rule for R1's gamma, .0002 x resolution^2 / batch, is .026 here. The measured run had
.05 for its first 3,600 steps. D was right on 95 to 100 % of the images, and the outlines stayed
soft. With .5 after that, outlines, hair and backgrounds became clear within 1,500 steps.
"""

RECIPE = {
    "preset": "stylegan2_peeps",
    "dataset": "peeps",
    "batch_size": 32,
    "steps": 10_000,
    "sample_every": 500,
}
