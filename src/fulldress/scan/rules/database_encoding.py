"""The package's SQL expects another character set or sort order than the estate's database has.

## What it does
Holds what the SQL says (`CREATE DATABASE ... ENCODING / LC_COLLATE`, MySQL's `CHARSET=` and `COLLATE=`) against the
encoding and collation of the databases that the inventory found; names MySQL collations that the server does not know;
and looks for characters in SQL files that a PostgreSQL database of another encoding cannot hold.

## Why it matters
`CREATE DATABASE` of an existing name fails, or a guard around it keeps the old encoding without a word. A collation that
the server does not know stops the migration (error 1273); a new table of another collation than the old ones makes joins
fail with "illegal mix of collations" and foreign keys with error 3780. A character without equivalent stops the file in its
middle (22P05); in SQL_ASCII it is stored as bytes that nobody can sort.

## Example
```
CREATE TABLE audit (note varchar(200)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;   -- on MariaDB 10.11
```

## Fix
Ask the vendor which encodings were tested. Convert the database before the window, as a step of its own, or create the new
tables in the database's own collation.

## References
- PostgreSQL: Character Set Support; MySQL and MariaDB: Character Sets and Collations
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import DatabaseFacts, Estate, HostFacts
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="database-encoding",
    family="migration",
    title="SQL expects another encoding or sort order than the database has",
    severity="medium",
    confidence="likely",
    needs=("estate",),
)
_CREATES = Pattern(r"(?i)\bcreate\s{1,4}database\s")
_CHARSET = Pattern(
    r"(?i)\b(charset|character\s{1,4}set|collate)\s{0,4}=?\s{0,4}[\"'`]?(utf8|utf8mb3|utf8mb4|latin[12579]|ucs2|utf16|utf32|cp125\d|big5|gbk)\w{0,40}"
)
_WIDE = Pattern(r"[\xc4-\xf4][\x80-\xbf]", once=True)
"""A character beyond Latin-1, in UTF-8."""
LOOKS_FOR = (_CREATES, _CHARSET)
_DATABASE = late(r"(?i)\bcreate\s+database\s+(?:if\s+not\s+exists\s+)?[\"'`]?(?P<name>\w+)")
_ENCODING = late(r"(?i)\bencoding\s*=?\s*'?(?P<value>[\w-]+)")
_COLLATE = late(r"(?i)\b(?:lc_collate|(?<!icu_)locale)\s*=?\s*'(?P<value>[\w.@-]+)'")
_MYSQL = late(
    r"(?i)\b(?:charset|character\s+set)\s*=?\s*[\"'`]?(?P<charset>\w+)|\bcollate\s*=?\s*[\"'`]?(?P<collation>[a-z0-9]+_\w+)"
)
_CODECS = {"LATIN1": "latin-1", "LATIN2": "iso8859-2", "LATIN5": "iso8859-9", "LATIN9": "iso8859-15", "WIN1250": "cp1250",
           "WIN1251": "cp1251", "WIN1252": "cp1252", "KOI8R": "koi8-r", "SQL_ASCII": "ascii"}  # fmt: skip
_SQL = (".sql", ".psql", ".pgsql", ".ddl", ".dml")


class _Seen(NamedTuple):
    severity: Severity
    title: str
    consequence: str
    place: str
    line: int
    text: str


def looks_for(context: Context) -> tuple[Pattern, ...]:
    """Characters beyond Latin-1 only where a database of the estate cannot hold them: they are everywhere."""
    return (_WIDE,) if _closed(context.estate) else ()


def _closed(estate: Estate | None) -> list[DatabaseFacts]:
    found = [database for host in (estate.hosts if estate is not None else ()) for database in host.databases]
    return [database for database in found if database.engine == "postgresql" and database.encoding in _CODECS]


def check(context: Context) -> Iterator[Finding]:
    """One finding for each way in which a database and the SQL differ, at the first place."""
    assert context.estate is not None
    known = [database for host in context.estate.hosts for database in host.databases if database.encoding]
    if not known:
        return
    found: dict[str, list[_Seen]] = {}
    for entry, number, line in acting_lines(context, _CREATES, _CHARSET, among=_acts):
        for seen in _of_line(entry.place, number, _statement(context, entry, number, line), known):
            found.setdefault(seen.title, []).append(seen)
    for seen in _unholdable(context):
        found.setdefault(seen.title, []).append(seen)
    for title, places in found.items():
        yield _finding(title, places)


def _statement(context: Context, entry: Entry, number: int, line: str) -> str:
    """The line; of an SQL file the rest of a CREATE DATABASE with it, up to its semicolon."""
    if not entry.place.endswith(_SQL) or _DATABASE.search(line) is None or ";" in line:
        return line
    rest = (context.text(entry) or "").split("\n")[number : number + 12]
    return f"{line} {' '.join(rest).partition(';')[0]}"


def _acts(entry: Entry) -> bool:
    return standing(entry.place) == "acting" and entry.place.endswith((*_SQL, ".sh", ".php", ".py", ".xml", ".yaml", ".yml"))


def _of_line(place: str, number: int, line: str, known: list[DatabaseFacts]) -> Iterator[_Seen]:
    named = _DATABASE.search(line)
    postgres = [d for d in known if d.engine == "postgresql" and named and d.name == named["name"]]
    for database in postgres:
        encoding, collation = _ENCODING.search(line), _COLLATE.search(line)
        for what, wanted, has in (
            ("encoding", encoding, database.encoding),
            ("sort order", collation, database.collation),
        ):
            if wanted is not None and has and _plain(wanted["value"]) != _plain(has):
                yield _Seen(
                    "medium",
                    f"the package makes {database.name} with the {what} {wanted['value']}; the database here has {has}",
                    "The statement fails, or a guard around it keeps the database as it is, which is not what is expected.",
                    place, number, line,
                )  # fmt: skip
    mysql = [d for d in known if d.engine == "mysql"]
    if mysql and not postgres and place.endswith(_SQL):
        yield from _of_mysql(place, number, line, mysql)


def _of_mysql(place: str, number: int, line: str, known: list[DatabaseFacts]) -> Iterator[_Seen]:
    collations = [match["collation"].lower() for match in _MYSQL.finditer(line) if match["collation"]]
    charsets = [match["charset"].lower() for match in _MYSQL.finditer(line) if match["charset"]]
    for database in known:
        lacks = next((c for c in collations if _unknown_to(c, database.server_version)), "")
        if lacks:
            yield _Seen(
                "high",
                f"the collation {lacks} is unknown to {database.server_version}, which runs {database.name}",
                "The statement stops with error 1273 (unknown collation), in the middle of the migration.",
                place, number, line,
            )  # fmt: skip
            continue
        wanted = next(iter(charsets), "") or next((c.partition("_")[0] for c in collations), "")
        if wanted and _plain(wanted) != _plain(database.encoding) and not _DATABASE.search(line):
            yield _Seen(
                "medium",
                f"the package makes tables in {wanted}, the database {database.name} has {database.encoding}",
                "Joins of text between new and old tables fail with an illegal mix of collations, or use no index;"
                " a foreign key on text is refused (3780).",
                place, number, line,
            )  # fmt: skip


def _unknown_to(collation: str, server: str) -> bool:
    """MySQL 8's ``_0900_`` on a MariaDB before 11.4, MariaDB's ``uca1400`` on MySQL or a MariaDB before 10.10."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", server)[:2])
    mariadb = "mariadb" in server.lower()
    if "_0900_" in collation:
        return numbers < ((11, 4) if mariadb else (8, 0))
    return "uca1400" in collation and (not mariadb or numbers < (10, 10))


def _unholdable(context: Context) -> Iterator[_Seen]:
    """SQL files with characters that a database of another encoding than UTF-8 has no place for."""
    closed = _closed(context.estate)
    if not closed:
        return
    for entry in context.matching(_WIDE, among=lambda e: e.place.endswith(_SQL) and standing(e.place) == "acting"):
        text = context.text(entry)
        if text is None or "\ufffd" in text or re.search(r"\bENGINE\s*=|\bAUTO_INCREMENT\b", text):
            continue
        for database in closed:
            first = _first_without_place(text, _CODECS[database.encoding])
            if first is None:
                continue
            number, character, line = first
            ascii_only = database.encoding == "SQL_ASCII"
            yield _Seen(
                "low" if ascii_only else "medium",
                f"the package's SQL has characters that the database {database.name} ({database.encoding}) cannot hold",
                "They are stored as bytes that no other program reads as text."
                if ascii_only
                else f"“{character}” has no equivalent there: the file stops in its middle (22P05).",
                entry.place, number, line,
            )  # fmt: skip


def _first_without_place(text: str, codec: str) -> tuple[int, str, str] | None:
    for number, line in enumerate(text.split("\n"), 1):
        code = line if line.isascii() else re.sub(r"(^|\s)--.*$", "", line)  # a comment is not stored
        try:
            code.encode(codec)
        except UnicodeEncodeError as error:
            return number, code[error.start], line
    return None


def _plain(name: str) -> str:
    """Spellings of one name: ``UTF-8`` and ``utf8``; MySQL's ``utf8`` is ``utf8mb3``, and never ``utf8mb4``."""
    return re.sub(r"[^a-z0-9@]", "", name.lower()).replace("utf8mb3", "utf8")


def _finding(title: str, places: list[_Seen]) -> Finding:
    first = places[0]
    more = ", ".join(dict.fromkeys(f"{short(seen.place)}:{seen.line}" for seen in places[:5]))
    return Finding(
        rule=META.slug,
        severity=first.severity,
        confidence=META.confidence,
        title=title,
        place=first.place,
        line=first.line,
        excerpt=secrets.hidden(first.text.strip())[:200],
        consequence=f"{first.consequence} ({more})",
        fix="Ask the vendor which encodings were tested; convert the database before the window, or change the statement.",
    )


def _estate(*databases: DatabaseFacts) -> Estate:
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", databases=databases)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_LATIN = _estate(DatabaseFacts(name="lims", server_version="15.4", encoding="LATIN1", collation="de_DE.iso88591"))
_UTF8 = _estate(DatabaseFacts(name="lims", server_version="15.4", encoding="UTF8", collation="de_DE.UTF-8"))
_MARIA = _estate(
    DatabaseFacts(
        name="shop", engine="mysql", server_version="10.11.6-MariaDB", encoding="latin1", collation="latin1_swedish_ci"
    )
)
_MAKES = "CREATE DATABASE lims ENCODING 'UTF8' LC_COLLATE 'de_DE.utf8';\n"
_SPREAD = "CREATE DATABASE lims\n  WITH OWNER app\n  ENCODING = 'UTF8';\n"
BAD = (
    Sample(files={"db/init.sql": _MAKES}, estate=_LATIN),
    Sample(files={"db/init.sql": _SPREAD}, estate=_LATIN),
    Sample(files={"up.sh": f'#!/bin/sh\npsql -c "{_MAKES.strip()}"\n'}, estate=_LATIN),
    Sample(files={"db/2.sql": "INSERT INTO unit VALUES ('€');\n"}, estate=_LATIN),
    Sample(files={"db/1.sql": "CREATE TABLE a (b int) COLLATE=utf8mb4_0900_ai_ci;\n"}, estate=_MARIA),
    Sample(files={"db/1.sql": "CREATE TABLE a (b int) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n"}, estate=_MARIA),
)
GOOD = (
    Sample(files={"db/init.sql": _MAKES, "db/2.sql": "INSERT INTO unit VALUES ('€');\n"}, estate=_UTF8),
    Sample(files={"db/2.sql": "INSERT INTO unit VALUES ('µ'); -- a comment with € and →\n"}, estate=_LATIN),
    Sample(files={"db/init.sql": "CREATE DATABASE other ENCODING 'UTF8';\n"}, estate=_LATIN),
    Sample(files={"db/1.sql": "CREATE TABLE a (b int) DEFAULT CHARSET=latin1;\n"}, estate=_MARIA),
    Sample(files={"db/1.sql": "CREATE TABLE a (b int) DEFAULT CHARSET=utf8mb4;\n"}, estate=_UTF8),
    Sample(files={"README.md": _MAKES, "x.deb!/usr/share/doc/x/examples/a.sql": _MAKES}, estate=_LATIN),
)
