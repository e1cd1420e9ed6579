"""A clone by btrfs snapshot of a mirror that is held in a subvolume. Quick at any size, and held to a quota by the kernel.

The mask is written into the snapshot itself, so there is no directory that holds the clone's writes alone; and whoever is
root in the clone can reach other subvolumes of the file system. The overlay is the default for both reasons.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from fulldress.adapters import btrfs
from fulldress.errors import CapabilityMissing
from fulldress.rehearse.clone import CloneFailed, TreeClone

NEARLY = 0.98
"""Of the quota: who has taken so much was refused more, or will be."""


class BtrfsClone(TreeClone):
    """A clone by snapshot."""

    @property
    def root(self) -> Path:
        """The snapshot."""
        return self.folder / "root"

    @property
    def writes(self) -> Path | None:
        """None: what it wrote lies among what it did not."""
        return None

    def strain(self) -> Mapping[str, int]:
        """As of every clone, and whether its disk was full."""
        said = dict(super().strain())
        with contextlib.suppress(CapabilityMissing):
            if btrfs.taken(self.root) >= self.disk * NEARLY:
                said[f"its disk was full, {self.disk / 1e9:.2f} GB were allowed"] = 1
        return said

    def _lay(self) -> None:
        lower = Path(self.mirror.tree)
        if not btrfs.is_subvolume(lower):
            raise CloneFailed(
                f"the mirror of {self.mirror.host} lies in no btrfs subvolume",
                why=f"{lower} was copied for another driver",
                fix="rehearse with --driver overlay, or refresh the mirror with --driver btrfs",
            )
        btrfs.snapshot(lower, self.root)
        layer = self.folder / "mask"
        self._mask(layer)
        lay_into(layer, self.root)
        shutil.rmtree(layer)

    def _guard(self) -> None:
        btrfs.hold_to(self.root, self.disk)

    def _clear(self) -> None:
        if btrfs.is_subvolume(self.root):
            with contextlib.suppress(CapabilityMissing):  # else it is deleted file by file
                btrfs.delete(self.root)


def lay_into(layer: Path, root: Path) -> None:
    """Write an overlay's layer into a tree, as an overlay would show it: whiteouts delete, no link is followed."""
    for folder, names, files in os.walk(layer):
        there = root / Path(folder).relative_to(layer)
        for name in names.copy():
            source, target = Path(folder, name), there / name
            if source.is_symlink():
                names.remove(name)
                files.append(name)
            elif target.is_symlink() or not target.is_dir():
                target.unlink(missing_ok=True)
                target.mkdir()
                _same_owner(source, target)
        for name in files:
            source, target = Path(folder, name), there / name
            _remove(target)
            if not stat.S_ISCHR(os.lstat(source).st_mode):
                shutil.copy2(source, target, follow_symlinks=False)
                _same_owner(source, target)


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _same_owner(source: Path, target: Path) -> None:
    seen = os.lstat(source)
    os.chown(target, seen.st_uid, seen.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(seen.st_mode):
        target.chmod(stat.S_IMODE(seen.st_mode))
