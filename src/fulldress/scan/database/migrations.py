"""What the migration rules read: the package's migrations with their hazards, and the one cure engine behind them all.

A file with several hazards is reported once, by the rule of its worst hazard; the others are named in the consequence.
Migrations of a series that also creates the table (the whole history since the first version) are reported together:
which of them are still to run, only the installed version tells. Parsed once for each context. Pure.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from fulldress.formats import sql
from fulldress.formats.late import late
from fulldress.formats.sql import Hazard, HazardKind
from fulldress.formats.sql.dynamic import AT_RUN_TIME
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.database.migration_files import Source, fresh, natural, sources
from fulldress.scan.database.migration_history import known_before, new_database, series_of, state_before
from fulldress.scan.database.migration_programs import LOOKS_FOR, brief, for_psql, program_for
from fulldress.scan.database.migration_runs import Run, lock_timeout_of, role_timeout, runs
from fulldress.scan.database.migration_state import applied, rows
from fulldress.scan.reading import current_text, encode, is_vendored, memo
from fulldress.scan.rule import Context, RuleMeta

RANK: tuple[HazardKind, ...] = (
    "concurrently-in-transaction",
    "migration-cannot-run",
    "table-rewrite",
    "not-null-scan",
    "index-blocks-writes",
    "constraint-validates-under-lock",
    "unbounded-backfill",
    "long-lock-transaction",
    "lock-held-on-purpose",
    "migration-without-lock-timeout",
    "breaks-running-version",
    "migration-hides-statements",
    "schema-choice",
)
"""The worst first."""

NAMES: dict[HazardKind, str] = {
    "concurrently-in-transaction": "CONCURRENTLY where it cannot work",
    "migration-cannot-run": "a statement that PostgreSQL refuses",
    "table-rewrite": "a table rewrite under an exclusive lock",
    "not-null-scan": "SET NOT NULL with a scan under an exclusive lock",
    "index-blocks-writes": "an index build that blocks writers",
    "constraint-validates-under-lock": "a constraint checked under a lock",
    "unbounded-backfill": "a backfill of all rows in one statement",
    "long-lock-transaction": "locks kept while other work goes on",
    "lock-held-on-purpose": "a lock that it takes for long",
    "migration-without-lock-timeout": "no lock_timeout",
    "breaks-running-version": "something taken away that the running version uses",
    "migration-hides-statements": "statements that nobody here could read",
    "schema-choice": "a choice that is hard to take back",
}
MAX_NAMED = 8
"""Files that a finding over a whole series names."""


SERIES = 3
"""Steps of past versions from which a folder is their history."""
YEARS = 2
"""Years that dated steps span from which they are history: no single upgrade was written over so long."""
_ARCHIVE = late(r"(?i)(^|/)(archives?|history|historic|legacy|old)$")
"""Folders in which a product keeps the steps of all its past."""
_DATED = late(r"(^|/)((19|20)\d\d)(0[1-9]|1[0-2])\d{2}\d{0,6}([._-][^/]*)?\.sql$")
_STEP = late(
    r"(?i)(^|/)(v?\d+(\.\d+)+|[^/]*\d[\w.]*[_-]+to[_-]+v?\d[^/]*|(upgrade|update|up|patch|delta)[._-]?v?\d[^/]*)\.sql$"
)


class Migration(NamedTuple):
    """One migration of the package."""

    source: Source
    hazards: tuple[Hazard, ...]
    historic: bool
    """Whether it still is to run, only the installed version tells: its series creates the tables that it hurts, or it is
    one of many by version or date and nothing in the package runs it."""

    @property
    def entry(self) -> Entry:
        """The file."""
        return self.source.entry

    @property
    def text(self) -> str:
        """Its SQL."""
        return self.source.text

    @property
    def kinds(self) -> list[HazardKind]:
        """Kinds of its hazards, the worst first; mild ones last."""
        hard = sorted({h.kind for h in self.hazards if not h.mild}, key=RANK.index)
        return hard + sorted({h.kind for h in self.hazards if h.mild} - set(hard), key=RANK.index)


def migrations(context: Context) -> list[Migration]:
    """Every migration of the package that is not applied yet, with its hazards."""
    return memo(context, "migrations", lambda: list(_migrations(context)))


class _Series:
    """What the migrations of one folder showed so far."""

    def __init__(self, context: Context, functions: dict[str, str]) -> None:
        self.known = new_database(context)
        self.made: set[str] = set()
        self.functions = functions


def _migrations(context: Context) -> Iterator[Migration]:
    counted = rows(context)
    series: dict[str, _Series] = {}
    functions = _functions(context)
    named = {s.entry.place for run in runs(context) for s in run.sources}
    old = _shelves(context)
    for source in sources(context):
        place = source.entry.place
        source = source._replace(certain=source.certain or place in named)
        folder = series_of(place)
        state = series.get(folder) or series.setdefault(folder, _Series(context, functions))
        session = sql.Session(_single(context, source), _patience(context, place), functions)
        parsed = sql.script(source.text, session=session)
        found = [h for h in sql.script_hazards(parsed, counted, state.known) if not _absent(h, state.made, counted)]
        before = set(state.made)
        found = [_weighed(h, before) for h in found]
        state.made |= {name for name, table in state.known.tables.items() if table.fresh}
        state.known.settle()
        if applied(context, source):
            continue
        found += _unread(source, state)
        hurt = {h.relation for h in found if not h.mild and h.relation}
        made = {name for name in hurt & before if sql.rows_of(counted, name) is None}
        shelved = source.plain and place not in named and folder in old
        yield Migration(source, tuple(found), bool(made) or shelved)


def _unread(source: Source, state: _Series) -> Iterator[Hazard]:
    """What a migration does besides, and could not be read; in a series that makes the tables itself it is worth a note."""
    for line, what in source.unread:
        statement = sql.Statement(text=what, line=line, kind="unparsed")
        detail = f"is not SQL that could be read: {what}"
        kind: HazardKind = "migration-hides-statements"
        yield Hazard(kind=kind, relation="", statement=statement, detail=detail, mild=bool(state.made))


def _shelves(context: Context) -> frozenset[str]:
    """Folders that hold a step for each of the product's past versions: by number, by dates of many years, by name."""
    folders: dict[str, list[str]] = {}
    for source in sources(context):
        if source.plain:
            folders.setdefault(series_of(source.entry.place), []).append(source.entry.place)
    return frozenset(folder for folder, places in folders.items() if len(places) >= SERIES and _is_shelf(folder, places))


def _is_shelf(folder: str, places: list[str]) -> bool:
    years = [int(dated[2]) for place in places if (dated := _DATED.search(place))]
    over_years = len(years) >= SERIES and max(years) - min(years) >= YEARS
    steps = sum(1 for place in places if _STEP.search(place))
    return over_years or steps >= SERIES or _ARCHIVE.search(folder) is not None


def _functions(context: Context) -> dict[str, str]:
    """Functions that the package creates: a migration may call them."""
    found: dict[str, str] = {}
    texts = [text for _, text in fresh(context)] + [s.text for s in sources(context)]
    for text in texts:
        if re.search(r"(?i)create\s+(or\s+replace\s+)?(function|procedure)", text):
            for statement in sql.statements(text):
                if statement.kind == "create_function_stmt":
                    found[".".join(p.string.sval for p in statement.node.funcname)] = statement.text
    return found


def _single(context: Context, source: Source) -> bool:
    """True when whoever runs it opens a transaction around it all."""
    mine = [run for run in runs(context) if any(s.entry.place == source.entry.place for s in run.sources)]
    return source.single or (bool(mine) and all(run.single for run in mine))


def _patience(context: Context, place: str) -> float:
    """The lock_timeout that a session finds: from PGOPTIONS of its caller, or set for the role or database."""
    mine = [run for run in runs(context) if any(s.entry.place == place for s in run.sources)]
    given = [lock_timeout_of(run) for run in mine]
    return max(given) if given and all(given) else role_timeout(context)


def _absent(hazard: Hazard, made: set[str], counted: dict[str, int]) -> bool:
    """True for a table that an earlier migration of the series makes and that no database of the estate has yet."""
    name = hazard.relation
    return bool(counted) and name in made and sql.rows_of(counted, name) is None


def _weighed(hazard: Hazard, made: set[str]) -> Hazard:
    """What only fails on a table with rows is worth a note where the series makes that table itself."""
    fails = hazard.kind == "migration-cannot-run" and hazard.relation in made
    return msgspec.structs.replace(hazard, mild=True) if fails else hazard


def findings(context: Context, meta: RuleMeta) -> Iterator[Finding]:
    """The finding of each migration whose worst hazard is this rule's; those of a whole history are told together."""
    together: dict[str, list[Migration]] = {}
    for migration in migrations(context):
        if not migration.kinds:
            continue
        if migration.historic or not migration.source.plain:
            together.setdefault(series_of(migration.entry.place), []).append(migration)
        elif migration.kinds[0] == meta.slug:
            yield _finding(context, meta, migration)
    for folder, listed in together.items():
        hard = [m for m in listed if any(not h.mild for h in m.hazards)] or listed
        # The latest of the worst: it is the likeliest not to have run yet.
        worst = min(reversed(hard), key=lambda m: RANK.index(m.kinds[0]))
        if worst.kinds[0] == meta.slug:
            yield _finding(context, meta, worst) if len(hard) == 1 else _together(context, meta, folder, hard, worst)


def _hazard(migration: Migration) -> Hazard:
    kind = migration.kinds[0]
    return min((h for h in migration.hazards if h.kind == kind), key=lambda h: h.mild)


def _lines(migration: Migration, kind: HazardKind) -> str:
    """Where the hazards of a kind are, as far as they have a line of their own."""
    found = sorted({h.statement.line for h in migration.hazards if h.kind == kind})
    shown = ", ".join(str(line) for line in found[:MAX_NAMED])
    return f" ({'lines' if len(found) > 1 else 'line'} {shown})" if found else ""


def _likewise(migration: Migration, told: Hazard) -> str:
    """The other statements of the migration that do the same, each with its line and table."""
    found = {
        (h.statement.line, h.relation)
        for h in migration.hazards
        if h.kind == told.kind and h.mild == told.mild and h.statement.line != told.statement.line
    }
    if not found:
        return ""
    named = [f"line {line} ({_shown(relation)})" if relation else f"line {line}" for line, relation in sorted(found)]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return f" The same goes for {', '.join(named[:MAX_NAMED])}{more}."


def _severity(meta: RuleMeta, migration: Migration) -> Severity:
    if _hazard(migration).mild:
        return "info"
    if is_vendored(migration.entry.place):
        return "low"
    strong = meta.severity in ("critical", "high")
    return "medium" if strong and (migration.historic or not migration.source.certain) else meta.severity


def _shown(name: str) -> str:
    return "a table that is named at run time" if AT_RUN_TIME in name else name


def _finding(context: Context, meta: RuleMeta, migration: Migration) -> Finding:
    kinds, hazard = migration.kinds, _hazard(migration)
    others = ", ".join(f"{NAMES[kind]}{_lines(migration, kind)}" for kind in kinds[1:])
    also = _likewise(migration, hazard) + (f" The same migration has {others}." if others else "")
    if migration.historic:
        also += " An earlier migration of the same series makes the table: it matters where that one has run already."
    counted = sql.rows_of(rows(context), hazard.relation)
    size = f" ({counted:,} rows)" if counted is not None else ""
    curable = _curable(context, migration, meta.slug)
    return Finding(
        rule=meta.slug,
        severity=_severity(meta, migration),
        confidence=meta.confidence if migration.source.certain else "possible",
        title=f"{meta.title}: {_shown(hazard.relation)}{size}" if hazard.relation else meta.title,
        place=migration.entry.place,
        line=hazard.statement.line,
        excerpt=" ".join(hazard.statement.text.split())[:200],
        consequence=f"This statement {_verb(hazard.detail)}.{also}".replace(AT_RUN_TIME, "a table named at run time"),
        fix=_fix(context, migration, hazard, curable=curable),
        curable=curable,
    )


def _together(context: Context, meta: RuleMeta, folder: str, listed: list[Migration], worst: Migration) -> Finding:
    """One finding for all migrations of a series."""
    hazard = _hazard(worst)
    total = sum(1 for s in sources(context) if series_of(s.entry.place) == folder)
    ranked = sorted(listed, key=lambda m: (-RANK.index(m.kinds[0]), natural(m.entry.place)), reverse=True)
    heavy = [m for m in listed if m.kinds[0] in sql.ONLINE - {"migration-without-lock-timeout"}]
    named = "; ".join(
        f"{m.entry.place.removeprefix(folder + '/')}:{_hazard(m).statement.line} {NAMES[m.kinds[0]]}"
        + (f" ({_shown(_hazard(m).relation)})" if _hazard(m).relation else "")
        + "".join(f", {NAMES[k]}{_lines(m, k)}" for k in m.kinds[1:] if any(h.kind == k and not h.mild for h in m.hazards))
        for m in ranked[:MAX_NAMED]
    )
    more = f"; and {len(ranked) - MAX_NAMED} more" if len(ranked) > MAX_NAMED else ""
    severity = _severity(meta, worst)
    if any(m.historic for m in listed) and severity in ("critical", "high"):
        severity = "medium"
    tool = f" ({worst.source.tool})" if worst.source.tool else ""
    what = "rewrite, read or change whole tables under locks" if heavy else f"have {NAMES[worst.kinds[0]]}"
    return Finding(
        rule=meta.slug,
        severity=severity,
        confidence=meta.confidence if worst.source.certain else "possible",
        title=f"{len(heavy) or len(listed)} of {total} migrations in {folder or 'the package'}{tool} {what}",
        place=worst.entry.place,
        line=hazard.statement.line,
        excerpt=" ".join(hazard.statement.text.split())[:200],
        consequence=f"{named}{more}. Those that the installed version has applied already do not run again.",
        fix=_fix(context, worst, hazard, curable=False),
    )


def _fix(context: Context, migration: Migration, hazard: Hazard, *, curable: bool) -> str:
    program = program_for(context, migration.entry.place) if migration.source.plain else ""
    if curable and program:
        return f"SET lock_timeout (`fulldress adapt` does), in plain SQL: {program} runs it, which knows no psql commands."
    if curable:
        return "Make it run online (`fulldress adapt` does): short locks with retries, batches, CONCURRENTLY."
    advice = _ADVICE.get(hazard.kind, "")
    if advice:
        return advice
    if hazard.kind in sql.ONLINE and (program or not migration.source.plain):
        tool = program or migration.source.tool or "its tool"
        return f"{_ONLINE[hazard.kind]} Write it so in {tool}, or run it in the window; rehearse how long it takes."
    return "There is no online form: run it in the window, with a lock_timeout, and rehearse how long it takes."


_ADVICE: dict[HazardKind, str] = {
    "migration-cannot-run": "Ask the vendor; rehearse it on a copy of the database, where it stops as well.",
    "lock-held-on-purpose": "Run it in the window, or REFRESH ... CONCURRENTLY; set a lock_timeout before it.",
    "breaks-running-version": "Run it only after no instance of the old version is left, and keep a way back.",
    "migration-hides-statements": "Read it by hand and rehearse it: the rehearsal shows its locks whatever it runs.",
    "schema-choice": "Nothing stops for it; tell the vendor.",
}
_ONLINE: dict[HazardKind, str] = {
    "table-rewrite": "Add a column, fill it in batches, swap.",
    "not-null-scan": "CHECK ... NOT VALID, VALIDATE, then SET NOT NULL.",
    "index-blocks-writes": "CREATE INDEX CONCURRENTLY outside a transaction.",
    "constraint-validates-under-lock": "Add it NOT VALID and VALIDATE it in a transaction of its own.",
    "unbounded-backfill": "Batches, each committed.",
    "long-lock-transaction": "One transaction for each table and step.",
    "migration-without-lock-timeout": "SET lock_timeout, and try again a bounded number of times.",
    "concurrently-in-transaction": "Outside a transaction, with lock_timeout = 0.",
}


def _verb(detail: str) -> str:
    """Hazard details begin with a verb or with their own subject."""
    first = detail.split(" ", 1)[0]
    return detail if first.endswith("s") and first.islower() and first not in ("its",) else f"hurts: {detail}"


def _curable(context: Context, migration: Migration, slug: str) -> bool:
    if slug not in sql.ONLINE or not migration.source.plain:
        return False
    place = migration.entry.place

    def left() -> frozenset[HazardKind] | None:
        made = _rewritten(context, place, migration.text)
        if made is None:
            return None
        known = copy.deepcopy(known_before(context, place))
        return frozenset(h.kind for h in sql.script_hazards(sql.script(made.text), rows(context), known))

    counted = tuple(sorted(rows(context).items()))
    runner = _single_in_psql(context, place), for_psql(context, place)
    kinds = memo(context, ("judged", migration.text, state_before(context, place), *runner, counted), left)
    return kinds is not None and slug not in kinds


def _rewritten(context: Context, place: str, text: str) -> sql.Rewrite | None:
    """The online form of a file, unless a script runs it inside psql's single transaction; for a program that is not psql
    only a lock_timeout in plain SQL."""
    if _single_in_psql(context, place):
        return None
    if not for_psql(context, place):
        return brief(text)
    body = text.removeprefix(sql.MUTEX)
    return sql.online_rewrite(body, rows=rows(context), known=known_before(context, place))


def _single_in_psql(context: Context, place: str) -> bool:
    return any(run.single and any(s.entry.place == place for s in run.sources) for run in runs(context))


def cure(context: Context, finding: Finding) -> Cure | None:
    """The online form of the whole migration: one engine for every hazard."""
    text = current_text(context, finding.place)
    made = _rewritten(context, finding.place, text) if text is not None and finding.curable else None
    if text is None or made is None:
        return None
    guard = sql.MUTEX if text.startswith(sql.MUTEX) else ""
    left = f"; left: {'; '.join(made.left)}" if made.left else ""
    note = f"rewritten to run online: {'; '.join(made.changes)}{left}"
    return Cure(edits={finding.place: encode(guard + made.text)}, note=note, safety="review")


__all__ = ["LOOKS_FOR", "RANK", "Migration", "Run", "cure", "findings", "migrations", "rows", "runs", "series_of"]
