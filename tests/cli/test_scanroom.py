"""An interrupted scan goes on from what it had read; nothing is left behind otherwise, and nothing kept is believed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from tests.intake.poison import stdlib_zip

from fulldress.adapters import sandbox
from fulldress.cli import scanroom, scanwork
from fulldress.cli.scanroom import PACKS, PREFIX, READ
from fulldress.errors import FulldressError
from fulldress.model.package import PackageLock

CONFINED = sandbox.missing() == ""
DEAD = 999_999_999


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(scanroom, "WORTH_KEEPING_S", 0)
    return tmp_path / "cache" / "fulldress"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "vendor.zip"
    path.write_bytes(stdlib_zip(**{"a.conf": b"password = hunter2-really\n", "large": os.urandom(2 << 20), "b": b"b"}))
    return path


def scanned(package: Path) -> PackageLock:
    with scanwork.package_context(package, vendor=None, sandboxed=CONFINED, progress=None) as context:
        assert sorted(context.read(e) for e in context.files if e.size < 100) == [b"b", b"password = hunter2-really\n"]
        return context.package


def rooms(cache: Path) -> list[Path]:
    return sorted(cache.glob(f"{PREFIX}*"))


def interrupted(package: Path, cache: Path) -> Path:
    """The folder that an interrupted scan leaves, as if its process had ended since."""
    with (
        pytest.raises(KeyboardInterrupt),
        scanwork.package_context(package, vendor=None, sandboxed=CONFINED, progress=None),
    ):
        raise KeyboardInterrupt
    return rooms(cache)[0].rename(cache / f"{PREFIX}{DEAD}-x")


def test_nothing_is_left_when_it_went_well_or_failed(package: Path, cache: Path) -> None:
    scanned(package)
    with (
        pytest.raises(ValueError, match="x"),
        scanwork.package_context(package, vendor=None, sandboxed=CONFINED, progress=None),
    ):
        raise ValueError("x")
    assert rooms(cache) == []


def test_an_interrupted_scan_goes_on(package: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scanned(package)
    assert interrupted(package, cache).stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(scanwork, "reading", None)  # it must not be taken apart again
    assert scanned(package) == first
    assert rooms(cache) == []


def test_what_two_readers_brought_out_is_gone_on_from(package: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    parts = {f"part{n:02}": os.urandom(300 << 10) for n in range(40)}
    package.write_bytes(stdlib_zip(**{"a.conf": b"password = hunter2-really\n", "b": b"b", **parts}))
    first = scanned(package)
    both = False
    while not both:  # on a busy computer the first reader may be through before the second has begun
        for old in rooms(cache):
            shutil.rmtree(old)
        left = interrupted(package, cache)
        both = all((left / pack).stat().st_size for pack in PACKS)
    monkeypatch.setattr(scanwork, "reading", None)
    assert scanned(package) == first
    assert rooms(cache) == []


def test_what_took_no_time_is_not_kept(package: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanroom, "WORTH_KEEPING_S", 100)
    with (
        pytest.raises(KeyboardInterrupt),
        scanwork.package_context(package, vendor=None, sandboxed=CONFINED, progress=None),
    ):
        raise KeyboardInterrupt
    assert rooms(cache) == []


def test_another_package_does_not(package: Path, cache: Path) -> None:
    left = interrupted(package, cache)
    data = bytearray(package.read_bytes())
    other = stdlib_zip(**{"a.conf": b"password = hunter2-really\n", "large": os.urandom(2 << 20), "b": b"b"})
    assert len(other) == len(data)
    package.write_bytes(other)
    scanned(package)
    assert rooms(cache) == [left]


@pytest.mark.usefixtures("confined")
def test_what_was_kept_is_hashed_again(package: Path, cache: Path) -> None:
    left = interrupted(package, cache)
    pack = left / "pack"
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    with pytest.raises(FulldressError) as caught:
        scanned(package)
    assert caught.value.slug == "blob-corrupt"
    assert rooms(cache) == []


def test_a_damaged_record_is_not_read(package: Path, cache: Path) -> None:
    left = interrupted(package, cache)
    (left / READ).write_bytes((left / READ).read_bytes()[:-1] + b"?")
    scanned(package)
    assert rooms(cache) == [left]


def test_what_is_a_day_old_or_incomplete_is_removed(package: Path, cache: Path) -> None:
    old = interrupted(package, cache)
    os.utime(old, (1, 1))
    (cache / f"{PREFIX}{DEAD}-half").mkdir()
    scanned(package)
    assert rooms(cache) == []


def test_without_a_home_it_works_and_leaves_nothing(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    scanned(package)
    assert list((tmp_path / "tmp").iterdir()) == []
