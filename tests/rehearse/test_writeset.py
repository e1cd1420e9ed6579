"""The write-set tells every kind of change, by layers of an overlay and by manifests, and says what to back up."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.adapters.manifest import manifest
from fulldress.model.changes import Change, WriteSet
from fulldress.model.plan import StepTiming
from fulldress.rehearse.clone import OVERLAY
from fulldress.rehearse.writeset import Production, Seen, Side, derive, from_manifests, touched

pytestmark = pytest.mark.usefixtures("as_root")


class Overlay:
    """A clone without a machine: a tree, a layer above it, and the mounted whole."""

    def __init__(self, lower: Path, folder: Path) -> None:
        self.upper, self.root, work = folder / "upper", folder / "root", folder / "work"
        for made in (self.upper, self.root, work):
            made.mkdir(parents=True)
        layers = f"lowerdir={lower},upperdir={self.upper},workdir={work},{OVERLAY}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)

    @property
    def side(self) -> Side:
        return Side(self.root, self.upper)


def build(tree: Path) -> None:
    """A small production."""
    for folder in ("etc/app", "opt/app/lib/deep", "var/lib/postgresql/15", "var/log", "opt/turn"):
        (tree / folder).mkdir(parents=True)
    for name in ("content", "mode", "owner", "times", "acl", "caps", "xattr", "gone", "same", "was-file", "moved"):
        (tree / f"opt/app/{name}").write_text(f"{name} as it was")
    (tree / "opt/app/lib/deep/a").write_text("a")
    (tree / "opt/turn/into-a-file").write_text("x")
    (tree / "opt/app/link").symlink_to("content")
    (tree / "etc/app/one-name").write_text("twin")
    os.link(tree / "etc/app/one-name", tree / "opt/app/other-name")
    (tree / "var/lib/postgresql/15/base").write_text("rows")
    (tree / "var/log/app.log").write_text("a line\n")
    with (tree / "opt/app/sparse").open("wb") as stream:
        stream.truncate(50 << 20)
    (tree / "opt/app/cleared").mkdir()
    (tree / "opt/app/cleared/old").write_text("old")


def upgrade(root: Path) -> None:
    app = root / "opt/app"
    (app / "content").write_text("content as it is")
    (app / "mode").chmod(0o600)
    os.chown(app / "owner", 7, 8)
    os.utime(app / "times", ns=(1, 1))
    os.setxattr(app / "xattr", "user.note", b"x")
    os.setxattr(app / "caps", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    os.setxattr(app / "acl", "system.posix_acl_access", _acl())
    (app / "gone").unlink()
    (app / "was-file").unlink()
    (app / "was-file").mkdir()
    (app / "was-file/inside").write_text("new")
    shutil.rmtree(root / "opt/turn")
    (root / "opt/turn").write_text("now a file")
    (app / "moved").rename(app / "moved-here")
    shutil.rmtree(app / "lib")
    (app / "link").unlink()
    (app / "link").symlink_to("mode")
    os.mkfifo(app / "pipe")
    # from inside its folder, because a socket's name may be no longer than a hundred bytes
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(app):
        listening.bind("socket")
    os.mknod(app / "device", 0o600 | 0o020000, os.makedev(1, 3))
    (root / "etc/app/one-name").write_text("twin changed")
    with (app / "sparse").open("r+b") as stream:
        stream.write(b"x")
    shutil.rmtree(app / "cleared")
    (app / "cleared").mkdir()
    (app / "cleared/new").write_text("new")
    with (app / "same").open("r+"):
        pass
    (root / "var/lib/postgresql/15/base").write_text("other rows")
    with (root / "var/log/app.log").open("a") as stream:
        stream.write("upgraded\n")


def _acl() -> bytes:
    """user::rw-, user:7:r--, group::r--, mask::r--, other::r--"""
    entries = [(1, 6, 0xFFFFFFFF), (2, 4, 7), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 4, 0xFFFFFFFF)]
    return b"\x02\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + mode.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, mode, who in entries
    )


@pytest.fixture(scope="module")
def played(scratch: Path) -> Iterator[tuple[WriteSet, Path]]:
    """A control clone and an upgraded one of one production, and what was found."""
    folder = scratch / "clones" / f"writeset-{os.getpid()}"
    tree = folder / "tree"
    build(tree)
    clones = [Overlay(tree, folder / name) for name in ("control", "upgraded")]
    try:
        control, upgraded = clones
        (control.root / "var/log/app.log").write_text("a line\nand another\n")
        seen = Seen(upgraded.upper, tree)
        (upgraded.root / "opt/app/half-done").write_text("x")
        seen.step("first")
        (upgraded.root / "opt/app/half-done").unlink()
        time.sleep(0.02)
        began = time.time()
        upgrade(upgraded.root)
        step = StepTiming(id="files", title="", kind="", phase="do", started=began - 0.01, ended=time.time() + 1, code=0)
        production = Production(tree, ("/var/lib/postgresql",), 4)
        yield derive(control.side, upgraded.side, production, [step], began=began, seen=seen), tree
    finally:
        for clone in clones:
            subprocess.run(["umount", str(clone.root)], check=False)
        shutil.rmtree(folder)


def of(found: WriteSet, path: str) -> Change:
    (change,) = [change for change in found.changes if change.path == path]
    return change


EXPECTED = [
    ("content", "file", "file", ("content",)), ("mode", "file", "file", ("mode",)), ("owner", "file", "file", ("owner",)),
    ("times", "file", "file", ("times",)), ("xattr", "file", "file", ("xattrs",)),
    ("caps", "file", "file", ("capabilities",)), ("acl", "file", "file", ("acl",)), ("gone", "file", "absent", ()),
    ("was-file", "file", "directory", ()), ("was-file/inside", "absent", "file", ()), ("moved", "file", "absent", ()),
    ("moved-here", "absent", "file", ()), ("lib", "directory", "absent", ()), ("lib/deep", "directory", "absent", ()),
    ("lib/deep/a", "file", "absent", ()), ("link", "link", "link", ("target",)), ("pipe", "absent", "pipe", ()),
    ("socket", "absent", "socket", ()), ("device", "absent", "device", ()), ("sparse", "file", "file", ("content",)),
    ("cleared/old", "file", "absent", ()), ("cleared/new", "absent", "file", ()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after", "what"), EXPECTED)
def test_every_kind_of_change_is_told(
    played: tuple[WriteSet, Path], name: str, before: str, after: str, what: tuple[str, ...]
) -> None:
    change = of(played[0], f"/opt/app/{name}")
    assert (change.before, change.after) == (before, after)
    assert set(what) <= set(change.what) and ("mode" in what or change.what[:1] == what[:1])


def test_nothing_else_is_in_it(played: tuple[WriteSet, Path]) -> None:
    wanted = {f"/opt/app/{name}" for name, *_ in EXPECTED} | {
        "/opt/turn", "/opt/turn/into-a-file", "/etc/app/one-name", "/var/lib/postgresql", "/opt/app/half-done",
    }  # fmt: skip
    assert {change.path for change in played[0].changes} == wanted


def test_a_directory_that_became_a_file(played: tuple[WriteSet, Path]) -> None:
    assert (of(played[0], "/opt/turn").before, of(played[0], "/opt/turn").after) == ("directory", "file")
    assert of(played[0], "/opt/turn/into-a-file").after == "absent"


def test_other_names_of_a_file_change_with_it_in_production(played: tuple[WriteSet, Path]) -> None:
    assert of(played[0], "/etc/app/one-name").aliases == ("/opt/app/other-name",)
    assert "/opt/app/other-name" in played[0].backup


def test_what_the_control_clone_wrote_is_left_out_and_said(played: tuple[WriteSet, Path]) -> None:
    assert "/var/log/app.log" in played[0].by_itself
    assert any("/var/log/app.log" in note for note in played[0].notes)


def test_a_database_is_one_entry_and_not_in_the_backup(played: tuple[WriteSet, Path]) -> None:
    entry = of(played[0], "/var/lib/postgresql")
    assert (entry.what, entry.bytes) == (("rows: see proof",), 4)
    assert not [path for path in played[0].backup if path.startswith("/var/lib/postgresql")]


def test_the_backup_has_what_stands_there_now_with_parents_first(played: tuple[WriteSet, Path]) -> None:
    found, tree = played
    assert all(os.path.lexists(f"{tree}{path}") for path in found.backup)
    assert {"/opt/app/gone", "/opt/app/lib/deep/a", "/opt/turn/into-a-file"} <= set(found.backup)
    assert "/opt/app/same" not in found.backup
    order = {path: number for number, path in enumerate(found.backup)}
    assert all(order[str(Path(path).parent)] < order[path] for path in found.backup if path.count("/") > 1)


def test_a_sparse_file_takes_what_it_holds(played: tuple[WriteSet, Path]) -> None:
    assert of(played[0], "/opt/app/sparse").bytes < 1 << 20
    assert played[0].backup_bytes < 2 << 20


def test_a_file_that_came_and_went_is_transient_and_a_change_knows_its_step(played: tuple[WriteSet, Path]) -> None:
    gone = of(played[0], "/opt/app/half-done")
    assert (gone.transient, gone.step, gone.before, gone.after) == (True, "first", "absent", "absent")
    assert of(played[0], "/opt/app/content").step == "files"


def test_without_a_layer_two_manifests_tell_the_same(played: tuple[WriteSet, Path], tmp_path: Path) -> None:
    tree, control, upgraded = (tmp_path / name for name in ("tree", "control", "upgraded"))
    for root in (tree, control, upgraded):
        build(root)
    for folder, names, files in os.walk(tree):
        for name in (*names, *files):
            here = Path(folder, name)
            when = (here.lstat().st_atime_ns, here.lstat().st_mtime_ns)
            for other in (control, upgraded):
                os.utime(other / here.relative_to(tree), ns=when, follow_symlinks=False)
    time.sleep(0.05)
    began = time.time()
    time.sleep(0.05)
    (control / "var/log/app.log").write_text("a line\nand another\n")
    upgrade(upgraded)
    found = derive(Side(control, None), Side(upgraded, None), Production(tree, ("/var/lib/postgresql",)), [], began=began)
    leave = {"/var/lib/postgresql", "/opt/app/half-done", "/opt/app/other-name"}
    told = {(c.path, c.before, c.after) for c in found.changes if c.path not in leave}
    assert told == {(c.path, c.before, c.after) for c in played[0].changes if c.path not in leave}
    assert "/var/log/app.log" in found.by_itself


def test_of_one_machine_before_and_after(tmp_path: Path) -> None:
    build(tmp_path)
    before = manifest(str(tmp_path))[0]
    (tmp_path / "opt/app/content").write_text("other")
    (tmp_path / "var/lib/postgresql/15/base").write_text("other")
    found = from_manifests(before, manifest(str(tmp_path))[0], ("/var/lib/postgresql",), "no control")
    assert [(c.path, c.what) for c in found.changes] == [("/opt/app/content", ("content",))]
    assert found.backup == ("/opt", "/opt/app", "/opt/app/content")
    assert found.notes == ("no control",)


def test_a_link_in_the_lower_layer_is_not_followed(tmp_path: Path) -> None:
    lower, layer, outside = (tmp_path / name for name in ("lower", "layer", "outside"))
    for folder in (lower, layer, outside / "sub"):
        folder.mkdir(parents=True)
    (outside / "sub/secret").write_text("x")
    (lower / "way").symlink_to(outside)
    (layer / "way").mkdir()
    os.mknod(layer / "way/sub", 0o020000, os.makedev(0, 0))
    assert touched(layer, lower) == {"/way", "/way/sub"}
