"""Exports of GANs from image to image: arrays of any size, and picture files."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

import zoo
from export import atomic, codecs, parity, saved_model
from export.signatures import image_to_image
from tests.marks import properties
from tests.translating import (
    FINE,
    LYING,
    Doubling,
    TwoWays,
    colours,
    decoded,
    encoded,
    jpeg_of_size,
    lying,
    png_of_size,
)
from zoo.pictures import exif
from zoo.pictures.marks import Mark


@pytest.fixture(scope="module")
def photo(fashion: np.ndarray) -> np.ndarray:
    return colours(fashion, 1, 2)  # uint8 [28, 56, 3]


@pytest.fixture(scope="module")
def pix2pix() -> zoo.Pix2Pix:
    return zoo.Pix2Pix(resolution=16, width=4, patch=16)


@pytest.fixture(scope="module")
def versions(
    pix2pix: zoo.Pix2Pix, translating: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pathlib.Path]:
    to = tmp_path_factory.mktemp("models")
    others = {name: translating / name / "1" for name in ("two", "doubling")}
    return {"pix2pix": saved_model.export(pix2pix, to, "pix2pix", source="a test"), **others}


@pytest.fixture(scope="module")
def signatures(versions: dict[str, pathlib.Path]) -> dict[str, dict]:
    return {name: tf.saved_model.load(str(path)).signatures for name, path in versions.items()}


def files(signature: tf.types.experimental.PolymorphicFunction, *given: bytes) -> list[bytes]:
    return signature(image_bytes=tf.constant(given, tf.string))["image_bytes"].numpy().tolist()


def test_each_kind_has_its_signatures(versions: dict[str, pathlib.Path]) -> None:
    kinds = {
        "pix2pix": ["serving_default", "translate_png"],
        "two": ["a_to_b", "a_to_b_png", "b_to_a", "b_to_a_png", "serving_default", "translate_png"],
        "doubling": ["serving_default", "upscale_png"],
    }
    for name, path in versions.items():
        manifest = json.loads((path / atomic.MANIFEST).read_text())
        assert sorted(manifest["signatures"]) == kinds[name]
        images = {"images": {"dtype": "float32", "shape": [None, None, None, 3]}}
        image_bytes = {"image_bytes": {"dtype": "string", "shape": [None]}}
        for key, signature in manifest["signatures"].items():
            expected = image_bytes if key.endswith("_png") else images
            assert signature == {"inputs": expected, "outputs": expected}
        assert manifest["limits"] == {
            "pixels_of_an_output": 2_097_152,
            "side_of_an_output": 8192,
            "scale": 2 if name == "doubling" else 1,
        }
        assert manifest["max_difference_from_live_model"] <= parity.IMAGE_TOLERANCE


def test_a_model_of_other_channels_has_no_pictures() -> None:
    signatures = image_to_image(TwoWays(channels=2), Mark("two", "0"))
    assert set(signatures) == {"serving_default", "a_to_b", "b_to_a"}


def test_images_of_any_size_equal_the_live_model(
    signatures: dict[str, dict], pix2pix: zoo.Pix2Pix, photo: np.ndarray
) -> None:
    images = np.stack([photo, photo[::-1]])[:, :19, :33]
    source = tf.constant(images / 127.5 - 1, tf.float32)
    made = signatures["pix2pix"]["serving_default"](images=source)["images"]
    assert np.abs(np.rint((made + 1) * 127.5) - pix2pix.translate(images)).max() <= 1
    (png,) = files(signatures["pix2pix"]["translate_png"], encoded(images[0], "PNG"))
    assert np.abs(decoded(png).astype(int) - pix2pix.translate(images[:1])[0]).max() <= 1
    for name, expected in [
        ("serving_default", -source),
        ("a_to_b", -source),
        ("b_to_a", source[..., ::-1]),
    ]:
        np.testing.assert_array_equal(signatures["two"][name](images=source)["images"], expected)
    for name, expected in [
        ("translate_png", 255 - photo),
        ("a_to_b_png", 255 - photo),
        ("b_to_a_png", photo[..., ::-1]),
    ]:
        (png,) = files(signatures["two"][name], encoded(photo, "PNG"))
        np.testing.assert_array_equal(decoded(png), expected)


def test_each_file_says_what_made_it(signatures: dict[str, dict], photo: np.ndarray) -> None:
    transparent = np.dstack([photo, photo[..., 0]])
    for name, key in [
        ("two", "translate_png"),
        ("two", "b_to_a_png"),
        ("doubling", "upscale_png"),
    ]:
        for png in files(signatures[name][key], encoded(photo, "PNG"), encoded(transparent, "PNG")):
            says = properties(png)
            assert says["DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
            assert says["AISystemUsed"] == name


def test_a_picture_is_the_same_alone_and_beside_others(
    signatures: dict[str, dict], photo: np.ndarray
) -> None:
    pngs = [encoded(photo[: 5 + i % 9, : 8 + i], "PNG") for i in range(32)]
    signature = signatures["pix2pix"]["translate_png"]
    together = files(signature, *pngs)
    for i in (0, 17, 31):
        assert files(signature, pngs[i]) == [together[i]]
    images = tf.constant(
        np.stack([np.roll(photo, i, 1) for i in range(32)]) / 127.5 - 1, tf.float32
    )
    default = signatures["pix2pix"]["serving_default"]
    together = default(images=images)["images"]
    np.testing.assert_array_equal(default(images=images[7:8])["images"][0], together[7])
    assert together.shape == images.shape


def test_every_kind_of_picture(signatures: dict[str, dict], photo: np.ndarray) -> None:
    """The negatives of what Pillow sees in the same files."""
    grey, alpha = photo[..., 0], photo[..., 1]
    of_grey = np.stack([grey] * 3, -1)
    palette = Image.fromarray(photo).convert("P")
    of_palette = np.asarray(palette.convert("RGB"))
    see_through = bytes(index % 256 for index in range(256))
    few = Image.fromarray(photo).quantize(11)  # in 4 bits
    of_few = np.asarray(few.convert("RGB"))
    opaque = np.full_like(alpha, 255)
    of_file = files(
        signatures["two"]["translate_png"],
        encoded(photo, "PNG"),
        encoded(grey, "PNG"),
        encoded(grey.astype(np.uint16) * 256 + 200, "PNG"),
        encoded(Image.fromarray(grey > 99), "PNG"),
        encoded(few, "PNG"),
        encoded(few, "PNG", transparency=few.getpixel((0, 0))),
        encoded(palette, "PNG"),
        encoded(palette, "PNG", transparency=see_through),
        encoded(np.dstack([grey, alpha]), "PNG"),
        encoded(np.dstack([photo, alpha]), "PNG"),
        encoded(np.dstack([photo, opaque]), "PNG"),
    )
    for data, expected in zip(
        of_file,
        [
            255 - photo,
            255 - of_grey,
            255 - of_grey,
            255 - np.uint8(255) * (of_grey > 99),
            255 - of_few,
            np.dstack([255 - of_few, np.uint8(255) * (np.asarray(few) != few.getpixel((0, 0)))]),
            255 - of_palette,
            np.dstack([255 - of_palette, np.asarray(palette)]),
            np.dstack([255 - of_grey, alpha]),
            np.dstack([255 - photo, alpha]),
            np.dstack([255 - photo, opaque]),
        ],
        strict=True,
    ):
        made = decoded(data)
        assert made.shape == expected.shape
        if made.shape[-1] == 4:  # what is half transparent is of tests/zoo/pictures
            np.testing.assert_array_equal(made[..., 3], expected[..., 3])
            made, expected = (x[made[..., 3] == 255] for x in (made, expected))
        np.testing.assert_array_equal(made, expected)
    jpegs = [
        encoded(photo, "JPEG", **FINE),
        encoded(photo, "JPEG", progressive=True, **FINE),
        encoded(grey, "JPEG", **FINE),
        encoded(Image.fromarray(photo).convert("CMYK"), "JPEG", **FINE),
    ]
    for jpeg, made in zip(jpegs, files(signatures["two"]["translate_png"], *jpegs), strict=True):
        seen = np.asarray(Image.fromarray(decoded(jpeg)).convert("RGB"))
        if jpeg is jpegs[3]:
            seen = np.asarray(Image.fromarray(decoded(jpeg), "CMYK").convert("RGB"))
        assert np.abs(decoded(made).astype(int) - (255 - seen.astype(int))).max() <= 1


def test_photos_stand_upright(signatures: dict[str, dict], photo: np.ndarray) -> None:
    for orientation in LYING:
        jpeg = lying(photo, orientation, "JPEG", **FINE)
        (made,) = files(signatures["two"]["translate_png"], jpeg)
        assert decoded(made).shape == photo.shape
        assert np.abs(decoded(made).astype(int) - (255 - photo.astype(int))).mean() < 3
        # An orientation that is cut off or none leaves the picture as it lies.
        at = jpeg.index(b"Exif")
        for wrong in (b"Exix\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\xf0\x0f\0\0"):
            broken = jpeg[:at] + wrong + jpeg[at + len(wrong) :]
            (made,) = files(signatures["two"]["translate_png"], broken)
            assert decoded(made).shape == LYING[orientation](photo).shape


def test_both_byte_orders_of_exif() -> None:
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def orientation(data):
        return exif.orientation(data, tf.constant(False))

    for order, count, entry in [
        (b"II*\0\x08\0\0\0", b"\x02\0", b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"),
        (b"MM\0*\0\0\0\x08", b"\0\x02", b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"),
    ]:
        start = codecs.JPEG[:2] + b"\xff\xe0\0\x04??" + b"\xff\xe1\0\x50Exif\0\0" + order + count
        data = start + bytes(12) + entry
        assert orientation(data).numpy() == 6
        for end in range(len(data) - 4):
            assert orientation(data[:end]).numpy() in (1, 6)
        for value in (0, 9, 77):
            data = start + bytes(12) + entry.replace(b"\x06", bytes([value]))
            assert orientation(data).numpy() == 1


def test_enlarged_alpha_is_bicubic(signatures: dict[str, dict], photo: np.ndarray) -> None:
    alpha = np.where(photo[..., 1] > 99, 255, photo[..., 1]).astype(np.uint8)
    (made,) = files(
        signatures["doubling"]["upscale_png"], encoded(np.dstack([photo, alpha]), "PNG")
    )
    made = decoded(made).astype(int)
    # In floats: of 8 bits, Pillow clips between the two axes.
    floats = Image.fromarray(alpha.astype(np.float32)).resize((112, 56), Image.Resampling.BICUBIC)
    assert np.abs(made[..., 3] - np.clip(floats, 0, 255)).max() <= 1
    share = alpha[..., None] / 255
    on_white = np.rint(photo * share + 255 * (1 - share)).astype(np.uint8)
    opaque = made[..., 3] == 255
    assert opaque.sum() > 100
    off = made[..., :3] - Doubling().translate(on_white[None])[0]
    assert np.abs(off[opaque]).max() <= 1


# ---- bad input


def test_files_that_are_refused(signatures: dict[str, dict], photo: np.ndarray) -> None:
    png, jpeg = encoded(photo, "PNG"), encoded(photo, "JPEG")
    kind = r"Each of image_bytes must be a PNG or a JPEG. Received: {} bytes of something else"
    size = r"at most 2097152 pixels and 8192 a side, and at least 1. Received: {} x {} \(H x W\)"
    for data, message in [
        (b"", kind.format(0)),
        (b"plain text", kind.format(10)),
        (png[:8], kind.format(8)),
        (encoded(photo, "GIF"), kind.format(".*")),
        (encoded(photo, "BMP"), kind.format(".*")),
        (encoded(photo, "WEBP"), kind.format(".*")),
        (jpeg[:3], "Invalid JPEG data, size 3"),
        (jpeg[: len(jpeg) // 2], "Invalid JPEG data"),
        (jpeg[:-20], "Invalid JPEG data"),
        (png[:16], size.format(0, 0)),
        (png[:30], "Invalid PNG"),
        (png[: len(png) // 2], "Invalid PNG data"),
        (png_of_size(0, 5), size.format(5, 0)),
        (png_of_size(2**31, 1), size.format(1, -(2**31))),
        (png_of_size(50_000, 50_000), size.format(50_000, 50_000)),
        (png_of_size(1_024, 2_049), size.format(2_049, 1_024)),
        (png_of_size(8_193, 1), size.format(1, 8_193)),
        (jpeg_of_size(65_000, 65_000), size.format(65_000, 65_000)),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            files(signatures["two"]["translate_png"], data)
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            files(signatures["two"]["translate_png"], png, data)  # of one request, all fail
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"2097152 pixels and 8192 a side once it is enlarged 2 times, .* Received: 725 x 724",
    ):
        files(signatures["doubling"]["upscale_png"], png_of_size(724, 725))
    assert files(signatures["two"]["translate_png"]) == []


def test_damaged_files_never_end_the_server(signatures: dict[str, dict], photo: np.ndarray) -> None:
    """Bytes exchanged at random: a picture, or one line."""
    random = np.random.default_rng(0)
    refused = 0
    for data in (encoded(photo, "PNG"), lying(photo, 6, "JPEG"), encoded(photo, "JPEG")):
        for _ in range(60):
            damaged = np.frombuffer(data, np.uint8).copy()
            reach = random.choice([64, len(damaged)])
            damaged[random.integers(3, reach, 3)] = random.integers(0, 256, 3)
            try:
                (made,) = files(signatures["two"]["translate_png"], damaged.tobytes())
                assert decoded(made).ndim == 3
            except tf.errors.InvalidArgumentError:
                refused += 1
    assert 20 < refused < 180


def test_arrays_that_are_refused(signatures: dict[str, dict]) -> None:
    default = signatures["two"]["serving_default"]
    size = r"at most 2097152 pixels and 8192 a side, and at least 1. Received: {} x {} \(H x W\)"
    for images, message in [
        (np.zeros([1, 1, 8_193, 3]), size.format(1, 8_193)),
        (np.zeros([1, 2_049, 1_024, 3]), size.format(2_049, 1_024)),
        (np.zeros([1, 0, 5, 3]), size.format(0, 5)),
        (np.zeros([0, 5, 5, 3]), "There must be at least one image. Received: 0."),
        (np.full([2, 2, 2, 3], np.nan), r"finite and in \[-1, 1\]; .* Received:\] \[nan nan nan"),
        (np.full([1, 2, 2, 3], 255.0), r"finite and in \[-1, 1\]; .* Received:\] \[255 255 255"),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            default(images=tf.constant(images, tf.float32))


# ---- the files of an export


def test_warmup_requests_run(
    versions: dict[str, pathlib.Path], signatures: dict[str, dict]
) -> None:
    for name, path in versions.items():
        records = tf.data.TFRecordDataset(str(path / "assets.extra" / saved_model.WARMUP_FILE))
        seen = []
        for record in records.as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            key = request.model_spec.signature_name
            ((alias, value),) = request.inputs.items()
            (made,) = signatures[name][key](**{alias: tf.make_ndarray(value)}).values()
            if alias == "images":
                side = 32 if name == "doubling" else 16
                assert made.shape == (1, side, side, 3)
            seen.append(key)
        assert sorted(seen) == sorted(signatures[name])


def test_nothing_but_stock_operations(versions: dict[str, pathlib.Path]) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    for path in versions.values():
        proto = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
        functions = proto.meta_graphs[0].graph_def.library.function
        kinds = {node.op for function in functions for node in function.node_def}
        assert {"DecodePng", "EncodePng", "ExtractJpegShape"} <= kinds
        assert not kinds & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


@pytest.mark.slow
def test_an_export_that_differs_is_refused(
    versions: dict[str, pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gan, made_from = TwoWays(), TwoWays.made_from
    parity.check(gan, versions["two"], gan.mark)
    monkeypatch.setattr(gan, "translated", lambda images, *arguments: images)
    with pytest.raises(parity.ParityError, match="within a grey level. Received: a larger differ"):
        parity.check(gan, versions["two"], gan.mark)
    monkeypatch.setattr(gan, "translated", lambda images, *arguments: images[:, 1:])
    with pytest.raises(parity.ParityError, match=r"Received: a size of \(16, 16, 3\)"):
        parity.check(gan, versions["two"], gan.mark)
    monkeypatch.setattr(gan, "made_from", lambda *a, **k: made_from(gan, *a, **k) + 0.01)
    with pytest.raises(parity.ParityError, match="within 0.001. Received: a difference of 0.01"):
        parity.check(gan, versions["two"], gan.mark)
