"""Which files of a package migrate an existing database, written for which tool, in which order. Pure.

SQL is also schema for fresh databases, extension scripts, seeds, dumps, tests, examples and other databases' dialects:
none of these stops people who work. What a file is, is told by who runs it, by its place and name, and by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.sql import embedded
from fulldress.model.package import Entry
from fulldress.scan.reading import is_prose, is_vendored, memo
from fulldress.scan.rule import Context

MAX_SQL = 1 << 20
"""Larger scripts are dumps, not migrations."""

CHANGELOG = Pattern(r"\bdatabaseChangeLog\b", once=True)
"""Liquibase's changelogs lie anywhere and have any name."""

Role = Literal["migration", "possible", "fresh", "down", "foreign", "other"]
"""``possible``: it may be one; ``fresh``: for a database that is made new; ``foreign``: another database's dialect."""

_OTHER = late(
    r"(?i)(^|/)(tests?|testing|testdata|test-data|__tests__|t|specs?|fixtures?|examples?|samples?|example_dags|docs?|"
    r"benchmarks?|mocks?|seeds?|seeders|demo-data|templates?|extension|queries|reports)/"
    r"|(^|/)[\w.]+--[\w.]+(--[\w.]+)?\.sql$"
)
_FRESH_PLACE = late(
    r"(?i)(^|/)(docker-entrypoint-initdb\.d|initdb\.d|init|install|bootstrap|schema|ddl/create)/[^/]*$"
    r"|(^|/)([\w-]*[_-])?(schema|structure|init|initdb|install|create|baseline|bootstrap|tables|indexes|indices|constraints|"
    r"functions|grants|views|seed|seeds|data|populate|fill|dump|system_tables|sys_schema)([_-][\w-]*)?\.sql$"
)
_MIGRATES = late(
    r"(?i)(^|/)(migrations?|migrate|alembic|flyway|liquibase|changelogs?|changes|upgrades?|updates?|patch(es)?|deltas?|"
    r"versions|evolutions|drizzle|changesets?|db-?update)/"
    r"|(^|/)(V|U|R|B)\d*[\d._]*__[^/]+\.sql$"
    r"|(^|/)\d+([._-][^/]*)?\.sql$"
    r"|(^|/)[^/]*(upgrade|migrat|hotfix|patch|alter[_-]|delta|update[_-]?\d|to[_-]?v?\d)[^/]*\.sql$"
)
_DOWN = late(r"(?i)(^|[/._-])(down|undo|rollback|revert)([/._-]|$)|(^|/)U[\d._]+__[^/]*\.sql$")
_FOREIGN_PLACE = late(
    r"(?i)(^|[/._-])(mysql|mariadb|sqlite3?|mssql|sqlserver|oracle|db2|h2|derby|hsqldb|firebird|clickhouse|cassandra|maria)"
    r"([/._-]|$)"
)
_DIALECTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "MySQL",
        late(
            r"(?im)\bENGINE\s*=\s*\w+|\bAUTO_INCREMENT\b|/\*!\d{5}|^[^\S\n]*DELIMITER\s|\b(?:table|into|update|exists|index)\s+`\w+`"
            r"|^[^\S\n]*(?:SET\s+(?:NAMES|SESSION|GLOBAL|FOREIGN_KEY_CHECKS|@@?\w+)\b|USE\s+\w+;|FLUSH\s)|\bmysql\.\w+"
            r"|\bMODIFY\s+(?:COLUMN\s+)?\w+\s+\w+"
        ),
    ),
    ("SQLite", late(r"(?im)^[^\S\n]*PRAGMA\s|\bAUTOINCREMENT\b|\bsqlite_(?:master|sequence)\b")),
    (
        "SQL Server",
        late(r"(?im)^[^\S\n]*GO[^\S\n]*$|\bNVARCHAR\b|\bIDENTITY\s*\(\s*1\s*,\s*1\s*\)|\[dbo\]\.|\bsp_rename\b"),
    ),
    ("Oracle", late(r"(?im)\bVARCHAR2\b|\bNUMBER\s*\(|^/\s*$|\bEND;\s*\n/|\bEXECUTE\s+IMMEDIATE\b")),
)
_WORDS = {
    "MySQL": ("engine", "auto_increment", "/*!", "delimiter", "`", "flush", "mysql.", "modify"),
    "SQLite": ("pragma", "autoincrement", "sqlite_"),
    "SQL Server": ("nvarchar", "identity", "[dbo].", "sp_rename"),
    "Oracle": ("varchar2", "number", "\n/", "immediate"),
}
"""In lower case, one of these or of what follows is in every text of the dialect: most texts are told by that alone."""
_BEGINNINGS = {"set": "MySQL", "use": "MySQL", "go": "SQL Server"}
_BEGINNING = late(r"(?m)^[^\S\n]*(?:(set)\s+(?:names|session|global|foreign_key_checks|@)|(use)\s|(go)\b)")
_DUMP = late(r"(?i)\A(?:\s*--[^\n]*\n)*\s*--\s*(?:PostgreSQL database (?:cluster )?dump|MySQL dump|MariaDB dump)")
_VERSION = late(r"(?i)^(?:V|R|B)?(\d+(?:[._]\d+)*)")


class Source(NamedTuple):
    """A file that migrates (or may migrate) a PostgreSQL database."""

    entry: Entry
    text: str
    """Its SQL, line for line as in the file; what is no SQL, or only leads back, is blank."""
    tool: str
    """Who runs it, if the file tells: ``alembic``, ``Flyway`` ...; "" for a plain script."""
    certain: bool
    """False when it only may be a migration."""
    single: bool
    """Its tool runs it in one transaction."""
    unread: tuple[tuple[int, str], ...] = ()
    """(line, text) of what a program does that is not SQL: its loops over rows, its functions."""

    @property
    def plain(self) -> bool:
        """True for a script that psql runs as it is."""
        return not self.tool and self.entry.place.endswith(".sql")


class Foreign(NamedTuple):
    """A script in another database's dialect."""

    entry: Entry
    dialect: str


def is_down(place: str) -> bool:
    """True for scripts that take a migration back, by their name or folder."""
    return _DOWN.search("/".join(place.split("/")[-2:])) is not None


def stem(place: str) -> str:
    """The name that a migration and its way back share."""
    name = place.rpartition("/")[2].removesuffix(".sql").lower()
    for word in ("down", "undo", "rollback", "revert", "up"):
        name = name.replace(f".{word}", "").replace(f"_{word}", "").replace(f"-{word}", "").replace(f"{word}_", "")
    return name


def natural(place: str) -> tuple[str, tuple[tuple[int, int, str], ...]]:
    """Sort key: folder, then the name with its numbers as numbers."""
    folder, _, name = place.rpartition("/")
    parts = re.findall(r"\d+|\D+", name.lower())
    return folder, tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts)


def version_of(place: str) -> tuple[int, ...]:
    """The version number that a migration's name begins with; () when it has none."""
    found = _VERSION.match(place.rpartition("/")[2])
    return tuple(int(part) for part in re.split(r"[._]", found.group(1))) if found else ()


def role(place: str, text: str) -> Role:
    """What an SQL file is, by its place, name and content."""
    if is_down(place):
        return "down"
    if _OTHER.search(place) or is_prose(place) or is_vendored(place) or _DUMP.match(text):
        return "other"
    if dialect(place, text):
        return "foreign"
    if _MIGRATES.search(place):
        return "migration"
    return "fresh" if _FRESH_PLACE.search(place) else "possible"


def is_upgrade(place: str) -> bool:
    """True where the place or name of a script says that it changes a database that is there."""
    return _MIGRATES.search(place) is not None and _FRESH_PLACE.search(place) is None


def dialect(place: str, text: str) -> str:
    """The other database whose dialect it is; "" for PostgreSQL, or when nothing tells."""
    head = text[:200_000]
    likely = _likely(head)
    words = {name: {m.group(0).lower() for m in pattern.finditer(head)} for name, pattern in _DIALECTS if name in likely}
    most, name = max((len(words.get(name, ())), name) for name, _ in _DIALECTS)
    placed = _FOREIGN_PLACE.search(place)
    if most >= 2 or (most and (placed or "`" in head)):
        return name
    if placed and not re.search(r"(?i)postgres|pgsql|pg_", place):
        return placed.group(2)
    return ""


def _likely(head: str) -> set[str]:
    """The dialects that it may be written in, at a glance."""
    if not head.isascii():  # other letters may count as those of a word
        return {name for name, _ in _DIALECTS}
    lower = head.lower()
    likely = {name for name, words in _WORDS.items() if any(word in lower for word in words)}
    likely |= {_BEGINNINGS[found.group(found.lastindex or 0)] for found in _BEGINNING.finditer(lower)}
    return likely | {"Oracle"} if lower.startswith("/") else likely


def sources(context: Context) -> list[Source]:
    """Every migration of the package, in the order in which they run."""
    return memo(context, "migration sources", lambda: sorted(_sources(context), key=lambda s: natural(s.entry.place)))


def foreign(context: Context) -> list[Foreign]:
    """Scripts of other databases."""
    return [Foreign(entry, dialect(entry.place, text)) for entry, text, _ in _being(context, "foreign")]


def fresh(context: Context) -> list[tuple[Entry, str]]:
    """Scripts that make a database new: they tell the types and keys of tables."""

    def find() -> list[tuple[Entry, str]]:
        return [(entry, text) for entry, text, _ in _being(context, "fresh")]

    return memo(context, "scripts for a new database", find)  # asked for by every series and every cure


def _being(context: Context, *wanted: Role) -> Iterator[tuple[Entry, str, Role]]:
    """The SQL files of these roles."""

    def find() -> list[tuple[Entry, Role]]:
        return [(e, role(e.place, text)) for e, text in context.texts(".sql") if len(text) <= MAX_SQL]

    for entry, what in memo(context, "roles of SQL", find):
        text = context.text(entry) if what in wanted else None
        if text is not None:
            yield entry, text, what


def _sources(context: Context) -> Iterator[Source]:
    for entry, text, what in _being(context, "migration", "possible"):
        tool, single, up = embedded.section(entry.place, text)
        yield Source(entry, up, tool, what == "migration", single)
    changelogs = context.matching(CHANGELOG, among=lambda e: e.place.endswith(embedded.CHANGELOGS))
    programs = {entry.place: entry for entry in (*context.ending(*embedded.PROGRAMS), *changelogs)}
    named = {entry.place for entry in changelogs}
    for entry in programs.values():
        reader = embedded.changelog_reader(entry.place) if entry.place in named else embedded.reader(entry.place)
        if reader is None or entry.size > MAX_SQL or _OTHER.search(entry.place):
            continue
        program = context.text(entry)
        read = reader(entry.place, program) if program is not None else None
        if read is not None:
            # In a library's folder it may be the product's own: told, but low.
            yield Source(entry, read.text, read.tool, not is_vendored(entry.place), read.single, read.unread)
