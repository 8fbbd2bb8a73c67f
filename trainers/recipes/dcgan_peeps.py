"""DCGAN at a fifth of its width: drawn faces in colour, at 64 px.

Command:
    python -m trainers.data prepare peeps
    python -m trainers --recipe=dcgan_peeps --workdir=runs/dcgan_peeps
Cost: 160,000 images (3 epochs): about 40 minutes on two busy CPU cores (67 images/s).
Score: KID x 1000 11,957 (MobileNetV2) and 25,084 (EfficientNet-Lite0), recall and coverage 0;
    training images have 17 and 40, recall .95, coverage .88.

The result is not bundled. After 2,000 steps the samples are recognisable people with hair, skin and
shoulders, but faces and hair stay dotted, all clothes are beige, and there are only two or three
backgrounds. D is right on every image (accuracy 1.0) almost throughout: nothing regularises D.
"""

RECIPE = {
    "preset": "dcgan_peeps",
    "dataset": "peeps",
    "batch_size": 32,
    "steps": 5_000,
    "sample_every": 500,
}
