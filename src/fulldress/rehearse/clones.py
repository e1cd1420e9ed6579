"""The ways to make clones, by name. All pass one conformance suite; what one cannot do, it refuses, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fulldress.adapters import btrfs, scratch
from fulldress.adapters.cgroups import Limits
from fulldress.adapters.hosts import open_host
from fulldress.errors import UsageError
from fulldress.model.release import Staging
from fulldress.ports import CloneDriver, CloneNetwork, CloneSource, Host, Keeper
from fulldress.rehearse.clone import UNWATCHED, Boot, TreeClone
from fulldress.rehearse.clone import Clone as OverlayClone
from fulldress.rehearse.clone_btrfs import BtrfsClone
from fulldress.rehearse.clone_staging import StagingClone

NAMES = ("overlay", "btrfs", "staging")


def folder_name(host: str) -> str:
    """The name of a host's mirror."""
    return host.replace(":", "-").replace("/", "-")


class TreeDriver:
    """Makes clones whose tree lies here; ``keeper`` takes them away however we end."""

    full_dress = True

    def __init__(
        self,
        name: str,
        scratch: Path,
        keeper: Keeper,
        boot: Boot,
        *,
        limits: Limits | None = None,
        disk: int = 0,
        usual: Path | None = None,
    ) -> None:
        self.name = name
        self.scratch = scratch
        self.usual = usual or scratch
        """Where everything else of a rehearsal lies."""
        self._keeper, self._boot, self._limits, self._disk = keeper, boot, limits, disk

    def place(self, host: str) -> Path:
        """Where the mirror of this host belongs; for btrfs its tree is a subvolume."""
        folder = self.scratch / "mirrors" / folder_name(host)
        folder.mkdir(parents=True, exist_ok=True)
        if self.name == "btrfs" and not (folder / "root").exists():
            btrfs.make(folder / "root")
        return folder

    def at(self, scratch: Path) -> TreeDriver:
        """This driver, or an overlay whose writes lie in ``scratch``, a disk of its own: nothing holds it to less."""
        if scratch in (self.scratch, self.usual):
            return self
        return TreeDriver("overlay", scratch, self._keeper, self._boot, limits=self._limits, disk=UNWATCHED)

    def make(
        self,
        mirror: CloneSource,
        network: CloneNetwork,
        *,
        label: str = "clone",
        trust: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        volatile: bool = False,
    ) -> TreeClone:
        """A clone that is not booted yet. ``volatile``: what it syncs is not written to the disk under it."""
        kind = BtrfsClone if self.name == "btrfs" else OverlayClone
        made = kind(
            mirror,
            self.scratch,
            network,
            keeper=self._keeper,
            boot=self._boot,
            label=label,
            trust=trust,
            files=files,
            limits=self._limits,
            disk=self._disk,
        )
        made.volatile = volatile
        return made


class StagingDriver:
    """Lends the declared staging host as if it were a clone; one at a time."""

    name = "staging"
    full_dress = False

    def __init__(self, staging: Staging, *, opened: Callable[[str], Host] = open_host) -> None:
        if not staging.host:
            raise UsageError(
                "no staging host is declared", fix='write `host = "ssh:user@host"` in [staging] of release.toml'
            )
        if not staging.restore:
            raise UsageError(
                f"staging host {staging.host} is declared without a way to restore it",
                why="each act changes the host; without a way back the next act would begin where the last one ended",
                fix='write `restore = ["command", "word", ...]` in [staging] of release.toml; it runs on this computer',
            )
        self._staging, self._opened = staging, opened

    def place(self, host: str) -> Path:
        """Where the mirror of this host belongs: production is still read, for its logs and its plan."""
        return scratch.scratch_dir() / "mirrors" / folder_name(host)

    def at(self, scratch: Path) -> StagingDriver:
        """This driver: the disk of a host of others is not ours to choose."""
        del scratch
        return self

    def make(
        self,
        mirror: CloneSource,
        network: CloneNetwork,
        *,
        label: str = "clone",
        trust: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        volatile: bool = False,
    ) -> StagingClone:
        """The staging host; what only a clone can be given (network, certificate, files) it does not get."""
        del network, label, trust, files
        if self._staging.host == mirror.host:
            raise UsageError(f"the staging host is production itself: {mirror.host}", fix="name another host in [staging]")
        return StagingClone(
            mirror,
            self._staging.host,
            opened=self._opened,
            restore=self._staging.restore,
            front=self._staging.front or f"http://{_bare(self._staging.host)}:80",
        )


def driver(name: str, keeper: Keeper, boot: Boot, *, staging: Staging | None = None) -> CloneDriver:
    """The driver of that name, ready for use. Raises UsageError or CapabilityMissing when it cannot be used here."""
    if name == "overlay":
        return TreeDriver(name, scratch.scratch_dir(), keeper, boot)
    if name == "btrfs":
        return TreeDriver(name, scratch.btrfs_dir(), keeper, boot, usual=scratch.scratch_dir())
    if name == "staging":
        return StagingDriver(staging or Staging())
    raise UsageError(f"no driver {name!r}", fix=f"choose one of: {', '.join(NAMES)}")


def _bare(address: str) -> str:
    """``ssh:user@host:22`` -> ``host``."""
    host = address.partition(":")[2].rpartition("@")[2]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


__all__ = ["NAMES", "StagingDriver", "TreeDriver", "driver"]
