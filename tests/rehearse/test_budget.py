"""What a clone takes by itself, and the watcher that stops one that takes too much."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.adapters.scratch import free_bytes
from fulldress.rehearse import budget

MB = 1 << 20


@pytest.fixture
def folder(scratch: Path) -> Iterator[Path]:
    """On a file system with reflinks."""
    top = scratch / f"t-budget-{os.getpid()}"
    top.mkdir()
    yield top
    shutil.rmtree(top)


def written(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return path


@pytest.mark.machine
def test_blocks_that_are_shared_with_the_mirror_cost_nothing(folder: Path) -> None:
    source, mine = written(folder / "mirror", 8 * MB), folder / "clone"
    mine.mkdir()
    subprocess.run(["cp", "--reflink=always", str(source), str(mine / "file")], check=True)
    assert budget.taken([mine]) == 0
    with (mine / "file").open("r+b") as out:
        out.write(os.urandom(3 * MB))
        out.flush()
        os.fsync(out.fileno())
    assert 3 * MB <= budget.taken([mine]) < 4 * MB


@pytest.mark.machine
def test_new_files_small_files_and_holes_count_as_what_they_take(folder: Path) -> None:
    written(folder / "large", 2 * MB)
    written(folder / "small", 5000)
    with (folder / "sparse").open("wb") as out:
        out.truncate(1 << 40)
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    assert 2 * MB + 5000 <= budget.taken([folder, folder / "gone"]) < 2 * MB + 64 * 1024


@pytest.mark.machine
def test_who_takes_too_much_is_stopped_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "STEP", MB)
    said: list[str] = []
    watch = budget.Watch([folder], 4 * MB, said.append, free=lambda: free_bytes(folder))
    written(folder / "a", 2 * MB)
    time.sleep(0.4)
    assert said == []
    written(folder / "b", 4 * MB)
    for _ in range(50):
        time.sleep(0.1)
        if said:
            break
    time.sleep(0.3)
    watch.end()
    assert said == ["it wrote 0.01 GB to its disk, 0.00 GB were allowed"]


def test_a_watch_can_be_ended_from_within_and_survives_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "SLOWEST", 1)
    ended: list[str] = []
    watches: list[budget.Watch] = []

    def stop(why: str) -> None:
        watches[0].end()
        ended.append(why)

    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "file").write_bytes(b"x" * 10_000)
    watches.append(budget.Watch([folder], 1, stop, free=lambda: free_bytes(folder)))
    time.sleep(0.5)
    assert len(ended) == 1
    other = budget.Watch([folder], 1 << 40, stop, free=lambda: free_bytes(folder))
    shutil.rmtree(folder)
    time.sleep(0.3)
    other.end()
    assert len(ended) == 1


def test_on_a_full_disk_those_who_wrote_much_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "RESERVE", 4 * MB)
    said: dict[str, str] = {}
    watches = []
    for name, size in (("modest", MB), ("greedy", 8 * MB)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(os.urandom(size))
        stop = functools.partial(said.__setitem__, name)
        watches.append(budget.Watch([tmp_path / name], 1 << 40, stop, free=lambda: 3 * MB))
    time.sleep(0.5)
    for watch in watches:
        watch.end()
    assert list(said) == ["greedy"] and "nearly full" in said["greedy"]
