"""What earlier commands that were killed left on this machine, by name; and the broom for it.

Looks at scopes and machine records of dead processes, and, for what survived even those records (a restart of this host
empties /run), at the scratch file system and at namespaces with our kind of name.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from fulldress.adapters import nspawn, scope
from fulldress.store.state import state_dir

_NETNS = re.compile(r"fd-.+-[0-9a-f]{6}(-sink)?")


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """One thing without an owner. Kinds as in ``scope.TAKE_AWAY``, and ``record``."""

    kind: str
    value: str


def find() -> list[Leftover]:
    """Everything that was left; empty on a clean machine."""
    found = [Leftover(kind=k, value=v) for held in scope.stray().values() for k, v in held]
    found += [Leftover(kind="record", value=name) for name in nspawn.stray()]
    owned = _owned()
    for folder in (*(state_dir() / "scratch" / "clones").glob("*"), *(state_dir() / "btrfs" / "clones").glob("*")):
        if ("tree", str(folder)) not in owned and _settled(folder):
            found.append(Leftover(kind="tree", value=str(folder)))
    for folder in (state_dir() / "scratch" / "images").glob(".new-*"):
        if ("tree", str(folder)) not in owned:
            found.append(Leftover(kind="tree", value=str(folder)))
    for path in Path("/run/netns").glob("fd-*"):
        if _NETNS.fullmatch(path.name) and ("netns", path.name) not in owned:
            found.append(Leftover(kind="netns", value=path.name))
    return list(dict.fromkeys(found))


def sweep() -> list[Leftover]:
    """Take all of it away; returns what is still there."""
    scope.reap()
    for leftover in find():
        if leftover.kind != "record":
            scope.TAKE_AWAY[leftover.kind](leftover.value)
    return find()


def stranded_runs() -> list[str]:
    """Runs that began something, did not finish it, and have no process: ``fulldress resume`` finishes them.

    They are never swept: what they had done on the host is known only from them.
    """
    found = []
    for database in sorted((state_dir() / "runs").glob("*/engine.sqlite")):
        if _pending(database) and not _in_use(database):
            found.append(database.parent.name)
    return found


def _pending(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=1)) as asked:
        try:
            rows = asked.execute("select count(*) from workflow_status where status in ('PENDING', 'ENQUEUED')").fetchone()
        except sqlite3.DatabaseError:  # not begun, or damaged: both are for `resume` to tell
            return False
    return bool(rows[0])


def _in_use(path: Path) -> bool:
    """Does any process have the file open?"""
    wanted = path.stat()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            seen = link.stat()
            if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def _owned() -> set[tuple[str, str]]:
    """What living commands hold."""
    names = [path.stem for path in scope.RUN.glob("*.json")] if scope.RUN.is_dir() else []
    records = [scope.load(name) for name in names]
    return {held for r in records if r is not None and r.owner.alive for held in r.held}


def _settled(folder: Path) -> bool:
    """Not the root of a machine that runs."""
    return not any(Path(s.root).is_relative_to(folder) and nspawn.Machine(s).running for s in nspawn.listing())
