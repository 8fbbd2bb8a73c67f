"""Runs of GANs that grow: a part for each resolution, and nothing lost where one ends."""

import json
import pathlib

import keras
import numpy as np
import pytest

import zoo
from tests.eager import EAGER
from tests.trainers.test_loop import small_run
from trainers import callbacks
from trainers.dry_run import dry_run
from trainers.journal import read_lines
from trainers.loop import train
from trainers.parts import Part, part_at, parts_of
from zoo.core.stages import Schedule

pytestmark = EAGER
SCHEDULE = Schedule(4, 16, stable=100, fade=50)


def test_parts_by_hand() -> None:
    # 4 px until 100 images, 8 px until 250, 16 px to the end; whole batches.
    parts = parts_of(20, 16, {4: 32, 8: 20}, SCHEDULE)
    assert parts == [
        Part(0, 4, 32, 4, 0),  # 128 images
        Part(4, 11, 20, 8, 128),  # 7 batches: 268
        Part(11, 20, 16, 16, 268),
    ]
    assert [part_at(parts, step).resolution for step in (1, 4, 5, 11, 12, 20)] == [
        4,
        4,
        8,
        8,
        16,
        16,
    ]
    # The order of the data goes on where it was: 128 / 20 and 268 / 16, rounded up.
    assert [parts[1].batch_of(4), parts[1].batch_of(10), parts[2].batch_of(11)] == [7, 13, 17]


def test_one_batch_size_is_one_order_of_the_data() -> None:
    parts = parts_of(40, 10, None, SCHEDULE)
    order = [part.batch_of(step) for part in parts for step in range(part.start, part.end)]
    assert order == list(range(40))


def test_a_short_run_ends_early_and_others_have_one_part() -> None:
    assert parts_of(3, 32, None, SCHEDULE) == [Part(0, 3, 32, 4, 0)]
    assert parts_of(3, 32) == [Part(0, 3, 32, None, 0)]
    whole = parts_of(3, 32, None, Schedule(4, 16, 0, 0))
    assert whole == [Part(0, 3, 32, 16, 0)]


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """4 px for 32 images, 8 px faded in over 32 more."""
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    zoo.ProGAN(8, 1, 6, fmap_base=16, stable_kimg=0.032, fade_kimg=0.032).save_to_preset(folder)
    return str(folder)


def growing_run(workdir: pathlib.Path, preset: str, **changes: object):
    values = dict(steps=8, batch_sizes={4: 16}, checkpoint_every=4, log_every=3)
    return small_run(workdir, **{"preset": preset, **values, **changes})


@pytest.mark.slow
def test_a_run_grows_and_resumes_in_a_fade(
    preset: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(growing_run(tmp_path / "whole", preset))
    out = capsys.readouterr().out
    assert "batch 16 at 4 px from step 0, 8 at 8 px from step 2" in out
    assert int(whole.images_seen.numpy()) == 2 * 16 + 6 * 8
    assert whole.schedule.stages.index(whole.phase()) == 2
    events = read_lines(tmp_path / "whole" / "events.jsonl")
    stages = [(e["step"], e["message"]) for e in events if e["event"] == "stage"]
    assert stages == [(2, "8 px, fading in 0 %"), (6, "8 px")]
    history = read_lines(tmp_path / "whole" / "history.jsonl")
    assert [r["step"] for r in history] == [2, 3, 6, 8]  # where a part ends, too
    assert [r["kimg"] for r in history] == [0.032, 0.040, 0.064, 0.080]
    assert "stage" in (tmp_path / "whole" / "report.html").read_text()

    train(growing_run(tmp_path / "broken", preset, steps=4))
    keras.utils.set_random_seed(9)
    train(growing_run(tmp_path / "broken", preset))
    ours, theirs = (
        np.load(tmp_path / name / "checkpoints" / "00000008" / "state.npz")
        for name in ("broken", "whole")
    )
    assert ours.files == theirs.files
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.slow
def test_the_progress_line_says_the_stage(
    preset: str,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Talkative(callbacks.Progress):
        def __init__(self, *args):
            super().__init__(*args)
            self.pause = 0.0

    monkeypatch.setattr(callbacks, "Progress", Talkative)
    train(growing_run(tmp_path / "W", preset))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    told = {int(line[5]): line for line in lines}
    # What comes next is behind the time that is left of this part.
    assert " 0 s left at 4 px  8 px, fading in 0 %  d_loss " in told[2]
    assert "  8 px, fading in 50 %  d_loss " in told[4]
    assert " 0 s left  8 px  d_loss " in told[8]


@pytest.mark.slow  # test_image_to_image.py has a dry run of two phases
def test_a_dry_run_measures_every_resolution(
    preset: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(growing_run(tmp_path / "W", preset))
    out = capsys.readouterr().out
    assert "speed at 4 px: " in out
    assert "speed at 8 px: " in out
    assert "batch 16" in out
    assert not (tmp_path / "W").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_sizes": {16: 8}}, "resolutions that the GAN grows through: 4, 8. Received: .16"),
        ({"batch_sizes": {8: 0}}, "batch_sizes must be at least 1. Received: .8: 0"),
        ({"batch_sizes": {8: 6}}, "multiple of its group of 4.*Received: a batch of 6"),
        (
            {"preset": "stylegan2_fashion_mnist", "batch_sizes": None, "batch_size": 6},
            "multiple of its group of 4.*Received: a batch of 6",
        ),
        ({"batch_sizes": {8: 7}, "accumulate": 2}, "multiple of the 1 replicas"),
        (
            {"preset": "dcgan_fashion_mnist"},
            "are for a GAN that grows .* give batch_size instead. Received: .4: 16",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before(
    preset: str, tmp_path: pathlib.Path, changes: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(growing_run(tmp_path / "W", **{"preset": preset, **changes}))
    assert not (tmp_path / "W").exists()


def test_other_batch_sizes_are_another_run(preset: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "W").mkdir()
    run = growing_run(tmp_path / "W", preset)
    record = {**vars(run), "batch_sizes": {"4": 16}}
    (tmp_path / "W" / "config.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="holds another run: batch_sizes .'4': 16., now .'4': 8"):
        train(growing_run(tmp_path / "W", preset, batch_sizes={4: 8}))
