"""The write-set: what an upgrade changes, told from an upgraded clone and a control clone that nothing was done to.

Where a clone's own writes lie in a layer, only the paths in it are compared; elsewhere two manifests are. What the control
clone wrote in the same time is the machine's own doing and left out. Reads both trees, writes nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from fulldress.adapters.manifest import PathState, manifest, states
from fulldress.formats.pathnames import without_random
from fulldress.model.changes import Change, Kind, WriteSet
from fulldress.model.plan import StepTiming
from fulldress.rehearse.capture import EXCLUDED
from fulldress.rehearse.ledger import step_at
from fulldress.rehearse.proof import ALLOWED

OPAQUE = "trusted.overlay.opaque"
ROWS = "rows: see proof"
NAMED = 5
"""Paths that a note names."""
_KINDS: Mapping[str, Kind] = {
    "file": "file", "directory": "directory", "symlink": "link", "socket": "socket", "fifo": "pipe",
}  # fmt: skip
_TESTS: tuple[tuple[Callable[[int], bool], Kind], ...] = (
    (stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"), (stat.S_ISSOCK, "socket"),
    (stat.S_ISFIFO, "pipe"),
)  # fmt: skip
_REMAKE = re.compile("|".join(translate(rule.pattern) for rule in ALLOWED if rule.part == "file"))


class Side(NamedTuple):
    """One of the two clones."""

    root: Path
    """Its tree, as it is now."""
    writes: Path | None
    """The layer that holds what it wrote; None where there is none."""


class Production(NamedTuple):
    """What both clones were made from."""

    tree: Path
    data: tuple[str, ...] = ()
    """Data directories of databases: one entry each."""
    data_bytes: int = 0


class Seen:
    """What lay in a clone's layer at the end of each step: files that come and go are in no last state."""

    def __init__(self, writes: Path | None, tree: Path) -> None:
        self.writes, self.tree = writes, tree
        self.when: dict[str, str] = {}

    def step(self, ident: str) -> None:
        """A step has ended: note what is new in the layer."""
        for path in touched(self.writes, self.tree) if self.writes is not None else ():
            self.when.setdefault(path, ident)


def touched(layer: Path, lower: Path) -> set[str]:
    """Every path that an overlay's upper layer speaks about, also by hiding it (whiteouts, opaque directories)."""
    found: set[str] = set()
    todo = [("", True)]
    while todo:
        prefix, known = todo.pop()  # known: the lower layer has this directory, too, and reached without a link
        for entry in _entries(f"{layer}{prefix}"):
            path = f"{prefix}/{entry.name}"
            found.add(path)
            try:
                status = entry.stat(follow_symlinks=False)
                folder = stat.S_ISDIR(status.st_mode)
                if known and (not folder or _opaque(entry.path)):
                    found.update(_below(lower, path))
            except FileNotFoundError:  # the clone is running
                continue
            if folder:
                todo.append((path, known and _folder(f"{lower}{path}")))
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _opaque(path: str) -> bool:
    try:
        return os.getxattr(path, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _below(lower: Path, path: str) -> Iterator[str]:
    """What the lower layer has below a path that the upper one hides; nothing when that is no directory."""
    here = f"{lower}{path}"
    if not _folder(here):
        return
    for folder, names, files in os.walk(here):
        for name in (*names, *files):
            yield f"{folder.removeprefix(str(lower))}/{name}"


def derive(
    control: Side,
    upgraded: Side,
    production: Production,
    steps: Sequence[StepTiming],
    *,
    began: float,
    seen: Seen | None = None,
) -> WriteSet:
    """What the upgrade changed. ``began``: when the control clone was booted, for trees without a layer of writes."""
    mine, own = _candidates(control, upgraded, production.tree, began)
    outside = never_part(production.data)
    database = [path for path in production.data if any(_within(p, path) for p in mine)]
    usual = {without_random(path) for path in own}
    own |= {path for path in mine if without_random(path) in usual}
    mine = {path for path in mine if not outside.match(path)}
    own = {path for path in own if not outside.match(path)}
    before, after = states(str(control.root), mine), states(str(upgraded.root), mine)
    changes, both = [], []
    for path in sorted(mine):
        was, now = before.get(path), after.get(path)
        if path in own and (was is None or (now is not None and not _weighs(was, now))):
            if was != now and was is not None:
                both.append(path)
        elif was != now:
            changes.append(_change(path, was, now, control.root, upgraded, steps))
    if seen is not None:
        gone = sorted(p for p in seen.when.keys() - mine - own if not outside.match(p))
        changes += [Change(path=p, before="absent", after="absent", step=seen.when[p], transient=True) for p in gone]
    aliased = _with_aliases(changes, production.tree)
    size = production.data_bytes
    rows = [Change(path=p, before="directory", after="directory", what=(ROWS,), bytes=size) for p in database]
    return _whole([*aliased, *rows], own, both, production, database)


def from_manifests(
    before: Mapping[str, PathState], after: Mapping[str, PathState], data: Sequence[str], note: str
) -> WriteSet:
    """The write-set of a machine without a control clone beside it; what it writes by itself is in it, too."""
    outside = never_part(data)
    names = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p) and not outside.match(p))
    changes = [
        Change(
            path=shown(p),
            before=_kind(before.get(p)),
            after=_kind(after.get(p)),
            what=_what(before.get(p), after.get(p)),
            bytes=before[p].size if p in before else 0,
        )
        for p in names
    ]
    backup = to_back_up(changes, lambda path: path in before)
    return WriteSet(
        changes=tuple(changes),
        control=0,
        backup=backup,
        backup_bytes=sum(before[p].size for p in backup if p in before),
        notes=(note,),
    )


def _candidates(control: Side, upgraded: Side, tree: Path, began: float) -> tuple[set[str], set[str]]:
    """Paths that the upgraded clone may have changed, and those that the control clone wrote by itself."""
    if upgraded.writes is not None and control.writes is not None:
        return touched(upgraded.writes, tree), touched(control.writes, tree)
    one, two = (manifest(str(side.root), EXCLUDED)[0] for side in (control, upgraded))
    differing = {path for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
    return differing, {path for path in differing if _ctime(control.root, path) >= began}


def _ctime(root: Path, path: str) -> float:
    try:
        return os.lstat(f"{root}{path}").st_ctime
    except OSError:
        return 0.0


def never_part(data: Iterable[str]) -> re.Pattern[str]:
    """Never part of it: what is no lasting file, and databases' own files."""
    left = sorted({*EXCLUDED, *data})
    return re.compile("(?:" + "|".join(re.escape(path) for path in left) + ")(?:/|$)")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _weighs(was: PathState, now: PathState) -> bool:
    """A path that both wrote: more than its content and time differs."""
    return (was.kind, was.mode, was.uid, was.gid, was.xattrs) != (now.kind, now.mode, now.uid, now.gid, now.xattrs)


def _change(
    path: str, was: PathState | None, now: PathState | None, before: Path, upgraded: Side, steps: Sequence[StepTiming]
) -> Change:
    return Change(
        path=shown(path),
        before=_kind(was),
        after=_kind(now),
        what=_what(was, now),
        bytes=taken(before, path) if was is not None and was.kind == "file" else 0,
        step=_step(upgraded.writes, path, steps),
    )


def kind_of(path: str) -> Kind:
    """What stands there now."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return "absent"
    return next((kind for test, kind in _TESTS if test(mode)), "device")


def _kind(state: PathState | None) -> Kind:
    return "absent" if state is None else _KINDS.get(state.kind, "device")


def taken(root: Path, path: str) -> int:
    """Bytes on the disk: of a sparse file, not its holes."""
    try:
        status = os.lstat(f"{root}{path}")
    except OSError:
        return 0
    return min(status.st_size, status.st_blocks * 512)


def _what(was: PathState | None, now: PathState | None) -> tuple[str, ...]:
    """In words, for a path that is of the same kind on both sides."""
    if was is None or now is None or was.kind != now.kind:
        return ()
    words = []
    if was.content != now.content:
        words.append({"symlink": "target", "file": "content"}.get(was.kind, "number"))
    words += ["owner"] if (was.uid, was.gid) != (now.uid, now.gid) else []
    words += ["mode"] if was.mode != now.mode else []
    one, two = (dict(part.partition("=")[::2] for part in state.xattrs.split(";") if part) for state in (was, now))
    for name in sorted(n for n in one.keys() | two.keys() if one.get(n) != two.get(n)):
        word = (
            "acl" if name.startswith("system.posix_acl") else "capabilities" if name == "security.capability" else "xattrs"
        )
        words += [word] if word not in words else []
    words += ["hard links"] if was.linked != now.linked and was.content == now.content else []
    return tuple(words or ["times"])


def _step(writes: Path | None, path: str, steps: Sequence[StepTiming]) -> str:
    """The step during which the path was written last, by the time its inode in the layer was changed."""
    if writes is None:
        return ""
    try:
        status = os.lstat(f"{writes}{path}")
    except OSError:
        return ""
    if stat.S_ISCHR(status.st_mode) and status.st_nlink > 1:
        return ""  # the kernel shares one whiteout among many deletions: its time is the last one's
    return step_at(status.st_ctime, steps)


def _with_aliases(changes: Sequence[Change], tree: Path) -> list[Change]:
    """Other names of the same file in production: there they change with it, in a clone they do not."""
    inodes: dict[tuple[int, int], list[str]] = {}
    for change in changes:
        if change.before == "file" and ({"content", "mode", "owner", "times"} & set(change.what)):
            status = os.lstat(f"{tree}{change.path}") if os.path.lexists(f"{tree}{change.path}") else None
            if status is not None and status.st_nlink > 1:
                inodes[status.st_dev, status.st_ino] = []
    if not inodes:
        return list(changes)
    for folder, _, files in os.walk(tree):
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            if status.st_nlink > 1 and (names := inodes.get((status.st_dev, status.st_ino))) is not None:
                names.append(f"{folder.removeprefix(str(tree))}/{name}")
    of = {name: names for names in inodes.values() for name in names}
    return [
        msgspec.structs.replace(c, aliases=tuple(sorted(n for n in of[c.path] if n != c.path))) if c.path in of else c
        for c in changes
    ]


def _whole(
    changes: Sequence[Change], own: Iterable[str], both: Sequence[str], production: Production, database: Sequence[str]
) -> WriteSet:
    own = set(own)
    backup = to_back_up(changes, lambda path: os.path.lexists(f"{production.tree}{path}"))
    notes = []
    if both:
        some = ", ".join(shown(path) for path in both[:NAMED])
        notes.append(f"Written by the control clone as well, and left out: {some}{_more(len(both) - NAMED)}.")
    notes += [
        f"{path} is not in the backup list: rows come back by the plan's undo steps, and are proven." for path in database
    ]
    return WriteSet(
        changes=tuple(changes),
        control=len(own),
        by_itself=tuple(sorted(shown(path) for path in own)),
        backup=backup,
        backup_bytes=sum(taken(production.tree, path) for path in backup if _is_file(production.tree, path)),
        notes=tuple(notes),
    )


def to_back_up(changes: Sequence[Change], there: Callable[[str], bool]) -> tuple[str, ...]:
    """What stands in production now and will be changed, its aliases, and the directories above. Parents sort first."""
    wanted: set[str] = set()
    for change in changes:
        if (change.transient and change.before == "absent") or ROWS in change.what or _REMAKE.match(change.path):
            continue
        wanted |= {change.path, *change.aliases}
        wanted |= {str(parent) for parent in PurePosixPath(change.path).parents if str(parent) != "/"}
    return tuple(sorted(path for path in wanted if there(path)))


def _is_file(tree: Path, path: str) -> bool:
    return stat.S_ISREG(os.lstat(f"{tree}{path}").st_mode)


def _more(number: int) -> str:
    return f" and {number} more" if number > 0 else ""


def shown(name: str) -> str:
    """Bytes that are no UTF-8 become escapes, because the write-set is JSON."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
