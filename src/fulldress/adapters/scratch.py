"""The scratch file system: where mirrors, clones and images live, with reflinks, so that copying up a data file is free.

Without reflinks the first open of every PostgreSQL file in a clone copies the whole file (12.9 s against 0.1 s at 5 GB).
When the state directory's own file system has none, a sparse XFS image beside it is mounted by loop.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fulldress.errors import CapabilityMissing, StateDiskFull
from fulldress.store.state import state_dir

_FICLONE = 0x40049409
LARGEST = 64 << 30
SMALLEST = 2 << 30
SPARE = 2 << 30
"""Left to the host's own disk, bytes."""


def reflinks(folder: Path) -> bool:
    """True when files below ``folder`` can share blocks; tried, not guessed."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".reflink-") as inner:
        source, target = Path(inner, "a"), Path(inner, "b")
        source.write_bytes(b"x" * 65536)
        with source.open("rb") as a, target.open("wb") as b:
            try:
                fcntl.ioctl(b.fileno(), _FICLONE, a.fileno())
            except OSError:
                return False
    return True


def scratch_dir(state: Path | None = None) -> Path:
    """The scratch directory, ready for use: made, and its image mounted when it needs one. Idempotent; survives reboots."""
    top = state or state_dir()
    folder, image = top / "scratch", top / "scratch.img"
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    if os.path.ismount(folder) or (not image.exists() and reflinks(folder)):
        return folder
    if os.geteuid() != 0:
        raise CapabilityMissing(
            "the scratch file system needs a loop mount, and that needs root", fix="run the command as root"
        )
    _loop_mounted(folder, image, ["mkfs.xfs", "-q", "-f", "-m", "reflink=1", "-L", "fulldress"])
    return folder


def btrfs_dir(state: Path | None = None) -> Path:
    """A directory for btrfs subvolumes: in the state directory when that is on btrfs, else on a btrfs image beside it.

    Quotas are on. Idempotent; survives reboots. Raises CapabilityMissing without btrfs-progs, loop devices or root.
    """
    top = state or state_dir()
    folder, image = top / "btrfs", top / "btrfs.img"
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    if os.path.ismount(folder) or (not image.exists() and file_system(folder) == "btrfs"):
        return folder
    if os.geteuid() != 0:
        raise CapabilityMissing("a btrfs image needs a loop mount, and that needs root", fix="run the command as root")
    _loop_mounted(folder, image, ["mkfs.btrfs", "-q", "-f", "-m", "single", "-L", "fulldress"])
    _call(["btrfs", "quota", "enable", str(folder)], "turning on quotas")
    return folder


def file_system(folder: Path) -> str:
    """The kind of file system that a folder lies on: ``ext4``, ``xfs``, ``btrfs``, ..."""
    here, best, kind = folder.resolve(), Path("/"), ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = Path(fields[4].encode().decode("unicode_escape"))
        if (point == here or point in here.parents) and len(point.parts) >= len(best.parts):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def _loop_mounted(folder: Path, image: Path, make: list[str]) -> None:
    with _lock(image.with_suffix(".lock")):
        if not os.path.ismount(folder):
            if not image.exists():
                _make_image(image, make)
            _call(["mount", "-o", "loop,discard,noatime", str(image), str(folder)], f"mounting {image.name}")


def unmount(state: Path | None = None, *, delete: bool = False) -> None:
    """Unmount the images, and delete them when asked; fails with CapabilityMissing while something in them is in use."""
    top = state or state_dir()
    for folder, image in ((top / "scratch", top / "scratch.img"), (top / "btrfs", top / "btrfs.img")):
        if os.path.ismount(folder):
            _call(["umount", str(folder)], f"unmounting {image.name}")
        if delete:
            image.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def free_bytes(folder: Path) -> int:
    """What can still be written below ``folder``: the least of its file system and of the disk that backs the image."""
    inner = shutil.disk_usage(folder).free
    image = folder.with_suffix(".img")
    if not image.exists():
        return inner
    return max(0, min(inner, shutil.disk_usage(folder.parent).free - SPARE))


def ensure_free(folder: Path, needed: int, what: str) -> None:
    """Raises StateDiskFull unless ``needed`` bytes can be written below ``folder``."""
    free = free_bytes(folder)
    if free < needed:
        raise StateDiskFull(
            f"{what} needs {needed / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB",
            fix=f"free room on the disk of {folder.parent}, or set FULLDRESS_STATE to a larger one",
        )


def _make_image(image: Path, make: list[str]) -> None:
    free = shutil.disk_usage(image.parent).free - SPARE
    if free < SMALLEST:
        raise StateDiskFull(f"{image.parent} has too little room for a scratch file system", fix="free at least 4 GB there")
    temporary = image.with_suffix(".img.tmp")
    with temporary.open("wb") as out:
        out.truncate(min(LARGEST, free))
    _call([*make, str(temporary)], f"making {image.name}")
    temporary.replace(image)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _call(argv: list[str], doing: str) -> None:
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        packages = "btrfs-progs" if "btrfs" in argv[0] else "xfsprogs mount"
        raise CapabilityMissing(f"{argv[0]} is not installed", fix=f"apt-get install {packages}") from None
    if ended.returncode != 0:
        raise CapabilityMissing(f"{doing} failed", why=ended.stderr.strip(), fix="see `fulldress doctor`")
