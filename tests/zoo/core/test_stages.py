"""The schedule of growth against the arithmetic of the paper's training."""

import pytest

from zoo.core.stages import Schedule, Stage


def test_stages_by_hand() -> None:
    schedule = Schedule(4, 16, stable=100, fade=50)
    assert schedule.stages == (
        Stage(4, False, 0, 100),
        Stage(8, True, 100, 150),
        Stage(8, False, 150, 250),
        Stage(16, True, 250, 300),
        Stage(16, False, 300, None),
    )


@pytest.mark.parametrize(
    ("shown", "resolution", "fading", "text"),
    [
        (0, 4, False, "4 px"),
        (99, 4, False, "4 px"),
        (100, 8, True, "8 px, fading in 0 %"),
        (120, 8, True, "8 px, fading in 40 %"),
        (150, 8, False, "8 px"),
        (299, 16, True, "16 px, fading in 98 %"),
        (300, 16, False, "16 px"),
        (10**9, 16, False, "16 px"),
    ],
)
def test_where_training_is(shown: int, resolution: int, fading: bool, text: str) -> None:
    stage = Schedule(4, 16, stable=100, fade=50).at(shown)
    assert (stage.resolution, stage.fading, stage.describe(shown)) == (resolution, fading, text)


def test_the_papers_schedule_is_that_of_its_code() -> None:
    """lod = 8 - phase - max(kimg in phase - 800, 0) / 800, from 0 on: Karras et al.'s train.py."""
    schedule = Schedule(4, 1024, stable=800_000, fade=800_000)
    assert schedule.stages[-1].begins == 8 * 1_600_000
    for kimg in range(0, 14_000, 50):
        phase, into = divmod(kimg, 1600)
        lod = max(8 - phase - max(into - 800, 0) / 800, 0)
        stage = schedule.at(1000 * kimg)
        alpha = 1.0
        if stage.fading:
            alpha = (1000 * kimg - stage.begins) / (stage.ends - stage.begins)
        # At lod, the level of 4 px is 8, that of 1024 px is 0.
        ours = {1024 >> level: level for level in range(9)}[stage.resolution] + 1 - alpha
        assert abs(ours - lod) < 1e-9, kimg


def test_stages_of_no_images_are_left_out() -> None:
    assert Schedule(4, 8, 0, 0).stages == (Stage(8, False, 0, None),)
    assert Schedule(4, 8, 0, 10).stages == (Stage(8, True, 0, 10), Stage(8, False, 10, None))
    assert Schedule(4, 4, 10, 10).stages == (Stage(4, False, 0, None),)


def test_finished_resolutions() -> None:
    schedule = Schedule(4, 16, stable=100, fade=50)
    finished = [schedule.finished(shown) for shown in (0, 120, 150, 299, 300)]
    assert finished == [[4], [4], [4, 8], [4, 8], [4, 8, 16]]
    assert schedule.resolutions == [4, 8, 16]
