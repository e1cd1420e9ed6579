"""The command line: what it prints when it fails, and with which exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fulldress.cli.app import cli
from fulldress.cli.main import diagnostic
from fulldress.cli.overview import COMMANDS, text
from fulldress.errors import Stale


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fulldress.cli.main", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_help_lists_every_command_with_its_line() -> None:
    out = run("--help").stdout
    for path in Path(COMMANDS).glob("[a-z]*.py"):
        assert f"\n  {path.stem} " in out


def test_help_imports_no_heavy_library() -> None:
    code = "import sys; sys.argv = ['fulldress', '--help']\nfrom fulldress.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint('loaded:', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(out.rpartition("loaded:")[2].split())
    assert "fulldress.cli.overview" in loaded
    assert loaded & {"click", "msgspec", "rich", "jinja2", "dbos", "cryptography", "asyncssh", "asyncio"} == set()


def test_click_shows_the_same_first_screen() -> None:
    assert run("--no-such-option").returncode == 2
    with cli.make_context("fulldress", [], resilient_parsing=True) as context:
        assert cli.get_help(context) == text() == run("--help").stdout.rstrip("\n")


@pytest.mark.parametrize("name", sorted(p.stem for p in Path(COMMANDS).glob("[a-z]*.py")))
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout


def test_outside_a_release_folder_says_what_to_do(tmp_path: Path) -> None:
    done = run("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "no release.toml" in done.stderr
    assert "fix:" in done.stderr
    assert "fulldress new" in done.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("rehears").returncode == 2


def test_a_diagnostic_has_what_why_fix_more() -> None:
    text = diagnostic(Stale("plan.toml changed", why="it was rehearsed otherwise", fix="rehearse again"))
    assert [line.split(":")[0].strip() for line in text.splitlines()] == ["\x1b[31m\x1b[1merror", "why", "fix", "more"]


def test_commands_are_found_by_folder() -> None:
    assert {"new", "status"} <= set(cli.list_commands(cli.make_context("fulldress", [], resilient_parsing=True)))
