"""Statements of MySQL, MariaDB, Oracle and SQL Server that stop who works, told by their form. Pure.

No catalogue is kept for these servers: a statement on a table that the same file makes is left out, everything else is taken
for a table with rows. Laravel's migrations are read call by call, because its query builder hides the statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.finding import Severity

_SPECIAL = late(r"['\"]|--|#|/\*|;|\n")
_QUOTED = {"'": late(r"[\\']"), '"': late(r"[\\\"]")}
_WHOLE_LINE = late(r"(?i)\s*(?:WHENEVER|SET\s+(?:ECHO|DEFINE|SERVEROUTPUT)|PROMPT|REM|GO|DELIMITER)\b.*|\s*/\s*")
"""Commands of the clients, which end with their line."""
_TABLE = r"[`\"\[]?(?P<table>[\w.$]+(?:[`\"\]]\.[`\"\[]\w+)?)[`\"\]]?"


class Stop(NamedTuple):
    """A statement that stops somebody."""

    line: int
    severity: Severity
    what: str
    text: str


class _Form(NamedTuple):
    pattern: re.Pattern[str]
    severity: Severity
    what: str
    but: re.Pattern[str] | None = None
    """What makes it harmless."""


def _form(pattern: str, severity: Severity, what: str, but: str = "") -> _Form:
    return _Form(
        late(pattern.replace("TABLE_", _TABLE), re.IGNORECASE | re.DOTALL),
        severity,
        what,
        late(but, re.IGNORECASE | re.DOTALL) if but else None,
    )


_ONLINE = r"ALGORITHM\s*=\s*(?:INSTANT|INPLACE)|LOCK\s*=\s*NONE"
_MYSQL = (
    _form(r"^ALTER\s+TABLE\s+TABLE_.*\bALGORITHM\s*=\s*COPY", "high", "copies the table while writes wait"),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s.*\bCONVERT\s+TO\s+CHARACTER\s+SET", "high", "copies the table while writes wait", _ONLINE
    ),
    _form(r"^ALTER\s+TABLE\s+TABLE_\s.*\b(?:MODIFY|CHANGE)\b", "high", "may copy the table while writes wait", _ONLINE),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s.*\bADD\s+(?:FULLTEXT|SPATIAL)", "high", "builds an index while writes wait", "LOCK=NONE"
    ),
    _form(r"^CREATE\s+(?:FULLTEXT|SPATIAL)\s+INDEX\s+\S+\s+ON\s+TABLE_", "high", "builds an index while writes wait"),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s.*\bADD\s+(?:CONSTRAINT\s+\S+\s+)?FOREIGN\s+KEY",
        "high",
        "checks a foreign key while writes wait",
        _ONLINE,
    ),
    _form(r"^ALTER\s+TABLE\s+TABLE_\s.*\bDROP\s+PRIMARY\s+KEY", "high", "copies the table while writes wait"),
    _form(r"^ALTER\s+TABLE\s+TABLE_\s.*\b(?:ENGINE|ROW_FORMAT)\s*=", "medium", "rebuilds the table"),
    _form(r"^OPTIMIZE\s+(?:\w+\s+)?TABLE\s+TABLE_", "medium", "rebuilds the table"),
    _form(r"^LOCK\s+TABLES\s+TABLE_.*\bWRITE\b", "high", "keeps everyone off the table"),
    _form(r"^FLUSH\s+TABLES\s+WITH\s+READ\s+LOCK", "high", "stops every write of the server"),
    _form(r"^(?:SOURCE|\\\.)\s+/", "medium", "runs a file that is not in the package"),
    _form(r"^SET\s+(?:GLOBAL\s+|@@GLOBAL\.)\w+", "medium", "changes a setting for everyone on the server"),
)
_ORACLE = (
    _form(
        r"^CREATE\s+(?:UNIQUE\s+|BITMAP\s+)?INDEX\s+\S+\s+ON\s+TABLE_",
        "high",
        "builds an index while writes wait",
        r"\bONLINE\b",
    ),
    _form(r"^ALTER\s+INDEX\s+\S+\s+REBUILD", "high", "rebuilds an index while writes wait", r"\bONLINE\b"),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s+MOVE\b", "high", "moves the table while writes wait, its indexes unusable", r"\bONLINE\b"
    ),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s.*\bADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:CHECK|FOREIGN\s+KEY)",
        "medium",
        "checks every row while writes wait",
        r"\bNOVALIDATE\b",
    ),
    _form(r"^WHENEVER\s+SQLERROR\s+CONTINUE", "medium", "goes on after an error"),
    _form(r"^LOCK\s+TABLE\s+TABLE_\s.*\bEXCLUSIVE\b", "high", "keeps everyone off the table"),
)
_SQLSERVER = (
    _form(
        r"^CREATE\s+(?:UNIQUE\s+)?(?:(?:NON)?CLUSTERED\s+)?INDEX\s+\S+\s+ON\s+TABLE_",
        "medium",
        "builds an index while writes wait",
        r"ONLINE\s*=\s*ON",
    ),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s+ALTER\s+COLUMN\b", "medium", "may write the whole table under a lock", r"ONLINE\s*=\s*ON"
    ),
    _form(r"^EXEC(?:UTE)?\s+sp_rename\b", "medium", "renames what the running version uses"),
)
_ANY = (
    _form(
        r"^UPDATE\s+TABLE_\s+SET\b",
        "high",
        "changes every row in one transaction",
        r"\bWHERE\b(?!.*\bOR\s+1\s*=\s*1\b)|\bLIMIT\b",
    ),
    _form(
        r"^DELETE\s+FROM\s+TABLE_",
        "high",
        "deletes every row in one transaction",
        r"\bWHERE\b(?!.*\bOR\s+1\s*=\s*1\b)|\bLIMIT\b",
    ),
    _form(r"^TRUNCATE\s+(?:TABLE\s+)?TABLE_", "medium", "takes every row away, without a way back"),
    _form(r"^DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?TABLE_", "medium", "takes a table away, without a way back"),
    _form(
        r"^ALTER\s+TABLE\s+TABLE_\s.*\b(?:DROP\s+(?:COLUMN\b|\((?!\s*PARTITION))|RENAME\s+(?:COLUMN|TO)\b)",
        "medium",
        "takes away what the running version uses",
    ),
)
_FORMS = {"MySQL": _MYSQL, "Oracle": _ORACLE, "SQL Server": _SQLSERVER}
_MADE = late(rf"(?i)^CREATE\s+(?:GLOBAL\s+)?(?:TEMPORARY\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_TABLE}")
_NAMES = {
    "mysql": "MySQL",
    "mariadb": "MySQL",
    "maria": "MySQL",
    "oracle": "Oracle",
    "mssql": "SQL Server",
    "sqlserver": "SQL Server",
}


def stops(text: str, dialect: str) -> list[Stop]:
    """The statements of a script that stop who works, in their order; [] for a database of which nothing is known here."""
    forms = _FORMS.get(_NAMES.get(dialect.lower(), dialect))
    if forms is None:
        return []
    made: set[str] = set()
    found = []
    for line, statement in _statements(text):
        new = _MADE.match(statement)
        if new is not None:
            made.add(new["table"].lower())
            continue
        stop = _judged(statement, (*forms, *_ANY), made)
        if stop is not None:
            found.append(Stop(line, stop.severity, stop.what, " ".join(statement.split())[:200]))
    return found


def _judged(statement: str, forms: tuple[_Form, ...], made: set[str]) -> _Form | None:
    for form in forms:
        match = form.pattern.search(statement)
        if match is not None and not (form.but is not None and form.but.search(statement)):
            table = (match.groupdict().get("table") or "").lower()
            if table not in made:
                return form
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, statement) of a script; bodies of procedures fall apart at their semicolons, and are nothing by then."""
    piece: list[str] = []
    line = begun = 1
    for token in _tokens(text):
        ends = token == ";" or (token == "\n" and len(piece) < FEW and _WHOLE_LINE.fullmatch("".join(piece)) is not None)
        if ends:
            statement = "".join(piece).strip()
            if statement:
                yield begun, statement
            piece = []
        elif piece or token.strip():
            begun = begun if piece else line
            piece.append(token)
        line += token.count("\n")
    if piece:
        yield begun, "".join(piece).strip()


FEW = 12
"""Pieces of which a client's command is made."""


def _tokens(text: str) -> Iterator[str]:
    """Pieces that add up to the text's lines: plain text, strings, semicolons, ends of lines; comments are blank."""
    at = 0
    while at < len(text):
        special = _SPECIAL.search(text, at)
        if special is None:
            yield text[at:]
            return
        if special.start() > at:
            yield text[at : special.start()]
        at = special.end()
        if special[0] in _QUOTED:
            at = _closing(text, at, special[0])
            yield text[special.start() : at]
        elif special[0] in ("--", "#"):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif special[0] == "/*":
            end = text.find("*/", at)
            at = len(text) if end < 0 else end + 2
            yield "\n" * text.count("\n", special.end(), at) or " "
        else:
            yield special[0]


def _closing(text: str, at: int, quote: str) -> int:
    """Behind the quote that ends a string; the end of the text when nothing does."""
    while (mark := _QUOTED[quote].search(text, at)) is not None:
        at = mark.end() + (mark[0] == "\\")
        if mark[0] == quote:
            return at
    return len(text)


_BLOCK = late(r"\bSchema::(create|table|rename|drop|dropIfExists)\s*\(\s*['\"]([\w.]+)['\"]")
_STATEMENT = late(r"\bDB::(?:statement|unprepared|update|delete)\s*\(\s*(['\"])(.*?)\1")
_LARAVEL: tuple[tuple[re.Pattern[str], Severity, str], ...] = (
    (late(r"->change\(\)"), "high", "changes a column's type: the table is copied or rewritten while writes wait"),
    (late(r"->foreign\(|->constrained\("), "high", "checks a foreign key while writes wait"),
    (late(r"->fullText\("), "high", "builds an index while writes wait"),
    (
        late(r"->(?:renameColumn|dropColumn|dropColumns|rename)\("),
        "medium",
        "takes away what the running version uses",
    ),
)
_ALL_ROWS = late(r"\bDB::table\(\s*['\"]\w+['\"]\s*\)\s*->(?:update|delete)\(")


def laravel(text: str) -> list[Stop]:
    """The same for one of Laravel's migrations, the way forward only."""
    found: list[Stop] = []
    made: set[str] = set()
    inside = down = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(("//", "*", "#", "/*")):
            continue
        if re.search(r"\bfunction\s+(up|down)\b", line):
            down = "down" in line
        block = _BLOCK.search(line)
        if block is not None:
            made |= {block[2]} if block[1] == "create" else set()
            inside = block[1] == "table" and block[2] not in made
        if down:
            continue
        hit = next(((s, w) for p, s, w in _LARAVEL if p.search(line)), None) if inside else None
        if block is not None and block[1] in ("rename", "drop", "dropIfExists") and block[2] not in made:
            hit = "medium", "takes away what the running version uses"
        if _ALL_ROWS.search(line):
            hit = "high", "changes every row in one transaction"
        raw = _STATEMENT.search(line)
        form = _judged(raw[2].strip(), (*_MYSQL, *_ANY), made) if raw is not None else None
        if form is not None:
            hit = form.severity, form.what
        if hit is not None:
            found.append(Stop(number, hit[0], hit[1], line.strip()[:200]))
    return found


_CALL = late(
    r"\b\w+\.(AddColumn|AlterColumn|CreateIndex|AddForeignKey|AddCheckConstraint|AddPrimaryKey|AddUniqueConstraint|DropColumn"
    r"|RenameColumn|RenameTable|DropTable|CreateTable|Sql)(?:<[\w.?\[\]<>]+>)?\s*\("
)
_OF_TABLE = late(r"\b(?:table|name)\s*:\s*\"([\w.]+)\"")
_CALLS: dict[str, tuple[Severity, str]] = {
    "AlterColumn": ("high", "may write the whole table under a lock"),
    "CreateIndex": ("high", "builds an index while writes wait"),
    "AddForeignKey": ("high", "checks a foreign key while writes wait"),
    "AddCheckConstraint": ("medium", "checks every row while writes wait"),
    "AddPrimaryKey": ("high", "builds an index while everybody waits"),
    "AddUniqueConstraint": ("high", "builds an index while everybody waits"),
    **dict.fromkeys(
        ("DropColumn", "RenameColumn", "RenameTable", "DropTable"), ("medium", "takes away what the running version uses")
    ),
}
_GENTLE = late(r"CreatedConcurrently\"\s*,\s*true|SqlServer:Online\"\s*,\s*true")
_ITS_SQL = late(r"Sql\s*\(\s*[@$]{0,2}\"+((?:[^\"\\]|\\.|\"\")*)")
_NO_WAY_BACK = late(r"\bvoid\s+Down\s*\([^)]*\)\s*(?:\{|=>)\s*throw\s+new\s+\w*Not(?:Supported|Implemented)")


def efcore(text: str) -> list[Stop]:
    """The same for a migration of Entity Framework Core, the way forward only; and whether there is one back."""
    begin = text.find("void Up(")
    end = text.find("void Down(", begin)
    up = text[begin : end if end > 0 else len(text)] if begin >= 0 else ""
    first = text.count("\n", 0, max(begin, 0)) + 1
    made: set[str] = set()
    found: list[Stop] = []
    for match in _CALL.finditer(up):
        name, call = match[1], up[match.start() : match.start() + LONGEST].split(");", 1)[0]
        table = next((m[1] for m in _OF_TABLE.finditer(call) if m[0].startswith("table") or name in _BY_NAME), "")
        line = first + up.count("\n", 0, match.start())
        shown = " ".join(call.split())[:200]
        if name == "CreateTable":
            made.add(table)
        elif name == "Sql":
            sql = _ITS_SQL.search(call)
            form = _judged(sql[1].strip(), (*_SQLSERVER, *_ANY), made) if sql is not None else None
            if form is not None:
                found.append(Stop(line, form.severity, form.what, shown))
        elif table not in made and not _GENTLE.search(up[match.start() : match.start() + LONGEST].split(";", 1)[0]):
            if name == "AddColumn" and re.search(
                r"defaultValueSql\s*:\s*\"(?!'|\d|NULL|true|false|CURRENT|now\(\)|GETDATE)", call
            ):
                found.append(Stop(line, "high", "computes a value for every row while everybody waits", shown))
            elif name in _CALLS:
                found.append(Stop(line, *_CALLS[name], shown))
    back = _NO_WAY_BACK.search(text)
    if back is not None:
        found.append(Stop(text.count("\n", 0, back.start()) + 1, "low", "has no way back: its Down throws", back[0]))
    return found


LONGEST = 2000
"""Characters of one call."""
_BY_NAME = ("RenameTable", "DropTable", "CreateTable")
"""Calls that give the table as ``name:``."""
