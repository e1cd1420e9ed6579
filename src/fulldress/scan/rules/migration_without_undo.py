"""A migration has no way back.

## What it does
Looks for a down script beside each migration that a script runs or that records a version. Where there is none it tries
to derive one: dropping what the migration only added. Deriving fails when something that existed before was changed.

## Why it matters
When the upgrade is rolled back, the old version meets the new schema. Without a way back there is only the restore of
a backup, which loses what people entered meanwhile.

## Example
```
UPDATE result SET status = 'closed' WHERE status = 'approved';    -- what was it before?
```

## Fix
Ask the vendor for the down script; `fulldress adapt` writes the derived one where there is one.

## References
- none
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fulldress.formats import sql
from fulldress.formats.late import late
from fulldress.model.finding import Cure, Finding
from fulldress.scan.database.migration_files import is_down, stem
from fulldress.scan.database.migrations import Migration, migrations, series_of
from fulldress.scan.reading import current_text, encode, is_vendored
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-without-undo",
    family="migration",
    title="Migration without a way back",
    severity="medium",
    confidence="likely",
)


MANY = 6
"""A series with so many migrations that have no way back is told as one."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration without a down script: info where one can be derived; long series together."""
    downs = {stem(entry.place) for entry in context.ending(".sql") if is_down(entry.place)}
    series: dict[str, list[Migration]] = {}
    for migration in migrations(context):
        place = migration.entry.place
        if migration.source.plain and migration.source.certain and stem(place) not in downs and _changes(migration.text):
            series.setdefault(series_of(place), []).append(migration)
    for folder, listed in series.items():
        if len(listed) >= MANY:
            yield from _together(folder, listed)
        else:
            yield from map(_finding, listed)
    yield from _empty(context)


_NOTHING = late(
    r"(?m)^[^\S\n]*def down(?:grade)?\b[^\n]*\n(?:[^\S\n]*(?:#[^\n]*|\"{3}[^\"]*\"{3})?\n)*"
    r"[^\S\n]+(?P<what>pass|\.\.\.|raise (?:NotImplementedError|ActiveRecord::IrreversibleMigration)\b[^\n]*)"
    r"[^\S\n]*(?:\n|\Z)"
)
"""A way back in Alembic or Rails that does nothing, or refuses."""


def _empty(context: Context) -> Iterator[Finding]:
    """One finding for each series of a tool's migrations whose way back is empty."""
    series: dict[str, list[tuple[Migration, int, str]]] = {}
    for migration in migrations(context):
        entry = migration.entry
        if not entry.place.endswith((".py", ".rb")) or is_vendored(entry.place):
            continue
        text = context.text(entry) or ""
        match = _NOTHING.search(text)
        if match is not None:
            line = text.count("\n", 0, match.start("what")) + 1
            series.setdefault(series_of(entry.place), []).append((migration, line, match["what"]))
    for folder, listed in series.items():
        migration, line, said = listed[-1]
        many = (
            f"{len(listed)} migrations in {folder} have"
            if len(listed) > 1
            else f"{migration.entry.place.rpartition('/')[2]} has"
        )
        yield Finding(
            rule=META.slug,
            severity="info" if migration.historic or len(listed) >= MANY else "low",
            confidence="certain",
            title=f"{many} an empty way back",
            place=migration.entry.place,
            line=line,
            excerpt=said,
            consequence="A rollback by the tool says that it went well and leaves the new schema under the old version.",
            fix="Ask the vendor for the way back, or plan a restore.",
        )


def _finding(migration: Migration) -> Finding:
    derivable = sql.derive_down(migration.text) is not None
    name = migration.entry.place.rpartition("/")[2]
    return Finding(
        rule=META.slug,
        severity="info" if derivable else META.severity,
        confidence="certain" if derivable else META.confidence,
        title=f"{name} has no way back" + ("; one can be derived" if derivable else ""),
        place=migration.entry.place,
        consequence="A rollback leaves the new schema under the old version."
        if derivable
        else "It changes what was there before: only a restore brings that back, and loses what was entered since.",
        fix="Take the derived down script after review." if derivable else "Ask the vendor for the down script.",
        curable=derivable,
    )


def _together(folder: str, listed: list[Migration]) -> Iterator[Finding]:
    lossy = [m for m in listed if sql.derive_down(m.text) is None]
    named = ", ".join(m.entry.place.removeprefix(folder + "/") for m in reversed(lossy[-4:]))
    yield Finding(
        rule=META.slug,
        severity="low" if any(m.historic for m in listed) else META.severity if lossy else "info",
        confidence=META.confidence,
        title=f"{len(listed)} migrations in {folder or 'the package'} have no way back"
        + (f"; for {len(listed) - len(lossy)} one can be derived" if len(lossy) < len(listed) else ""),
        place=(lossy or listed)[-1].entry.place,
        consequence=f"These change what was there before: {named}. Only a restore brings that back." if lossy else _ADDED,
        fix="Ask the vendor for the down scripts of those that are to run.",
    )


_ADDED = "They only add: a rollback leaves the new schema under the old version."


def _changes(text: str) -> bool:
    return any(s.kind not in ("select_stmt", "variable_set_stmt", "transaction_stmt") for s in sql.statements(text))


def cure(context: Context, finding: Finding) -> Cure | None:
    """The derived down script in a folder ``undo`` beside the migration, out of reach of ``migrations/*.sql``."""
    text = current_text(context, finding.place)
    down = sql.derive_down(text) if text is not None else None
    if down is None:
        return None
    folder, name = posixpath.split(finding.place)
    place = posixpath.join(folder, "undo", name)
    return Cure(edits={place: encode(down)}, note=f"{name} gets a derived way back: drops what it added", safety="review")


_ALEMBIC = "from alembic import op\nrevision = 'a'\ndef upgrade():\n    op.execute('UPDATE t SET a = 1 WHERE id = 1')\n"
BAD = (
    {"alembic/versions/1_a.py": f"{_ALEMBIC}def downgrade() -> None:\n    pass\n"},
    {"migrations/1.sql": "UPDATE t SET a = 1 WHERE id = 1;\n"},
    {"migrations/1.sql": "ALTER TABLE t ADD COLUMN a int;\n"},
    {"migrations/1.sql": "DROP TABLE t;\n", "migrations/undo/2.sql": "SELECT 1;\n"},
)
GOOD = (
    {"alembic/versions/1_a.py": f"{_ALEMBIC}def downgrade():\n    op.execute('UPDATE t SET a = 0 WHERE id = 1')\n"},
    {"migrations/1.sql": "DROP TABLE t;\n", "migrations/undo/1.sql": "CREATE TABLE t (a int);\n"},
    {"migrations/1_x.up.sql": "DROP TABLE t;\n", "migrations/1_x.down.sql": "CREATE TABLE t (a int);\n"},
    {"queries/report.sql": "SELECT 1;\n"},
)
