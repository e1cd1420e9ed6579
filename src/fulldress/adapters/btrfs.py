"""btrfs subvolumes: made, snapshotted, held to a quota, deleted. Plain commands; touches only the paths it is given."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fulldress.errors import CapabilityMissing


def is_subvolume(path: Path) -> bool:
    """True for the top directory of a subvolume."""
    try:
        return path.is_dir() and not path.is_symlink() and path.stat().st_ino == 256
    except OSError:
        return False


def make(path: Path) -> None:
    """An empty subvolume."""
    _btrfs("subvolume", "create", str(path))


def snapshot(source: Path, target: Path) -> None:
    """A writable snapshot of a subvolume."""
    _btrfs("subvolume", "snapshot", str(source), str(target))


def delete(path: Path) -> None:
    """Delete a subvolume with all that is in it; its blocks are freed in the background."""
    _btrfs("subvolume", "delete", str(path))


def hold_to(path: Path, most: int) -> None:
    """Let a subvolume take at most so many bytes of its own; more is refused with "disk quota exceeded"."""
    _btrfs("qgroup", "limit", "-e", str(most), str(path))


def taken(path: Path) -> int:
    """Bytes that only this subvolume holds."""
    rows = _btrfs("qgroup", "show", "--raw", "-f", "--sync", str(path)).splitlines()
    return int(rows[-1].split()[2]) if rows else 0


def _btrfs(*words: str) -> str:
    try:
        ended = subprocess.run(["btrfs", *words], capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise CapabilityMissing("btrfs is not installed", fix="apt-get install btrfs-progs") from None
    if ended.returncode != 0:
        raise CapabilityMissing(
            f"`btrfs {' '.join(words[:2])}` failed", why=ended.stderr.strip()[-300:], fix="see `fulldress doctor`"
        )
    return ended.stdout
