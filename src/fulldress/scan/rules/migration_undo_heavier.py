"""The way back is worse than the way there: it rewrites, blocks or loses more than the migration does.

## What it does
Reads the down script beside a migration as a migration of its own, and reports it when it rewrites or scans tables under a
lock, changes all rows in one statement or fails, while the migration itself does not; and when it drops what the migration
did not make.

## Why it matters
A rollback is run in a hurry, with people at the door. It must not be the moment when the largest table is rewritten.

## Example
```
-- 0007.down.sql of a migration that only widened a column
ALTER TABLE result ALTER COLUMN note TYPE varchar(20);
```

## Fix
Ask the vendor for a way back as light as the way there; rehearse the rollback too.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import sql
from fulldress.formats.sql import Hazard
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.database.migration_files import MAX_SQL, is_down, stem
from fulldress.scan.database.migrations import NAMES, RANK, Migration, migrations, rows
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-undo-heavier",
    family="migration",
    title="The way back is heavier than the migration",
    severity="medium",
    confidence="likely",
)

_HEAVY = {
    "table-rewrite",
    "not-null-scan",
    "index-blocks-writes",
    "constraint-validates-under-lock",
    "unbounded-backfill",
    "concurrently-in-transaction",
    "migration-cannot-run",
}


def check(context: Context) -> Iterator[Finding]:
    """One finding for each folder of down scripts, at the worst."""
    worst: dict[str, list[tuple[Entry, Migration, Hazard]]] = {}
    ups = {(m.entry.place.rpartition("/")[0], stem(m.entry.place)): m for m in migrations(context)}
    by_name = {stem(m.entry.place): m for m in migrations(context)}
    for entry, text in context.texts(".sql"):
        if not is_down(entry.place) or len(text) > MAX_SQL:
            continue
        up = ups.get((entry.place.rpartition("/")[0], stem(entry.place))) or by_name.get(stem(entry.place))
        if up is not None:
            worse = _worse(up, sql.hazards(text, rows(context)))
            if worse is not None:
                worst.setdefault(entry.place.rpartition("/")[0], []).append((entry, up, worse))
    for listed in worst.values():
        # The latest of the worst: it is the likeliest to be taken back.
        chosen = min(reversed(listed), key=lambda item: RANK.index(item[2].kind))
        yield _finding(*chosen, others=len(listed) - 1)


def _worse(up: Migration, down: list[Hazard]) -> Hazard | None:
    """The worst hazard of the way back that the migration does not share."""
    there = {h.kind for h in up.hazards}
    new = [h for h in down if h.kind in _HEAVY and h.kind not in there and not h.mild]
    return min(new, key=lambda h: RANK.index(h.kind), default=None)


def _finding(entry: Entry, up: Migration, hazard: Hazard, others: int) -> Finding:
    more = f" (and {others} more)" if others else ""
    return Finding(
        rule=META.slug,
        severity="low" if up.historic else META.severity,
        confidence=META.confidence,
        title=f"{META.title}: {NAMES[hazard.kind]}{more}",
        place=entry.place,
        line=hazard.statement.line,
        excerpt=" ".join(hazard.statement.text.split())[:200],
        consequence=f"{up.entry.place.rpartition('/')[2]} is light, but a rollback has {NAMES[hazard.kind]}:"
        f" {hazard.detail}.",
        fix="Ask the vendor for a lighter way back, and rehearse the rollback.",
    )


_UP = "SET lock_timeout = '2s';\nALTER TABLE t ADD COLUMN a int;\n"
BAD = (
    {
        "migrations/7.up.sql": _UP,
        "migrations/7.down.sql": "SET lock_timeout = '2s';\nALTER TABLE t ALTER COLUMN b TYPE varchar(5);\n",
    },
    {"migrations/7.sql": _UP, "migrations/undo/7.sql": "CREATE INDEX i ON t (b);\n"},
)
GOOD = (
    {"migrations/7.up.sql": _UP, "migrations/7.down.sql": "SET lock_timeout = '2s';\nALTER TABLE t DROP COLUMN a;\n"},
    {
        "migrations/7.up.sql": "CREATE INDEX i ON t (a);\n",
        "migrations/7.down.sql": "CREATE INDEX j ON t (b);\n",
    },
)
