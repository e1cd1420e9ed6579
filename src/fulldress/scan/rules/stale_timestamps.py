"""Files are years older than the rest of the package.

## What it does
Compares the recorded time of every file with the middle one of the package and reports those that lie two years or
more before it. The zero times of archive formats (1970, 1980), documents, and members of a file that is itself
reported do not count; without a program among them it is of low weight.

## Why it matters
A binary from three product cycles ago in a new package was not rebuilt: it carries that time's defects and libraries,
or it was copied in by hand past the vendor's build.

## Example
```
bin/appctl        2023-02-14
scripts/…         2026-11-12
```

## Fix
Ask the vendor which build the files come from, and whether they belong to this version.

## References
- APPNOTE.TXT 4.4.6 (date and time fields of ZIP)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.reading import is_prose
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="stale-timestamps",
    family="archive",
    title="Files are years older than the rest",
    severity="medium",
    confidence="likely",
)
_PROGRAM = late(r"\.(jar|war|ear|so(\.\d+)*|exe|dll|class|sh|py|pl|sql|whl|deb|rpm)$")
STALE = timedelta(days=2 * 365)


class Dated(NamedTuple):
    """A file with its recorded time."""

    when: datetime
    entry: Entry


def check(context: Context) -> Iterator[Finding]:
    """One finding for all of them, at the oldest one."""
    moments = {text: when for text in {e.modified for e in context.files} if (when := _moment(text)) is not None}
    if not moments or max(moments.values()) - min(moments.values()) < STALE:
        return
    files = [e for e in context.files if e.modified in moments and not is_prose(e.place)]
    if len(files) < 2:
        return
    middle = _middle(Counter(moments[e.modified] for e in files))
    old = [Dated(moments[e.modified], e) for e in files if middle - moments[e.modified] >= STALE]
    stale = _outermost(sorted(old, key=lambda d: (d.when, d.entry.place)))
    if not stale:
        return
    years = (middle - stale[0].when).days / 365.25
    names = list(dict.fromkeys(d.entry.place.rpartition("/")[2] for d in stale))
    yield Finding(
        rule=META.slug,
        severity=META.severity if any(_PROGRAM.search(d.entry.place) or d.entry.mode & 0o111 for d in stale) else "low",
        confidence=META.confidence,
        title=f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''}: {years:.1f} years older than the rest",
        place=stale[0].entry.place,
        excerpt="; ".join(f"{d.entry.place} {d.when:%Y-%m-%d}" for d in stale[:8]) + f"; the rest {middle:%Y-%m-%d}",
        consequence="It was not rebuilt for this version: old defects and libraries come back with it.",
        fix="Ask the vendor which build it comes from, and whether it belongs to this version.",
    )


def _middle(counts: Counter[datetime]) -> datetime:
    """The time in the middle of so many of each."""
    left = counts.total() // 2
    for when in sorted(counts):
        left -= counts[when]
        if left < 0:
            break
    return when


def _moment(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
    return when if when.year > 1980 else None


def _outermost(stale: list[Dated]) -> list[Dated]:
    """Without members of a container that is stale itself."""
    places = {d.entry.place for d in stale}
    return [d for d in stale if not any(above in places for above in _containers(d.entry.place))]


def _containers(place: str) -> Iterator[str]:
    at = place.find("!/")
    while at >= 0:
        yield place[:at]
        at = place.find("!/", at + 2)


BAD = (
    Sample(
        files={"bin/tool": "x", "a.sh": "#!/bin/sh\n", "b.sh": "#!/bin/sh\n", "lib.jar": "z", "lib.jar!/a": "y"},
        times={"bin/tool": "2023-02-14T09:26:40", "lib.jar": "2023-02-14T09:26:40", "lib.jar!/a": "2021-01-01T00:00:00Z"},
    ),
)
GOOD = (
    Sample(files={"a": "x", "b": "y"}, times={"a": "2025-06-01T00:00:00"}),
    Sample(files={"a": "x", "b": "y"}, times={"a": "1980-01-01T00:00:00", "b": ""}),
)
