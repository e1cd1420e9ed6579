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


def test_warnings_of_libraries_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.warnoptions", [])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert guarded(lambda: warnings.warn("noise", UserWarning, stacklevel=1)) == 0
    assert shown == []


def test_warnings_that_were_asked_for_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.warnoptions", ["always"])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        guarded(lambda: warnings.warn("wanted", UserWarning, stacklevel=1))
    assert [str(w.message) for w in shown] == ["wanted"]
