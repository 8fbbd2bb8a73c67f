"""Code as a user writes it, read by mypy and never run.

`assert_type` holds what a call returns. Each `# type: ignore[...]` marks a call that must be an
error: mypy reports those that are none (`warn_unused_ignores`).
"""

from typing import Any, assert_type

import numpy as np

import zoo
from serving import AsyncClient, Client
from serving.client import Metadata, VersionStatus
from trainers import data
from trainers.data import ImageSet
from zoo.core.image_to_image import ImageToImage
from zoo.core.noise_to_image import NoiseToImage


def load() -> None:
    assert_type(zoo.list_presets(family="dcgan"), list[str])
    assert_type(zoo.get_preset("dcgan_lsun_64").parameters, dict[str, int])
    # A name does not say which of the two it is, and Keras has no types: what only one of them has
    # is Any of the other.
    gan = zoo.load("dcgan_fashion_mnist")
    assert_type(gan, NoiseToImage | ImageToImage)
    assert_type(gan.generate(4), np.ndarray | Any)
    assert_type(gan.card, dict[str, Any] | None)
    print(gan.generate(4).sizes)  # type: ignore[union-attr]
    gan.generate("four")  # type: ignore[arg-type]
    gan.generate(4, sead=0)  # type: ignore[call-arg]
    zoo.load(4)  # type: ignore[arg-type]
    zoo.load("dcgan_fashion_mnist", load_weights="no")  # type: ignore[arg-type]


def families() -> None:
    gan = zoo.DCGAN.from_preset("dcgan_fashion_mnist")
    assert_type(gan, zoo.DCGAN)
    assert_type(gan.generate(16, seed=0), np.ndarray)
    assert_type(gan.discriminate(gan.generate(16)), np.ndarray)
    assert_type(gan.image_shape, tuple[int, int, int])
    assert_type(zoo.Pix2Pix.from_preset("pix2pix_inpaint").translate(np.zeros(1)), np.ndarray)
    zoo.DCGAN(resolution="28")  # type: ignore[arg-type]
    gan.save_to_preset(4)  # type: ignore[arg-type]


def client(image: np.ndarray) -> None:
    with Client("localhost:8500", timeout=5) as client:
        assert_type(client.generate("dcgan", n=4, labels=[0, 1, 2, 3], truncation=0.5), np.ndarray)
        assert_type(client.generate_png("dcgan"), list[bytes])
        assert_type(client.discriminate("dcgan", image), np.ndarray)
        assert_type(client.translate("pix2pix", image), np.ndarray)
        assert_type(client.translate("pix2pix", "photo.jpg"), bytes)
        assert_type(client.upscale("srgan", b"..."), bytes)
        assert_type(client.predict("dcgan", {"latents": image}), dict[str, np.ndarray])
        assert_type(client.metadata("dcgan"), Metadata)
        assert_type(client.status("dcgan"), list[VersionStatus])
        client.generate("dcgan", n="4")  # type: ignore[arg-type]
        client.generate("dcgan", 4, 0)  # type: ignore[call-arg]
        client.upscale("srgan", 4)  # type: ignore[call-overload]
        client.upscale("srgan", image, direction="b_to_a")  # type: ignore[call-overload]


async def async_client(image: np.ndarray) -> None:
    async with AsyncClient("localhost:8500") as client:
        assert_type(await client.generate("dcgan", n=4), np.ndarray)
        assert_type(await client.translate("pix2pix", image), np.ndarray)
        assert_type(await client.upscale("srgan", b"..."), bytes)
        np.mean(client.generate("dcgan", n=4))  # type: ignore[call-overload]


def data_sets() -> None:
    assert_type(data.load("sample:fashion_mnist", resolution=28, channels=1), ImageSet)
    data.load("sample:fashion_mnist", resolution="28", channels=1)  # type: ignore[arg-type]
