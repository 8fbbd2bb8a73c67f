"""Keras's forms of data in plain `fit`, and what is refused before a step is compiled."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from trainers.strategy import make_strategy
from zoo.core import feeding


def images(count: int, low: float = -1.0, high: float = 1.0, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, (count, size, size, 1)).astype(np.float32)


def build(**compiled: Any) -> zoo.DCGAN:
    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    gan.compile(run_eagerly=True, **compiled)
    return gan


@pytest.fixture(scope="module")
def plain() -> zoo.DCGAN:
    return build()


@pytest.fixture(scope="module")
def in_parts() -> zoo.DCGAN:
    return build(accumulate=2)


def trained(gan: zoo.DCGAN, **given: Any) -> tuple[int, int]:
    """Steps of one `fit`, and images seen."""
    before = int(gan.steps.numpy()), int(gan.images_seen.numpy())
    gan.fit(**given, verbose=0)
    return int(gan.steps.numpy()) - before[0], int(gan.images_seen.numpy()) - before[1]


class Batches(keras.utils.PyDataset):
    """Batches of 4 of an array, each as `wrap` makes it."""

    def __init__(self, array: np.ndarray, wrap: Any = lambda batch: batch) -> None:
        super().__init__()
        self.array, self.wrap, self.epochs = array, wrap, 0

    def __len__(self) -> int:
        return -(-len(self.array) // 4)

    def __getitem__(self, index: int) -> Any:
        return self.wrap(self.array[4 * index : 4 * index + 4])

    def on_epoch_end(self) -> None:
        self.epochs += 1


def generator(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), 4):
        yield array[start : start + 4]


def dataset(array: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(array).batch(4)


FORMS = {
    "array": lambda x: {"x": x, "batch_size": 4},
    "tensor": lambda x: {"x": tf.constant(x), "batch_size": 4},
    "float64": lambda x: {"x": x.astype(np.float64), "batch_size": 4},
    "list of one": lambda x: {"x": [x], "batch_size": 4},
    "dataset": lambda x: {"x": dataset(x)},
    "dataset of (x,)": lambda x: {"x": dataset(x).map(lambda batch: (batch,))},
    "generator": lambda x: {"x": generator(x)},
    "generator of (x,)": lambda x: {"x": ((batch,) for batch in generator(x))},
    "iterator": lambda x: {"x": iter(list(generator(x)))},
    "PyDataset": lambda x: {"x": Batches(x)},
    "PyDataset of (x, None)": lambda x: {"x": Batches(x, lambda batch: (batch, None))},
    "no shapes": lambda x: {
        "x": tf.data.Dataset.from_generator(lambda: generator(x), output_types=tf.float32)
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains(form: str, plain: zoo.DCGAN) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Your input ran out of data")
        assert trained(plain, **FORMS[form](images(8))) == (2, 8)


@pytest.mark.parametrize("form", ["array", "dataset of (x,)", "PyDataset", "no shapes"])
def test_a_short_batch_is_dropped_with_one_warning(form: str, in_parts: zoo.DCGAN) -> None:
    with pytest.warns(UserWarning, match="dropped: a step cannot take it") as told:
        assert trained(in_parts, **FORMS[form](images(7))) == (1, 4)
    assert len([one for one in told if "dropped" in str(one.message)]) == 1


def test_a_short_batch_trains_where_it_can(plain: zoo.DCGAN) -> None:
    assert trained(plain, x=dataset(images(7))) == (2, 7)


def test_other_images_are_dropped_in_each_epoch(in_parts: zoo.DCGAN) -> None:
    numbered = np.broadcast_to(np.arange(5)[:, None, None, None] / 5, (5, 8, 8, 1))
    with pytest.warns(UserWarning, match="The last 1 of 5 images .others in each epoch. are drop"):
        fed = feeding.prepare(in_parts, {"x": numbered, "batch_size": 4})
    dropped = {
        frozenset(range(5)) - {round(5 * float(row[0, 0, 0])) for row in batch}
        for _ in range(30)
        for batch in fed["x"]
    }
    assert len(dropped) > 1


def test_a_py_dataset_keeps_its_hooks(in_parts: zoo.DCGAN) -> None:
    batches = Batches(images(7))
    with pytest.warns(UserWarning, match="The last batch, of other than 4 images, is dropped"):
        assert trained(in_parts, x=batches, epochs=2) == (2, 8)
    assert batches.epochs >= 2


def test_replicas_take_whole_batches() -> None:
    with make_strategy("mirrored").scope():
        gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
        gan.compile(run_eagerly=True)
    with pytest.warns(UserWarning, match="A batch of other than 4 images.*dropped"):
        history = gan.fit(dataset(images(7)), verbose=0).history
    assert int(gan.images_seen.numpy()) == 4
    assert all(np.isfinite(values).all() for values in history.values())
    with pytest.raises(ValueError, match="multiple of the 2 replicas. Received: a batch of 3"):
        gan.fit(images(3), verbose=0)
    with pytest.raises(ValueError, match="train_on_batch .* use fit. Received: 2 replicas"):
        gan.train_on_batch(images(4))


def test_biggan_drops_what_its_updates_of_d_cannot_share() -> None:
    gan = zoo.BigGAN(resolution=32, channels=1, num_classes=3, width=4, attention=0, shared_dim=4)
    gan.compile(run_eagerly=True, accumulate=2)
    labels = np.zeros(11, np.int64)
    with pytest.warns(UserWarning, match="The last 3 of 11 images"):
        fed = feeding.prepare(gan, {"x": images(11, size=32), "y": labels, "batch_size": 4})
    assert [len(batch) for _, batch in fed["x"]] == [4, 4]
    message = "each part of it where accumulate=2 cuts it, must be a multiple of d_steps=2"
    with pytest.raises(ValueError, match=f"{message}. Received: a batch of 3"):
        gan.fit(images(6, size=32), labels[:6], verbose=0)
    rule = "Labels must be integers from 0 to 2, one for each image."
    for wrong, received in (
        (np.full(4, 3), "from 3 to 3."),
        (np.full(4, -1), "from -1 to -1."),
        (np.zeros(4), "float64 of shape (4,)."),
        (np.eye(4, 3, dtype=np.int64), "int64 of shape (4, 3)."),
        (np.array(["a"] * 4), "string of shape (4,)."),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is below)
            gan.fit(images(4, size=32), wrong, verbose=0)
        assert str(error.value).replace("float32", "float64") == f"{rule} Received: {received}"


REFUSED = {
    "nothing": ({"x": None}, "fit takes images: .* Received: None"),
    "no images": ({"x": images(0)}, "at least one image. Received: .0, 8, 8, 1."),
    "an empty dataset": ({"x": dataset(images(0))}, "Received: an empty dataset"),
    "an empty generator": ({"x": iter([])}, "Received: an empty one"),
    "an empty PyDataset": ({"x": Batches(images(0))}, "Received: a length of 0"),
    "an empty batch": ({"x": iter([images(0)])}, "Received: an empty batch"),
    "a part of a batch": ({"x": images(3)}, "multiple of accumulate=2. Received: a batch of 3"),
    "weights": ({"x": images(4), "sample_weight": np.ones(4)}, "takes no sample_weight"),
    "class weights": ({"x": images(4), "class_weight": {0: 1}}, "takes no class_weight"),
    "rows that differ": ({"x": images(4), "y": np.zeros(3)}, "must have the same number of rows"),
    "labels": ({"x": images(4), "y": np.zeros(4)}, "Leave labels out, .* Received: tuple of 2"),
    "a dict": ({"x": iter([{"image": images(4)}])}, "out of the dict. Received: dict of 'image'"),
    "uint8": ({"x": np.zeros((4, 8, 8, 1), np.uint8)}, "x / 127.5 - 1 converts uint8. Received"),
    "0 to 255": ({"x": 255 * images(4, 0, 1)}, r"finite and in \[-1, 1\]; .* Received: from .* to"),
    "NaN": ({"x": np.nan * images(4)}, r"finite and in \[-1, 1\]; .* Received: from nan to nan"),
    "no channel": ({"x": images(4)[..., 0]}, "Add the axis of the channel"),
    "another size": ({"x": images(4, size=16)}, r"Received: \(4, 16, 16, 1\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_line_before_the_first_step(name: str, in_parts: zoo.DCGAN) -> None:
    arguments, message = REFUSED[name]
    steps = int(in_parts.steps.numpy())
    with pytest.raises(ValueError, match=message) as error:
        in_parts.fit(**arguments, verbose=0)
    assert "\n" not in str(error.value)
    assert int(in_parts.steps.numpy()) == steps


@pytest.mark.slow
def test_one_line_for_a_later_batch() -> None:
    """From the graph, where TensorFlow adds a page."""
    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    gan.compile()
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is below)
        gan.fit(iter([images(4), 0 * images(4) + 200]), verbose=0)
    rule = "Images must be finite and in [-1, 1]; x / 127.5 - 1 converts 0 to 255."
    assert str(error.value) == f"{rule} Received: from 200 to 200."
    assert int(gan.steps.numpy()) == 1


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [(0.0, 1.0, "2 \\* x - 1 converts 0 to 1"), (-0.5, 0.5, "2 \\* x converts -0.5")],
)
def test_images_in_another_range_are_noticed(
    low: float, high: float, message: str, plain: zoo.DCGAN
) -> None:
    with pytest.warns(UserWarning, match=message) as told:
        feeding.look(plain, images(4, low, high))
    assert told[0].filename == __file__


def test_train_on_batch_is_a_step_of_fit() -> None:
    keras.utils.set_random_seed(0)
    by_batch = build()
    keras.utils.set_random_seed(0)
    by_fit = build()
    told = by_batch.train_on_batch(images(4), return_dict=True)
    history = by_fit.fit(images(4), verbose=0, shuffle=False).history
    assert told == {name: pytest.approx(values[0]) for name, values in history.items()}
    for a, b in zip(by_batch.get_weights(), by_fit.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(by_batch.train_on_batch(images(4))) == len(history)
    with pytest.raises(ValueError, match="Received: uint8"):
        by_batch.train_on_batch(np.zeros((4, 8, 8, 1), np.uint8))


def test_sources_and_targets_as_arrays() -> None:
    gan = zoo.Pix2Pix(resolution=32, width=4, patch=16)
    gan.compile(run_eagerly=True)
    pair = [np.zeros((2, 32, 32, 3), np.float32) - value for value in (0.5, 0.0)]
    fed = feeding.prepare(gan, {"x": pair[0], "y": pair[1]})
    assert fed["x"] is pair[0]
    np.testing.assert_array_equal(gan.examples[1], np.full((2, 32, 32, 3), 128, np.uint8))
