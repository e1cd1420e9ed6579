"""Progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys

import pytest

from fulldress.cli.progress import BarProgress, PlainProgress, terminal_progress


def test_plain_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert isinstance(terminal_progress(), PlainProgress)


def test_bars_on_a_terminal_unless_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert isinstance(terminal_progress(), BarProgress)
    monkeypatch.setenv("NO_COLOR", "1")
    assert isinstance(terminal_progress(), PlainProgress)


def test_short_work_is_silent_and_long_work_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 0.2, 10.0, 12.5])
    monkeypatch.setattr("fulldress.cli.progress.time.monotonic", lambda: next(clock))
    progress = PlainProgress()
    for label in ("short", "long\x1b[2J"):
        progress.start(label, 3)
        progress.advance()
        progress.finish()
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err == "long\\x1b[2J: 2.5 s\n"


def test_notes_are_lines_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    PlainProgress().note("a\x07b")
    BarProgress().note("c\x07d")
    assert capsys.readouterr().err == "a\\x07b\nc\\x07d\n"


def test_bars_start_advance_and_go_away(capsys: pytest.CaptureFixture[str]) -> None:
    progress = BarProgress()
    progress.start("[bold]work[/]", 2)
    progress.advance()
    progress.note("half")
    progress.start("more")
    progress.finish()
    progress.advance()
    progress.finish()
    assert "half" in capsys.readouterr().err
