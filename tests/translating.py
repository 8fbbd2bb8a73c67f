"""Small GANs from image to image, and picture files, for the tests."""

import io
import zlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from zoo.core.image_to_image import ImageToImage


def _networks(channels: int, made: int, body: Any) -> dict[str, keras.Model]:
    source = keras.Input((None, None, channels))
    judged = keras.Input((None, None, made))
    return {
        "generator": keras.Model(source, body(source), name="generator"),
        "discriminator": keras.Model(judged, keras.layers.Flatten()(judged), name="discriminator"),
    }


class Untrained(ImageToImage):
    """A model that makes images and never learns."""

    def train_step(self, batch):
        raise AssertionError("This model is not trained.")


class TwoWays(Untrained):
    """From a to b the negative, from b to a the channels the other way round."""

    family = "two_ways"
    directions = ("a_to_b", "b_to_a")

    def __init__(self, channels: int = 3) -> None:
        super().__init__(
            **_networks(channels, channels, keras.layers.Rescaling(-1.0)),
            config={"resolution": 16, "source_channels": channels, "channels": channels},
        )

    def images_from(self, images, seed=None, direction=None):
        if direction == "a_to_b":
            return self.ema_generator(images, training=False)
        assert direction == "b_to_a"
        return images[..., ::-1]


class Copying(Untrained):
    """The same image, or each pixel twice in height and width."""

    family = "copying"

    def __init__(self, scale: int = 1, channels: int = 3) -> None:
        self.scale = scale
        super().__init__(
            **_networks(channels, channels, keras.layers.UpSampling2D(scale)),
            config={
                "resolution": 16 * scale,
                "source_channels": channels,
                "channels": channels,
                "scale": scale,
            },
        )

    def images_from(self, images, seed=None):
        return self.ema_generator(images, training=False)


class Doubling(Untrained):
    """Convolutions without statistics, whose pixels see 5 to each side, and twice the size."""

    family = "doubling"
    scale = 2
    context = 5

    def __init__(self) -> None:
        def drawn(seed):
            return {"padding": "same", "kernel_initializer": keras.initializers.HeNormal(seed)}

        def body(x):
            x = keras.layers.Conv2D(8, 5, activation="relu", **drawn(1))(x)
            x = keras.layers.Conv2D(8, 5, activation="relu", **drawn(2))(x)
            x = keras.layers.Conv2DTranspose(3, 4, 2, **drawn(3))(x)
            return keras.layers.Activation("tanh")(x)

        config = {"resolution": 32, "source_channels": 3, "channels": 3}
        super().__init__(**_networks(3, 3, body), config=config)

    def images_from(self, images, seed=None):
        return self.ema_generator(images, training=False)


class Centred(Untrained):
    """Takes the mean of the image away, a statistic of the whole."""

    family = "centred"

    def __init__(self) -> None:
        config = {"resolution": 16, "source_channels": 1, "channels": 1}
        super().__init__(**_networks(1, 1, keras.layers.Identity()), config=config)

    def images_from(self, images, seed=None):
        return images - tf.reduce_mean(images, [1, 2, 3], keepdims=True)


# ---- pictures


def colours(fashion: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """uint8 [28 rows, 28 columns, 3] of the bundled sample: every channel shows other clothes."""
    count = rows * columns
    pixels = np.rint((fashion[: 3 * count, ..., 0] + 1) * 127.5).astype(np.uint8)
    sheets = pixels.reshape(3, rows, columns, 28, 28).transpose(0, 1, 3, 2, 4)
    return np.stack(sheets.reshape(3, 28 * rows, 28 * columns), axis=-1)


def encoded(image: np.ndarray | Image.Image, file_format: str, **options: Any) -> bytes:
    """The bytes of a file, by Pillow."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """The pixels of a file, by Pillow."""
    return np.asarray(Image.open(io.BytesIO(data)))


# A JPEG that is near to its image, colours too.
FINE = {"quality": 98, "subsampling": 0}

# EXIF orientation -> how an upright image then lies in the file.
LYING = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x, -1),
}


def lying(image: np.ndarray, orientation: int, file_format: str, **options: Any) -> bytes:
    """A file whose EXIF says how it is to be turned until it shows `image`."""
    exif = Image.Exif()
    exif[0x010E] = "an entry before the orientation's"
    exif[0x0112] = orientation
    image = np.ascontiguousarray(LYING[orientation](image))
    return encoded(image, file_format, exif=exif, **options)


def png_of_size(width: int, height: int) -> bytes:
    """A small PNG that says it is of another size: its IHDR is edited."""
    png = bytearray(encoded(np.zeros([4, 4, 3], np.uint8), "PNG"))
    png[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    return bytes(png)


def jpeg_of_size(width: int, height: int) -> bytes:
    """Likewise a JPEG."""
    jpeg = bytearray(encoded(np.zeros([8, 8, 3], np.uint8), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(jpeg)
