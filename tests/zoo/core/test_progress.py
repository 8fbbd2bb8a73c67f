"""Long work shows what is left, short work is quiet."""

import pytest

from zoo.core import progress


def test_short_work_is_quiet(capsys: pytest.CaptureFixture) -> None:
    assert list(progress.with_progress("abc", 3, "images")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_long_work_tells_what_is_left(capsys: pytest.CaptureFixture, monkeypatch) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0.0)
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    assert list(progress.with_progress(["ab", "cd"], 4, "letters", len)) == ["ab", "cd"]
    told = [line.strip() for line in capsys.readouterr().err.split("\r")]
    assert "letters: 2 of 4, 00:00 left" in told
    assert told[-1] == "letters: 4 of 4, 00:00 left"
