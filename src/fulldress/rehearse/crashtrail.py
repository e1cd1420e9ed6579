"""What a broken step leaves for a while: paths that a crash in between finds written, and no undisturbed run.

A clone's layer is compared, at the moment of each fault, with what it was before the pass. What comes of a sweep extends
the write-set: such a path that production has is backed up too, and none is taken for somebody else's on the day.
Reads the layer, writes nothing; where a clone has no layer there is no trail.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec

from fulldress.formats.pathnames import without_random
from fulldress.model.changes import Change, WriteSet
from fulldress.rehearse.writeset import Production, kind_of, never_part, shown, taken, to_back_up, touched

MOST = 5000
"""Paths of one pass."""
NOTE = (
    "Seen only when something was broken in the middle of a step: {} paths; the backup list holds those that production has."
)
_State = tuple[int, ...]


class Trail:
    """Follows one pass. ``seen``: path -> the step during which it was met first."""

    def __init__(self, writes: Path | None, production: Production) -> None:
        self._writes, self._tree = writes, production.tree
        self._out = never_part(production.data)
        self._before = self._layer()
        self.seen: dict[str, str] = {}

    def look(self, step: str) -> None:
        """Something is about to be broken during (or beside) this step: note what is not as before the pass."""
        for path, state in self._layer().items():
            if self._before.get(path) != state and self._differs(path, state):
                self.seen.setdefault(path, step)

    def paths(self) -> tuple[tuple[str, str], ...]:
        """What was seen, bounded."""
        return tuple((shown(path), step) for path, step in islice(sorted(self.seen.items()), MOST))

    def _layer(self) -> dict[str, _State]:
        if self._writes is None:
            return {}
        found = {}
        for path in touched(self._writes, self._tree):
            if not self._out.match(path) and (state := _state(f"{self._writes}{path}")) is not None:
                found[path] = state
        return found

    def _differs(self, path: str, state: _State) -> bool:
        """From production: a file that was only opened lies in the layer as well, and nothing is wrong with it."""
        return _state(f"{self._tree}{path}") != state


def _state(path: str) -> _State | None:
    """What tells writes apart without reading content; a directory changes with what is in it."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    who = (found.st_mode, found.st_uid, found.st_gid)
    return who if stat.S_ISDIR(found.st_mode) else (*who, found.st_size, found.st_mtime_ns, found.st_rdev)


def with_crashes(writes: WriteSet, seen: Mapping[str, str], production: Production) -> WriteSet:
    """The write-set and what only crashes showed; what the machine writes by itself is left out of it as ever."""
    known = {path for change in writes.changes for path in (change.path, *change.aliases)}
    usual = {without_random(path) for path in (*known, *writes.by_itself)}
    found: dict[str, Change] = {}
    for path, step in sorted(seen.items()):
        name = without_random(shown(path))
        if name in usual or name in found:
            continue
        before = kind_of(f"{production.tree}{path}")
        size = taken(production.tree, path) if before == "file" else 0
        found[name] = Change(path=shown(path), before=before, after=before, bytes=size, step=step, transient=True)
    if not found:
        return writes
    changes = list(found.values())
    extra = [p for p in to_back_up(changes, lambda p: os.path.lexists(f"{production.tree}{p}")) if p not in writes.backup]
    return msgspec.structs.replace(
        writes,
        changes=(*writes.changes, *changes),
        backup=tuple(sorted({*writes.backup, *extra})),
        backup_bytes=writes.backup_bytes + sum(change.bytes for change in changes if change.path in extra),
        notes=(*writes.notes, NOTE.format(len(changes))),
    )
