"""What is known of the database before each migration of a series runs, replayed as seldom as can be. Pure.

``adapt`` asks again after every cure. A cure leaves the catalogue as the vendor's text does, so the migrations behind it
find what they found before: a digest of the catalogue tells, and steps that were seen on the same one are not replayed.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator

from fulldress.formats import sql
from fulldress.scan.database.migration_files import Source, fresh, sources
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context


def series_of(place: str) -> str:
    """The folder of a series; Prisma keeps each migration in a folder of its own."""
    folder = place.rpartition("/")[0]
    return folder.rpartition("/")[0] if place.endswith("/migration.sql") else folder


def new_database(context: Context) -> sql.Catalogue:
    """What the scripts for a new database tell: a copy, for the caller to move on."""

    def replay() -> sql.Catalogue:
        known = sql.Catalogue()
        for _, text in fresh(context):
            for statement in sql.statements(text):
                known.take(statement)
        known.settle()
        return known

    key = ("catalogue", *(entry.sha256 for entry, _ in fresh(context)))
    return copy.deepcopy(memo(context, key, replay))


def known_before(context: Context, place: str) -> sql.Catalogue:
    """What the scripts for a new database and the earlier migrations of the series tell; not to be changed."""

    def replay() -> sql.Catalogue:
        known = new_database(context)
        for source in _series(context, series_of(place)):
            if source.entry.place == place:
                break
            _take(known, source.text)
        return known

    return memo(context, ("known before", place), replay)


def state_before(context: Context, place: str) -> str:
    """A digest of ``known_before``."""
    series = series_of(place)
    return memo(context, ("states before", series), lambda: dict(_states(context, series)))[place]


def _states(context: Context, series: str) -> Iterator[tuple[str, str]]:
    known, seen = new_database(context), list[str]()
    state = _digest(known)
    for source in _series(context, series):
        yield source.entry.place, state
        seen.append(source.text)

        def moved_on() -> str:
            while seen:
                _take(known, seen.pop(0))
            return _digest(known)

        state = memo(context, ("moved on", state, source.text), moved_on)


def _series(context: Context, series: str) -> Iterator[Source]:
    return (source for source in sources(context) if series_of(source.entry.place) == series)


def _take(known: sql.Catalogue, text: str) -> None:
    for statement in sql.statements(text):
        known.take(statement)
    known.settle()


def _digest(known: sql.Catalogue) -> str:
    return hashlib.sha256(known.told().encode("utf-8", "surrogatepass")).hexdigest()
