"""One-line settings that a release engineer would not leave as they are: a table, and who reads it. Pure.

A row names the files in which the line means that, so that a word in another program's file is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

Confirm = Callable[[Sequence[str], int], bool]
"""(all lines of the file, number of the line) -> whether what stands around it makes it so."""


class Row(NamedTuple):
    """One setting."""

    files: re.Pattern[str]
    line: re.Pattern[str]
    severity: Severity
    title: str
    consequence: str
    fix: str
    confirm: Confirm | None = None


def above(pattern: str, reach: int) -> Confirm:
    """What matches within so many lines above, the line itself among them."""
    wanted = late(pattern)
    return lambda lines, number: any(wanted.search(line) for line in lines[max(0, number - reach) : number])


def anywhere(pattern: str) -> Confirm:
    """What matches somewhere in the file."""
    wanted = late(pattern)
    return lambda lines, _number: any(wanted.search(line) for line in lines)


def findings(context: Context, meta: RuleMeta, patterns: tuple[Pattern, ...], rows: tuple[Row, ...]) -> Iterator[Finding]:
    """One finding for each row in a file, at its first line."""
    told: set[tuple[str, str]] = set()

    def wanted(entry: Entry) -> bool:
        return any(row.files.search(entry.place) for row in rows)

    for entry, number, line in acting_lines(context, *patterns, among=wanted):
        row = next((r for r in rows if r.files.search(entry.place) and r.line.search(line)), None)
        if row is None or (entry.place, row.title) in told or standing(entry.place) != "acting":
            continue
        if role(context, entry.place) == "library":
            continue
        if row.confirm is not None and not row.confirm((context.text(entry) or "").split("\n"), number):
            continue
        told.add((entry.place, row.title))
        yield Finding(
            rule=meta.slug,
            severity=row.severity,
            confidence=meta.confidence,
            title=f"{entry.place.rpartition('/')[2]} {row.title}",
            place=entry.place,
            line=number,
            excerpt=secrets.hidden(line.strip())[:200],
            consequence=row.consequence,
            fix=row.fix,
        )
