"""Whether psql runs a migration, or a program of the package does, which would stumble over psql's commands. Pure.

A cure may write psql's own commands (``\\gexec``, ``\\if``) only into a file that psql runs: because a script of the package
says so, or because nothing else is known to run it and it is a migration, which the plan runs by psql.
"""

from __future__ import annotations

import re

from fulldress.formats import sql
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry
from fulldress.scan.database.migration_files import CHANGELOG, sources
from fulldress.scan.database.migration_runs import RUNS_A_TOOL, runs, tool_runs
from fulldress.scan.reading import acting_lines, memo
from fulldress.scan.rule import Context

NAMES_SQL = Pattern(r"\.sql\b")
LOOKS_FOR = (NAMES_SQL, RUNS_A_TOOL, CHANGELOG)
_PROGRAM = late(r"(?i)\.(php|phtml|inc|py|rb|js|mjs|cjs|ts|java|kt|groovy|scala|go|pl|pm|cs|vb|cgi|lua|ex|exs)$")
_PACKING = late(r"(?i)(^|/)(setup|conftest|noxfile|fabfile)\.py$|(^|/)(gulpfile|gruntfile|webpack[\w.]*)\.[cm]?[jt]s$")
_INTERPRETER = late(r"\A#![^\n]*\b(php|python|perl|ruby|node)")
_LITERAL = late(r"([\w.-]*\w)\.sql\b")
_OUTPUT = late(r"(?i)\b(pg_dump\w*|mysqldump|backup|dump|export|psql|unlink|remove|delete)")
_PLAIN_TOOLS = ("Flyway", "golang-migrate", "sqlx", "dbmate", "goose", "Prisma", "drizzle")
"""Tools that run plain SQL files, so that nothing in the file tells."""
PATIENCE = "5s"


def program_for(context: Context, place: str) -> str:
    """Who runs this script where that is not psql: the line of a program, or a tool; "" when it is psql, or nobody known."""
    if by_psql(context, place):
        return ""
    named = next((s.tool for s in sources(context) if s.entry.place == place), "")
    name = place.rpartition("/")[2]
    return named or next((who for who, only in _programs(context) if only in ("", name)), "")


def for_psql(context: Context, place: str) -> bool:
    """True when psql's own commands may stand in it: psql runs it, or it is a migration that nobody else runs."""
    if by_psql(context, place):
        return True
    mine = next((s for s in sources(context) if s.entry.place == place), None)
    return mine is not None and mine.certain and not program_for(context, place)


def by_psql(context: Context, place: str) -> bool:
    """True when a script of the package hands it to psql."""
    return any(s.entry.place == place for run in runs(context) for s in run.sources)


def _programs(context: Context) -> list[tuple[str, str]]:
    """(place and line, the one file's name or "" for any) of what reads SQL scripts without psql."""

    def look() -> list[tuple[str, str]]:
        there = {e.place.rpartition("/")[2] for e in context.files if e.place.endswith(".sql")}
        found = [(f"{r.entry.place}:{r.line}", "") for r in tool_runs(context) if r.tool.name in _PLAIN_TOOLS]
        for entry, number, text in acting_lines(context, NAMES_SQL, among=lambda e: _is_program(context, e)):
            if _OUTPUT.search(text):
                continue
            names = {f"{m[1]}.sql" for m in _LITERAL.finditer(text) if m[1]}
            if not names or not _literal(text):
                found.append((f"{entry.place}:{number}", ""))
            found += [(f"{entry.place}:{number}", name) for name in sorted(names & there)]
        return found

    return memo(context, "programs that run SQL", look)


def _literal(text: str) -> bool:
    """False when a name is put together or chosen by a pattern on this line: ``"$v.sql"``, ``*.sql``, ``\\d+\\.sql``."""
    return re.search(r"[*$}%+)\]\\]\S{0,12}\.sql\b|[\"']\.sql\b", text) is None


def _is_program(context: Context, entry: Entry) -> bool:
    place = entry.place
    if _PROGRAM.search(place):
        return _PACKING.search(place) is None
    bare = place.endswith(".sh") or "." not in place.rpartition("/")[2]
    return bare and _INTERPRETER.match(context.text(entry) or "") is not None


def brief(text: str) -> sql.Rewrite:
    """The script with a lock_timeout around it, in plain SQL: it does for every program."""
    end = "" if text.endswith("\n") else "\n"
    return sql.Rewrite(
        text=f"SET lock_timeout = '{PATIENCE}';\n{text}{end}RESET lock_timeout;\n",
        changes=(f"lock_timeout of {PATIENCE} around it",),
        left=(),
    )
