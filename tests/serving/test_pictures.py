"""Images and picture files through the real server, by both clients and on the command line."""

import asyncio
import os
import sys

import numpy as np
import pytest
from PIL import Image

import serving
from serving import Client
from serving.client import main
from tests.serving.conftest import Server
from tests.serving.test_client import Awaited
from tests.translating import (
    FINE,
    Doubling,
    colours,
    decoded,
    encoded,
    jpeg_of_size,
    lying,
    png_of_size,
)


@pytest.fixture(scope="module")
def photo(fashion):
    return colours(fashion, 1, 2)  # uint8 [28, 56, 3]


@pytest.fixture(scope="module")
def address(translating):
    """A server of its own: of a model with two directions, and of one that enlarges."""
    server = Server(translating)
    yield server.address
    assert server.stop()[0] == 0


@pytest.fixture(params=[Client, Awaited], ids=["Client", "AsyncClient"])
def client(request, address):
    with request.param(address) as client:
        yield client


def test_arrays_come_back_as_arrays(client, photo):
    made = client.translate("two", photo)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, 255 - photo)
    batch = np.stack([np.roll(photo, i, 1) for i in range(40)])  # more than one request
    np.testing.assert_array_equal(client.translate("two", batch, direction="a_to_b"), 255 - batch)
    np.testing.assert_array_equal(
        client.translate("two", batch[:1], direction="b_to_a", version=1), batch[:1, ..., ::-1]
    )
    enlarged = client.upscale("doubling", photo)
    assert np.abs(enlarged.astype(int) - Doubling().translate(photo[None])[0]).max() <= 1


def test_large_arrays_are_sent_in_pieces(client, photo, monkeypatch):
    monkeypatch.setattr(serving.client.image_inputs, "PIXELS_AT_A_TIME", 3000)
    batch = np.stack([photo, photo[::-1], photo[:, ::-1]])
    np.testing.assert_array_equal(client.translate("two", batch), 255 - batch)


def test_files_come_back_as_png(client, photo, tmp_path):
    clear = np.dstack([photo, photo[..., 1]])
    png = encoded(clear, "PNG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(lying(photo, 6, "JPEG", **FINE))
    for given in (png, bytearray(png), memoryview(png)):
        made = decoded(client.translate("two", given))
        np.testing.assert_array_equal(made[..., 3], photo[..., 1])
        opaque = made[..., 3] == 255
        np.testing.assert_array_equal(made[opaque][:, :3], 255 - photo[opaque])
    made = decoded(client.translate("two", png, direction="b_to_a"))
    np.testing.assert_array_equal(made[opaque][:, :3], photo[opaque][:, ::-1])
    for given in (path, str(path)):
        made = decoded(client.translate("two", given))
        assert np.abs(made.astype(int) - (255 - photo.astype(int))).mean() < 3
        assert decoded(client.upscale("doubling", given)).shape == (56, 112, 3)


def test_alpha_is_one_rule_for_every_form(client, photo, tmp_path, monkeypatch):
    """On white before the model, as in training; the output has it again."""
    alpha = photo[..., 1]
    clear = np.dstack([photo, alpha])
    share = alpha[..., None] / 255
    on_white = np.rint(photo * share + 255 * (1 - share)).astype(np.uint8)
    hidden = np.where(alpha[..., None] > 0, clear, [9, 99, 199, 0]).astype(np.uint8)
    expected = decoded(client.translate("two", encoded(clear, "PNG"))).astype(int)
    np.testing.assert_array_equal(expected[..., 3], alpha)
    opaque = alpha == 255
    np.testing.assert_array_equal(expected[opaque][:, :3], (255 - on_white)[opaque])
    for given in (clear, clear[None], hidden, Image.fromarray(clear), Image.fromarray(hidden)):
        made = client.translate("two", given)
        assert isinstance(made, type(given) if isinstance(given, np.ndarray) else Image.Image)
        np.testing.assert_array_equal(np.asarray(made).reshape(expected.shape), expected)
    for given in (encoded(hidden, "PNG"), encoded(hidden, "WEBP", lossless=True, exact=True)):
        np.testing.assert_array_equal(decoded(client.translate("two", given)), expected)
    # Grey with alpha, grey, and a picture of Pillow's that lies on its side.
    grey = np.dstack([photo[..., 0], alpha])
    three = np.dstack([np.repeat(grey[..., :1], 3, -1), alpha])
    for given in (grey, np.stack([grey, grey[::-1]]), Image.fromarray(grey)):
        made = np.asarray(client.translate("two", given))
        first = made[0] if made.ndim == 4 else made
        np.testing.assert_array_equal(first, client.translate("two", three))
    np.testing.assert_array_equal(client.translate("two", grey[..., :1]), 255 - three[..., :3])
    path = tmp_path / "in.tif"
    path.write_bytes(lying(photo, 6, "TIFF"))
    np.testing.assert_array_equal(decoded(client.translate("two", path)), 255 - photo)
    # Without Pillow, a line says what to do.
    monkeypatch.setitem(sys.modules, "PIL", None)
    for given in (clear, path):
        with pytest.raises(serving.InvalidRequest, match="unless Pillow is installed") as caught:
            client.translate("two", given)
        assert "\n" not in str(caught.value)


IMAGE_RULE = (
    r"image must be uint8 \[H, W, C\] or \[N, H, W, C\] and not empty, or the bytes or the path"
    r" of a PNG or JPEG. Received: "
)
GREY = np.zeros((4, 4, 1), np.uint8)
REFUSALS = {
    "floats": (
        lambda c: c.translate("two", np.zeros((4, 4, 3))),
        rf"{IMAGE_RULE}float64 \[4, 4, 3",
    ),
    "rank": (lambda c: c.upscale("two", GREY[..., 0]), rf"{IMAGE_RULE}uint8 \[4, 4\]"),
    "empty": (lambda c: c.translate("two", GREY[:0]), rf"{IMAGE_RULE}uint8 \[0, 4, 1\]"),
    "nothing": (lambda c: c.translate("two", None), rf"{IMAGE_RULE}object \[\]"),
    "other bytes": (
        lambda c: c.translate("two", b"GIF89a"),
        "image must be a PNG, a JPEG or another picture that Pillow reads. Received: 6 bytes",
    ),
    "no bytes": (lambda c: c.upscale("doubling", b""), "Received: 0 bytes, which is none"),
    "a missing file": (
        lambda c: c.translate("two", "/no/such.png"),
        "image must be a file that can be read. Received: '/no/such.png', which does not exist",
    ),
    "a folder": (lambda c: c.upscale("doubling", "/"), "Received: '/': Is a directory"),
    "a file of another kind": (
        lambda c: c.translate("two", __file__),
        r"another picture that Pillow reads. Received: '.*test_pictures.py', which is none",
    ),
    "channels": (
        lambda c: c.translate("two", np.zeros((4, 4, 5), np.uint8)),
        r"images must be float32\[N, N, N, 3\] for .* Received: shape \[1, 4, 4, 5\]",
    ),
    "direction": (
        lambda c: c.translate("two", GREY, direction="b"),
        "direction must be a_to_b or b_to_a for 'two' version 1. Received: 'b'",
    ),
    "no text": (
        lambda c: c.translate("two", GREY, direction=1),
        "direction must be a string, such as 'a_to_b'. Received: 1",
    ),
    "a model that enlarges": (
        lambda c: c.translate("doubling", GREY),
        "'doubling' version 1 enlarges images: use upscale. Received: translate",
    ),
    "a model that does not": (
        lambda c: c.upscale("two", png_of_size(4, 4)),
        "'two' version 1 translates images: use translate. Received: upscale",
    ),
    "noise for a model that translates": (
        lambda c: c.generate("two"),
        "'two' version 1 translates images: use translate. Received: generate",
    ),
    "images to judge for a model that translates": (
        lambda c: c.discriminate("two", GREY[None]),
        "'two' version 1 translates images: use translate. Received: discriminate",
    ),
    "too large": (
        lambda c: c.translate("two", png_of_size(50_000, 50_000)),
        r"refused the request. Received for 'two': .*An image must have at most 2097152 pixels and"
        r" 8192 a side, and at least 1. Received: 50000 x 50000 \(H x W\)",
    ),
    "too large a JPEG": (
        lambda c: c.upscale("doubling", jpeg_of_size(60_000, 50_000)),
        r"once it is enlarged 2 times, and at least 1. Received: 50000 x 60000 \(H x W\)",
    ),
    "too large an array": (
        lambda c: c.translate("two", np.zeros((1, 8193, 3), np.uint8)),
        r"8192 a side, and at least 1. Received: 1 x 8193 \(H x W\)",
    ),
    "a broken file": (
        lambda c: c.translate("two", encoded(GREY[..., 0], "PNG")[:50]),
        "Received for 'two': .*Invalid PNG data, size 50",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refusals(client, refusal):
    call, message = REFUSALS[refusal]
    with pytest.raises(serving.InvalidRequest, match=message) as caught:
        call(client)
    assert "\n" not in str(caught.value)


def test_one_callers_bad_bytes_leave_the_others_alone(address, photo):
    """Their requests wait together and run as one batch, which fails."""

    async def ask():
        async with serving.AsyncClient(address) as client:
            good = [encoded(np.roll(photo, i, 1)[: 9 + i], "PNG") for i in range(19)]
            good.insert(7, encoded(photo, "PNG")[:-60])
            good.insert(3, png_of_size(9_000, 9_000))
            calls = [client.translate("two", data) for data in good]
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(ask())
    bad = [answers.pop(8), answers.pop(3)]
    assert all(isinstance(answer, serving.InvalidRequest) for answer in bad)
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(decoded(answer), 255 - np.roll(photo, i, 1)[: 9 + i])


def _run(capsys, *arguments) -> tuple[object, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


def test_the_command_line(address, photo, tmp_path, capsys):
    source, out = tmp_path / "in.png", tmp_path / "new" / "out.png"
    source.write_bytes(encoded(photo, "PNG"))
    where = f"--server={address}"
    code, printed = _run(capsys, "translate", "two", source, f"--out={out}", where)
    assert (code, printed) == (0, f"Wrote {out}: 56x28 px\n")
    np.testing.assert_array_equal(Image.open(out), 255 - photo)
    _run(capsys, "translate", "two", source, f"--out={out}", where, "--direction=b_to_a")
    np.testing.assert_array_equal(Image.open(out), photo[..., ::-1])
    code, printed = _run(capsys, "upscale", "doubling", source, f"--out={out}", where)
    assert (code, printed) == (0, f"Wrote {out}: 112x56 px\n")
    for command, message in [
        (["upscale", "two", source], "translates images: use translate. Received: upscale"),
        (["translate", "two", tmp_path / "no.png"], "no.png does not exist."),
        (["translate", "two", source, "--direction=b"], "direction must be a_to_b or b_to_a"),
    ]:
        code, printed = _run(capsys, *command, f"--out={tmp_path / 'x.png'}", where)
        assert code.startswith("serving.client: ")
        assert message in code
        assert "\n" not in code
        assert printed == ""
    code, _ = _run(capsys, "upscale", "doubling", source, f"--out={tmp_path / 'x.jpg'}", where)
    assert "--out must end in .png. Received: " in code
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("name", [b"caf\xe9.png", "café.png".encode(), "cafe\u0301.png".encode()])
def test_names_of_every_kind(address, photo, tmp_path, capsys, name):
    """Not UTF-8, and both forms of Unicode: written under the same name, and printed."""
    (tmp_path / "out").mkdir()
    source, out = (
        os.fsdecode(os.path.join(os.fsencode(f), name)) for f in (tmp_path, tmp_path / "out")
    )
    with open(source, "wb") as file:
        file.write(encoded(photo, "PNG"))
    code, printed = _run(capsys, "translate", "two", source, f"--out={out}", f"--server={address}")
    assert code == 0
    assert printed.startswith("Wrote ")
    assert os.listdir(os.fsencode(tmp_path / "out")) == [name]
