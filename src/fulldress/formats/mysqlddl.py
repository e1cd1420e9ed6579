"""Statements of MySQL and MariaDB that hold writers off a table while they run. Pure; text in, tuples out.

Which change of an InnoDB table blocks was measured on MariaDB 10.11 by asking for it with ``LOCK=NONE`` and seeing whether
the server refuses. What is not known is not said to be harmless: ``sure`` is False where it depends on the column's present
type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fulldress.formats.late import late

_QUOTED = late(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`", re.DOTALL)
_COMMENT = late(r"--(?=\s|$)[^\n]*|#[^\n]*|/\*(?!!).*?\*/", re.DOTALL)
_DELIMITER = late(r"\s*DELIMITER[ \t]+(\S+)[^\n]*(?:\n|$)", re.IGNORECASE)
_NAME = r"(?:`[^`]+`|[\w$]+)(?:\s*\.\s*(?:`[^`]+`|[\w$]+))?"
_ALTER = late(rf"ALTER\s+(?:ONLINE\s+|IGNORE\s+)*TABLE\s+(?:IF\s+EXISTS\s+)?(?P<table>{_NAME})\s*(?P<rest>.*)", re.I | re.S)
_INDEX = late(rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?P<kind>FULLTEXT|SPATIAL)\s+INDEX\b.*?\bON\s+(?P<table>{_NAME})", re.I | re.S)
_MADE = late(rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMPORARY\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>{_NAME})", re.I)
_LOCKED = late(rf"LOCK\s+TABLES?\s+(?P<table>{_NAME})\s+(?:AS\s+\w+\s+)?(?:LOW_PRIORITY\s+)?WRITE", re.I)
_ALL_ROWS = late(rf"(?:UPDATE|DELETE\s+FROM)\s+(?:LOW_PRIORITY\s+|QUICK\s+|IGNORE\s+)*(?P<table>{_NAME})", re.I)
_TYPE = late(r"(?P<base>[a-z]+)\s*(?:\((?P<size>[^)]*)\))?(?P<rest>[^,]*)", re.I | re.S)
_COLUMN = late(r"(?:MODIFY|CHANGE)\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?(?P<name>`[^`]+`|[\w$]+)\s+(?P<rest>.*)", re.I | re.S)
_BYTES = {"utf8mb4": 4, "utf16": 4, "utf32": 4, "utf8": 3, "utf8mb3": 3, "ucs2": 2}
_SAME = {
    "integer": "int",
    "numeric": "decimal",
    "dec": "decimal",
    "bool": "tinyint",
    "boolean": "tinyint",
    "character": "char",
}
_WIDTHLESS = {"tinyint", "smallint", "mediumint", "int", "bigint"}

_BLOCKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (late(pattern, re.I | re.S), why)
    for pattern, why in (
        (r"ALGORITHM\s*=\s*COPY\b", "asks for a copy of the table"),
        (r"LOCK\s*=\s*(SHARED|EXCLUSIVE)\b", "asks for the lock itself"),
        (r"CONVERT\s+TO\s+CHARACTER\s+SET\b|CONVERT\s+TO\s+CHARSET\b", "converts every text of the table"),
        (r"ADD\s+(CONSTRAINT\s+\S+\s+)?FOREIGN\s+KEY\b", "checks a new foreign key"),
        (r"ADD\s+(CONSTRAINT\s+(\S+\s+)?)?CHECK\b", "checks a new condition"),
        (r"ADD\s+(FULLTEXT|SPATIAL)\b", "builds a full-text or spatial index"),
        (r"ADD\s+(COLUMN\s+)?(IF\s+NOT\s+EXISTS\s+)?\(?[`\w$]+\s.*\b(STORED|PERSISTENT)\b", "computes a stored column"),
        (r"ADD\s+(COLUMN\s+)?(IF\s+NOT\s+EXISTS\s+)?\(?[`\w$]+\s.*\bAUTO_INCREMENT\b", "numbers every row"),
        (r"ENGINE\s*=?\s*(?!InnoDB\b)\w+", "moves the table to another engine"),
        (r"(REMOVE\s+PARTITIONING|PARTITION\s+BY)\b", "writes the table anew in other partitions"),
        (r"ORDER\s+BY\b", "sorts the table"),
    )
)


class Blocking(NamedTuple):
    """A statement that holds writers off a table."""

    table: str
    line: int
    text: str
    why: str
    sure: bool = True
    refused: bool = False
    """It asks for ``LOCK=NONE``, and the server refuses it instead of blocking."""


class Known(NamedTuple):
    """What is known of a table: column -> type as information_schema has it, and the character set."""

    columns: Mapping[str, str]
    charset: str = ""


def blocking(text: str, known: Mapping[str, Known]) -> Iterator[Blocking]:
    """Every such statement on a table that the text itself does not make. ``known``: by the table's name."""
    made: set[str] = set()
    checks = True
    for line, statement in statements(text):
        if match := _MADE.match(statement):
            made.add(plain(match["table"]))
        elif re.match(r"SET\b", statement, re.I):
            said = re.search(r"\bforeign_key_checks\s*=\s*(\w+)", statement, re.I)
            checks = said[1].lower() in ("1", "on", "true", "default") or said[1].startswith("@") if said else checks
        else:
            found = _of(statement, line, known, checks)
            if found is not None and found.table not in made:
                yield found


def _of(statement: str, line: int, known: Mapping[str, Known], checks: bool) -> Blocking | None:
    if match := _ALTER.match(statement):
        return _altered(plain(match["table"]), match["rest"], line, statement, known, checks)
    if match := _INDEX.match(statement):
        return Blocking(plain(match["table"]), line, statement, "builds a full-text or spatial index")
    if match := _LOCKED.match(statement):
        return Blocking(plain(match["table"]), line, statement, "locks the table until it is told to let go")
    bare = _QUOTED.sub("''", statement)
    if (match := _ALL_ROWS.match(statement)) and not re.search(r"\b(WHERE|LIMIT|JOIN)\b", bare, re.I):
        return Blocking(plain(match["table"]), line, statement, "locks every row")
    return None


def _altered(table: str, rest: str, line: int, statement: str, known: Mapping[str, Known], checks: bool) -> Blocking | None:
    parts = list(_parts(rest))
    free = any(re.match(r"LOCK\s*=\s*NONE\b|ALGORITHM\s*=\s*(INSTANT|NOCOPY)\b", part, re.I) for part in parts)
    drops_key = any(re.match(r"DROP\s+PRIMARY\s+KEY\b", part, re.I) for part in parts)
    found: list[tuple[str, bool]] = []
    if drops_key and not any(re.match(r"ADD\s+(CONSTRAINT\s+\S+\s+)?PRIMARY\s+KEY\b", part, re.I) for part in parts):
        found.append(("drops the primary key and has no new one", True))
    for part in parts:
        why = next((why for pattern, why in _BLOCKS if pattern.match(part)), "")
        if why and (checks or why != "checks a new foreign key"):
            found.append((why, True))
        elif match := _COLUMN.match(part):
            changed = _changed(match, known.get(table), renames=part[:6].upper() == "CHANGE")
            found += [changed] if changed else []
    if not found:
        return None
    why, sure = next((one for one in found if one[1]), found[0])
    return Blocking(table, line, statement, why, sure, refused=free)


def _changed(match: re.Match[str], known: Known | None, *, renames: bool) -> tuple[str, bool] | None:
    """Whether another type is written into every row; not sure where the present one is not known."""
    name, rest = plain(match["name"]), match["rest"].strip()
    if renames:
        rest = re.sub(r"^(`[^`]+`|[\w$]+)\s+", "", rest)
    new = _type(rest)
    if known is None or name not in known.columns or new is None:
        return (f"may write every row anew for the type of {name}", False)
    old = _type(known.columns[name])
    says_charset = re.search(r"\b(CHARACTER\s+SET|CHARSET|COLLATE)\b", rest, re.I)
    if old is None or says_charset:
        return (f"may write every row anew for the type of {name}", False)
    if old[0] == new[0] and (old[1] == new[1] or old[0] in _WIDTHLESS) and old[2] == new[2]:
        return None
    if old[0] == new[0] == "varchar" and old[1].isdecimal() and new[1].isdecimal():
        width = _BYTES.get(known.charset.lower(), 1 if known.charset else 4)
        before, after = int(old[1]) * width, int(new[1]) * width
        if after >= before and (after < 256) == (before < 256):
            return None
    if (
        old[0] == new[0]
        and old[0] in ("enum", "set")
        and re.sub(r"\s*,\s*", ",", new[1]).startswith(re.sub(r"\s*,\s*", ",", old[1]))
    ):
        return None
    return (f"writes every row anew: {name} is {known.columns[name].removesuffix(' not null')}", True)


def _type(text: str) -> tuple[str, str, bool] | None:
    """(name, size or values, unsigned)."""
    match = _TYPE.match(text.strip())
    if match is None:
        return None
    base = match["base"].lower()
    return _SAME.get(base, base), (match["size"] or "").strip(), "unsigned" in _QUOTED.sub("", match["rest"]).lower()


def plain(name: str) -> str:
    """A table's or column's name without quotes and database."""
    return name.rpartition(".")[2].strip().strip("`")


def statements(text: str) -> Iterator[tuple[int, str]]:
    """(1-based line, statement without its delimiter and comments) in order; ``DELIMITER`` is understood."""
    scanner, at, line, counted = _scanner(";"), 0, 1, 0
    parts: list[str] = []
    begun = -1
    while at < len(text):
        told = _DELIMITER.match(text, at) if begun < 0 else None
        if told is not None:
            scanner, at = _scanner(told[1]), told.end()
            continue
        match = scanner.search(text, at)
        end = match.start() if match is not None else len(text)
        plain_part = text[at:end] + (match[0] if match is not None and match["quoted"] else "")
        if begun < 0 and plain_part.strip():
            begun = at + len(plain_part) - len(plain_part.lstrip())
        parts.append(plain_part)
        at = match.end() if match is not None else len(text)
        if match is not None and match["comment"]:
            parts.append(" ")
        elif match is None or match["delimiter"]:
            if begun >= 0:
                line, counted = line + text.count("\n", counted, begun), begun
                yield line, "".join(parts).strip()
            parts.clear()
            begun = -1


def _scanner(delimiter: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<quoted>{_QUOTED.pattern})|(?P<comment>{_COMMENT.pattern})|(?P<delimiter>{re.escape(delimiter)})", re.DOTALL
    )


def _parts(rest: str) -> Iterator[str]:
    """The specifications of ALTER TABLE: at commas outside quotes and parentheses."""
    depth, held = 0, ""
    at = 0
    while at < len(rest):
        if rest[at] in "'\"`" and (piece := _QUOTED.match(rest, at)):
            held += piece[0]
            at = piece.end()
            continue
        depth += (rest[at] == "(") - (rest[at] == ")")
        if rest[at] == "," and depth <= 0:
            yield held.strip()
            held = ""
        else:
            held += rest[at]
        at += 1
    if held.strip():
        yield held.strip()
