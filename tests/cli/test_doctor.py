"""``fulldress doctor``: its two formats say the same, and the exit code does not depend on the format."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from fulldress.adapters import doctor, leftovers
from fulldress.adapters.doctor import Capability
from fulldress.cli.commands.doctor import command

FINE = Capability(name="root", state="ok", detail="yes")
SLOW = Capability(name="uprobes", state="degraded", detail="not writable", costs="sampled locks", install="a kernel")
GONE = Capability(
    name="systemd-nspawn", state="missing", detail="not installed", costs="no clone", install="apt-get install it"
)


def call(monkeypatch: pytest.MonkeyPatch, found: list[Capability], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "examine", lambda: found)
    monkeypatch.setattr(leftovers, "find", lambda: [leftovers.Leftover(kind="netns", value="fd-x-123456")])
    monkeypatch.setattr(leftovers, "stranded_runs", lambda: ["20260102-run"])
    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    assert result.exception is None
    return int(result.return_value or 0), result.output


@pytest.mark.parametrize(("found", "code"), [([FINE], 0), ([FINE, SLOW], 0), ([FINE, SLOW, GONE], 1)])
def test_the_exit_code_is_the_same_in_both_formats(
    found: list[Capability], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, shown = call(monkeypatch, found)
    js, printed = call(monkeypatch, found, "--format", "json")
    assert text == js == code
    answer = json.loads(printed)
    assert answer["full_dress"] is (code == 0) and answer["schema_version"] == 1
    assert [c["name"] for c in answer["capabilities"]] == [c.name for c in found]
    assert all(c.name in shown for c in found)


def test_a_gap_is_shown_with_its_cost_its_cure_and_what_works_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shown = call(monkeypatch, [FINE, GONE])
    assert "costs: no clone" in shown and "fix:   apt-get install it" in shown
    assert shown.rstrip().endswith("what works anyway: fulldress scan PACKAGE.zip")


def test_leftovers_are_listed_with_the_broom(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shown = call(monkeypatch, [FINE])
    assert "fd-x-123456" in shown and "--reap" in shown


def test_interrupted_runs_are_listed_with_the_command_that_finishes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shown = call(monkeypatch, [FINE])
    assert "20260102-run" in shown and "fulldress resume" in shown


def test_reap_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[bool] = []
    monkeypatch.setattr(leftovers, "sweep", lambda: swept.append(True) or [])
    _, shown = call(monkeypatch, [FINE], "--reap")
    assert swept == [True] and "left by commands" not in shown
