"""Is the machine what it was before? Two snapshots compared, difference by difference, outside a short allow-list.

Pure: the snapshots come from ``capture`` (rehearse/capture.py). Each part's digest covers exactly what was compared, so
two equal digests and an empty list of differences say the same thing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Literal, cast

import msgspec

from fulldress.adapters.manifest import PathState
from fulldress.errors import UsageError
from fulldress.model.proof import Allowed, Difference, Proof
from fulldress.rehearse.capture import CaptureFailed, StateSnapshot, capture
from fulldress.rehearse.mask import QUIET_UNITS

__all__ = ["ALLOWED", "BETWEEN_CLONES", "CaptureFailed", "StateSnapshot", "allowed", "capture", "compare"]

Part = Literal["file", "unit", "config", "rows", "schema"]
PARTS: tuple[Part, ...] = ("file", "unit", "config", "rows", "schema")
MOST = 200
"""Differences named for each part; more are counted."""


def _always(part: str, pattern: str, reason: str, *, directories: bool = True) -> Allowed:
    return Allowed(part=part, pattern=pattern, reason=reason, directories=directories)


ALLOWED: tuple[Allowed, ...] = (
    _always("file", "/var/log/*", "logs and the journal grow by running", directories=False),
    _always("file", "/var/tmp/*", "temporary files"),
    _always("file", "/var/cache/*", "caches are made again from what they cache", directories=False),
    _always("file", "*/__pycache__*", "compiled Python, made again from its source"),
    _always("file", "/var/lib/systemd/timers/*", "when a timer last fired"),
    _always("file", "/var/lib/systemd/random-seed", "saved anew at every boot"),
    _always("file", "/var/lib/logrotate/status", "when a log was last rotated"),
    _always("file", "/var/lib/dpkg/lock*", "held while packages are installed; empty"),
    _always("file", "/var/lib/dpkg/triggers/Lock", "held while packages are installed; empty"),
    _always("file", "/var/lib/dpkg/status-old", "dpkg's copy of the state before its last change"),
    _always("file", "/etc/.pwd.lock", "held while accounts are changed; empty"),
    *(
        _always("file", f"/var/lib/nginx/{way}/*", "bodies of requests on their way")
        for way in ("body", "proxy", "fastcgi", "scgi", "uwsgi")
    ),
    _always("unit", "fulldress-*", "our own commands on the host"),
    _always("unit", "run-*", "transient units: commands that somebody runs at this moment"),
    _always("unit", "user@*", "somebody is logged in"),
    _always("unit", "user-runtime-dir@*", "somebody is logged in"),
    _always(
        "rows",
        "*: sequence *",
        "numbers that were drawn are not given back; gaps are normal (a number that went back is a difference)",
    ),
)
"""What may differ after any rollback, and why; a release adds its own in ``allow-differences``."""

BETWEEN_CLONES: tuple[Allowed, ...] = (
    _always("file", "/etc/machine-id", "each clone is a machine of its own"),
    _always("file", "/var/lib/dbus/machine-id", "each clone is a machine of its own"),
    _always("file", "/etc/ssh/ssh_host_*", "each clone has host keys of its own"),
    _always("file", "/etc/ssl/certs/ca-certificates.crt", "each clone trusts its own sink"),
    _always("file", "/var/log/journal/*", "each clone's journal lies under its own machine id"),
    _always("rows", "*: sequence *", "each clone draws its own numbers"),
    _always("file", "/etc/fstab", "replaced by the clone's mask"),
    _always("file", "/etc/hosts", "replaced by the clone's mask"),
    _always("file", "/etc/resolv.conf", "replaced by the clone's mask"),
    _always("file", "/etc/postgresql/*/conf.d/zz-clone.conf", "put there by the clone's mask"),
    *(_always("file", f"/etc/systemd/system/{unit}", "quieted by the clone's mask") for unit in QUIET_UNITS),
)
"""What the mask gives each clone anew: add it when the two snapshots are of two clones of one mirror."""


def allowed(lines: Iterable[str]) -> tuple[Allowed, ...]:
    """``part:glob | reason`` lines of release.toml. UsageError without a known part, a pattern or a reason."""
    found = []
    for line in lines:
        rule, _, reason = line.partition("|")
        part, _, pattern = rule.strip().partition(":")
        if part not in PARTS or not pattern.strip() or not reason.strip():
            raise UsageError(
                f"not an allowed difference: {line!r}",
                why="what may differ after a rollback must be named, with the reason that makes it harmless",
                fix=f"write `part:glob | reason`, part one of {', '.join(PARTS)}",
            )
        found.append(Allowed(part=part, pattern=pattern.strip(), reason=reason.strip()))
    return tuple(found)


def compare(before: StateSnapshot, after: StateSnapshot, more: Sequence[Allowed] = ()) -> Proof:
    """The proof: equal or not, by name. ``more`` is added to :data:`ALLOWED`; patterns match like shell globs, in which
    ``*`` also matches a slash."""
    rules = (*ALLOWED, *more)
    differences: list[Difference] = []
    digests: tuple[dict[str, str], dict[str, str]] = ({}, {})
    counted: dict[str, int] = {}
    declared = _matcher(rule.pattern for rule in more if rule.part == "rows")
    back = {name for name in _went_back(before.rows, after.rows) if not declared(name)}
    for part in PARTS:
        one, two = (_outside(rules, part, _of(snapshot, part), back) for snapshot in (before, after))
        digests[0][part], digests[1][part] = _digest(one), _digest(two)
        counted[part] = len(one.keys() | two.keys())
        differences.extend(_differences(part, one, two))
    return Proof(
        equal=not differences and digests[0] == digests[1],
        before=digests[0],
        after=digests[1],
        counted=counted,
        differences=tuple(differences),
        allowed=rules,
    )


def _of(snapshot: StateSnapshot, part: Part) -> Mapping[str, PathState | str]:
    parts: dict[Part, Mapping[str, PathState] | Mapping[str, str]] = {
        "file": snapshot.files,
        "unit": snapshot.units,
        "config": snapshot.config,
        "rows": snapshot.rows,
        "schema": snapshot.schema,
    }
    return cast("Mapping[str, PathState | str]", parts[part])


def _went_back(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """Sequences that would draw numbers again that were drawn before: those are no gaps."""
    found = set()
    for name, was in before.items():
        one, two = was.split(" ")[0], after.get(name, "").split(" ")[0]
        if ": sequence " in name and one.isdigit() and two.isdigit() and int(two) < int(one):
            found.add(name)
    return found


def _outside(
    rules: Iterable[Allowed], part: Part, things: Mapping[str, PathState | str], never: Collection[str]
) -> dict[str, PathState | str]:
    """What is compared: all but what some rule excuses. ``never``: names that no rule excuses."""
    rules = [rule for rule in rules if rule.part == part]
    excused = _matcher(rule.pattern for rule in rules)
    folders = _matcher(rule.pattern for rule in rules if rule.directories)
    return {
        name: thing
        for name, thing in things.items()
        if name in never or not (folders if isinstance(thing, PathState) and thing.kind == "directory" else excused)(name)
    }


def _matcher(patterns: Iterable[str]) -> Callable[[str], object]:
    return re.compile("|".join(translate(pattern) for pattern in patterns) or r"(?!)").match


def _digest(things: Mapping[str, PathState | str]) -> str:
    hasher = hashlib.sha256()
    for name in sorted(things):
        hasher.update(msgspec.json.encode([name.encode(errors="surrogateescape"), things[name]]) + b"\n")
    return hasher.hexdigest()


def _differences(
    part: Part, before: Mapping[str, PathState | str], after: Mapping[str, PathState | str]
) -> list[Difference]:
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    found = [_difference(part, name, before.get(name), after.get(name)) for name in names[:MOST]]
    if len(names) > MOST:
        found.append(Difference(part=part, name=f"and {len(names) - MOST} more", before="", after=""))
    return found


def _difference(part: Part, name: str, before: PathState | str | None, after: PathState | str | None) -> Difference:
    if isinstance(before, PathState) and isinstance(after, PathState):
        changed = [field for field in PathState._fields if getattr(before, field) != getattr(after, field)]
        return Difference(part=part, name=_shown(name), before=_fields(before, changed), after=_fields(after, changed))
    return Difference(part=part, name=_shown(name), before=_words(before), after=_words(after))


def _words(thing: PathState | str | None) -> str:
    if thing is None:
        return "absent"
    return thing if isinstance(thing, str) else _fields(thing, ["kind", "mode", "uid", "gid", "size", "content"])


def _fields(state: PathState, fields: Sequence[str]) -> str:
    words = []
    for field in fields:
        value = getattr(state, field)
        if field == "mode":
            value = f"{value:04o}"
        elif field == "content" and state.kind == "file":
            value = value[:12]
        words.append(f"{field}={_shown(str(value))}")
    return " ".join(words)


def _shown(name: str) -> str:
    """Bytes that are no UTF-8 become escapes, because a proof is JSON."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
