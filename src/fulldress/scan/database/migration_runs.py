"""Who runs the migrations: psql in the package's scripts, and migration tools by their commands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell, sql
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.formats.sql.parse import milliseconds_of
from fulldress.model.package import Entry
from fulldress.scan.database.migration_files import Source, fresh, sources
from fulldress.scan.reading import Script, acting_lines, memo, scripts
from fulldress.scan.rule import Context

_OPTIONS = late(r"(?:PGOPTIONS|options)\W[^\n]*?lock_timeout\s*=\s*['\"]?(\w+)")
_ROLE = late(r"(?i)\balter\s+(?:role|user|database|system)\s[^;]*?\bset\s+lock_timeout\s*(?:=|to)\s*(?:'([^']*)'|(\w+))")


class Run(NamedTuple):
    """A command of a script that runs migrations with psql."""

    script: Script
    command: Command
    sources: tuple[Source, ...]
    single: bool
    """psql -1: everything in one transaction."""


class Tool(NamedTuple):
    """A migration tool, as its command shows."""

    name: str
    command: re.Pattern[str]
    locks: bool
    """It takes a lock of its own, so that two of them never migrate at once."""


TOOLS: tuple[Tool, ...] = (
    Tool("Alembic", late(r"\balembic\b[^\n;|&]*\bupgrade\b|\bflask\s+db\s+upgrade\b"), False),
    Tool("Django", late(r"(?:\bmanage\.py|\bdjango-admin)\s+migrate\b"), False),
    Tool("Doctrine", late(r"\bdoctrine:migrations:migrate\b"), False),
    Tool("TypeORM", late(r"\btypeorm\b[^\n;|&]*\bmigration:run\b"), False),
    Tool("drizzle", late(r"\bdrizzle-kit\s+(?:migrate|push)"), False),
    Tool("Entity Framework", late(r"\bdotnet\s+ef\s+database\s+update\b|\befbundle\b"), False),
    Tool("Sequelize", late(r"\bsequelize(?:-cli)?\s+db:migrate\b"), False),
    Tool("Laravel", late(r"\bartisan\s+migrate\b(?!:)(?![^\n;|&]*--isolated)"), False),
    Tool("dbmate", late(r"\bdbmate\b[^\n;|&]*\b(?:up|migrate)\b"), False),
    Tool("goose", late(r"\bgoose\b[^\n;|&]*\bup\b"), False),
    Tool("Flyway", late(r"\bflyway\b[^\n;|&]*\bmigrate\b"), True),
    Tool("Liquibase", late(r"\bliquibase\b[^\n;|&]*\bupdate\b"), True),
    Tool("Rails", late(r"\b(?:rails|rake)\b[^\n;|&]*\bdb:(?:migrate|prepare)\b"), True),
    Tool("golang-migrate", late(r"\bmigrate\s+-[^\n;|&]*\bup\b"), True),
    Tool("Prisma", late(r"\bprisma\s+migrate\s+deploy\b"), True),
    Tool("sqlx", late(r"\bsqlx\s+migrate\s+run\b"), True),
    Tool("knex", late(r"\bknex\b[^\n;|&]*\bmigrate:latest\b"), True),
)
RUNS_A_TOOL = Pattern(
    r"""(alembic|flask)[^\n]*upgrade|(manage\.py|django-admin|artisan|drizzle-kit|prisma|sqlx)[\s"',]+(migrate|push)|migration:run"""
    r"""|ef[\s"',]+database[\s"',]+update|efbundle|db:(migrate|prepare)|migrate:latest|doctrine:migrations:migrate|dbmate[^\n]*(up|migrate)"""
    r"""|goose[^\n]*\bup\b|flyway[^\n]*migrate|liquibase[^\n]*update|\bmigrate[\s"',]+-[^\n]*\bup\b"""
)
"""Lines that may start a migration tool."""
ADVISORY = Pattern(r"(?i)pg_(try_)?advisory_(xact_)?lock", once=True)
"""Somebody in the package takes an advisory lock."""
_STARTERS = late(
    r"(?i)\.(sh|bash|service|ya?ml|json|toml|conf|env|cmd|bat|ps1)$|(^|/)(dockerfile|procfile|makefile)[^/]*$|"
    r"(^|/)[^/.]+$"
)


class ToolRun(NamedTuple):
    """A line that starts a migration tool."""

    entry: Entry
    line: int
    text: str
    tool: Tool


def runs(context: Context) -> list[Run]:
    """Every psql command of the package's scripts that runs migrations of the package."""
    return memo(context, "migration runs", lambda: list(_runs(context)))


def _runs(context: Context) -> Iterator[Run]:
    known = sources(context)
    if not known:
        return
    for script in scripts(context):
        if "psql" not in script.text:
            continue
        for command in script.commands:
            words = psql_words(command)
            if words is None:
                continue
            named = " ".join([*words, *command.redirects])
            chosen = tuple(s for s in known if s.entry.place.rpartition("/")[2] in named)
            feeds = _reads_file(words) or any("<" in r for r in command.redirects)
            if not chosen and feeds and "$" in named:
                chosen = (
                    _looped(known, script.text, named)
                    or tuple(s for s in known if s.certain and s.plain)
                    or tuple(s for s in known if s.plain)
                )
            single = any(w == "--single-transaction" or re.fullmatch(r"-[A-Za-z]*1[A-Za-z]*", w) for w in words)
            if chosen:
                yield Run(script, command, chosen, single)


_FOR = late(r"(?m)\bfor\s+(\w+)\s+in\s+([^\n;]+)")


def _looped(known: list[Source], text: str, named: str) -> tuple[Source, ...]:
    """What ``for f in sql/up_*.sql; do psql -f "$f"`` goes through: the plain scripts that fit its patterns."""
    found: dict[str, Source] = {}
    for loop in _FOR.finditer(text):
        if not re.search(rf"\$\{{?{loop[1]}\b", named):
            continue
        for word in re.sub(r"[\"']", "", loop[2]).split():
            path = re.sub(r"^(?:.*\$(?:\w+|\{[^}]*\}|\([^)]*\)))?/*(?:\.{1,2}/)*", "", word)
            if "*" not in path and not path.endswith(".sql"):
                continue
            fits = re.compile(r"(?:^|[/!])" + re.escape(path).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "$")
            found |= {s.entry.place: s for s in known if s.plain and fits.search(s.entry.place)}
    return tuple(found.values())


def psql_words(command: Command) -> list[str] | None:
    """The words after psql, also inside ``runuser -u postgres -- psql`` and ``su postgres -c "psql ..."``."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            words = psql_words(inner)
            if words is not None:
                return [*words, *inner.redirects]
    for number, word in enumerate(command.argv):
        if word.rpartition("/")[2] == "psql":
            return list(command.argv[number + 1 :])
    return None


def _reads_file(words: list[str]) -> bool:
    return any(re.fullmatch(r"-[A-Za-z0-9]*f.*|--file.*", word) for word in words)


def lock_timeout_of(run: Run) -> float:
    """The lock_timeout in milliseconds that the script hands to psql by PGOPTIONS; 0 for none."""
    found = _OPTIONS.search(run.command.text) or _OPTIONS.search(run.script.text)
    return milliseconds_of(found.group(1)) if found else 0.0


def role_timeout(context: Context) -> float:
    """The lock_timeout that some script of the package sets for the role or the database."""

    def look() -> float:
        texts = [text for _, text in fresh(context)] + [s.text for s in sources(context)]
        texts += [script.text for script in scripts(context) if "lock_timeout" in script.text]
        found = [m for text in texts if "lock_timeout" in text for m in _ROLE.finditer(text)]
        return max((milliseconds_of(m.group(1) or m.group(2)) for m in found), default=0.0)

    return memo(context, "role lock_timeout", look)


def tool_runs(context: Context) -> list[ToolRun]:
    """Every line of the package that starts a migration tool."""
    return memo(context, "migration tool runs", lambda: list(_tool_runs(context)))


def _tool_runs(context: Context) -> Iterator[ToolRun]:
    for entry, number, text in acting_lines(context, RUNS_A_TOOL):
        if not _STARTERS.search(entry.place):
            continue
        if re.match(r"\s*(?:echo|printf|log|print)\b", text):
            continue
        for tool in TOOLS:
            # A compose file or a manifest writes a command as a list of words.
            if tool.command.search(text) or tool.command.search(re.sub(r"[\"',\[\]]+\s*", " ", text)):
                yield ToolRun(entry, number, text.strip(), tool)
                break


def takes_lock(text: str) -> bool:
    """True when SQL text takes an advisory lock, or locks its version table."""
    return sql.has_mutex(text)
