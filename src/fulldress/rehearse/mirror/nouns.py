"""The nouns of a mirror: what it is a copy of, how each part was copied, and its one error. No I/O."""

from __future__ import annotations

import msgspec

from fulldress.errors import FulldressError

NEVER = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/lib/fulldress", "/lost+found")
"""Not copied; the empty directories themselves are."""


class MirrorFailed(FulldressError):
    """The mirror of a host could not be brought up to date; what is there is marked incomplete and is not used.

    Run the command again: it copies only what is missing.
    """

    slug = "mirror-failed"


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL cluster found on the host."""

    version: str
    name: str
    port: int
    online: bool
    owner: str
    data: str
    """Its data directory; without links in it where the cluster runs."""
    socket: str = ""
    """Directory of its socket; empty: where its client looks by itself."""
    programs: str = ""
    """Directory of its programs; empty: those on the path."""

    @property
    def title(self) -> str:
        """``15/main``."""
        return f"{self.version}/{self.name}"

    def program(self, name: str) -> str:
        """One of its programs, as a command."""
        return f"{self.programs}/{name}" if self.programs else name


class AppliedMask(msgspec.Struct, frozen=True, kw_only=True):
    """Masking that was done and checked."""

    title: str
    database: str
    digest: str
    """Of the rule as it was declared."""


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """``mirror.json``, written last: its presence means complete."""

    schema_version: int = 1
    host: str
    tree: str
    """Path of the root tree."""
    refreshed: float
    """Seconds since the epoch, when the copy began: later changes of production are not in it."""
    seconds: float
    clusters: tuple[Cluster, ...]
    files: int
    file_bytes: int
    database_bytes: int
    copied_bytes: int
    """What this refresh really moved."""
    digest: str
    """Over names, types, modes, owners, sizes and times of the tree."""
    databases: tuple[str, ...] = ()
    """``15/main: base backup, ...``: each database server and the way it was copied."""
    doubtful: tuple[str, ...] = ()
    """Databases of the host that are not in the mirror as they should be, with the reason."""
    mounts: tuple[str, ...] = ()
    """File systems below the root that are in it."""
    left_out: tuple[str, ...] = ()
    """File systems that are not, with the reason: ``/mnt/share: nfs4 ...``."""
    excluded: tuple[str, ...] = ()
    """Left out because a person declared it."""
    masked: tuple[AppliedMask, ...] = ()
