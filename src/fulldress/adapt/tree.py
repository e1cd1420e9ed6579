"""A package as entries, edited: new contents for places, places removed, places added. Pure but for the content store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from fulldress.formats.members import safe_name
from fulldress.model.package import Entry, PackageLock


class Contents(Protocol):
    """Where contents are read from and new ones go: the content store, or a draft of it."""

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256."""
        ...

    def read(self, sha256: str) -> bytes:
        """The bytes under a SHA-256."""
        ...


def container_of(place: str) -> str:
    """The innermost archive that a place lies in; ``""`` for the package itself."""
    return place.rpartition("!/")[0]


def edited(lock: PackageLock, edits: Mapping[str, bytes | None], blobs: Contents) -> PackageLock:
    """The lock with the edits applied; the same object when they change nothing.

    Raises PackageRefused ``path-traversal`` for a new place with a hostile name, KeyError for one inside no known archive.
    """
    entries = {e.place: e for e in lock.entries}
    for place, content in edits.items():
        if content is None:
            for gone in [p for p in entries if p == place or p.startswith((f"{place}/", f"{place}!/"))]:
                del entries[gone]
            continue
        sha256 = blobs.put(content)
        known = entries.get(place)
        if known is None:
            known = _added(place, entries)
        mode = 0o644 if known.kind == "symlink" else known.mode
        entries[place] = msgspec.structs.replace(
            known, sha256=sha256, size=len(content), kind="file", mode=mode, link="", format=""
        )
    after = tuple(sorted(entries.values(), key=lambda e: e.place))
    return lock if after == lock.entries else msgspec.structs.replace(lock, entries=after)


def _added(place: str, entries: Mapping[str, Entry]) -> Entry:
    """A new file: owned and dated like the newest file beside it in the same archive."""
    for part in place.split("!/"):
        safe_name(part)
    container = container_of(place)
    if container and (container not in entries or entries[container].kind != "container"):
        raise KeyError(container)
    beside = [e for e in entries.values() if container_of(e.place) == container and e.kind == "file"]
    newest = max(beside, key=lambda e: e.modified, default=None)
    return Entry(place=place, kind="file", owner=newest.owner if newest else "", modified=newest.modified if newest else "")


def changed_places(before: PackageLock, after: PackageLock) -> list[str]:
    """Places whose content differs or that exist on one side only, sorted."""
    old = {e.place: e.sha256 for e in before.entries}
    new = {e.place: e.sha256 for e in after.entries}
    return sorted(p for p in old.keys() | new.keys() if old.get(p) != new.get(p))
