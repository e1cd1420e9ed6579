"""``fulldress scan --peers``: absence never blocks, and what they say is in the report."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from tests.conftest import stand_aside

from fulldress.adapters.peers.asking import program
from fulldress.cli import peerwork
from fulldress.cli.app import cli
from fulldress.cli.main import guarded
from fulldress.cli.scanout import FORMS


def run(*args: str) -> int:
    return guarded(lambda: cli.main(list(args), standalone_mode=False))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("run.sh", '#!/bin/bash\nset -e\nrm -rf "$OLD"/*\ncd /tmp\n')
    return path


def test_absent_ones_are_said_and_change_nothing(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("scan", str(package), "--format", "json")
    alone = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(peerwork, "program", lambda _: None)
    assert run("scan", str(package), "--peers", "auto", "--format", "json") == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["peers"].values()) == {"not installed"} and len(report["peers"]) == 3
    assert report["findings"] == alone["findings"]


@pytest.mark.parametrize("form", FORMS)
def test_that_one_is_absent_is_said_in_every_form(
    form: str, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peerwork, "program", lambda _: None)
    assert run("scan", str(package), "--peers", "kingfisher", "--format", form) == 0
    out = capsys.readouterr().out
    assert "kingfisher" in out and "not installed" in out


def test_what_they_say_is_in_every_form(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if program("shellcheck") is None:
        stand_aside("shellcheck is not installed")
    for form in ("text", "json", "sarif", "html"):
        assert run("scan", str(package), "--peers", "shellcheck", "--format", form, "--all") == 0
        assert "SC2115" in capsys.readouterr().out


@pytest.mark.parametrize("names", ["nonsense", "shellcheck,evil", ","])
def test_unknown_names_are_refused(package: Path, names: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", str(package), "--peers", names) == 2
    assert "kingfisher" in capsys.readouterr().err


def test_auto_stands_in_a_list_too() -> None:
    assert peerwork.chosen("auto,kingfisher") == (*peerwork.QUICK, "kingfisher")
