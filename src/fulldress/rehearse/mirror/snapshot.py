"""A running cluster's data by a read-only btrfs snapshot: whole at one moment, as after a power cut; then rsync.

The snapshot lies in the subvolume that it is of and is taken away at once, also those that an interrupted call left.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from fulldress.ports import Host, Progress
from fulldress.rehearse.mirror.datadir import NOT_OURS, Places, pull
from fulldress.rehearse.mirror.files import SNAPSHOT, Source
from fulldress.rehearse.mirror.nouns import MirrorFailed

NOT_BTRFS = "its file system is not btrfs"
# prints the subvolume that holds all the places; 3: another file system, 4: several subvolumes
_SUBVOLUME = r"""
top=
for place; do
  [ "$(stat -f -c %T -- "$place")" = btrfs ] || exit 3
  here=$place
  while [ "$(stat -c %i -- "$here")" != 256 ]; do [ "$here" = / ] && exit 3; here=$(dirname -- "$here"); done
  [ -z "$top" ] || [ "$top" = "$here" ] || exit 4
  top=$here
done
printf '%s' "$top"
"""
_MAKE = 'set -e; btrfs -q subvolume snapshot -r "$1" "$2"'
_REMOVE = r"""for old in "$1/$2"*; do [ -e "$old" ] || continue; btrfs -q subvolume delete "$old" || exit 1; done"""


def subvolume(host: Host, places: Sequence[str]) -> str:
    """The subvolume that holds all these folders; raises MirrorFailed when none does."""
    asked = host.run(["sh", "-c", _SUBVOLUME, "sh", *places], user="root")
    if not asked.ok:
        raise MirrorFailed(f"{places[0]} of {host.name} lies in no btrfs subvolume")
    return asked.stdout.decode()


def refused(host: Host, places: Sequence[str]) -> str:
    """Why no snapshot can be taken that holds all these folders; nothing when one can."""
    asked = host.run(["sh", "-c", _SUBVOLUME, "sh", *places], user="root")
    if asked.code == 4:
        return "its folders lie in several subvolumes, which have no common moment"
    if not asked.ok:
        return NOT_BTRFS if asked.code == 3 else asked.stderr.decode(errors="replace").strip()[-200:]
    if not host.run(["btrfs", "--version"], user="root").ok:
        return "btrfs-progs is not installed there"
    return ""


def copy(host: Host, places: Places, top: str, src: Source, tree: Path, progress: Progress | None) -> int:
    """Snapshot, copy what differs, take the snapshot away. Returns bytes moved."""
    name = f"{SNAPSHOT}{secrets.token_hex(4)}"
    taken = f"{top.rstrip('/')}/{name}"
    _remove(host, top)
    made = host.run(["sh", "-c", _MAKE, "sh", top, taken], user="root", timeout_s=300)
    if not made.ok:
        _remove(host, top)
        raise MirrorFailed(f"no snapshot of {top} of {host.name}", why=made.stderr.decode(errors="replace")[-500:])
    try:
        return _pulled(places, top, taken, src, tree, progress)
    finally:
        _remove(host, top)


def _pulled(places: Places, top: str, taken: str, src: Source, tree: Path, progress: Progress | None) -> int:
    moved = 0
    for place in (places.data, *places.tablespaces):
        excluded = (*NOT_OURS, *(("/pg_wal",) if place == places.data and places.wal_apart else ()))
        moved += pull(src, place, tree, inside=_in(place, top, taken), excluded=excluded, progress=progress)
    if places.wal_apart:
        inside = _in(places.wal, top, taken)
        moved += pull(src, f"{places.data}/pg_wal", tree, inside=inside, excluded=(), progress=progress)
    return moved


def _in(place: str, top: str, taken: str) -> str:
    return (taken + "/" + place[len(top.rstrip("/")) :].lstrip("/")).rstrip("/")


def _remove(host: Host, top: str) -> None:
    """All snapshots of ours in the subvolume; a refresh holds its mirror alone, so nobody else needs one of them."""
    gone = host.run(["sh", "-c", _REMOVE, "sh", top.rstrip("/"), SNAPSHOT], user="root", timeout_s=120)
    if not gone.ok:
        raise MirrorFailed(
            f"a snapshot of ours is left on {host.name}",
            why=gone.stderr.decode(errors="replace").strip()[-300:],
            fix=f"btrfs subvolume delete {top.rstrip('/')}/{SNAPSHOT}*",
        )
