"""Files of another tree: no link leads out, nothing half-written is seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.adapters import inroot


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("outside")
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def root(tree: Path) -> Iterator[int]:
    fd = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_an_absolute_link_is_followed_inside(tree: Path, root: int) -> None:
    (tree / "etc/link").symlink_to(tree.parent / "outside")
    with pytest.raises(FileNotFoundError):
        inroot.read(root, "/etc/link")
    (tree / "etc/real").write_text("inside")
    (tree / "etc/good").symlink_to("/etc/real")
    assert inroot.read(root, "/etc/good") == b"inside"


@pytest.mark.parametrize("path", ["../outside", "/../outside", "/etc/../../outside", "etc/../../../outside"])
def test_dots_do_not_climb_out(path: str, root: int) -> None:
    with pytest.raises(FileNotFoundError):
        inroot.read(root, path)


def test_a_write_through_a_link_stays_inside(tree: Path, root: int) -> None:
    (tree.parent / "victim").mkdir()
    (tree / "etc/dir").symlink_to(tree.parent / "victim")
    with pytest.raises(OSError):
        inroot.write(root, "/etc/dir/file", b"x", mode=0o644)
    assert list((tree.parent / "victim").iterdir()) == []


def test_a_link_at_the_target_is_replaced_not_followed(tree: Path, root: int) -> None:
    (tree / "etc/file").symlink_to(tree.parent / "outside")
    inroot.write(root, "/etc/file", b"new", mode=0o600)
    assert (tree.parent / "outside").read_text() == "outside"
    assert not (tree / "etc/file").is_symlink() and (tree / "etc/file").read_bytes() == b"new"


@pytest.mark.parametrize("make", [lambda p: os.mkfifo(p), lambda p: p.mkdir()])
def test_only_regular_files_are_read(make: object, tree: Path, root: int) -> None:
    make(tree / "etc/odd")  # type: ignore[operator]
    with pytest.raises(OSError):
        inroot.read(root, "/etc/odd")


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    tree: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "etc/file").write_text("old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        inroot.write(root, "/etc/file", b"new", mode=0o644)
    assert [p.name for p in (tree / "etc").iterdir()] == ["file"] and (tree / "etc/file").read_text() == "old"


def test_parents_are_made_and_the_mode_is_exact(tree: Path, root: int) -> None:
    previous = os.umask(0o077)
    try:
        inroot.write(root, "/a/b/c", b"x", mode=0o664)
    finally:
        os.umask(previous)
    assert (tree / "a/b/c").stat().st_mode & 0o777 == 0o664
