"""Two files become one where upper and lower case are the same.

## What it does
Groups the names of each archive without regard to case and to compatible forms of letters, and reports those that fall
together with different content. Names that are equal on every file system are refused before any rule runs.

## Why it matters
On Windows, macOS and many network shares the second file overwrites the first. Which of them is installed depends on the
order of the archive.

## Example
```
lib/Driver.jar
lib/driver.jar
```

## Fix
Ask the vendor which of them is meant. Where the hosts tell upper from lower case, waive it with that reason.

## References
- CWE-178 Improper Handling of Case Sensitivity
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="name-collision",
    family="archive",
    title="Names that differ only in case",
    severity="low",
    confidence="likely",
)


def _folded(place: str) -> str:
    return (place if place.isascii() else unicodedata.normalize("NFKC", place)).casefold()


def check(context: Context) -> Iterator[Finding]:
    """One finding for all pairs that would overwrite one another."""
    entries = [e for e in context.package.entries if e.kind != "directory"]
    hashes = sorted([hash(_folded(e.place)) for e in entries])  # a number for each name, not all names once more
    twice = {one for one, other in pairwise(hashes) if one == other}
    if not twice:
        return
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        name = _folded(entry.place)
        if hash(name) in twice:
            groups.setdefault(name, []).append(entry)
    pairs = [g for g in groups.values() if len(g) > 1 and len({(e.sha256, e.link) for e in g}) > 1]
    if not pairs:
        return
    acting = any(e.place.lower().endswith(_ACTING) for g in pairs for e in g)
    severity: Severity = "medium" if acting else META.severity
    more = f", and {len(pairs) - 1} pairs more" if len(pairs) > 1 else ""
    yield Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{_base(pairs[0][0])} and {_base(pairs[0][1])} are one file where case does not count{more}",
        place=pairs[0][0].place,
        excerpt="; ".join(" = ".join(e.place for e in g) for g in pairs[:4]),
        consequence="On Windows, macOS and many shares one overwrites the other, silently.",
        fix="Ask the vendor which is meant; waive it where every host tells upper from lower case.",
    )


_ACTING = (".sh", ".jar", ".dll", ".exe", ".so", ".conf", ".properties", ".sql", ".service")


def _base(entry: Entry) -> str:
    return entry.place.rpartition("/")[2]


BAD = (
    {"lib/Driver.jar": "1", "lib/driver.jar": "2"},
    {"a.deb!/usr/share/\ufb01le": "1", "a.deb!/usr/share/file": "2"},
)
GOOD = (
    {"lib/Driver.jar": "1", "lib/driver.jar": "1"},
    {"a.deb!/x": "1", "b.deb!/X": "2"},
    {"Makefile": "1", "makefile.am": "2"},
)
