"""The command line: what it prints when it fails, and with which exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fulldress.cli.app import cli
from fulldress.cli.main import diagnostic, guarded
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


@pytest.mark.parametrize(
    "words",
    ["trust answer", "trust accept", "vendor check", "vendor fetch", "matrix breaking", "matrix grep", "machine stop"],
)
def test_help_of_a_part_needs_no_release_folder_and_has_an_example(words: str, tmp_path: Path) -> None:
    done = run(*words.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (("scann",), "No such command 'scann'. Did you mean scan", "`fulldress --help`"),
        (("trust", "acept"), "Did you mean accept", "`fulldress trust --help`"),
        (("scan", "x", "--format", "yaml"), "'yaml' is not one of", "`fulldress scan --help`"),
        (("p.zip",), "p.zip is a file, not a command", "fulldress scan p.zip"),
        (("scan", "https://a.example/p.zip"), "https://a.example/p.zip is a URL", "download it"),
        (("scan", "p.zip", "--output", "/proc/self/x"), "--output /proc/self/x: /proc", "a folder of yours"),
        (("new", "r", "--host", "frob:x"), "not a host's address: 'frob:x'", "machine:NAME"),
    ],
)
def test_a_wrong_line_is_answered_with_what_and_fix(words: tuple[str, ...], said: str, fix: str, tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"hello")
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    what, _, rest = done.stderr.partition("  fix:")
    assert what.startswith("error: ")
    assert said in what
    assert fix in rest


def test_a_file_that_cannot_be_used_is_named_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    assert guarded(work) == 1
    err = capsys.readouterr().err
    assert "/some/file: Permission denied" in err
    assert "fulldress explain file-unusable" in err


LEAVING = """
import atexit, sys, threading, time
from fulldress.cli import main
def work():
    atexit.register(lambda: print("tidied"))
    print("said" * 50_000)
    {before}
    sys.exit({code})
main.main = work
main.run()
print("never")
"""


@pytest.mark.parametrize(("code", "left_with"), [("0", 0), ("None", 0), ("10", 10), ("'why'", 1)])
def test_a_process_of_its_own_leaves_nothing_unsaid(code: str, left_with: int) -> None:
    done = subprocess.run([sys.executable, "-c", LEAVING.format(before="", code=code)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("said" * 50_000 + "\ntidied\n", left_with)


def test_a_process_of_its_own_waits_for_its_threads() -> None:
    thread = "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()"
    done = subprocess.run([sys.executable, "-c", LEAVING.format(before=thread, code="3")], capture_output=True, text=True)
    assert (done.stdout.endswith("late\ntidied\n"), done.returncode) == (True, 3)
