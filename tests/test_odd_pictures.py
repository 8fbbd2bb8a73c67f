"""Odd and hostile pictures, five ways: training, `translate`, `upscale`, an export, the client.

They agree within one grey level, or each says one line.
"""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from export import codecs, saved_model
from serving import Client, InvalidRequest
from tests import odd_pictures
from tests.serving.conftest import Server
from tests.translating import Copying
from trainers.data import DataError, image_folder
from zoo import __main__ as zoo_main
from zoo.pictures import decoder, files

Seen = np.ndarray | str  # on white, int [H, W, 3]; or the line

ALL = list(odd_pictures.pictures())


def test_there_are_enough() -> None:
    names = [name for name, _, _ in ALL]
    assert len(set(names)) == len(names) > 250


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("models")
    for scale in (1, 2):
        saved_model.export(Copying(scale), folder, f"times_{scale}", source="a test")
    return folder


@pytest.fixture(scope="module")
def client(models: pathlib.Path):
    server = Server(models)
    with Client(server.address) as client:
        yield client
    server.stop()


def one_line(error: BaseException | str) -> str:
    line = str(error).strip()
    assert line
    assert "\n" not in line
    assert len(line) < 500, line
    assert not any(word in line for word in ("Traceback", "{{", "function_node", "Graph exec"))
    return line


@pytest.fixture
def ways(
    models: pathlib.Path,
    client: Client,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> dict[str, Callable[[bytes], Seen]]:
    gans = {"1": Copying(1), "2": Copying(2)}
    monkeypatch.setattr(zoo_main, "_load", gans.get)
    source, out = tmp_path / "in.png", tmp_path / "out.png"

    def training(data: bytes) -> Seen:
        source.write_bytes(data)
        try:
            picture = image_folder.picture(source)
        except DataError as error:
            return one_line(error)
        if isinstance(picture, str):
            return one_line(picture)
        assert image_folder.sizes_of([source]) == [picture.size[::-1]]
        return np.asarray(decoder.on_white(picture, 3)).astype(int)

    def command(name: str, scale: str) -> Callable[[bytes], Seen]:
        def run(data: bytes) -> Seen:
            source.write_bytes(data)
            out.unlink(missing_ok=True)
            try:
                zoo_main.main([name, scale, str(source), str(out)])
            except SystemExit:
                assert sorted(tmp_path.iterdir()) == [source]  # nothing half-written
                return one_line(capsys.readouterr().err)
            assert len(capsys.readouterr().err.splitlines()) <= 1  # of an animation
            return odd_pictures.opened(out.read_bytes())

        return run

    def signature(name: str, scale: int) -> Callable[[bytes], Seen]:
        path = models / f"times_{scale}" / "1"
        loaded = tf.saved_model.load(str(path))
        made = loaded.signatures[name]

        def run(data: bytes) -> Seen:
            try:
                (png,) = made(image_bytes=tf.constant([data]))["image_bytes"].numpy()
            except tf.errors.InvalidArgumentError as error:
                return str(error)  # around our line, TensorFlow's own
            return odd_pictures.opened(png)

        run.keep = loaded
        return run

    def asked(call: Callable[..., bytes], model: str) -> Callable[[bytes], Seen]:
        def run(data: bytes) -> Seen:
            try:
                return odd_pictures.opened(call(model, data))
            except InvalidRequest as error:
                return one_line(error)

        return run

    return {
        "training": training,
        "translate": command("translate", "1"),
        "translate_png": signature("translate_png", 1),
        "client.translate": asked(client.translate, "times_1"),
        "upscale": command("upscale", "2"),
        "upscale_png": signature("upscale_png", 2),
        "client.upscale": asked(client.upscale, "times_2"),
    }


def problem(name: str, data: bytes, outcome: str, ways: dict[str, Callable]) -> str:
    """What is wrong with what the ways made of a picture; nothing if all is well."""
    seen = {}
    for way, look in ways.items():
        try:
            seen[way] = look(data)
        except Exception as error:
            return f"{name}: {way} raised {type(error).__name__}: {error}"
    told = {way: made for way, made in seen.items() if isinstance(made, str)}
    if outcome == "refused" and len(told) < len(ways):
        return f"{name}: {sorted(seen.keys() - told.keys())} give a picture"
    if outcome == "read":
        if not data.startswith((b"\x89PNG", b"\xff\xd8\xff")):
            for way in ("translate_png", "upscale_png"):  # the graph reads no other
                if "must be a PNG or a JPEG" not in told.pop(way, ""):
                    return f"{name}: {way} takes it for a PNG or a JPEG"
        if told:
            return f"{name}: {told}"
    # One that copies, against what a network is trained on; of twice the size, among themselves.
    for group in (("training", "client.translate", "translate", "translate_png"),):
        problem = _difference(name, {way: seen[way] for way in group if way not in told})
        if problem:
            return problem
    doubled = {way: made for way, made in seen.items() if "upscale" in way and way not in told}
    doubled = {way: made for way, made in doubled.items() if not isinstance(made, str)}
    return _difference(name, doubled)


def _difference(name: str, seen: dict[str, Seen]) -> str:
    seen = {way: made for way, made in seen.items() if not isinstance(made, str)}
    for way, made in seen.items():
        first = next(iter(seen.values()))
        if made.shape != first.shape:
            return f"{name}: {way} has {made.shape}, {next(iter(seen))} {first.shape}"
        if np.abs(made - first).max() > 1:
            return f"{name}: {way} is {np.abs(made - first).max()} from {next(iter(seen))}"
    return ""


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_five_ways_agree_or_say_one_line(ways: dict[str, Callable], every: int) -> None:
    """A quarter of those whose kinds differ, from end to end; and all of them."""
    some = [named for named in ALL if odd_pictures.interesting(named)][::every]
    assert len(some) > 40 // every
    assert "\n".join(problem(*named, ways) for named in some).strip() == ""


@pytest.mark.parametrize("channels", [1, 4])
def test_models_of_grey_and_of_alpha_are_given_the_same(
    tmp_path: pathlib.Path, channels: int
) -> None:
    """By the commands, in training and in an export's graph: to the bit."""
    spec = [tf.TensorSpec([], tf.string)]
    graph = tf.function(lambda data: codecs.decode(data, channels, 1)[0], spec, autograph=False)
    compared = 0
    for name, data, outcome in filter(odd_pictures.interesting, ALL):
        if outcome == "read" and data.startswith((b"\x89PNG", b"\xff\xd8\xff")):
            file = tmp_path / name
            file.write_bytes(data)
            given = files.read(file, channels).given
            np.testing.assert_array_equal(graph(tf.constant(data)), given, name)
            if channels == 1:
                trained_on = decoder.on_white(image_folder.picture(file), 1)
                np.testing.assert_array_equal(trained_on, given[..., 0], name)
            compared += 1
    assert compared > 25


@pytest.mark.slow
def test_all_of_them(ways: dict[str, Callable]) -> None:
    assert "\n".join(problem(*named, ways) for named in ALL).strip() == ""
