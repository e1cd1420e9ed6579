"""The folders of one PostgreSQL cluster, copied by rsync while something else keeps the copy consistent.

Every file is read and compared, whatever its time says: two writes within one tick of the kernel's clock leave the same
time, and a block that is missed makes a copy that looks whole. Only what differs travels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fulldress.ports import Progress
from fulldress.rehearse.mirror.files import PARTLY, Source, folder_in, run
from fulldress.rehearse.mirror.nouns import MirrorFailed

ATTEMPTS = 3
NOT_OURS = ("/postmaster.pid", "/postmaster.opts", "/pg_replslot/**", "/pg_stat_tmp/**", "/**/pgsql_tmp*")
"""Of the running server, not of its data: what the manual says to leave out of every copy."""
_ARGV = ("rsync", "-aAX", "--numeric-ids", "--no-human-readable", "--stats", "-s", "--timeout=180", "--ignore-times")


class Places(NamedTuple):
    """Where a cluster's data lies on the host; absolute, the data directory without links."""

    data: str
    tablespaces: tuple[str, ...]
    wal: str

    @property
    def wal_apart(self) -> bool:
        """The WAL lies outside the data directory."""
        return not self.wal.startswith(self.data + "/")

    @property
    def folders(self) -> tuple[str, ...]:
        """All of them: nothing of these may be copied as ordinary files."""
        return (self.data, *self.tablespaces, *((self.wal,) if self.wal_apart else ()))


def argv(excluded: Sequence[str], *, src: Source) -> list[str]:
    """rsync for one folder; ``excluded`` are patterns anchored at its top."""
    delta = ("--inplace", "--no-whole-file") if src.remote else ("--inplace", "--whole-file")
    return [*_ARGV, *delta, "--delete", "--delete-excluded", *(f"--exclude={pattern}" for pattern in excluded)]


def pull(
    src: Source,
    path: str,
    tree: Path,
    *,
    inside: str = "",
    excluded: Sequence[str] = NOT_OURS,
    progress: Progress | None = None,
) -> int:
    """Copy one folder of the host to its place in the tree; ``inside`` is put before the path there (a snapshot).

    A table that shrinks while it is read makes rsync complain; then it is read once more. Returns bytes moved.
    """
    target = folder_in(tree, path)
    moved = 0
    for _ in range(ATTEMPTS):
        done = run(argv(excluded, src=src), src, f"{inside or path}/", target, progress)
        moved += done.literal
        if done.code != PARTLY:
            return moved
    raise MirrorFailed(f"{path} could not be copied", why=done.said)


def safe_parent(tree: Path, target: Path) -> None:
    """Make the parent, refusing to walk through a link of the copied tree."""
    for part in reversed(target.relative_to(tree).parents):
        folder = tree / part
        if folder.is_symlink():
            raise MirrorFailed(f"the data directory /{target.relative_to(tree)} lies behind a link, at /{part}")
        folder.mkdir(exist_ok=True)
