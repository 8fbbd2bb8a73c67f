"""`Client` and `AsyncClient` against the real server, and against one that misbehaves."""

import asyncio
import inspect
import socket
import subprocess
import sys
import threading
import time
import types

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

import serving
from serving import AsyncClient, Client, wire
from serving.client import TensorSpec, VersionStatus
from serving.client import aio as client_aio
from serving.client import core as client_core
from serving.client import sync as client_sync
from tests.serving import fake, models
from tests.serving.conftest import ROOT


class Awaited:
    """An `AsyncClient` that is called like a `Client`: every test runs on both."""

    def __init__(self, *args, **kwargs):
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(*args, **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._loop.run_until_complete(self._client.close())
        self._loop.close()

    def __repr__(self):
        return repr(self._client)

    def __getattr__(self, name):
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))


# Seconds by which a busy machine may be late; the default timeout is longer.
SLACK = 10.0

KINDS = pytest.mark.parametrize("kind", [Client, Awaited], ids=["Client", "AsyncClient"])


@pytest.fixture(params=[Client, Awaited], ids=["Client", "AsyncClient"])
def client(request, server):
    with request.param(server.address) as client:
        yield client


@pytest.fixture
def misbehaving():
    """A fake server and its address."""
    server = fake.Fake()
    with fake.serve(server) as address:
        yield server, address


def _expected(seeds) -> np.ndarray:
    """What the toy model makes of seeds, computed by itself, as uint8."""
    images = models.Toy().generate(tf.constant(seeds, tf.int64))["images"].numpy()
    return np.floor((images.astype(np.float64) + 1) * 127.5 + 0.5).astype(np.uint8)


def test_generate(client):
    images = client.generate("toy", 4, seed=7)
    assert images.dtype == np.uint8
    assert images.shape == (4, *models.SHAPE)
    np.testing.assert_array_equal(images, _expected([7, 8, 9, 10]))
    np.testing.assert_array_equal(client.generate("toy", seed=0), _expected([0]))


def test_eight_images_are_eight_requests_of_one(client):
    one_by_one = [client.generate("toy", 1, seed=seed) for seed in range(7, 15)]
    np.testing.assert_array_equal(client.generate("toy", n=8, seed=7), np.concatenate(one_by_one))


def test_many_images_are_asked_for_in_pieces(client):
    np.testing.assert_array_equal(client.generate("toy", 100, seed=-50), _expected(range(-50, 50)))


def test_the_largest_seed(client):
    largest = 2**63 - 1
    np.testing.assert_array_equal(client.generate("toy", seed=largest), _expected([largest]))


def test_numpy_integers_and_fresh_seeds(client):
    images = client.generate("toy", np.int64(2), seed=np.int32(7))
    np.testing.assert_array_equal(images, _expected([7, 8]))
    a, b = (client.generate_png("toy", 2) for _ in range(2))
    assert a != b
    assert len(client.generate("toy")) == len(client.generate("toy", None)) == 1


def test_generate_png(client):
    files = client.generate_png("toy", 40, seed=3)
    pixels = [tf.io.decode_png(data).numpy() for data in files]
    np.testing.assert_array_equal(pixels, client.generate("toy", 40, seed=3))


def test_discriminate(client):
    pixels = np.random.default_rng(0).integers(0, 256, (70, *models.SHAPE), np.uint8)
    floats = pixels / 127.5 - 1
    expected = 1 / (1 + np.exp(-floats.mean((1, 2, 3))))
    for images in (pixels, floats.astype(np.float32), floats):
        probability = client.discriminate("toy", images)
        assert probability.dtype == np.float32
        np.testing.assert_allclose(probability, expected, atol=1e-6)


@pytest.mark.parametrize(
    "x",
    [
        [1.5, 1 + 2**-8, -3],
        np.array([1.5, 1 + 2**-8, -3]),
        np.array([1.5, 1, -3]).astype(tf.bfloat16.as_numpy_dtype),
    ],
    ids=["list", "float64", "ml_dtypes"],
)
def test_bfloat16_goes_in_rounded_and_comes_out_as_float32(client, x):
    y = client.predict("toy", {"x": x}, signature="brain")["y"]
    assert y.dtype == np.float32
    assert y.tolist() == [3, 2, -6]
    assert str(client.metadata("toy").signatures["brain"].inputs["x"]) == "bfloat16[N]"


def test_lists_become_the_types_of_the_signature(client):
    given = {
        "float64": [0.1, 2],
        "float16": np.array([0.1, 2]),
        "int8": [-128, 127],
        "uint8": [0, 255],
        "int64": [-(2**63), 2**63 - 1],
        "uint64": [2**63, 2**64 - 1],  # with smaller ones, numpy makes float64 of the list
        "boolean": [True, False],
        "complex64": np.array([1 + 2j, -3j], np.complex64),
        "string": ["é", b"\xff\0"],
    }
    outputs = client.predict("toy", given, signature="types")
    specs = client.metadata("toy").signatures["types"].outputs
    assert {name: array.dtype for name, array in outputs.items()} == {
        name: spec.dtype for name, spec in specs.items()
    }
    assert outputs["string_out"].tolist() == ["é".encode(), b"\xff\0"]
    assert outputs["bool_out"].tolist() == given["boolean"]
    np.testing.assert_array_equal(outputs["float16_out"], np.float16(given["float16"]))
    assert outputs["uint64_out"].tolist() == given["uint64"]


def _drawn(images) -> list[list[float]]:
    """What the labelled model was asked for: [seed, label, truncation] of each image."""
    return np.round((images.reshape(-1, 3) / 127.5 - 1) * 8, 1).tolist()


def test_labels_and_truncation(client):
    images = client.generate("labelled", seed=3, labels=[5, 0], truncation=0.5)
    np.testing.assert_allclose(_drawn(images), [[3, 5, 0.5], [4, 0, 0.5]], atol=0.04)
    images = client.generate("labelled", 2, seed=3, labels=np.int64(7), truncation=[1, 0])
    np.testing.assert_allclose(_drawn(images), [[3, 7, 1], [4, 7, 0]], atol=0.04)


def test_labels_and_truncation_may_be_left_out(client):
    # The wire then has -1, "drawn from the seed", and NaN, "none", which this model draws as -1.
    np.testing.assert_allclose(
        _drawn(client.generate("labelled", seed=0)), [[0, -1, -1]], atol=0.04
    )
    (png,) = client.generate_png("labelled", seed=0, labels=4)
    np.testing.assert_allclose(_drawn(tf.io.decode_png(png).numpy()), [[0, 4, -1]], atol=0.04)


def test_many_labels_are_asked_for_in_pieces(client):
    labels = np.arange(70) % 8
    files = client.generate_png("labelled", 70, seed=-8, labels=labels, truncation=labels / 8)
    pixels = np.stack([tf.io.decode_png(data).numpy() for data in files])
    drawn = np.array(_drawn(pixels))[:16]  # further on the seeds are off the scale
    expected = np.stack([np.arange(-8, 8), labels[:16], labels[:16] / 8], axis=1)
    np.testing.assert_allclose(drawn, expected, atol=0.09)
    np.testing.assert_array_equal(pixels[:, 0, 1:], pixels[np.arange(70) % 8, 0, 1:])
    images = np.zeros((70, *models.SHAPE), np.float32)
    np.testing.assert_allclose(
        client.discriminate("labelled", images, labels=labels), 10 * labels, atol=1e-6
    )


def test_predict(client):
    latents = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)
    images = client.predict("toy", {"latents": latents})["images"]
    np.testing.assert_allclose(images, np.tanh(latents).reshape(2, 2, 3, 1), atol=1e-6)
    a, b = np.ones((3, 2), np.float32), np.zeros(3, np.float32)
    answer = client.predict("toy", {"a": a, "b": b}, signature="two_inputs", outputs=["sum"])
    assert {name: value.tolist() for name, value in answer.items()} == {"sum": [2, 2, 2]}
    assert client.predict("scale", {"x": np.float32([1])}, version=10)["y"].tolist() == [10]


def test_answers_can_be_written_to(client):
    images = client.predict("toy", {"latents": np.zeros((1, 6), np.float32)})["images"]
    images += 1
    assert images.sum() == 6


def test_lists_and_numbers_take_the_signatures_type(client):
    assert client.predict("scale", {"x": [1, 2.5]})["y"].tolist() == [10, 25]
    assert client.predict("toy", {"x": 4}, signature="scalar")["y"] == 8
    seeds = client.predict("toy", {"seed": [7]}, signature="generate")["images"]
    assert seeds.shape == (1, *models.SHAPE)


def test_strings(client):
    png = client.generate_png("toy")[0]
    answer = client.predict("toy", {"image_bytes": [png, png]}, signature="decode")
    assert answer["height"].tolist() == [2, 2]


def test_no_message_size_trap(client):
    pictures = np.ones((1, 800, 800, 3), np.float32)
    assert pictures.nbytes > 4 * 2**20
    answer = client.predict("toy", {"x": pictures}, signature="identity")["y"]
    np.testing.assert_array_equal(answer, pictures)


def test_metadata(client):
    metadata = client.metadata("toy")
    assert (metadata.model, metadata.version) == ("toy", 3)
    assert set(metadata.signatures) == set(models.TOY_SIGNATURES)
    signature = metadata.signatures["serving_default"]
    assert signature.inputs == {"latents": TensorSpec(np.dtype("float32"), (None, 6))}
    assert signature.outputs == {"images": TensorSpec(np.dtype("float32"), (None, 2, 3, 1))}
    assert metadata.signatures["identity"].inputs["x"].shape is None
    assert str(metadata.signatures["generate_png"].outputs["image_bytes"]) == "string[N]"


def test_status(client):
    assert client.status("scale") == [VersionStatus(10, "AVAILABLE")]
    assert str(client.status("scale")[0]) == "version 10 is AVAILABLE"


def test_wait_until_available(client):
    assert client.wait_until_available("toy", timeout=5) is None
    with pytest.raises(
        serving.DeadlineExceeded,
        match=r"'nope' must be AVAILABLE at \S+ within 0.3 s. Last seen: .* versions of model nope",
    ):
        client.wait_until_available("nope", timeout=0.3)


GOOD = np.zeros((1, 6), np.float32)
REFUSALS = {
    "input name": (
        lambda c: c.predict("toy", {"z": GOOD}),
        r"inputs must be \['latents'\] for signature 'serving_default' of 'toy' version 3."
        r" Received: \['z'\]",
    ),
    "missing input": (
        lambda c: c.predict("toy", {}),
        r"inputs must be \['latents'\] .* Received: \[\]",
    ),
    "dtype": (
        lambda c: c.predict("toy", {"latents": GOOD.astype(np.float16)}),
        r"latents must be float32\[N, 6\] for signature .* Received: dtype float16",
    ),
    "dtype of a list": (
        lambda c: c.predict("toy", {"seed": [1.5]}, signature="generate"),
        r"seed must be int64\[N\] for .* Received: dtype float64",
    ),
    "integers for bfloat16": (
        lambda c: c.predict("toy", {"x": np.array([1, 2])}, signature="brain"),
        r"x must be bfloat16\[N\] for .* Received: dtype int64",
    ),
    "text for numbers": (
        lambda c: c.predict("toy", {"latents": [["a"] * 6]}),
        r"latents must be float32\[N, 6\] for .* Received: dtype <U1",
    ),
    "shape": (
        lambda c: c.predict("toy", {"latents": GOOD[:, :5]}),
        r"latents must be float32\[N, 6\] for .* Received: shape \[1, 5\]",
    ),
    "rank": (
        lambda c: c.predict("toy", {"latents": GOOD[0]}),
        r"latents must be float32\[N, 6\] for .* Received: shape \[6\]",
    ),
    "signature": (
        lambda c: c.predict("toy", {}, signature="sample"),
        r"signature must be one of \['any_size', .*\] for 'toy' version 3. Received: 'sample'",
    ),
    "a model that cannot generate": (
        lambda c: c.generate("scale"),
        r"signature must be one of \['serving_default'\] for 'scale'.* Received: 'generate'",
    ),
    "output": (
        lambda c: c.predict("toy", {"latents": GOOD}, outputs=["images", "logits"]),
        r"outputs must be among \['images'\] for .* Received: \['logits'\]",
    ),
    "inputs without names": (
        lambda c: c.predict("toy", GOOD),
        r"inputs must be a dict, .* in metadata\('toy'\).signatures. Received: ndarray",
    ),
    "n": (lambda c: c.generate("toy", 0), "n must be at least 1. Received: n=0"),
    "half an image": (
        lambda c: c.generate("toy", 1.5),
        "n must be an integer. Received: n=1.5",
    ),
    "a seed in letters": (
        lambda c: c.generate_png("toy", seed="3"),
        "seed must be an integer. Received: seed='3'",
    ),
    "seed": (
        lambda c: c.generate("toy", 2, seed=2**63 - 1),
        r"must be 64-bit integers. Received: seed=9223372036854775807, n=2",
    ),
    "labels of a model without": (
        lambda c: c.generate("toy", labels=3),
        r"labels must be omitted for signature 'generate' of 'toy' version 3, which takes"
        r" \['seed'\]. Received: labels",
    ),
    "embeddings of a model without": (
        lambda c: c.generate("toy", embeddings=np.zeros(4)),
        r"embeddings must be omitted for signature 'generate' .* Received: embeddings",
    ),
    "embeddings of another number": (
        lambda c: c.generate("toy", 3, embeddings=np.zeros((2, 4))),
        r"embeddings must be finite numbers \[d\], one vector for all images, or \[n, d\]."
        r" Received: .* for 3 image\(s\)",
    ),
    "embeddings without a value": (
        lambda c: c.generate("toy", embeddings=[0.0, float("nan")]),
        r"embeddings must be finite numbers .* Received: \[0.0, nan\] for 1",
    ),
    "a map to paint for a model that draws": (
        lambda c: c.paint("toy", np.zeros((2, 2), np.uint8)),
        "'toy' version 3 draws images from noise: use generate. Received: paint",
    ),
    "an image to translate for a model that draws": (
        lambda c: c.translate("toy", np.zeros((2, 2, 3), np.uint8), direction="a_to_b"),
        "'toy' version 3 draws images from noise: use generate. Received: translate",
    ),
    "a map of colours": (
        lambda c: c.paint("toy", np.zeros((1, 2, 2, 3), np.uint8)),
        r"label_map must be classes uint8 \[H, W\] or \[N, H, W\] .* Received: uint8 \[1, 2, 2"
        r", 3\]",
    ),
    "a map that is no file": (
        lambda c: c.paint("toy", "nowhere.png"),
        r"label_map must be a file that can be read. Received: 'nowhere.png', which does not exist",
    ),
    "truncation of a model without": (
        lambda c: c.generate_png("toy", truncation=0.5),
        r"truncation must be omitted for signature 'generate_png' .* Received: truncation",
    ),
    "labels to judge, of a model without": (
        lambda c: c.discriminate("toy", np.zeros((1, 2, 3, 1), np.uint8), labels=0),
        r"labels must be omitted for signature 'discriminate' .* Received: labels",
    ),
    "no labels to judge": (
        lambda c: c.discriminate("labelled", np.zeros((1, 2, 3, 1), np.uint8)),
        r"inputs must be \['images', 'labels'\] for .* Received: \['images'\]",
    ),
    "a negative label": (
        lambda c: c.generate("labelled", labels=-1),
        r"labels must be an integer of at least 0, or one for each image."
        r" Received: -1 for 1 image\(s\)",
    ),
    "half a label": (
        lambda c: c.generate("labelled", labels=0.5),
        r"labels must be an integer .* Received: 0.5 for 1",
    ),
    "a label beyond 32 bits": (
        lambda c: c.generate("labelled", labels=2**31),
        r"labels must be an integer .* Received: 2147483648 for 1",
    ),
    "too few labels": (
        lambda c: c.generate("labelled", 3, labels=[0, 1]),
        r"labels must be .* one for each image. Received: 2 labels for 3 image",
    ),
    "too many labels": (
        lambda c: c.generate("labelled", 3, labels=np.arange(40)),
        r"labels must be .* Received: 40 labels for 3 image",
    ),
    "negative truncation": (
        lambda c: c.generate("labelled", 2, truncation=[1, -0.5]),
        r"truncation must be a number of at least 0, or one for each image."
        r" Received: \[1, -0.5\] for 2 image",
    ),
    "truncation that is no number": (
        lambda c: c.generate("labelled", truncation=float("nan")),
        r"truncation must be a number of at least 0.* Received: nan for 1",
    ),
    "truncation in letters": (
        lambda c: c.generate("labelled", truncation="0.5"),
        r"truncation must be a number of at least 0.* Received: '0.5' for 1",
    ),
    "timeout": (
        lambda c: c.generate("toy", timeout=0),
        "timeout must be a number of seconds, more than 0 and at most 1000000000. Received: 0",
    ),
    "a timeout in letters": (
        lambda c: c.wait_until_available("toy", timeout="5"),
        "timeout must be a number of seconds, more than 0 .* Received: '5'",
    ),
    "a timeout without end": (
        lambda c: c.predict("toy", {"latents": GOOD}, timeout=float("inf")),
        "timeout must be a number of seconds, .* and at most 1000000000. Received: inf",
    ),
    "a version in letters": (
        lambda c: c.predict("toy", {"latents": GOOD}, version="2"),
        "version must be an integer. Received: version='2'",
    ),
    "a list of versions": (
        lambda c: c.metadata("toy", version=[3]),
        r"version must be an integer. Received: version=\[3\]",
    ),
    "a version beyond 64 bits": (
        lambda c: c.generate("toy", version=2**63),
        r"version must be from 0 to 2\*\*63 - 1. Received: 9223372036854775808",
    ),
    "a model that is no name": (
        lambda c: c.status(5),
        "model must be a string of valid Unicode. Received: 5",
    ),
    "a model that UTF-8 cannot write": (
        lambda c: c.generate("\udcff"),
        r"model must be a string of valid Unicode. Received: '\\udcff'",
    ),
    "a list of signatures": (
        lambda c: c.predict("toy", {"latents": GOOD}, signature=["generate"]),
        r"signature must be a string, .* in metadata\('toy'\).signatures. Received: \['generate'\]",
    ),
    "outputs without names": (
        lambda c: c.predict("toy", {"latents": GOOD}, outputs=[["images"]]),
        r"outputs must be a list of names, such as \['images'\]. Received: \[\['images'\]\]",
    ),
    "inputs by number": (
        lambda c: c.predict("toy", {"latents": GOOD, 1: GOOD}),
        r"inputs must be \['latents'\] for .* Received: \[1, 'latents'\]",
    ),
    "rows of several lengths": (
        lambda c: c.predict("toy", {"latents": [[1.0], [1.0, 2.0]]}),
        r"latents must be an array, a value, or a list with rows of equal length."
        r" Received: \[\[1.0\], \[1.0, 2.0\]\]",
    ),
    "labels of several lengths": (
        lambda c: c.generate("labelled", labels=[[1], [1, 2]]),
        r"labels must be an array, a value, .* Received: \[\[1\], \[1, 2\]\]",
    ),
    "images of several sizes": (
        lambda c: c.discriminate("toy", [np.zeros((2, 3, 1)), np.zeros((2, 4, 1))]),
        r"images must be an array, a value, .* Received: \[array",
    ),
    "an image of rows of several lengths": (
        lambda c: c.translate("toy", [[0], [0, 1]]),
        r"image must be an array, a value, .* Received: \[\[0\], \[0, 1\]\]",
    ),
    "a map of rows of several lengths": (
        lambda c: c.paint("toy", [[0], [0, 1]]),
        r"label_map must be an array, a value, .* Received: \[\[0\], \[0, 1\]\]",
    ),
    "numbers for text": (
        lambda c: c.predict("toy", {"image_bytes": [1, 2]}, signature="decode"),
        r"image_bytes cannot be sent. A string tensor must hold str or bytes."
        r" Received: array\(\[1, 2\], dtype=object\)",
    ),
    "text and nothing": (
        lambda c: c.predict("toy", {"image_bytes": ["a", None] * 20}, signature="decode"),
        "image_bytes cannot be sent. A string tensor must hold str or bytes. Received: .*'a', None",
    ),
    "images' shape": (
        lambda c: c.discriminate("toy", np.zeros((2, 3, 1), np.uint8)),
        r"images must have shape \[N, H, W, C\], N at least 1. Received: \[2, 3, 1\]",
    ),
    "no images": (
        lambda c: c.discriminate("toy", np.zeros((0, 2, 3, 1), np.uint8)),
        r"N at least 1. Received: \[0, 2, 3, 1\]",
    ),
    "images' dtype": (
        lambda c: c.discriminate("toy", np.zeros((1, 2, 3, 1), np.int32)),
        r"images must be uint8, or floats in \[-1, 1\]. Received: dtype int32",
    ),
    "images out of range": (
        lambda c: c.discriminate("toy", np.full((1, 2, 3, 1), 255.0)),
        r"floats in \[-1, 1\]; x / 127.5 - 1 converts 0 to 255.* Received: from 255.0 to 255.0",
    ),
    "images that are no numbers": (
        lambda c: c.discriminate("toy", np.full((1, 2, 3, 1), np.nan)),
        "Received: from nan to nan",
    ),
    "images' size": (
        lambda c: c.discriminate("toy", np.zeros((1, 4, 4, 1), np.uint8)),
        r"images must be float32\[N, 2, 3, 1\] for .* Received: shape \[1, 4, 4, 1\]",
    ),
    "a value": (
        lambda c: c.predict("toy", {"image_bytes": [b"x"]}, signature="decode"),
        r"\S+ refused the request. Received for 'toy': Unknown image file format",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(client, case):
    call, message = REFUSALS[case]
    with pytest.raises(serving.InvalidRequest, match="(?s)" + message) as caught:
        call(client)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, serving.ServingError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("address", [8500, "localhost", "http://localhost:8500", "", "a:b"])
def test_an_address_is_a_host_and_a_port(kind, address):
    with pytest.raises(serving.InvalidRequest, match='address must be "host:port", such as "loc'):
        kind(address)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_clients_timeout_is_a_number(kind):
    with pytest.raises(serving.InvalidRequest, match="timeout must be a number .* Received: '5'"):
        kind(timeout="5")


def test_an_unknown_model(client, server):
    with pytest.raises(serving.ModelNotFound) as caught:
        client.generate("nope")
    assert str(caught.value) == (
        f"The server at {server.address} has no model 'nope'. It has: counter, labelled, scale, toy"
    )
    with pytest.raises(serving.ModelNotFound, match="has no model 'nope'. It has: "):
        client.status("nope")


def test_an_unknown_model_of_a_server_that_lists_none(misbehaving):
    _, address = misbehaving
    with serving.Client(address) as client, pytest.raises(serving.ModelNotFound) as caught:
        client.generate("nope")
    assert str(caught.value) == f"The server at {address} has no model 'nope'"


def test_an_unknown_version(client):
    with pytest.raises(
        serving.ModelNotFound,
        match="not have version 2 of 'scale' that is available. Its status: version 10 is AVA",
    ):
        client.predict("scale", {"x": [1.0]}, version=2)


def test_a_deadline(client):
    client.metadata("toy")
    start = time.monotonic()
    with pytest.raises(
        serving.DeadlineExceeded, match=r"must answer within 0.1 s; .* no answer to Predict"
    ) as caught:
        client.predict("toy", {"steps": [5000]}, signature="slow", timeout=0.1)
    assert time.monotonic() - start < 2
    assert isinstance(caught.value, TimeoutError)


@KINDS
def test_nothing_is_sent_that_does_not_fit(kind, misbehaving):
    server, address = misbehaving
    with kind(address) as client:
        with pytest.raises(serving.InvalidRequest):
            client.predict("m", {"x": np.zeros((1, 3), np.float32)})
        assert server.predicts == []


@KINDS
def test_metadata_is_asked_for_once(kind, misbehaving):
    server, address = misbehaving
    with kind(address) as client:
        for _ in range(3):
            client.predict("m", {"x": [[1, 2]]})
        client.metadata("m")
    assert server.metadata_calls == 1
    assert len(server.predicts) == 3


@KINDS
def test_a_replaced_model_is_looked_at_again(kind, misbehaving):
    server, address = misbehaving
    with kind(address) as client:
        client.predict("m", {"x": [[1, 2]]})
        server.columns, server.version = 3, 2
        assert client.predict("m", {"x": [[1, 2, 3]]})["y"].tolist() == [[1, 2, 3]]


@KINDS
def test_unavailable_is_tried_again(kind, misbehaving):
    server, address = misbehaving
    server.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")] * 2
    with kind(address) as client:
        assert client.predict("m", {"x": [[1, 2]]})["y"].tolist() == [[1, 2]]
    assert len(server.predicts) == 3


@KINDS
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, serving.InvalidRequest),
        (grpc.StatusCode.FAILED_PRECONDITION, serving.InvalidRequest),
        (grpc.StatusCode.NOT_FOUND, serving.ModelNotFound),
        (grpc.StatusCode.INTERNAL, serving.ServingError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, serving.ServingError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, serving.DeadlineExceeded),
    ],
)
def test_nothing_else_is_tried_again(kind, misbehaving, code, error):
    server, address = misbehaving
    server.failures = [(code, "it says")] * 2
    said = "it says" if error is not serving.ModelNotFound else "has no model 'm'"
    with kind(address) as client, pytest.raises(error, match=said):
        client.predict("m", {"x": [[1, 2]]})
    assert len(server.predicts) == 1


@pytest.fixture
def pauses(monkeypatch):
    """The clients' pauses, in seconds. Their clock moves by these alone."""
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)

    clock = types.SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(client_core, "time", clock)
    monkeypatch.setattr(client_sync, "time", clock)
    waiting = types.SimpleNamespace(**{**vars(asyncio), "sleep": pause})
    monkeypatch.setattr(client_aio, "asyncio", waiting)
    return pauses


@KINDS
def test_a_server_that_stays_busy(kind, misbehaving, pauses):
    server, address = misbehaving
    server.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")] * 99
    with kind(address) as client:
        client.metadata("m")
        with pytest.raises(serving.Unavailable, match="queue full"):
            client.predict("m", {"x": [[1, 2]]}, timeout=30)
    assert len(server.predicts) == len(pauses) + 1
    for i, pause in enumerate(pauses):  # they grow, and are shortened by chance
        longest = min(0.1 * 2**i, 2.0)
        assert longest / 2 <= pause <= longest
    assert 28 <= sum(pauses) < 30


@KINDS
def test_a_server_that_stops_is_tried_again(kind, misbehaving):
    """CANCELLED that the caller did not cause: the server cut the call off."""
    server, address = misbehaving
    server.failures = [(grpc.StatusCode.CANCELLED, "Cancelling all calls")]
    with kind(address) as client:
        assert client.predict("m", {"x": [[1, 2]]})["y"].tolist() == [[1, 2]]


@KINDS
def test_a_timeout_is_for_all_requests_of_a_call(kind, misbehaving):
    """64 requests of .1 s each do not take 6.4 s under a timeout of half a second."""
    server, address = misbehaving
    server.output, server.delay = "images", 0.1
    with kind(address) as client:
        client.metadata("m")
        begun = time.monotonic()
        with pytest.raises(serving.DeadlineExceeded, match="must answer within 0.5 s"):
            client.generate("m", 64 * 32, timeout=0.5)
        assert time.monotonic() - begun < 0.5 + SLACK
    assert len(server.predicts) < 64


@KINDS
def test_closed_means_closed(kind, misbehaving):
    _, address = misbehaving
    with kind(address) as client:
        client.metadata("m")
        client.close()
        for call in (client.metadata, client.generate, client.status):
            with pytest.raises(serving.ServingError) as caught:
                call("m")
            name = "Client" if kind is Client else "AsyncClient"
            assert str(caught.value) == (
                "A client must be open; make a new one, or call inside its `with`. Received: a call"
                f" on the closed {name}({address!r})"
            )


@KINDS
def test_metadata_goes_with_every_request_and_stays_out_of_the_repr(kind, misbehaving):
    server, address = misbehaving
    with kind(address, metadata=[("authorization", "Bearer secret")]) as client:
        client.predict("m", {"x": [[1, 2]]})
        assert "secret" not in repr(client)
    assert ("authorization", "Bearer secret") in server.metadata_seen


@KINDS
def test_status_of_a_model_that_is_loading(kind, misbehaving):
    server, address = misbehaving
    server.statuses = {3: (20, 0, ""), 2: (50, 3, "no such file")}
    with kind(address) as client:
        with pytest.raises(
            serving.ModelNotFound,
            match="not have a version of 'other' that is available. Its status: version 3 is "
            "LOADING; version 2 is END: no such file",
        ):
            client.generate("other")
        with pytest.raises(serving.DeadlineExceeded, match="Last seen: version 3 is LOADING"):
            client.wait_until_available("other", timeout=1)
        server.statuses[3] = (30, 0, "")
        client.wait_until_available("other", timeout=5)


@KINDS
def test_an_answer_without_images(kind, misbehaving):
    _, address = misbehaving
    with (
        kind(address) as client,
        pytest.raises(
            serving.InvalidResponse, match=r"'generate' of 'm' must give 'images'. .*\['y'\]"
        ),
    ):
        client.generate("m")


def _describes(signature: str) -> bytes:
    """The metadata of a model `m` whose signature takes seeds."""
    signatures = wire.SignatureDefMap()
    definition = signatures.signature_def[signature]
    definition.inputs["seed"].dtype = 9
    definition.inputs["seed"].tensor_shape.dim.add(size=-1)
    answer = wire.GetModelMetadataResponse()
    answer.model_spec.name = "m"
    answer.metadata["signature_def"].Pack(signatures)
    return answer.SerializeToString()


def _predicts(**outputs) -> bytes:
    answer = wire.PredictResponse()
    for name, value in outputs.items():
        wire.fill_tensor(answer.outputs[name], value)
    return answer.SerializeToString()


@KINDS
def test_images_that_hold_nan(kind):
    images = np.zeros((2, 8, 8, 3), np.float32)
    images[1, 3, 4, 2] = np.nan
    with (
        fake.say(GetModelMetadata=_describes("generate"), Predict=_predicts(images=images)) as at,
        kind(at) as client,
        pytest.raises(serving.InvalidResponse, match="images must be numbers. Received: NaN"),
    ):
        client.generate("m", n=2, seed=1)


@KINDS
@pytest.mark.parametrize(
    ("signature", "outputs", "received"),
    [
        ("generate", {"images": np.zeros((1, 2, 2, 1), np.float32)}, r"float32 \(1, 2, 2, 1\)"),
        ("generate", {"images": np.zeros((2, 4), np.float32)}, r"float32 \(2, 4\)"),
        ("generate", {"images": np.full((2, 2, 2, 1), b"x", object)}, r"object \(2, 2, 2, 1\)"),
        ("generate_png", {"image_bytes": np.zeros(2, np.float32)}, r"float32 \(2,\)"),
        ("generate_png", {"image_bytes": np.full((), b"x", object)}, r"object \(\)"),
    ],
)
def test_an_answer_of_another_shape_or_type(kind, signature, outputs, received):
    metadata, answer = _describes(signature), _predicts(**outputs)
    with (
        fake.say(GetModelMetadata=metadata, Predict=answer) as address,
        kind(address) as client,
        pytest.raises(serving.InvalidResponse, match=f"must be .* for N=2. Received: {received}"),
    ):
        getattr(client, signature)("m", n=2, seed=1)


@KINDS
def test_an_answer_that_is_no_message(kind, caplog):
    with (
        fake.say(GetModelStatus=b"\xff") as address,
        kind(address) as client,
        pytest.raises(
            serving.InvalidResponse, match="must answer GetModelStatus with TF Serving's"
        ),
    ):
        client.status("m")
    assert not caplog.records  # no traceback of gRPC's


@KINDS
def test_metadata_that_is_none(kind):
    answer = wire.GetModelMetadataResponse()
    answer.metadata["signature_def"].Pack(wire.SignatureDefMap())
    answer.metadata["signature_def"].value = b"\xff"
    for data in (answer.SerializeToString(), b""):
        with (
            fake.say(GetModelMetadata=data) as address,
            kind(address) as client,
            pytest.raises(serving.InvalidResponse, match="'m' must hold signature_def. Received"),
        ):
            client.metadata("m")


@KINDS
def test_the_versions_of_other_servers_lists(kind):
    answer = wire.RepositoryIndexResponse()
    answer.models.add(name="a", version="3", state="READY")
    answer.models.add(name="b", state="UNAVAILABLE")  # Triton says no version of what is not loaded
    with fake.say(RepositoryIndex=answer.SerializeToString()) as address, kind(address) as client:
        assert client.models() == {"a": [VersionStatus(3, "AVAILABLE", "")], "b": []}
    answer.models.add(name="c", version="new")
    with (
        fake.say(RepositoryIndex=answer.SerializeToString()) as address,
        kind(address) as client,
        pytest.raises(serving.InvalidResponse, match="an integer. .*: version 'new' of 'c'"),
    ):
        client.models()


@KINDS
def test_all_pieces_come_from_one_version(kind, misbehaving):
    server, address = misbehaving
    server.output = "images"
    with kind(address) as client:
        client.generate("m", 70)
    asked = [
        request.model_spec.version.value if request.model_spec.HasField("version") else None
        for request in server.predicts
    ]
    assert asked == [None, 1, 1]
    rows = [len(tf.make_ndarray(r.inputs["seed"])) for r in server.predicts]
    assert (rows[0], sorted(rows)) == (32, [6, 32, 32])  # the later ones go together


@KINDS
def test_requests_of_a_call_are_in_flight_together_and_joined_in_order(kind, misbehaving):
    server, address = misbehaving
    server.output, server.delay = "images", 0.1
    with kind(address) as client:
        client.metadata("m")
        images = client.generate("m", 32 * 9, seed=5)
    assert images.ravel().tolist() == ((np.arange(5, 293.0) + 1) * 127.5).clip(0, 255).tolist()
    assert server.most_at_once == 4


@KINDS
def test_a_request_is_split_at_the_servers_limit(kind, misbehaving):
    server, address = misbehaving
    server.batch_rows = 3
    x = np.arange(16.0).reshape(8, 2)  # float64, which is sent as float32
    with kind(address) as client:
        for asked in ([8, 3, 3, 2], [3, 3, 2]):
            server.predicts.clear()
            assert client.predict("m", {"x": x})["y"].tolist() == x.tolist()
            rows = [len(tf.make_ndarray(r.inputs["x"])) for r in server.predicts]
            assert sorted(rows) == sorted(asked)


PIXELS = np.arange(70, dtype=np.uint8).reshape(70, 1, 1, 1)
# Calls of 70 rows: the input that is sent, its values, and what comes back.
IN_CHUNKS = {
    "generate": (
        lambda c, version: c.generate("m", 70, seed=-35, version=version),
        "seed",
        np.arange(-35, 35),
        [0] * 35 + [128] + [255] * 34,  # the seeds as images in [-1, 1]
    ),
    "discriminate": (
        lambda c, version: c.discriminate("m", PIXELS, version=version),
        "images",
        PIXELS / 127.5 - 1,
        PIXELS.ravel() / 127.5 - 1,
    ),
    "translate": (
        lambda c, version: c.translate("m", PIXELS, direction="a_to_b", version=version),
        "images",
        PIXELS / 127.5 - 1,
        range(70),
    ),
}


@KINDS
@pytest.mark.parametrize("call", IN_CHUNKS)
def test_chunks_are_split_at_the_servers_limit(kind, misbehaving, call):
    server, address = misbehaving
    server.batch_rows, server.output = 12, "images"
    ask, name, values, expected = IN_CHUNKS[call]
    pieces = np.split(values, [12, 24, 32, 44, 56, 64])
    with kind(address) as client:
        # The second call knows the limit, and asks for a version.
        for version, refused, asked in ((None, [32], [None, None]), (1, [], [1])):
            server.predicts.clear()
            made = ask(client, version)
            np.testing.assert_allclose(made.ravel(), list(expected), atol=1e-6)
            specs = [request.model_spec for request in server.predicts]
            versions = [s.version.value if s.HasField("version") else None for s in specs]
            assert versions == asked + [1] * 6
            sent = [tf.make_ndarray(request.inputs[name]) for request in server.predicts]
            assert [len(array) for array in sent[: len(refused)]] == refused
            # After the first answer, requests go together.
            sent = sorted(sent[len(refused) :], key=lambda array: array.flat[0])
            for array, piece in zip(sent, pieces, strict=True):
                np.testing.assert_allclose(array, piece, atol=1e-6)


class _Adds(grpc.UnaryUnaryClientInterceptor):
    def intercept_unary_unary(self, continuation, details, request):
        more = [*details.metadata, ("added", "here")]
        return continuation(details._replace(metadata=more), request)


class _AddsAsync(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation, details, request):
        more = grpc.aio.Metadata(*details.metadata, ("added", "here"))
        return await continuation(details._replace(metadata=more), request)


@KINDS
def test_interceptors_see_every_call(kind, misbehaving):
    server, address = misbehaving
    adds = _Adds() if kind is Client else _AddsAsync()
    with kind(address, interceptors=[adds], metadata=[("mine", "too")]) as client:
        client.predict("m", {"x": [[1, 2]]})
    assert {("added", "here"), ("mine", "too")} <= set(server.metadata_seen)


@KINDS
def test_models_of_a_server_that_cannot_list_them(kind, misbehaving):
    _, address = misbehaving
    with (
        kind(address) as client,
        pytest.raises(serving.ServingError, match="cannot list its models: .* with status()"),
    ):
        client.models()


def test_models(client):
    found = client.models()
    assert sorted(found) == ["counter", "labelled", "scale", "toy"]
    assert [str(version) for version in found["scale"]] == ["version 10 is AVAILABLE"]


@KINDS
def test_several_addresses_take_turns(kind):
    servers = [fake.Fake(), fake.Fake()]
    with (
        fake.serve(servers[0]) as one,
        fake.serve(servers[1]) as two,
        kind(f"ipv4:{one},{two}") as client,
    ):
        end = time.monotonic() + 20
        while not all(server.predicts for server in servers):  # once both are connected
            client.predict("m", {"x": [[1, 2]]})
            assert time.monotonic() < end
        before = [len(server.predicts) for server in servers]
        for _ in range(10):
            client.predict("m", {"x": [[1, 2]]})
        assert [len(s.predicts) - n for s, n in zip(servers, before, strict=True)] == [5, 5]


@pytest.fixture
def closed_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # Bound and not listening: nobody answers, and nobody else takes the port meanwhile.
        yield f"127.0.0.1:{probe.getsockname()[1]}"


@KINDS
def test_a_server_that_is_down(kind, closed_address):
    start, timeout = time.monotonic(), 1
    with kind(closed_address) as client, pytest.raises(serving.Unavailable) as caught:
        client.generate("toy", timeout=timeout)
    assert time.monotonic() - start < timeout + SLACK
    assert str(caught.value).startswith(
        f"A server must be answering at {closed_address}; start one with `python -m serving"
    )
    assert isinstance(caught.value, ConnectionError)


@KINDS
def test_a_server_that_never_answers(kind):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with (
            kind(address, timeout=0.5) as client,
            pytest.raises(
                serving.DeadlineExceeded, match=rf"^{address} must answer within 0.5 s; check"
            ),
        ):
            client.generate("toy")
        assert time.monotonic() - start < 0.5 + SLACK


@KINDS
def test_waiting_for_a_server_that_comes_up_later(kind):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    later = fake.Fake()
    later.statuses = {1: (30, 0, "")}
    release = threading.Event()

    def start():
        time.sleep(0.5)
        with fake.serve(later, port):
            release.wait(30)

    thread = threading.Thread(target=start)
    thread.start()
    try:
        with kind(f"127.0.0.1:{port}") as client:
            client.wait_until_available("m", timeout=20)
            assert client.predict("m", {"x": [[1, 2]]})["y"].tolist() == [[1, 2]]
    finally:
        release.set()
        thread.join()


def test_a_client_can_be_used_from_many_threads(server):
    client = Client(server.address)
    answers = {}

    def ask(seed):
        answers[seed] = client.generate("toy", seed=seed)[0]

    threads = [threading.Thread(target=ask, args=[seed]) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([answers[seed] for seed in range(16)], _expected(range(16)))
    client.close()


def test_async_callers_share_a_client(server):
    async def ask():
        async with AsyncClient(server.address) as client:
            return await asyncio.gather(*(client.generate("toy", seed=s) for s in range(32)))

    np.testing.assert_array_equal(np.concatenate(asyncio.run(ask())), _expected(range(32)))


PRIVATE = ("_drive", "_stub", "_send", "_in_order", "_stream")


def test_both_clients_have_the_same_methods():
    def methods(cls):
        return {
            name: inspect.signature(value).replace(return_annotation=None)
            for name, value in vars(cls).items()
            if callable(value) and not name.startswith("__") and name not in PRIVATE
        }

    assert methods(Client) == methods(AsyncClient)
    assert inspect.signature(Client) == inspect.signature(AsyncClient)


def _python(code: str, *arguments: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_client_never_imports_tensorflow_and_is_light(server):
    code = """
import time; start = time.thread_time()  # not the clock: other work may keep the machine busy
import serving, sys
seconds = time.thread_time() - start
client = serving.Client(sys.argv[1])
client.generate("toy", 2), client.metadata("toy"), client.status("toy")
heavy = {"tensorflow", "keras", "absl", "zoo", "trainers", "export"} & set(sys.modules)
# Not getrusage: its maximum starts with that of the process that started this one.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(seconds, int(peak.split()[1]) / 1024, len(heavy))
"""
    seconds, megabytes, heavy = (float(word) for word in _python(code, server.address))
    assert heavy == 0
    assert seconds < 0.4
    assert megabytes < 80


def test_a_client_works_in_a_forked_child(server):
    code = """
import os, sys
from serving import Client
client = Client(sys.argv[1])
before = client.generate("toy", seed=5).tolist()
child = os.fork()
if child == 0:
    same = client.generate("toy", seed=5, timeout=60).tolist() == before
    os._exit(0 if same else 3)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), client.generate("toy", seed=5).tolist() == before)
"""
    assert _python(code, server.address) == ["0", "True"]


def test_the_messages_live_beside_tensorflows_own():
    theirs, ours = predict_pb2.PredictRequest, wire.PredictRequest
    assert theirs.DESCRIPTOR.full_name == ours.DESCRIPTOR.full_name
    assert theirs.DESCRIPTOR is not ours.DESCRIPTOR
