"""From images to a record: what it states, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from trainers import data
from trainers.metrics import comparison
from trainers.metrics.comparison import Evaluator
from trainers.metrics.fakes import BATCH, from_folder, from_gan, from_preset, from_run, pick
from zoo.core.conditions import Labels
from zoo.pictures.marks import Mark


class FakeGAN:
    """Generates grey levels that are a function of the seed alone."""

    image_shape = (28, 28, 1)
    latent_dim = 4
    num_classes = 0
    condition = None
    mark = Mark("fake", "weights 0")

    def __init__(self, card):
        self.card = card

    def generate(self, n, *, seed):
        levels = np.arange(seed, seed + n) % 256
        return np.broadcast_to(levels[:, None, None, None], (n, 28, 28, 1)).astype(np.uint8)


class Painter(FakeGAN):
    """Has latents and classes: draws bundled clothes of the class it is asked for."""

    interpolation = "slerp"
    num_classes = 10
    condition = Labels(10)

    def __init__(self, card, clothes, obeys=True):
        super().__init__(card)
        images, labels = clothes
        # The last of the sample: neither those trained on nor those compared with.
        self._by_class = [images[600:][labels[600:] == c] for c in range(10)]
        self._obeys = obeys

    def generate(self, n, *, seed, labels=None):
        labels = np.arange(seed, seed + n) % 10 if labels is None else labels
        shift = 0 if self._obeys else 5
        rows = [self._by_class[(c + shift) % 10] for c in labels]
        return np.stack([rows[i][(seed + i) % len(rows[i])] for i in range(n)])

    def latents_from_seeds(self, seeds):
        return tf.random.stateless_normal([len(seeds), 4], [int(seeds[0]), 0])

    def condition_from_seeds(self, seeds):
        return tf.cast(seeds % 10, tf.int32)

    def __call__(self, inputs):
        """A bright square whose level follows the latents, float32 [N, 28, 28, 1]."""
        latents, labels = inputs
        # Both images of a step along a path are of one class.
        np.testing.assert_array_equal(*np.split(labels, 2))
        level = tf.tanh(tf.reduce_sum(latents, axis=1))[:, None, None, None]
        frame = np.pad(np.ones([1, 14, 14, 1], np.float32), [(0, 0), (7, 7), (7, 7), (0, 0)])
        return level * frame


CARD = {
    "name": "dcgan_test",
    "dataset": {"name": "fashion_mnist", "split": "train[:10000]"},
    "training": {"steps": 20},
}


@pytest.fixture
def preset(monkeypatch):
    """A preset whose model is a FakeGAN, whatever its name."""
    card = json.loads(json.dumps(CARD))
    monkeypatch.setattr(zoo, "load", lambda name: FakeGAN(card))
    return card


@pytest.fixture
def test_split(monkeypatch):
    """Lets parts of the bundled training sample pass for both splits, which need TFDS."""
    real_load = data.load

    def load(spec, *, split, **kwargs):
        sample = real_load(f"sample:{spec}", split="train", **kwargs)
        start, count = (0, 300) if split == "test" else (300, 300)
        images = sample.images.skip(start).take(count)
        return dataclasses.replace(sample, spec=spec, split=split, images=images, count=count)

    monkeypatch.setattr(data, "load", load)


@pytest.mark.usefixtures("preset", "test_split")
def test_record_states_what_was_measured(features, capfd):
    fakes = from_preset("dcgan_test", num_images=40, seed=3)
    record = comparison.evaluate(fakes, num_images=40, features=features)
    assert json.loads(json.dumps(record)) == record
    assert list(record["metrics"]) == ["kid", "recall", "coverage"]
    kid = record["metrics"]["kid"]
    assert kid["name"] == "KID (MobileNetV2)"
    assert kid["value_x1000"] == 1000 * kid["value"]
    assert kid["value_x1000"] > 1000  # flat grey is nothing like clothes
    assert kid["standard_error_x1000"] > 0
    coverage = record["metrics"]["coverage"]
    assert (coverage["name"], coverage["nearest_k"]) == ("Coverage (MobileNetV2)", 5)
    assert 0 <= coverage["value"] < 0.5
    assert (record["dataset"], record["split"]) == ("fashion_mnist", "test")
    assert (record["num_real"], record["num_fake"], record["seed"]) == (40, 40, 3)
    assert (record["resize"], record["image_shape"]) == (64, [28, 28, 1])
    assert record["source"] == {"preset": "dcgan_test", "steps": 20}
    assert record["trained_on"] == CARD["dataset"]
    assert (record["training_split"], record["num_training"]) == (None, None)
    assert len(record["network_sha256"]) == 64
    assert set(record["versions"]) == {"tensorflow", "keras", "numpy", "pillow", "gan-zoo"}
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("test_split")
def test_a_frechet_distance_on_another_network_is_not_called_fid(features, monkeypatch):
    small = dataclasses.replace(features.network, dimension=30)
    monkeypatch.setattr(features, "network", small)

    def stream(batches):  # 30 of the features, so that 40 images are enough
        return (seen._replace(features=seen.features[:, :30]) for seen in whole(batches))

    whole = features.stream
    monkeypatch.setattr(features, "stream", stream)
    fakes = from_gan(FakeGAN(None), 40, 0)
    record = comparison.evaluate(
        fakes, metrics=["fid"], dataset="fashion_mnist", num_images=40, features=features
    )
    (entry,) = record["metrics"].items()
    assert entry[0] == "frechet_distance"
    assert entry[1]["name"] == "Frechet distance (MobileNetV2)"
    assert entry[1]["value"] > 0


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def one_classifier(home, monkeypatch):
    """Fitted by the first test that asks for it; the others find it in this home's cache."""
    monkeypatch.setenv("HOME", str(home))


@pytest.mark.slow
@pytest.mark.usefixtures("test_split", "one_classifier")
def test_everything_that_needs_a_model_or_labels(features, clothes, tmp_path):
    picture = tmp_path / "near.png"
    fakes = from_gan(Painter(None, clothes), 120, 0, trained_on=CARD["dataset"])
    record = comparison.evaluate(
        fakes,
        metrics=["class_accuracy", "class_balance", "nearest", "ppl", "precision", "density"],
        num_images=200,
        features=features,
        nearest_out=picture,
    )
    assert json.loads(json.dumps(record)) == record
    scores = record["metrics"]
    # Real clothes that the classifier has not seen, each of the class asked for.
    assert scores["class_accuracy"]["value"] > 0.6
    assert scores["class_accuracy"]["classifier_accuracy_on_real"] > 0.6
    assert scores["class_balance"]["value"] < 0.2
    assert scores["class_balance"]["name"] == "Class balance"
    assert "convolutional network" in scores["class_balance"]["classifier"]
    assert scores["nearest"]["ratio"] == pytest.approx(1, abs=0.2)
    assert scores["nearest"]["value"] == scores["nearest"]["ratio"]
    assert scores["ppl"]["value"] > 0
    assert (scores["ppl"]["paths"], scores["ppl"]["path"]) == (120, "slerp")
    assert scores["precision"]["value"] > 0.5
    assert (record["training_split"], record["num_training"]) == ("train[:10000]", 300)
    with Image.open(picture) as image:  # 8 rows of 1 + 5 images of 28 pixels, 2 between, a gap
        assert "compositeWithTrainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]
        assert image.size == (32 + 8 + 152, 242)


@pytest.mark.slow
@pytest.mark.usefixtures("test_split", "one_classifier")
def test_a_model_that_draws_another_class_is_found_out(features, clothes):
    record = comparison.evaluate(
        from_gan(Painter(None, clothes, obeys=False), 100, 0),
        metrics=["class_accuracy"],
        dataset="fashion_mnist",
        num_images=100,
        features=features,
    )
    assert record["metrics"]["class_accuracy"]["value"] < 0.2


@pytest.mark.usefixtures("test_split")
def test_an_evaluator_reads_real_images_once(features, clothes):
    real = data.load("fashion_mnist", split="test", resolution=28, channels=1)
    evaluator = Evaluator(real, ["kid", "coverage"], num_images=50, features=features)
    seen = []
    whole = features.stream
    features.stream = lambda batches: whole(seen.append(len(b)) or b for b in batches)
    try:
        flat = evaluator.record(from_gan(FakeGAN(None), 30, 0))["metrics"]
        good = evaluator.record(from_gan(Painter(None, clothes), 30, 0))["metrics"]
    finally:
        del features.stream
    assert seen == [30, 30]
    assert good["kid"]["value"] < flat["kid"]["value"] / 5
    assert good["coverage"]["value"] > flat["coverage"]["value"]


@pytest.mark.usefixtures("preset", "test_split")
@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["recal"], r"Received: 'recal'. Did you mean 'recall'\?"),
        (["inception_score"], r"needs InceptionV3, .* has no classifier. Received: MobileNetV2."),
        (
            ["fid"],
            r"Frechet distance \(MobileNetV2\) needs at least 1281 fake images. Received: 5.",
        ),
        (["recall"], r"Recall \(MobileNetV2\) needs at least 6 fake images. Received: 5."),
        (
            ["class_accuracy"],
            r"of the 10 classes of 'fashion_mnist'. Received: a model with",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_line(metrics, message, features):
    fakes = from_preset("dcgan_test", num_images=5, seed=0)
    with pytest.raises(ValueError, match=message):
        comparison.evaluate(fakes, metrics=metrics, num_images=9, features=features)


def test_too_few_real_images_are_refused(features):
    sample = data.load("sample:fashion_mnist", resolution=28, channels=1)
    few = dataclasses.replace(sample, images=sample.images.take(9), count=9)
    with pytest.raises(ValueError, match=r"needs at least 1281 real images. Received: 9."):
        Evaluator(few, ["kid", "fid"], features=features)


@pytest.mark.usefixtures("preset", "test_split")
def test_a_picture_needs_its_metric(features):
    fakes = from_preset("dcgan_test", num_images=9, seed=0)
    with pytest.raises(ValueError, match=r"ask for that metric too. Received: kid."):
        comparison.evaluate(fakes, metrics=["kid"], features=features, nearest_out="x.png")


def test_a_folder_as_data_set_has_no_training_images_apart_and_no_labels(features, tmp_path):
    folder = _write_images(tmp_path / "images", 12)
    fakes = from_folder(folder, 12, features.resize)
    with pytest.raises(ValueError, match=r"training images are apart .* split 'all'"):
        comparison.evaluate(fakes, metrics=["nearest"], dataset=folder, features=features)
    real = data.load(folder, resolution=28, channels=1)
    with pytest.raises(ValueError, match=r"Class balance needs a labelled data set. Received"):
        Evaluator(real, ["class_balance"], features=features, training=real)
    with pytest.raises(ValueError, match=r"Nearest .* needs real training images. Received: none"):
        Evaluator(real, ["nearest"], features=features)
    with pytest.raises(ValueError, match=r"KID needs real images. Received: none."):
        Evaluator(None, ["kid"], features=features)


def _write_classes(folder):
    """In train and test, dark cats and bright dogs."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, least in (("cats", 0), ("dogs", 180)):
            (folder / split / name).mkdir(parents=True)
            for i in range(8):
                pixels = rng.integers(least, least + 70, [8, 8], np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    return str(folder)


def test_classes_of_a_folder_are_read_for_a_model_without_any(features, tmp_path):
    folder = _write_classes(tmp_path / "photos")
    with pytest.raises(ValueError, match="of the 2 classes of '.*'. Received: a model without"):
        comparison.evaluate(
            from_gan(FakeGAN(None), 8, 0),
            metrics=["class_accuracy"],
            dataset=folder,
            features=features,
        )


@pytest.mark.slow
def test_images_without_classes_are_compared_with_a_folder_of_classes(features, tmp_path):
    folder = _write_classes(tmp_path / "photos")
    gan = FakeGAN(None)
    gan.image_shape = (8, 8, 3)
    gan.generate = lambda n, *, seed: np.full([n, 8, 8, 3], 30, np.uint8)
    for fakes in (from_gan(gan, 8, 0), from_folder(f"{folder}/test/cats", 8, resize=8)):
        record = comparison.evaluate(
            fakes, metrics=["class_balance"], dataset=folder, features=features
        )
        # Only cats: half of the images are of the wrong class.
        assert record["metrics"]["class_balance"]["value"] == 0.5
        assert (record["split"], record["training_split"]) == ("test", "train")


def test_a_metric_of_classes_needs_them_in_the_folder(features, tmp_path):
    folder = _write_images(tmp_path / "images", 12)
    fakes = from_folder(folder, 12, features.resize)
    with pytest.raises(data.DataError, match="measured by labels: put the images of each class in"):
        comparison.evaluate(fakes, metrics=["class_balance"], dataset=folder, features=features)


@pytest.mark.usefixtures("test_split")
def test_a_folder_cannot_be_asked_for_images(features, tmp_path):
    folder = _write_images(tmp_path / "images", 12)
    fakes = from_folder(folder, 12, features.resize)
    with pytest.raises(ValueError, match=r"PPL asks a generator .* Received: .*images'}"):
        comparison.evaluate(fakes, metrics=["ppl"], features=features)


def test_a_folders_broken_files_are_left_out_and_counted(features, tmp_path):
    folder = _write_images(tmp_path / "images", 12)
    (tmp_path / "images" / "0003.png").write_bytes(b"no picture")
    fakes = from_folder(folder, 12, features.resize)
    assert sum(len(images) for images in fakes.batches) == 11
    assert fakes.skipped == ["0003.png"]
    for i in range(2):
        (tmp_path / "images" / f"000{i}.png").write_bytes(b"no picture")
    with pytest.raises(data.DataError, match="3 of 12 images .*0001.png .A picture must be a PNG"):
        list(fakes.batches)


def test_a_folder_is_read_as_the_data_sets_are(features, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(130):
        pixels = rng.integers(0, 256, (20 + i % 3, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    fakes = from_folder(str(folder), 129, 40)
    chunks = list(fakes.batches)
    assert [len(c) for c in chunks] == [128, 1]
    expected = data.load(str(folder), resolution=40, channels=3).images
    known = {image.tobytes(): i for i, (image, _) in enumerate(expected.as_numpy_iterator())}
    order = [known[image.tobytes()] for image in np.concatenate(chunks)]
    assert len(set(order)) == 129
    assert order != sorted(order)  # a folder may be sorted by class


def test_a_part_of_a_folder_is_not_its_first_class(tmp_path):
    for name, value in (("a", 0), ("b", 255)):
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.fromarray(np.full([8, 8], value, np.uint8)).save(tmp_path / name / f"{i}.png")
    real = data.load(str(tmp_path), resolution=8, channels=1)
    twice = [np.concatenate(list(comparison.image_batches(real, 20))) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert 4 <= int((twice[0][:, 0, 0, 0] == 255).sum()) <= 16


def test_images_are_picked_by_index_in_the_order_asked():
    batches = [
        np.full([4, 1, 1, 1], i, np.uint8) + np.arange(4)[:, None, None, None] for i in (0, 4)
    ]
    picked = pick([b.astype(np.uint8) for b in batches], [6, 1, 6])
    assert picked.ravel().tolist() == [6, 1, 6]


@pytest.mark.usefixtures("preset")
def test_images_are_generated_in_chunks_by_consecutive_seeds():
    fakes = from_preset("dcgan_test", num_images=300, seed=7)
    chunks = list(fakes.batches)
    assert max(len(chunk) for chunk in chunks) <= BATCH
    np.testing.assert_array_equal(np.concatenate(chunks), FakeGAN(None).generate(300, seed=7))
    assert len(list(fakes.batches)) == len(chunks)  # again


@pytest.mark.usefixtures("preset")
def test_the_training_split_is_refused(features):
    fakes = from_preset("dcgan_test", num_images=2, seed=0)
    with pytest.raises(
        ValueError,
        match=r"trained on 'fashion_mnist', split 'train\[:10000\]'. "
        r"Received: 'fashion_mnist', split 'train'",
    ):
        comparison.evaluate(fakes, dataset="sample:fashion_mnist", split="train", features=features)


@pytest.mark.parametrize(
    ("seen", "asked", "refused"),
    [
        ("train", "train", True),
        ("train[:10000]", "train[50000:]", True),
        ("train", "test+train[:10%]", True),
        ("all", "test", True),
        ("train", "all", True),
        ("train", "all[:500]", True),
        ("train", "test", False),
        ("train", "test[:500]", False),
    ],
)
def test_splits_overlap_by_their_base_name(seen, asked, refused):
    real = data.load("sample:fashion_mnist", resolution=28, channels=1)
    real = dataclasses.replace(real, split=asked)
    trained_on = {"name": "fashion_mnist", "split": seen}
    if refused:
        with pytest.raises(ValueError, match="has not seen"):
            comparison.check_unseen(trained_on, real)
    else:
        comparison.check_unseen(trained_on, real)
    comparison.check_unseen({**trained_on, "name": "kmnist"}, real)
    comparison.check_unseen(None, real)


def _write_images(folder, count):
    folder.mkdir()
    for i in range(count):
        Image.new("L", (28, 28), i % 256).save(folder / f"{i:04d}.png")
    return str(folder)


@pytest.mark.usefixtures("test_split")
def test_a_folder_of_images(features, tmp_path):
    folder = _write_images(tmp_path / "images", 12)
    fakes = from_folder(folder, num_images=10, resize=64)
    record = comparison.evaluate(fakes, dataset="fashion_mnist", num_images=10, features=features)
    assert record["source"] == {"images": folder, "skipped": 0}
    assert (record["num_fake"], record["seed"], record["trained_on"]) == (10, None, None)
    assert record["metrics"]["kid"]["standard_error_x1000"] is None


@pytest.mark.usefixtures("test_split")
def test_a_folder_and_a_preset_with_the_same_images_score_the_same(features, preset, tmp_path):
    folder = _write_images(tmp_path / "images", 10)
    by_folder = comparison.evaluate(
        from_folder(folder, 10, resize=64),
        dataset="fashion_mnist",
        num_images=10,
        features=features,
    )
    by_preset = comparison.evaluate(from_preset("p", 10, 0), num_images=10, features=features)
    assert by_folder["metrics"]["kid"]["value"] == pytest.approx(
        by_preset["metrics"]["kid"]["value"], rel=1e-5
    )


@pytest.mark.usefixtures("test_split")
def test_too_few_images_are_refused(features, tmp_path):
    fakes = from_folder(_write_images(tmp_path / "images", 1), 5000, resize=64)
    with pytest.raises(ValueError, match=r"at least 2 fake images. Received: 1."):
        comparison.evaluate(fakes, dataset="fashion_mnist", features=features)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(data.DataError, match="no images"):
        from_folder(str(tmp_path), num_images=10, resize=64)


def test_a_run_without_a_preset_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"as each checkpoint does. Received: {tmp_path}"):
        from_run(str(tmp_path), num_images=10, seed=0)


def test_a_run_is_measured_by_its_preset_folder(tmp_path, preset):
    (tmp_path / "preset").mkdir()
    fakes = from_run(str(tmp_path), num_images=10, seed=0)
    assert fakes.source == {"run": str(tmp_path), "preset": "dcgan_test", "steps": 20}


def test_an_unknown_preset_is_refused():
    with pytest.raises(zoo.PresetError, match="Received: 'dcgan_fashion'"):
        from_preset("dcgan_fashion", num_images=10, seed=0)


def test_a_card_may_describe_its_training_in_words(preset):
    preset["training"] = "two days on my laptop"
    assert from_preset("dcgan_test", num_images=1, seed=0).source["steps"] is None


@pytest.mark.usefixtures("test_split")
def test_a_card_may_name_its_data_in_words(preset, features):
    preset["dataset"] = "my photos"
    fakes = from_preset("dcgan_test", num_images=10, seed=0)
    record = comparison.evaluate(fakes, dataset="fashion_mnist", num_images=10, features=features)
    assert record["trained_on"] == {"name": "my photos"}
    preset["dataset"] = "fashion_mnist"  # of which it does not say the split
    fakes = from_preset("dcgan_test", num_images=10, seed=0)
    with pytest.raises(ValueError, match="trained on 'fashion_mnist', split 'all'. Received: "):
        comparison.evaluate(fakes, features=features)


def test_words_are_no_data_set_to_compare_with(preset, features):
    preset["dataset"] = "my photos"
    fakes = from_preset("dcgan_test", num_images=10, seed=0)
    with pytest.raises(data.DataError, match="Unknown data set.* Received: 'my photos'"):
        comparison.evaluate(fakes, features=features)


def test_a_model_of_unknown_data_needs_a_dataset(preset, features):
    del preset["dataset"]
    fakes = from_preset("dcgan_test", num_images=10, seed=0)
    with pytest.raises(ValueError, match="give --dataset"):
        comparison.evaluate(fakes, features=features)
