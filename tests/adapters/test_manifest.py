"""The manifest sees every kind of change to a tree, and survives hostile ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fulldress.adapters import manifest as module
from fulldress.adapters.manifest import INLINE, PathState, manifest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc/deep").mkdir(parents=True)
    (root / "etc/a").write_text("alpha")
    (root / "etc/b").write_text("beta")
    (root / "etc/deep/large").write_bytes(os.urandom(INLINE * 3))
    (root / "etc/link").symlink_to("a")
    os.link(root / "etc/b", root / "etc/twin")
    os.mkfifo(root / "etc/pipe")
    return root


def changed(tree: Path, change: Callable[[], object]) -> dict[str, tuple[PathState | None, PathState | None]]:
    before = manifest(str(tree))[0]
    change()
    after = manifest(str(tree))[0]
    return {p: (before.get(p), after.get(p)) for p in before.keys() | after.keys() if before.get(p) != after.get(p)}


def test_everything_is_listed_with_its_kind(tree: Path) -> None:
    found, size = manifest(str(tree))
    assert {path: state.kind for path, state in found.items()} == {
        "/": "directory", "/etc": "directory", "/etc/deep": "directory", "/etc/a": "file", "/etc/b": "file",
        "/etc/twin": "file", "/etc/deep/large": "file", "/etc/link": "symlink", "/etc/pipe": "fifo",
    }  # fmt: skip
    assert size == 5 + 4 + 4 + INLINE * 3


def test_nothing_changed_is_equal(tree: Path) -> None:
    assert changed(tree, lambda: None) == {}


def keep_time(path: Path, change: Callable[[], object]) -> None:
    status = path.lstat()
    change()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


@pytest.mark.parametrize(
    ("change", "path", "field"),
    [
        (lambda t: keep_time(t / "etc/a", lambda: (t / "etc/a").write_text("alphb")), "/etc/a", "content"),
        (lambda t: keep_time(t / "etc/deep/large", lambda: flip(t / "etc/deep/large")), "/etc/deep/large", "content"),
        (lambda t: (t / "etc/a").chmod(0o600), "/etc/a", "mode"),
        (lambda t: (t / "etc/a").chmod(0o4755), "/etc/a", "mode"),
        (lambda t: (t / "etc/deep").chmod(0o700), "/etc/deep", "mode"),
        (lambda t: os.utime(t / "etc/a", ns=(1, 1)), "/etc/a", "mtime_ns"),
        (lambda t: os.setxattr(t / "etc/a", "user.note", b"x"), "/etc/a", "xattrs"),
        (lambda t: keep_time(t / "etc/link", lambda: relink(t / "etc/link")), "/etc/link", "content"),
    ],
)
def test_one_change_is_one_difference_in_one_field(
    tree: Path, change: Callable[[Path], object], path: str, field: str
) -> None:
    found = changed(tree, lambda: change(tree))
    assert list(found) == [path]
    before, after = found[path]
    assert before and after
    assert [f for f in PathState._fields if getattr(before, f) != getattr(after, f)] == [field]


def flip(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(INLINE * 2)
        byte = stream.read(1)[0]
        stream.seek(INLINE * 2)
        stream.write(bytes([byte ^ 1]))


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("b")


@pytest.mark.usefixtures("as_root")
def test_owner_and_group(tree: Path) -> None:
    (found,) = changed(tree, lambda: os.chown(tree / "etc/a", 7, 8)).values()
    assert found[1] and (found[1].uid, found[1].gid) == (7, 8)


def test_new_deleted_and_unlinked_twins(tree: Path) -> None:
    def change() -> None:
        (tree / "etc/new").write_text("")
        (tree / "etc/a").unlink()
        status = (tree / "etc/twin").stat()
        (tree / "etc/twin").unlink()
        (tree / "etc/twin").write_text("beta")
        os.utime(tree / "etc/twin", ns=(1, status.st_mtime_ns))

    found = changed(tree, change)
    assert found["/etc/new"][0] is None
    assert found["/etc/a"][1] is None
    before, after = found["/etc/twin"]
    assert before and after and (before.linked, after.linked, before.content) == ("/etc/b", "", after.content)


def test_excluded_paths_are_left_out_with_all_below(tree: Path) -> None:
    found, _ = manifest(str(tree), ("/etc/deep/", "/etc/a"))
    assert "/etc/a" not in found
    assert not [path for path in found if path.startswith("/etc/deep")]


def test_links_are_never_followed_out_of_the_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("x")
    (tree / "etc/way-out").symlink_to("../../outside")
    found, _ = manifest(str(tree))
    assert found["/etc/way-out"].content == "../../outside"
    assert not [path for path in found if "secret" in path]


def test_a_file_that_goes_away_while_it_is_read_is_not_there(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = module._open
    monkeypatch.setattr(module, "_open", lambda name, parent: (os.unlink(name, dir_fd=parent), original(name, parent))[1])
    assert "/etc/a" not in manifest(str(tree))[0]


def test_names_that_are_no_utf8(tree: Path) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/etc/\xff")).write_text("x")
    assert os.fsdecode(b"/etc/\xff") in manifest(str(tree))[0]


def test_it_runs_alone_on_a_host(tree: Path) -> None:
    script = Path(module.__file__).read_bytes()
    done = subprocess.run([sys.executable, "-I", "-", str(tree), "/etc/deep"], input=script, capture_output=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = {path: PathState(*fields) for path, *fields in lines[:-1]}
    assert told == manifest(str(tree), ("/etc/deep",))[0]
