"""Odd surroundings: closed and full outputs, names that are no UTF-8. No traceback, no wrong answer."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fulldress.store.codec import write_bytes

MAIN = (sys.executable, "-m", "fulldress.cli.main")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "vendor.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")
    return path


def shell(script: str, *args: str | bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in which ``fulldress`` is this one."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    text = f'fulldress() {{ {" ".join(MAIN)} "$@"; }}\n{script}'
    return subprocess.run(["bash", "-c", text, "bash", *args], capture_output=True, env=env, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_does_not_become_the_package(package: Path, closed: str) -> None:
    result = shell(f'fulldress scan "$1" {closed}', str(package))
    assert (result.returncode, b"Traceback" in result.stderr) == (0, False)


def test_a_full_disk_behind_stdout_is_said(package: Path) -> None:
    result = shell('fulldress scan "$1" > /dev/full', str(package))
    assert result.returncode == 1
    assert b"No space left" in result.stderr
    assert b"Traceback" not in result.stderr


def test_help_to_a_reader_that_has_gone() -> None:
    result = shell("fulldress --help | true; echo ${PIPESTATUS[0]}")
    assert (result.stdout, result.stderr) == (b"0\n", b"")


@pytest.mark.parametrize("form", ["text", "json", "sarif", "html", "junit", "github"])
def test_a_package_name_that_is_no_utf8(package: Path, form: str) -> None:
    odd = os.fsencode(package.parent) + b"/p\xff.zip"
    os.rename(package, odd)  # noqa: PTH104 - bytes
    result = shell(f'fulldress scan --format {form} "$1"', odd)
    assert (result.returncode, b"Traceback" in result.stderr) == (0, False)
    result.stdout.decode("utf-8")


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"hello")
    assert os.read(reader, 10) == b"hello"
    assert pipe.is_fifo()
    os.close(reader)
