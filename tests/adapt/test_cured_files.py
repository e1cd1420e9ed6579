"""What cures write is no worse than what was there, by other programs' judgement: shellcheck, systemd-analyze."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import stand_aside

from fulldress.adapters.peers.asking import program
from fulldress.formats import shell
from fulldress.scan.cures import cured
from fulldress.scan.rule import cure_of
from fulldress.scan.samples import as_sample, context_of
from fulldress.scan.sweep import load_rules, sweep

KNOWN = {("sudo-assumption", 2216)}
"""``echo pw | sudo -S rm`` becomes ``echo pw | rm``: the pipe leads to a command that reads nothing, and harms nothing."""
UNIT = (".service", ".timer", ".socket")


def pairs() -> list[tuple[str, str, bytes, bytes]]:
    """(rule and sample, place, before, after) of every file that a cure of a BAD sample changes."""
    found = []
    for rule in [r for r in load_rules() if cure_of(r) is not None]:
        for number, sample in enumerate(map(as_sample, rule.BAD)):
            context = context_of(sample)
            for finding in [f for f in sweep(context, [rule]).findings if f.curable]:
                cure = cured(rule, context, finding)
                for place, new in getattr(cure, "edits", {}).items():
                    old = sample.files.get(place)
                    if old is not None and new is not None:
                        found.append(
                            (f"{rule.META.slug}-{number}", place, old.encode() if isinstance(old, str) else old, new)
                        )
    return found


PAIRS = pairs()


def test_no_cure_of_a_sample_fails_and_some_change_files() -> None:
    assert len(PAIRS) > 30


def opinions(path: str, folder: Path, texts: list[bytes]) -> list[Counter[int]]:
    """shellcheck's warnings and errors on each text."""
    for number, text in enumerate(texts):
        (folder / f"{number:04}").write_bytes(text)
    argv = [path, "--norc", "--shell=bash", "--severity=warning", "--format=json1", *(f"{n:04}" for n in range(len(texts)))]
    done = subprocess.run(argv, cwd=folder, capture_output=True, check=False)
    found: list[Counter[int]] = [Counter() for _ in texts]
    for comment in json.loads(done.stdout)["comments"]:
        found[int(comment["file"])][comment["code"]] += 1
    return found


def test_scripts_do_not_get_worse(tmp_path: Path) -> None:
    path = program("shellcheck")
    if path is None:
        stand_aside("shellcheck is not installed")
    chosen = [p for p in PAIRS if shell.is_shell(p[1], p[2].decode("utf-8", "replace"))]
    assert len(chosen) > 15
    before = opinions(path, _made(tmp_path / "a"), [p[2] for p in chosen])
    after = opinions(path, _made(tmp_path / "b"), [p[3] for p in chosen])
    worse = {
        (p[0].rpartition("-")[0], code) for p, old, new in zip(chosen, before, after, strict=True) for code in new - old
    }
    assert worse <= KNOWN


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "place", "old", "new"), [p for p in PAIRS if p[1].endswith(UNIT)], ids=lambda v: str(v)[:40]
)
def test_units_do_not_get_worse(name: str, place: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    path = program("systemd-analyze")
    if path is None:
        stand_aside("systemd-analyze is not installed")
    complaints = []
    for number, text in enumerate((old, new)):
        home = tmp_path / str(number) / "etc/systemd/system"
        home.mkdir(parents=True)
        unit = home / Path(place).name
        unit.write_bytes(text)
        argv = [path, "verify", "--man=no", f"--root={tmp_path / str(number)}", unit.name]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
        complaints.append({line.rpartition(":")[2] for line in said.splitlines() if "not found" not in line})
    assert complaints[1] <= complaints[0]
