"""A photograph of twelve megapixels: the memory that it takes, and its seams."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from trainers.data import bundled
from zoo.pictures import tiles

GIB = 2**30
# Runs a command and prints the most memory that it held.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def photograph(height: int, width: int) -> np.ndarray:
    """The bundled photographs' tiles, side by side: uint8 [height, width, 3]."""
    pictures = bundled.read_arrays("photo_tiles", "train")["images"]
    side = pictures.shape[1]
    rows, columns = -(-height // side), -(-width // side)
    which = np.arange(rows * columns) % len(pictures)
    mosaic = pictures[which].reshape(rows, columns, side, side, 3)
    mosaic = mosaic.swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    return mosaic[:height, :width]


@pytest.mark.slow
def test_twelve_megapixels_are_doubled_without_seams_below_4_gib(tmp_path: pathlib.Path) -> None:
    keras.utils.set_random_seed(0)
    gan = zoo.SRGAN(scale=2, resolution=48, width=32, blocks=8, features="none")
    gan.compile()
    high = np.float32(bundled.read_arrays("photo_tiles", "train")["images"][:, :48, :48])
    high = high / 127.5 - 1.0
    low = tf.image.resize(high, (24, 24), "area")
    pairs = tf.data.Dataset.from_tensor_slices((low, high)).batch(16, drop_remainder=True)
    gan.fit(pairs.repeat(), steps_per_epoch=100, verbose=0)
    gan.save_to_preset(tmp_path / "preset")
    picture = photograph(3000, 4000)
    Image.fromarray(picture).save(tmp_path / "in.png", compress_level=1)
    out = tmp_path / "out.png"
    command = ["-m", "zoo", "upscale", tmp_path / "preset", tmp_path / "in.png", out]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    made = np.asarray(Image.open(out))
    assert made.shape == (6000, 8000, 3)
    peak = int(done.stdout.split()[-1])
    print(f"peak memory {peak / GIB:.2f} GiB")
    assert peak < 4 * GIB

    # 512 px where tiles meet, beside the same in one piece, with all that decides these pixels.
    gan = zoo.load(str(tmp_path / "preset"))
    side = tiles.TILE // gan.scale
    seams = tiles.starts(4000, side, 2 * gan.context)[1:]
    first = seams[0] + gan.context - 128
    reach = gan.context + 1
    around = picture[first - reach : first + 256 + reach, first - reach : first + 256 + reach]
    whole = gan.upscale(around[None])[0][2 * reach : -2 * reach, 2 * reach : -2 * reach]
    crop = made[2 * first : 2 * first + 512, 2 * first : 2 * first + 512]
    assert crop.shape == whole.shape == (512, 512, 3)
    difference = np.abs(crop.astype(int) - whole).max()
    print(f"tiles differ from one piece by {difference} grey levels")
    assert difference <= 2
