"""What can be made again: found when it is sound and ours, never an error when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.store import cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fulldress"


def test_what_is_kept_is_recalled_and_for_nobody_else(folder: Path) -> None:
    cache.keep("patterns-a", b"data")
    assert cache.recall("patterns-a") == b"data"
    assert cache.recall("patterns-b") is None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "patterns-a").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"x", b"\0" * 40])
def test_damage_is_not_believed(folder: Path, damage: bytes) -> None:
    cache.keep("patterns-a", b"data")
    (folder / "patterns-a").write_bytes(damage)
    assert cache.recall("patterns-a") is None


def test_a_link_or_a_file_others_may_write_is_not_followed(folder: Path, tmp_path: Path) -> None:
    cache.keep("patterns-a", b"data")
    (folder / "patterns-a").rename(tmp_path / "elsewhere")
    (folder / "patterns-a").symlink_to(tmp_path / "elsewhere")
    assert cache.recall("patterns-a") is None
    cache.keep("patterns-b", b"data")
    (folder / "patterns-b").chmod(0o666)
    assert cache.recall("patterns-b") is None


def test_a_folder_that_others_can_enter_is_not_used(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    cache.keep("patterns-a", b"data")
    assert list(folder.iterdir()) == []


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    cache.keep("patterns-a", b"data")
    assert cache.cache_dir() is None
    assert cache.recall("patterns-a") is None


def test_only_the_newest_of_a_kind_are_kept(folder: Path) -> None:
    for number in range(cache.MOST + 5):
        cache.keep(f"patterns-{number}", b"x")
    cache.keep("other-1", b"x")
    assert len(list(folder.glob("patterns-*"))) == cache.MOST
    assert cache.recall(f"patterns-{cache.MOST + 4}") == b"x"
