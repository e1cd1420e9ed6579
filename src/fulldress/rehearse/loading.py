"""The load of a rehearsal: from the access logs that the mirror holds, or as declared when they cannot tell.

Reads logs below the mirror's root and nothing else, rotated and packed ones too; what it says of them goes into the report.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

from fulldress.errors import FulldressError, NothingToDo, UsageError
from fulldress.formats import localtime
from fulldress.formats.accesslog import Request, Tally, how_to_log, parse
from fulldress.formats.logformat import compile_format
from fulldress.model.rehearsal import FidelityFigure
from fulldress.model.release import Declared as Estate
from fulldress.rehearse.declared import TrafficFile
from fulldress.rehearse.declared_traffic import declared_model, per_minute
from fulldress.rehearse.fitting import fit
from fulldress.rehearse.likeness import figures
from fulldress.rehearse.model_traffic import TrafficModel, left_out
from fulldress.rehearse.schedule import Drawn, drawn, has_sessions
from fulldress.rehearse.setting import Load

FEWEST_REQUESTS = 100
FEWEST_MINUTES = 5
"""Of logged time: below that there is no telling what ordinary traffic is."""
_LONGEST_LINE = 64 << 10
_PACKED = (".gz", ".bz2", ".xz")
_MOST_UNPACKED = 16 << 30
_UNREADABLE = (EOFError, OSError, zlib.error, lzma.LZMAError)


class Learnt(NamedTuple):
    """A model, and what must be said about where it comes from."""

    model: TrafficModel
    notes: tuple[str, ...]


def load_of(tree: Path, estate: Estate, declared: TrafficFile, *, seconds: float, multiple: float, seed: int) -> Load:
    """The schedule of every act. Raises UsageError or NothingToDo when neither logs nor a declaration tell the traffic."""
    model, notes = learnt(tree, estate, declared, seed=seed)
    made = drawn(model, seconds=seconds, multiple=multiple, seed=seed, declared=declared)
    source = f"declared × {multiple:g}, seed {seed}"
    if model.source == "log":
        where = ", ".join(declared.log.files) or estate.access_log
        source = f"{where}, its busiest ten minutes × {multiple:g}, seed {seed}"
    return Load(
        planned=made.planned,
        notes=tuple(filter(None, (*notes, _who(model, made)))),
        source=source,
        left_out=left_out(model, declared.sent),
        figures=likeness(model, made, declared, seconds, multiple),
        declared=per_minute(declared, multiple) if model.source == "declared" else {},
        burstiness=declared.users.burstiness,
    )


def likeness(
    model: TrafficModel, made: Drawn, declared: TrafficFile, seconds: float, multiple: float
) -> tuple[FidelityFigure, ...]:
    """The figures of a schedule drawn from the log's busiest ten minutes."""
    return figures(
        model, made.planned, seconds=seconds, multiple=multiple, writes=tuple(declared.sent), added=tuple(made.added)
    )


def _who(model: TrafficModel, made: Drawn) -> str:
    if not has_sessions(model):
        return "Every request stands for itself: the log does not tell clients apart." if model.source == "log" else ""
    sessions = {one.session.id for one in made.planned if one.session is not None}
    said = f"Clients are told apart in {model.identified:.0%} of the requests; {len(sessions)} sessions of several requests."
    if made.added:
        said += f" {sum(made.added.values())} requests were added for them: {', '.join(sorted(made.added))}."
    return said


def learnt(tree: Path, estate: Estate, declared: TrafficFile, *, seed: int) -> Learnt:
    """The model of the logs; when they cannot tell and traffic is declared, the model of that, saying why."""
    try:
        model, notes = _from_logs(tree, estate, declared, seed)
    except (UsageError, NothingToDo) as error:
        if not declared.declared or error.slug in ("log-format-incomplete", "time-zone-unknown"):
            raise
        said = f"Declared traffic ([[declared]] in traffic.toml), fitted to no log: {error}."
        return Learnt(declared_model(declared, seed=seed), (f"{said} How like production it is was not measured.",))
    if declared.declared:
        notes = (*notes, "The log tells the traffic: [[declared]] in traffic.toml was not used.")
    return Learnt(model, notes)


def _from_logs(tree: Path, estate: Estate, declared: TrafficFile, seed: int) -> Learnt:
    patterns = declared.log.files or (estate.access_log,)
    logs = log_files(tree, patterns)
    if not logs:
        raise NothingToDo(
            f"there is no access log at {', '.join(patterns)} on the host",
            why="the load is fitted to what users really did",
            fix="name the log in release.toml ([estate] access-log) or traffic.toml ([log] files); without one, declare "
            "the traffic in traffic.toml ([[declared]])",
            slug="access-log-missing",
        )
    tally, notes = Tally(), list[str]()
    model = fit(_requests(logs, estate, declared, tally, notes), seed=seed)
    minutes = (model.last - model.first) / 60
    if model.requests < FEWEST_REQUESTS or minutes < FEWEST_MINUTES:
        raise NothingToDo(
            f"too little log: {model.requests} requests in {minutes:.0f} minutes; at least {FEWEST_REQUESTS} in "
            f"{FEWEST_MINUTES} minutes",
            why="from so few requests nobody can tell what ordinary traffic is",
            fix=f"name the log of a busy day ([log] files in traffic.toml); if the server logs too little, {how_to_log()}",
            slug="access-log-too-short",
        )
    if tally.broken:
        notes.append(
            f"{tally.broken} of {tally.lines} log lines could not be read (the first is line {tally.first_broken})."
        )
    if tally.coarse:
        notes.append(f"{tally.coarse} arrivals are logged to the second only and were placed anywhere in it.")
    return Learnt(model, tuple(notes))


def log_files(tree: Path, patterns: Sequence[str]) -> list[Path]:
    """The logs of these names and what rotation made of them, the present one first; never outside the tree."""
    root = tree.resolve()
    found: dict[Path, None] = {}
    for pattern in patterns:
        for path in sorted(tree.glob(pattern.lstrip("/") + "*")):
            where = path.resolve()
            if where.is_file() and where.is_relative_to(root):
                found[where] = None
    return list(found)


def _requests(
    logs: Sequence[Path], estate: Estate, declared: TrafficFile, tally: Tally, notes: list[str]
) -> Iterator[Request]:
    """Of all logs; one that cannot be read is said, and only when none can it is an error."""
    formats = [compile_format(text) for text in declared.log.format]
    zone = localtime.zone(estate.timezone)
    first: FulldressError | None = None
    read = 0
    for path in logs:
        own = Tally()
        try:
            yield from parse(_lines(path), own, formats=formats, zone=zone, user=declared.log.user)
        except UsageError as error:
            first = first or error
            notes.append(f"{path.name} was not used: {error}.")
        except _UNREADABLE as error:
            first = first or NothingToDo(f"{path.name} cannot be read: {error}", slug="access-log-unreadable")
            notes.append(f"{path.name} was read to where it is damaged.")
        for name in ("lines", "requests", "untimed", "broken", "coarse"):
            setattr(tally, name, getattr(tally, name) + getattr(own, name))
        tally.first_broken = tally.first_broken or own.first_broken
        read += own.requests
    if first is not None and not read:
        raise first


def _lines(path: Path) -> Iterator[str]:
    """Bounded: a line without an end, or an archive without one, fills no memory."""
    total = 0
    with _opened(path) as stream:
        while line := stream.readline(_LONGEST_LINE + 1):
            total += len(line)
            if total > _MOST_UNPACKED and path.suffix in _PACKED:
                raise OSError(f"it unpacks to more than {_MOST_UNPACKED >> 30} GiB")
            yield line.decode("utf-8", "surrogateescape")


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    if path.suffix == ".bz2":
        return bz2.open(path)
    return lzma.open(path) if path.suffix == ".xz" else path.open("rb")
