"""Before TensorFlow starts: no GPU, quiet, and two logical devices for replicas."""

import gc
import os
import pathlib
from collections.abc import Iterator

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as the commands do
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import tensorflow as tf

from tests.eager import eagerly, unless_traced  # noqa: F401 (fixtures)
from tests.graphs import let_go, optimize_none
from tests.shared import folder_made_once
from trainers import data

optimize_none()
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_configure(config: pytest.Config) -> None:
    # pytest-xdist would begin with the modules of the most tests. The longest have few.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_finish() -> None:
    """What has been imported stays: collections need not go through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """With `--dist=loadgroup` one process runs a module, and makes its fixtures once."""
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(autouse=True, scope="module")
def let_go_of_each_module() -> Iterator[None]:
    yield
    let_go()


@pytest.fixture(scope="session")
def fashion() -> np.ndarray:
    """The first 512 images of the bundled sample, f32 [512, 28, 28, 1] in [-1, 1]."""
    sample = data.load("sample:fashion_mnist", resolution=28, channels=1)
    images = np.stack([image for image, _ in sample.images.take(512).as_numpy_iterator()])
    return images.astype(np.float32) / 127.5 - 1.0


@pytest.fixture(scope="session")
def translating(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of exported models, "two" (`TwoWays`) and "doubling" (`Doubling`), to be read."""
    from export import saved_model
    from tests.translating import Doubling, TwoWays

    def fill(folder: pathlib.Path) -> None:
        for name, gan in {"two": TwoWays(), "doubling": Doubling()}.items():
            saved_model.export(gan, folder, name, source="a test")

    return folder_made_once(tmp_path_factory, "translating", fill)
