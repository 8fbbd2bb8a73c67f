"""What conditions and sources say of themselves, and which models they refuse."""

import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from tests import toys
from tests.toys.toy_map.model import ToyMap
from tests.toys.toy_text import networks as text_networks
from tests.toys.toy_text.model import ToyText
from trainers.data.jitter import jitter, mirror
from zoo import __main__ as zoo_main
from zoo.core import conditions, presets
from zoo.core.conditions import Embedding, LabelMap, Labels, Picture
from zoo.core.image_to_image import ImageToImage
from zoo.core.noise_to_image import NoiseToImage

CONFIG = {"resolution": 8, "channels": 1, "latent_dim": 4}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "FAMILIES", dict(presets.FAMILIES))
    toys.register()
    yield
    monkeypatch.undo()
    presets.registry.cache_clear()


# ---- the objects


@pytest.mark.parametrize("condition", [Labels(3), Embedding(5)])
def test_a_row_is_drawn_from_its_seed_where_it_is_open(condition: conditions.Condition) -> None:
    drawn = condition.draw([4], [7, 1])
    assert drawn.dtype == condition.spec.dtype
    assert condition.spec.shape.is_compatible_with(drawn.shape)
    np.testing.assert_array_equal(drawn, condition.draw([4], [7, 1]))
    given = condition.draw([4], [8, 1])
    open_rows = tf.constant([True, False, True, False])
    some = tf.where(conditions.rows_like(open_rows, given), condition.any_value, given)
    np.testing.assert_array_equal(condition.is_any(some), open_rows)
    filled = condition.filled(some, drawn)
    np.testing.assert_array_equal(filled[::2], drawn[::2])
    np.testing.assert_array_equal(filled[1::2], given[1::2])
    np.testing.assert_array_equal(condition.filled(None, drawn), drawn)
    everything = condition.rows_of(None, 4)
    assert everything.dtype == drawn.dtype.as_numpy_dtype
    assert np.all(condition.is_any(everything))


def test_embeddings_are_drawn_from_the_normal_distribution() -> None:
    drawn = Embedding(8).draw([4000], [0, 0]).numpy()
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1.0) < 0.02


def test_one_vector_stands_for_all_images() -> None:
    rows = Embedding(2).rows_of([1, 2], 3)
    np.testing.assert_array_equal(rows, np.array([[1, 2]] * 3, np.float32))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(Embedding(2).rows_of(rows, 3), rows)


@pytest.mark.parametrize(
    ("given", "received"),
    [
        (np.zeros(3), r"float64 \[3\] for 2 image"),
        (np.zeros((3, 2)), "3 embeddings for 2 image"),
        ("a text", r"<U6 \[\] for 2 image"),
        ([np.nan, 0.0], r"float64 \[2\] with NaN or infinity for 2 image"),
    ],
)
def test_other_embeddings_are_refused(given: Any, received: str) -> None:
    rule = r"Embeddings must be finite numbers \[2\], one vector for each image. Received: "
    with pytest.raises(ValueError, match=rule + received):
        Embedding(2).rows_of(given, 2)


def test_a_training_batch_of_other_embeddings_is_refused() -> None:
    rule = r"Embeddings must be finite numbers \[2\], one vector for each image. Received: "
    check = Embedding(2).check_batch
    with pytest.raises(ValueError, match=rule + r"float32 of shape \(3, 4\)"):
        check(tf.zeros([3, 4]), 3)
    with pytest.raises(ValueError, match=rule + "int32"):
        check(tf.zeros([3, 2], tf.int32), 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Embeddings must be finite"):
        check(tf.constant([[0.0, np.nan]]), 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Embeddings must be finite"):
        check(tf.zeros([3, 2]), 4)


def test_a_request_of_other_embeddings_is_refused() -> None:
    check = Embedding(2).check_request
    nan = np.nan
    check(tf.constant([[nan, nan], [1.0, 2.0]]), seeded=True)
    rule = "A row of NaN stands for one drawn from the seed. Received:"
    with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
        check(tf.constant([[nan, 1.0]]), seeded=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Embeddings must be finite numbers"):
        check(tf.constant([[nan, nan]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Labels(0), "num_classes must be at least 1. Received: 0"),
        (lambda: Embedding(0), "dim must be at least 1. Received: 0"),
        (lambda: Embedding(2.5), "dim must be an integer. Received: 2.5"),
        (lambda: Picture(0), "channels must be at least 1. Received: 0"),
        (lambda: LabelMap(1), "num_classes must be at least 2. Received: 1"),
        (lambda: LabelMap(257), "num_classes must be at most 256. Received: 257"),
    ],
)
def test_sizes_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_label_map_is_never_blurred() -> None:
    rng = np.random.default_rng(0)
    maps = rng.choice([0, 3], (6, 16, 16)).astype(np.uint8)
    images = np.repeat(maps[..., None], 3, axis=-1) * 80
    seeds = tf.constant([[i, 0] for i in range(6)], tf.int64)
    jittered, pictures = jitter(seeds, tf.constant(maps), tf.constant(images))
    assert jittered.shape == maps.shape
    assert set(np.unique(jittered)) == {0, 3}
    assert len(np.unique(pictures)) > 2  # the same of colours is bilinear
    # Both are cropped and mirrored alike.
    agree = (pictures[..., 0].numpy() > 120) == (jittered.numpy() == 3)
    assert agree.mean() > 0.9
    turned, mirrored = mirror(seeds, tf.constant(maps), tf.constant(images))
    np.testing.assert_array_equal(turned[..., None] * 80, mirrored[..., :1])
    assert np.any(turned != maps)


# ---- what a network does not fit


class Free(NoiseToImage):
    """Takes its networks as they are given."""

    family = "free"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(config=CONFIG, **kwargs)

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        return tf.random.stateless_normal(shape, seed)

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        raise AssertionError("This model is not trained.")


def generator(*shapes: tuple[int | None, ...]) -> keras.Model:
    inputs = [keras.Input(shape) for shape in shapes]
    x = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(inputs[0]))
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], x, name="generator")


def test_networks_without_the_condition_are_refused() -> None:
    unconditional = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    message = (
        r"The generator of Free must take float32 \[N, 4\] and float32 \[N, 6\]. "
        r"Received: float32 \[N, 4\]."
    )
    with pytest.raises(ValueError, match=message):
        Free(
            generator=unconditional.generator,
            discriminator=unconditional.discriminator,
            condition=Embedding(6),
        )
    with pytest.raises(ValueError, match="The discriminator of Free must take float32 .N, 8, 8, 1"):
        Free(
            generator=text_networks.generator(8, 1, 4, 6, 4),
            discriminator=unconditional.discriminator,
            condition=Embedding(6),
        )
    with pytest.raises(ValueError, match=r"and int32 \[N\]. Received: .* and float32 \[N, 6\]"):
        Free(
            generator=text_networks.generator(8, 1, 4, 6, 4),
            discriminator=text_networks.discriminator(8, 1, 6, 4),
            condition=Labels(3),
        )
    with pytest.raises(ValueError, match=r"take float32 \[N, 4\]. Received: .* and float32"):
        Free(
            generator=text_networks.generator(8, 1, 4, 6, 4),
            discriminator=text_networks.discriminator(8, 1, 6, 4),
        )


class Called(keras.Model):
    """No functional network."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(64)

    def call(self, inputs: Any) -> tf.Tensor:
        z, _ = inputs
        return tf.reshape(self.dense(z), [-1, 8, 8, 1])


def test_a_network_of_ones_own_is_called_on_symbols() -> None:
    with pytest.raises(ValueError, match=r"must take float32 \[N, 4\]. Received: a network that f"):
        Free(generator=Called(), discriminator=text_networks.discriminator(8, 1, 6, 4))
    network = Called()
    network.build([(None, 4), (None, 6)])
    gan = Free(
        generator=text_networks.generator(8, 1, 4, 6, 4),
        discriminator=text_networks.discriminator(8, 1, 6, 4),
        condition=Embedding(6),
    )
    gan._check_network(network, tf.TensorSpec([None, 4]), tf.TensorSpec([None, 6]))


def test_a_generator_that_does_not_take_the_source_is_refused() -> None:
    class Pictures(ToyMap):
        def __init__(self) -> None:
            toy = zoo.Pix2Pix(resolution=16, width=2, patch=1)
            ImageToImage.__init__(
                self,
                generator=toy.generator,
                discriminator=toy.discriminator,
                source=LabelMap(4),
                config={"resolution": 16, "channels": 3},
            )

    message = r"must take int32 \[N, any, any\]. Received: float32 \[N, any, any, 3\]"
    with pytest.raises(ValueError, match=message):
        Pictures()


# ---- a family that misses a part of the contract


@pytest.mark.parametrize(
    ("base", "members", "message"),
    [
        (Free, {"train_step": zoo.GAN.train_step}, "override train_step: how it is trained"),
        (Free, {"draw_latents": NoiseToImage.draw_latents}, "override draw_latents: how its lat"),
        (ToyText, {"family": ""}, "A family must have a name: set `family` in Incomplete"),
        (ToyMap, {"images_from": ImageToImage.images_from}, "override images_from: how it makes"),
    ],
)
def test_an_incomplete_family_is_refused_at_construction(
    base: type, members: dict[str, Any], message: str
) -> None:
    incomplete = type("Incomplete", (base,), {"__module__": __name__, **members})
    networks = {}
    if base is Free:
        networks = {
            "generator": text_networks.generator(8, 1, 4, 6, 4),
            "discriminator": text_networks.discriminator(8, 1, 6, 4),
            "condition": Embedding(6),
        }
    with pytest.raises(TypeError, match=f"{message}.*Received: ") as error:
        incomplete(**networks)
    assert "\n" not in str(error.value)


def test_a_family_without_optimizers_is_given_them() -> None:
    gan = Free(
        generator=text_networks.generator(8, 1, 4, 6, 4),
        discriminator=text_networks.discriminator(8, 1, 6, 4),
        condition=Embedding(6),
    )
    with pytest.raises(NotImplementedError, match="override default_optimizers, or give compile"):
        gan.compile()
    gan.compile("adam", "adam")
    assert gan.compiled


def test_registering_a_family(registered: None) -> None:
    assert presets.family_class("toy_text") is ToyText
    assert "toy_text_8" in zoo.list_presets()
    assert type(zoo.load("toy_text_8", load_weights=False)) is ToyText
    toys.register()  # the same again does no harm
    with pytest.raises(zoo.PresetError, match="must be unique. Received: 'dcgan' for a:B, which"):
        zoo.register_family("dcgan", "a:B")
    with pytest.raises(
        zoo.PresetError, match="must be 'package:Class'.* Received: 'a.B' for 'mine'"
    ):
        zoo.register_family("mine", "a.B")


# ---- what a person calls


def test_paint_and_translate_know_their_sources() -> None:
    gan = ToyMap(width=2)
    maps = np.random.default_rng(0).integers(0, 4, (2, 5, 7), np.uint8)
    painted = gan.paint(maps, seed=3)
    assert painted.shape == (2, 5, 7, 3)
    np.testing.assert_array_equal(painted[1:], gan.paint(maps[1:], seed=4))
    assert np.any(painted != gan.paint(maps, seed=4))
    with pytest.raises(ValueError, match="ToyMap takes a label_map: use paint. Received: transl"):
        gan.translate(maps)
    with pytest.raises(ValueError, match="A label map must hold classes from 0 to 3. Received: 4"):
        gan.paint(maps + 1)
    with pytest.raises(ValueError, match=r"takes uint8 label maps \[N, H, W\].* Received: int64"):
        gan.paint(maps.astype(np.int64))
    with pytest.raises(ValueError, match="Pix2Pix takes images: use translate. Received: paint"):
        zoo.Pix2Pix(resolution=16, width=2, patch=1).paint(maps)
    gan.compile()
    wrong = tf.data.Dataset.from_tensors((np.full((2, 8, 8), 4), np.zeros((2, 8, 8, 3), "f")))
    with pytest.raises(ValueError, match="must hold classes from 0 to 3. Received: from 4 to 4"):
        gan.fit(wrong, verbose=0)
    with pytest.raises(ValueError, match=r"trains on label maps int \[N, 8, 8\], classes from 0 t"):
        gan.fit(wrong.map(lambda maps, images: (tf.cast(maps, tf.float32), images)), verbose=0)


def test_the_commands_read_vectors_and_maps(
    registered: None, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    text, painter = ToyText(width=4), ToyMap(width=2)
    text.save_to_preset(tmp_path / "text")
    painter.save_to_preset(tmp_path / "map")
    np.save(tmp_path / "e.npy", np.ones(6))
    flags = [f"--embeddings={tmp_path / 'e.npy'}", f"--out={tmp_path / 'sheet.png'}"]
    zoo_main.main(["sample", str(tmp_path / "text"), "--n=1", "--seed=0", *flags])
    drawn = np.asarray(Image.open(tmp_path / "sheet.png"))[2:-2, 2:-2]
    expected = text.generate(1, seed=0, embeddings=np.ones(6))[0, ..., 0]
    assert np.abs(drawn.astype(int) - expected).max() <= 1

    maps = np.random.default_rng(0).integers(0, 4, (9, 12), np.uint8)
    grey, colours = tmp_path / "grey.png", tmp_path / "colours.png"
    Image.fromarray(maps).save(grey)
    Image.fromarray(maps).convert("RGB").save(colours)
    out = tmp_path / "painted.png"
    zoo_main.main(["paint", str(tmp_path / "map"), str(grey), str(out), "--seed=5"])
    painted = np.asarray(Image.open(out)).astype(int)
    assert np.abs(painted - painter.paint(maps[None], seed=5)[0]).max() <= 1
    capsys.readouterr()
    maps[0, 0] = 3
    Image.fromarray(maps + 9).save(tmp_path / "beyond.png")
    for arguments, message in [
        (["paint", "map", "colours.png"], "A map must be a PNG of 8-bit grey, whose values are"),
        (["paint", "map", "beyond.png"], "A map must hold classes from 0 to 3. Received: 12"),
        (["translate", "map", "grey.png"], "family 'toy_map' paints label maps. Received: transl"),
    ]:
        command, name, source = arguments
        with pytest.raises(SystemExit):
            zoo_main.main([command, str(tmp_path / name), str(tmp_path / source), str(out)])
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
