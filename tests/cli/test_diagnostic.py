"""Diagnostics: what, why, fix, more; a stranger's text cannot drive the terminal."""

from __future__ import annotations

import warnings

import click
import pytest

from fulldress.cli.main import diagnostic, guarded
from fulldress.errors import PackageRefused


def test_parts_in_order() -> None:
    error = PackageRefused("bad", why="because", fix="do", slug="zip-truncated")
    assert click.unstyle(diagnostic(error)).splitlines() == [
        "error: bad",
        "  why:  because",
        "  fix:  do",
        "  more: fulldress explain zip-truncated",
    ]


def test_control_characters_are_escaped_and_lines_kept() -> None:
    text = click.unstyle(diagnostic(PackageRefused("name \x1b[2J\u202e", why="a\nb")))
    assert "name \\x1b[2J\\u202e" in text
    assert "  why:  a\n        b" in text


def test_warnings_of_libraries_are_not_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.warnoptions", [])

    def work() -> None:
        warnings.warn("noise of a library", UserWarning, stacklevel=1)

    with warnings.catch_warnings():
        assert guarded(work) == 0
    assert capsys.readouterr().err == ""
