"""What the migration rules read: SQL migrations of the package, who runs them, and the one cure engine behind them all.

A file with several hazards is reported once, by the rule of its worst hazard; the others are named in the consequence.
Parsed once for each context. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell, sql
from fulldress.formats.shell import Command
from fulldress.formats.sql import Hazard, HazardKind
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.reading import Script, current_text, encode, memo, scripts
from fulldress.scan.rule import Context, RuleMeta

MAX_SQL = 1 << 20
"""Larger scripts are dumps, not migrations."""

RANK: tuple[HazardKind, ...] = (
    "concurrently-in-transaction",
    "table-rewrite",
    "not-null-scan",
    "index-blocks-writes",
    "constraint-validates-under-lock",
    "unbounded-backfill",
    "long-lock-transaction",
    "migration-without-lock-timeout",
)
"""The worst first."""

NAMES: dict[HazardKind, str] = {
    "concurrently-in-transaction": "CONCURRENTLY where it cannot work",
    "table-rewrite": "a table rewrite under an exclusive lock",
    "not-null-scan": "SET NOT NULL with a scan under an exclusive lock",
    "index-blocks-writes": "an index build that blocks writers",
    "constraint-validates-under-lock": "a constraint checked under a lock",
    "unbounded-backfill": "a backfill of all rows in one statement",
    "long-lock-transaction": "locks kept while other work goes on",
    "migration-without-lock-timeout": "no lock_timeout",
}

_DOWN = re.compile(r"(?i)(^|[/._-])(down|undo|rollback|revert)([/._-]|$)")


class Migration(NamedTuple):
    """One SQL migration of the package."""

    entry: Entry
    text: str
    hazards: tuple[Hazard, ...]


class Run(NamedTuple):
    """A command of a script that runs migrations with psql."""

    script: Script
    command: Command
    migrations: tuple[Migration, ...]
    single: bool
    """psql -1: everything in one transaction."""


def rows(context: Context) -> dict[str, int]:
    """Rows per table as the inventory counted them; empty without an inventory."""
    hosts = context.estate.hosts if context.estate is not None else ()
    return {table: count for host in hosts for database in host.databases for table, count in database.tables.items()}


def migrations(context: Context) -> list[Migration]:
    """Every SQL script of the package that is not a way back, with its hazards."""
    return memo(context, "migrations", lambda: list(_migrations(context)))


def _migrations(context: Context) -> Iterator[Migration]:
    counted = rows(context)
    for entry, text in context.texts(".sql"):
        if len(text) <= MAX_SQL and not is_down(entry.place):
            yield Migration(entry, text, tuple(sql.hazards(text, counted)))


def is_down(place: str) -> bool:
    """True for scripts that take a migration back, by their name or folder."""
    return _DOWN.search("/".join(place.split("/")[-2:])) is not None


def runs(context: Context) -> list[Run]:
    """Every psql command of the package's scripts that runs migrations of the package."""
    return memo(context, "migration runs", lambda: list(_runs(context)))


def _runs(context: Context) -> Iterator[Run]:
    known = migrations(context)
    for script in scripts(context):
        for command in script.commands:
            words = _psql_words(command)
            if words is None:
                continue
            named = " ".join([*words, *command.redirects])
            chosen = tuple(m for m in known if m.entry.place.rpartition("/")[2] in named)
            feeds = _reads_file(words) or any("<" in r for r in command.redirects)
            if not chosen and feeds and "$" in named:
                chosen = tuple(known)
            single = any(w == "--single-transaction" or re.fullmatch(r"-[A-Za-z]*1[A-Za-z]*", w) for w in words)
            if chosen:
                yield Run(script, command, chosen, single)


def _psql_words(command: Command) -> list[str] | None:
    """The words after psql, also inside ``runuser -u postgres -- psql`` and ``su postgres -c "psql ..."``."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            words = _psql_words(inner)
            if words is not None:
                return [*words, *inner.redirects]
    for number, word in enumerate(command.argv):
        if word.rpartition("/")[2] == "psql":
            return list(command.argv[number + 1 :])
    return None


def _reads_file(words: list[str]) -> bool:
    return any(re.fullmatch(r"-[A-Za-z0-9]*f.*|--file.*", word) for word in words)


def findings(context: Context, meta: RuleMeta) -> Iterator[Finding]:
    """The finding of each migration whose worst hazard is this rule's."""
    for migration in migrations(context):
        kinds = sorted({hazard.kind for hazard in migration.hazards}, key=RANK.index)
        if kinds and kinds[0] == meta.slug:
            yield _finding(context, meta, migration, kinds)


def _finding(context: Context, meta: RuleMeta, migration: Migration, kinds: list[HazardKind]) -> Finding:
    hazard = next(h for h in migration.hazards if h.kind == meta.slug)
    others = ", ".join(NAMES[kind] for kind in kinds[1:])
    also = f" The same migration has {others}." if others else ""
    counted = sql.rows_of(rows(context), hazard.relation)
    size = f" ({counted:,} rows)" if counted is not None else ""
    made = _rewritten(context, migration.entry.place, migration.text)
    curable = made is not None and meta.slug not in {h.kind for h in sql.hazards(made.text, rows(context))}
    return Finding(
        rule=meta.slug,
        severity=meta.severity,
        confidence=meta.confidence,
        title=f"{meta.title}: {hazard.relation}{size}",
        place=migration.entry.place,
        line=hazard.statement.line,
        excerpt=" ".join(hazard.statement.text.split())[:200],
        consequence=f"This statement {_verb(hazard.detail)}.{also}",
        fix="Make it run online (`fulldress adapt` does): short locks with retries, batches, CONCURRENTLY."
        if curable
        else "There is no online form: run it in the window, with a lock_timeout, and rehearse how long it takes.",
        curable=curable,
    )


def _verb(detail: str) -> str:
    """Hazard details begin with a verb or with their own subject."""
    return detail if detail.split(" ", 1)[0] in ("writes", "reads") else f"hurts: {detail}"


def _rewritten(context: Context, place: str, text: str) -> sql.Rewrite | None:
    """The online form of a file, unless a script runs it inside psql's single transaction."""
    if any(run.single and any(m.entry.place == place for m in run.migrations) for run in runs(context)):
        return None
    body = text.removeprefix(sql.MUTEX)
    return sql.online_rewrite(body, rows=rows(context))


def cure(context: Context, finding: Finding) -> Cure | None:
    """The online form of the whole migration: one engine for every hazard."""
    text = current_text(context, finding.place)
    made = _rewritten(context, finding.place, text) if text is not None else None
    if text is None or made is None:
        return None
    guard = sql.MUTEX if text.startswith(sql.MUTEX) else ""
    left = f"; left: {'; '.join(made.left)}" if made.left else ""
    note = f"rewritten to run online: {'; '.join(made.changes)}{left}"
    return Cure(edits={finding.place: encode(guard + made.text)}, note=note, safety="review")
