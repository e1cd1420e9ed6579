"""SQL inside other files: sections of a migration tool's SQL file, and migrations written in a program or a changelog.

Each is brought into one form: SQL text in which every statement stands at its line of the file. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fulldress.formats.late import late
from fulldress.formats.sql.changelog import read_xml, read_yaml
from fulldress.formats.sql.programs import read_ruby, read_strings
from fulldress.formats.sql.python import read_python
from fulldress.formats.sql.shadow import Shadow

_DOWN_MARK = late(r"(?im)^[^\S\n]*--\s*(?:\+goose\s+Down|migrate:down|\+migrate\s+Down|rollback\b|\+micrate\s+Down|//@UNDO)")
_UP_MARK = late(r"(?im)^[^\S\n]*--\s*(?:\+goose\s+Up|migrate:up|\+migrate\s+Up|changeset\s)")
_TOOLS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("goose", late(r"(?im)^[^\S\n]*--\s*\+goose\s")),
    ("dbmate", late(r"(?im)^[^\S\n]*--\s*migrate:up")),
    ("sql-migrate", late(r"(?im)^[^\S\n]*--\s*\+migrate\s")),
    ("Liquibase", late(r"(?i)\A\s*--\s*liquibase formatted sql")),
    ("drizzle", late(r"-->\s*statement-breakpoint")),
)
_ALONE = late(
    r"(?im)^[^\S\n]*--.*(?:NO TRANSACTION|transaction:\s*false|notransaction|no-transaction|runInTransaction:false)"
)
_PLACES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Flyway", late(r"(?:^|/)[VRB][\d._]*__[^/]+\.sql$")),
    ("Prisma", late(r"(?:^|/)\d+\w*/migration\.sql$")),
    ("drizzle", late(r"(?i)(?:^|/)drizzle/\d+_[^/]+\.sql$")),
    ("golang-migrate", late(r"(?:^|/)\d+_[^/]+\.up\.sql$")),
)
_CONCURRENT = late(r"(?i)\bconcurrently\b")
Reader = Callable[[str, str], Shadow | None]


def section(place: str, text: str) -> tuple[str, bool, str]:
    """(tool, in one transaction, the SQL that leads forward) of an SQL file."""
    tool = next((name for name, pattern in _TOOLS if pattern.search(text)), "")
    tool = tool or next((name for name, pattern in _PLACES if pattern.search(place)), "")
    if not tool:
        return "", False, text
    # Flyway and Prisma leave the transaction away for a file that cannot have one.
    single = not _ALONE.search(text) and not (tool in ("Flyway", "Prisma") and _only_concurrent(text))
    if tool == "Liquibase":
        return tool, False, _changesets(_forward(text))
    return tool, single, _forward(text)


_CHANGESET = re.compile(r"(?i)^\s*--\s*changeset\s")


def _changesets(text: str) -> str:
    """Each changeset is a transaction of its own, unless it says otherwise; written out where its comment stands."""
    lines, opened = [], False
    for line in text.split("\n"):
        if _CHANGESET.match(line):
            close = "COMMIT; " if opened else ""
            opened = re.search(r"(?i)runInTransaction\s*:\s*false", line) is None
            line = close + ("BEGIN;" if opened else "")
        lines.append(line)
    return "\n".join(lines) + (" COMMIT;" if opened and not lines[-1] else "\nCOMMIT;" if opened else "")


def _only_concurrent(text: str) -> bool:
    bare = re.sub(r"--[^\n]*", "", text)
    kept = [piece for piece in bare.split(";") if piece.strip() and not re.match(r"(?i)\s*set\b", piece)]
    return bool(kept) and all(_CONCURRENT.search(piece) for piece in kept)


def _forward(text: str) -> str:
    """The text with the sections that lead back blanked, line by line."""
    lines, down = [], False
    for line in text.split("\n"):
        if re.match(r"(?i)\s*--\s*rollback\b", line):
            lines.append("")
            continue
        if _DOWN_MARK.match(line):
            down = True
        elif _UP_MARK.match(line):
            down = False
        lines.append("" if down else line)
    return "\n".join(lines)


_READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (late(r"(?:^|/)(?:migrations|versions|alembic)/(?:[^/]+/)?[^/]+\.py$"), read_python),
    (late(r"(?:^|/)db/(?:post_)?migrate/[^/]+\.rb$"), read_ruby),
    (late(r"(?i)(?:^|/)(?:[^/]*changelog[^/]*|[^/]*changeset[^/]*)/?[^/]*\.xml$|(?:^|/)liquibase/.*\.xml$"), read_xml),
    (
        late(r"(?i)(?:^|/)(?:[^/]*changelog[^/]*|[^/]*changeset[^/]*)/?[^/]*\.ya?ml$|(?:^|/)liquibase/.*\.ya?ml$"),
        read_yaml,
    ),
    (late(r"(?i)(?:^|/)migrations?/[^/]+\.(?:js|ts|cjs|mjs|cs)$"), read_strings),
)


CHANGELOGS = (".xml", ".yml", ".yaml", ".json")
"""Suffixes of changelogs, which lie anywhere: their content tells."""
PROGRAMS = (".py", ".rb", ".xml", ".yml", ".yaml", ".js", ".ts", ".cjs", ".mjs", ".cs")


def reader(place: str) -> Reader | None:
    """Who reads the migrations in a file that is not SQL; None when its place promises none."""
    if not place.endswith(PROGRAMS):
        return None
    return next((read for pattern, read in _READERS if pattern.search(place)), None)


def changelog_reader(place: str) -> Reader | None:
    """Who reads a changelog of Liquibase, wherever it lies."""
    return (read_xml if place.endswith(".xml") else read_yaml) if place.endswith(CHANGELOGS) else None
