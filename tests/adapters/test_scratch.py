"""The scratch file system: reflinks tried, an image where there are none, found again after a restart."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import stand_aside

from fulldress.adapters import btrfs, scratch
from fulldress.errors import StateDiskFull


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Path]:
    """A state directory on a file system without reflinks (tmpfs), so that an image is needed."""
    if os.geteuid() != 0:
        stand_aside("needs root to mount")
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8g", "none", str(state)], check=True)
    yield state
    for folder in (state / "scratch", state):
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)


@pytest.mark.machine
def test_an_image_with_reflinks_is_made_where_there_are_none(plain: Path) -> None:
    assert not scratch.reflinks(plain)
    folder = scratch.scratch_dir(plain)
    assert folder == plain / "scratch" and os.path.ismount(folder) and scratch.reflinks(folder)
    image = plain / "scratch.img"
    assert image.stat().st_blocks * 512 < image.stat().st_size / 10, "the image is sparse"
    assert scratch.free_bytes(folder) <= shutil.disk_usage(plain).free


@pytest.mark.machine
def test_asking_again_changes_nothing_and_a_restart_mounts_it_again(plain: Path) -> None:
    folder = scratch.scratch_dir(plain)
    (folder / "kept").write_text("kept")
    assert scratch.scratch_dir(plain) == folder
    mounts = Path("/proc/self/mountinfo").read_text().count(f" {folder} ")
    assert mounts == 1
    scratch.unmount(plain)
    assert not (folder / "kept").exists()
    assert (scratch.scratch_dir(plain) / "kept").read_text() == "kept"


@pytest.mark.machine
def test_deleting_leaves_no_mount_no_image_and_no_loop_device(plain: Path) -> None:
    scratch.scratch_dir(plain)
    scratch.unmount(plain, delete=True)
    assert list(plain.glob("scratch*")) == [plain / "scratch.lock"]
    attached = subprocess.run(
        ["losetup", "--list", "--noheadings", "-O", "BACK-FILE"], capture_output=True, text=True, check=True
    )
    assert str(plain) not in attached.stdout


@pytest.mark.machine
def test_a_file_system_with_reflinks_is_used_as_it_is(plain: Path) -> None:
    own = scratch.scratch_dir(plain) / "state-on-xfs"
    assert scratch.scratch_dir(own) == own / "scratch"
    assert not os.path.ismount(own / "scratch") and not (own / "scratch.img").exists()


@pytest.mark.machine
def test_too_small_a_disk_is_said(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(plain)._replace(free=1 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StateDiskFull):
        scratch.scratch_dir(plain)
    assert not (plain / "scratch.img").exists()


def test_room_is_asked_for_before_work_begins(tmp_path: Path) -> None:
    scratch.ensure_free(tmp_path, 1, "a byte")
    with pytest.raises(StateDiskFull, match="everything needs"):
        scratch.ensure_free(tmp_path, 1 << 60, "everything")


@pytest.mark.machine
def test_a_btrfs_image_is_made_held_to_quotas_and_taken_away(plain: Path) -> None:
    if shutil.which("mkfs.btrfs", path="/usr/sbin:/sbin:" + os.environ["PATH"]) is None:
        stand_aside("needs btrfs-progs")
    folder = scratch.btrfs_dir(plain)
    try:
        assert scratch.file_system(folder) == "btrfs" and scratch.btrfs_dir(plain) == folder
        btrfs.make(folder / "a")
        (folder / "a/file").write_bytes(b"x" * 100_000)
        btrfs.snapshot(folder / "a", folder / "b")
        assert btrfs.is_subvolume(folder / "b") and not btrfs.is_subvolume(plain)
        assert (folder / "b/file").stat().st_size == 100_000
        btrfs.hold_to(folder / "b", 1 << 20)
        with pytest.raises(OSError, match="quota"):
            (folder / "b/more").write_bytes(bytes(8 << 20))
        assert btrfs.taken(folder / "b") <= 1 << 20
        btrfs.delete(folder / "b")
        assert not (folder / "b").exists()
    finally:
        scratch.unmount(plain, delete=True)
    assert not folder.exists() and not (plain / "btrfs.img").exists()
