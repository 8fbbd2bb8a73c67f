"""Presets of published checkpoints, one of each code: drawn, exported, served and called."""

import pathlib
from collections.abc import Iterator

import numpy as np
import pytest

import zoo
from export import saved_model
from serving import Client
from tests.serving.conftest import Server

PUBLISHED = pathlib.Path(__file__).parents[1] / "zoo" / "published"
FILES = {
    "biggan": ["biggan_32_G_ema.pth"],
    "biggan_deep": ["biggan_deep_128/pytorch_model.bin", "biggan_deep_128/config.json"],
    "cyclegan": ["cyclegan_G_B.pth"],
    "pix2pix": ["pix2pix_unet_128_latest_net_G.pth"],
    "progan": ["progan_tf_32.pkl"],
    "srgan": ["srgan_krasserm.h5"],
    "stylegan": ["stylegan_tf_32.pkl"],
    "stylegan2": ["stylegan2_ada_32.pkl"],
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def converted(models: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, zoo.GAN]:
    """Each converted, loaded again and exported, with its parity."""
    folder = tmp_path_factory.mktemp("presets")
    found = {}
    for name, files in FILES.items():
        zoo.convert([PUBLISHED / file for file in files], folder / name)
        found[name] = zoo.load(folder / name)
        saved_model.export(found[name], models, name, source=name)
    return found


@pytest.fixture(scope="module")
def client(converted: dict[str, zoo.GAN], models: pathlib.Path) -> Iterator[Client]:
    server = Server(models)
    with Client(server.address) as client:
        yield client
    server.stop()


@pytest.mark.parametrize("name", FILES)
def test_converted_presets_are_served(
    name: str, converted: dict[str, zoo.GAN], client: Client
) -> None:
    gan = converted[name]
    if hasattr(gan, "generate"):
        live, served = gan.generate(3, seed=7), client.generate(name, n=3, seed=7)
    else:
        pictures = np.random.RandomState(0).randint(0, 256, (2, 128, 128, 3), np.uint8)
        live = getattr(gan, gan.task)(pictures)
        served = getattr(client, gan.task)(name, pictures)
    assert served.dtype == np.uint8
    assert served.std() > 1.0  # no plain colour
    assert np.abs(served.astype(int) - live).max() <= 1
