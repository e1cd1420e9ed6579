"""PostgreSQL's server log: lock waits (``log_lock_waits``) and the notes of the rehearsal's own event trigger.

Pure; reads no file. Lines must begin with :data:`PREFIX` and be in English; whatever else stands in the log is passed over,
because clients write into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

PREFIX = "%n [%p] "
"""The ``log_line_prefix`` that is understood: epoch with milliseconds, process."""
MARK = "fulldress-ddl "
"""How the event trigger's messages begin."""
LONGEST = 300
_LINE = re.compile(r"(\d{9,11}\.\d{3}) \[(\d{1,10})\] (LOG|STATEMENT):  (.*)", re.DOTALL)
_WAIT = re.compile(
    r"process (\d+) (still waiting for|acquired) (\w+)Lock on relation (\d+) of database (\d+) after (\d+\.\d+) ms"
)


class LoggedWait(msgspec.Struct, frozen=True, kw_only=True):
    """A session that waited longer than ``deadlock_timeout`` for a table. Seconds; ``at`` since the epoch."""

    at: float
    """When it began to wait."""
    waited: float
    """Until it had the lock; at least so long when it never got it."""
    backend: int
    """Its process, as the server's own machine numbers it."""
    mode: str
    relation: int
    database: int
    granted: bool
    statement: str = ""


class LoggedDdl(msgspec.Struct, frozen=True, kw_only=True):
    """A schema change that ended, and the strong table locks that its transaction held then. Seconds since the epoch."""

    at: float
    """When the statement began."""
    ended: float
    backend: int
    tag: str
    locks: tuple[tuple[int, str], ...]
    """Relation and mode (``AccessExclusive``)."""
    statement: str


class _Note(msgspec.Struct, frozen=True, array_like=True):
    at: float
    tag: str
    locks: tuple[tuple[int, str], ...]
    statement: str = ""


class _Line(msgspec.Struct, frozen=True):
    at: float
    backend: int
    kind: str
    text: str


def read_log(text: str) -> tuple[list[LoggedWait], list[LoggedDdl]]:
    """Waits and schema changes in the order of the log.

    A wait is logged twice (still waiting, acquired): the two become one. One that is never acquired keeps what is known.
    """
    waits: list[LoggedWait] = []
    open_: dict[tuple[int, int, str], int] = {}
    changes: list[LoggedDdl] = []
    last: dict[int, int] = {}
    for line in _lines(text.splitlines()):
        if line.kind == "STATEMENT":
            number = last.pop(line.backend, None)
            if number is not None:
                waits[number] = msgspec.structs.replace(waits[number], statement=" ".join(line.text.split())[:LONGEST])
        elif line.text.startswith(MARK):
            changes.extend(_change(line))
        elif (wait := _wait(line)) is not None:
            key = (wait.backend, wait.relation, wait.mode)
            number = open_.pop(key, len(waits))
            waits[number : number + 1] = [wait]
            last[wait.backend] = number
            if not wait.granted:
                open_[key] = number
    return waits, changes


def _lines(lines: Iterable[str]) -> Iterator[_Line]:
    """Whole messages: what begins with a tab belongs to the line before."""
    whole: list[str] = []
    for line in lines:
        if line.startswith("\t"):
            whole.append(line)
            continue
        yield from _parsed(whole)
        whole = [line]
    yield from _parsed(whole)


def _parsed(whole: list[str]) -> Iterator[_Line]:
    matched = _LINE.fullmatch("\n".join(whole))
    if matched is not None:
        yield _Line(float(matched[1]), int(matched[2]), matched[3], matched[4])


def _wait(line: _Line) -> LoggedWait | None:
    matched = _WAIT.match(line.text)
    if matched is None or int(matched[1]) != line.backend:
        return None
    waited = float(matched[6]) / 1000
    return LoggedWait(
        at=line.at - waited,
        waited=waited,
        backend=line.backend,
        mode=matched[3],
        relation=int(matched[4]),
        database=int(matched[5]),
        granted=matched[2] == "acquired",
    )


def _change(line: _Line) -> Iterator[LoggedDdl]:
    try:
        note = msgspec.json.decode(line.text[len(MARK) :], type=_Note)
    except msgspec.MsgspecError:
        return  # a client that writes our mark into the log
    yield LoggedDdl(
        at=note.at,
        ended=line.at,
        backend=line.backend,
        tag=note.tag,
        locks=tuple((relation, mode.removesuffix("Lock")) for relation, mode in note.locks),
        statement=" ".join(note.statement.split())[:LONGEST],
    )
