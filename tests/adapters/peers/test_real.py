"""The real programs, on files with a hazard each."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import stand_aside

from fulldress.adapters.peers import kingfisher, shellcheck, squawk, systemd_analyze
from fulldress.adapters.peers.asking import Answer, PeerFile, program

UNIT = b"[Unit]\nDescription=x\nNonsense=1\n[Service]\nExecStart=/opt/none\n"
SQL = b"-- one\nSELECT 1;\nCREATE INDEX i ON t (a);\n"
SCRIPT = b"#!/bin/bash\nset -e\nrm -rf $A/*\n"
TOKEN = b"aws_key=AKIAQ3EGRIXT7XKPL2ZV\naws_secret_access_key = '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'\n"


_ASKED: dict[tuple[str, str, bytes], Answer] = {}
"""What was asked is not asked again: kingfisher takes seconds to start."""


def answer(module: object, tmp_path: Path, place: str, data: bytes) -> Answer:
    name: str = module.NAME  # type: ignore[attr-defined]
    path = program(name)
    if path is None:
        stand_aside(f"{name} is not installed")
    if (name, place, data) not in _ASKED:
        _ASKED[name, place, data] = module.query(path, [PeerFile(place, lambda: data)], tmp_path)  # type: ignore[attr-defined]
    found = _ASKED[name, place, data]
    assert found.trouble == "" and found.version[0].isdigit()
    return found


@pytest.mark.parametrize(
    ("module", "place", "data", "code", "line"),
    [
        (shellcheck, "a/run.sh", SCRIPT, "SC2115", 3),
        (squawk, "a/1.sql", SQL, "require-concurrent-index-creation", 3),
        (systemd_analyze, "x.deb!/lib/systemd/system/lab.service", UNIT, "unknown-key", 3),
        (kingfisher, "conf", TOKEN, "betterleaks.aws-access-token", 1),
    ],
    ids=lambda v: getattr(v, "NAME", None),
)
def test_what_it_says_comes_with_our_place_and_line(
    module: object, place: str, data: bytes, code: str, line: int, tmp_path: Path
) -> None:
    said = {(s.place, s.line, s.code) for s in answer(module, tmp_path, place, data).said}
    assert (place, line, code) in said


def test_no_secret_is_in_what_kingfisher_says(tmp_path: Path) -> None:
    text = repr(answer(kingfisher, tmp_path, "conf", TOKEN))
    assert "AKIA" not in text and "9x8Yd7" not in text


def test_a_unit_with_a_hostile_name_is_not_asked_about(tmp_path: Path) -> None:
    assert answer(systemd_analyze, tmp_path, "../../../x y;.service", UNIT).said == ()
