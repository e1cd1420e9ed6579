"""Migrations in Ruby (Rails), JavaScript, TypeScript and C#: the calls that name what they do, and literal SQL. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from fulldress.formats.late import late
from fulldress.formats.sql.shadow import Shadow, Sheet, default, name, names

_CALL = late(
    r"^\s*(?:safety_assured\s*\{\s*)?(add_index|remove_index|add_column|remove_column|rename_column|rename_table|"
    r"change_column_null|change_column|add_foreign_key|validate_foreign_key|add_reference|add_belongs_to|"
    r"create_table|drop_table|add_check_constraint|execute)\b\s*\(?(.*)$"
)
_SYMBOL = late(r""":(\w+)(?![\w:])|["']([\w.]+)["']""")
_OPTION = late(r"""(\w+):\s*(\{[^}]*\}|\[[^\]]*\]|:\w+|"[^"]*"|'[^']*'|[\w.\-]+)""")
_TYPES = {
    "string": "varchar",
    "datetime": "timestamp",
    "references": "bigint",
    "binary": "bytea",
    "float": "double precision",
    "decimal": "numeric",
}
_QUERY = late(
    r"""\.(?:query|raw|sql|executeSql|Sql|ExecuteSqlRaw|addSql)\s*\(\s*(?:sql)?(?:`([^`]*)`|@"((?:[^"]|"")*)"|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')"""
)
_DOWN_HALF = late(
    r"(?m)(?:exports\.down|async\s+down\s*\(|\bdown\s*[:=]\s*(?:async|function|\()|void\s+Down\s*\(|public\s+async\s+down)"
)


def read_strings(place: str, text: str) -> Shadow | None:
    """Literal SQL in a JavaScript, TypeScript or C# migration, up to where it turns back."""
    sheet = Sheet()
    back = _DOWN_HALF.search(text)
    forward = text[: back.start()] if back else text
    for found in _QUERY.finditer(forward):
        sql = next(g for g in found.groups() if g is not None)
        sql = re.sub(r"\$\{[^}]*\}", "fd_run_time", sql).replace('""', '"') if found.group(2) is None else found.group(2)
        sheet.put(text.count("\n", 0, found.start()) + 1, sql.replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"'))
    tool = "Entity Framework" if place.endswith(".cs") else "TypeORM" if "queryRunner" in text else "knex"
    single = not re.search(r"transaction\s*[:=]\s*false|suppressTransaction:\s*true", text)
    return sheet.made(tool, single=single)


def read_ruby(_place: str, text: str) -> Shadow | None:
    """A Rails migration: its helper calls and its literal SQL."""
    if "ActiveRecord::Migration" not in text:
        return None
    sheet = Sheet()
    lines, skip = text.split("\n"), False
    for number, line in enumerate(_joined(lines), 1):
        if re.match(r"\s*def\s+(?:self\.)?down\b|\s*dir\.down\b", line):
            skip = True
        elif re.match(r"\s*def\s|\s*dir\.up\b", line):
            skip = False
        found = _CALL.match(line)
        if found and not skip:
            _helper(sheet, number, found.group(1), found.group(2), lines)
    return sheet.made("Rails", single="disable_ddl_transaction!" not in text)


def _joined(lines: list[str]) -> list[str]:
    """Calls over several lines brought onto their first; the others stay empty."""
    out = list(lines)
    for at in range(len(out) - 1, 0, -1):
        if out[at - 1].rstrip().endswith((",", "(")) and not out[at - 1].lstrip().startswith("#"):
            out[at - 1], out[at] = out[at - 1].rstrip() + " " + out[at].strip(), ""
    return out


def _helper(sheet: Sheet, line: int, action: str, rest: str, lines: list[str]) -> None:
    options = dict(_OPTION.findall(rest))
    plain = _OPTION.sub("", rest)
    words = [a or b for a, b in _SYMBOL.findall(re.sub(r"\[[^\]]*\]", "", plain))]
    listed = re.search(r"\[([^\]]*)\]", plain)
    keys = [a or b for a, b in _SYMBOL.findall(listed.group(1))] if listed else words[1:2]
    table = name(words[0]) if words else "fd_run_time"
    handler = _HELPERS.get(action)
    if action == "execute":
        _execute(sheet, line, rest, lines)
    elif handler is not None:
        sheet.put(line, handler(table, words, keys, options))


def _execute(sheet: Sheet, line: int, rest: str, lines: list[str]) -> None:
    here = re.match(r"\s*<<[~-]?['\"]?(\w+)", rest)
    if here:
        body = []
        for text in lines[line:]:
            if text.strip() == here.group(1):
                break
            body.append(text)
        sheet.put(line + 1, re.sub(r"#\{[^}]*\}", "fd_run_time", "\n".join(body)))
    elif quoted := re.match(r"""\s*(["'])(.*?)\1\s*\)?\s*\}?\s*$""", rest):
        sheet.put(line, re.sub(r"#\{[^}]*\}", "fd_run_time", quoted.group(2)))
    else:
        sheet.doubt(line, "execute with SQL that the program puts together")


def _add_column(table: str, words: list[str], _keys: list[str], options: dict[str, str]) -> str:
    kind = _TYPES.get(words[2], words[2]) if len(words) > 2 else "text"
    value = options.get("default", "nil").strip(":\"'")
    given = f" DEFAULT {default(value)}" if value != "nil" else ""
    required = " NOT NULL" if options.get("null") == "false" else ""
    return f"ALTER TABLE {table} ADD COLUMN {name(words[1]) if len(words) > 1 else 'fd_run_time'} {kind}{given}{required}"


def _add_index(table: str, _words: list[str], keys: list[str], options: dict[str, str]) -> str:
    apart = "CONCURRENTLY " if "concurrently" in options.get("algorithm", "") else ""
    unique = "UNIQUE " if options.get("unique") == "true" else ""
    label = name(options["name"].strip(":\"'")) if "name" in options else ""
    return f"CREATE {unique}INDEX {apart}{label} ON {table} ({names(keys or ['fd_run_time'])})"


def _add_reference(table: str, words: list[str], _keys: list[str], options: dict[str, str]) -> str:
    column = name(f"{words[1]}_id") if len(words) > 1 else "fd_run_time"
    sql = f"ALTER TABLE {table} ADD COLUMN {column} bigint"
    if options.get("null") == "false":
        sql += " NOT NULL"
    key = options.get("foreign_key", "")
    if key == "true" or key.startswith("{"):
        sql += f" REFERENCES {name(words[1] + 's')}"
    index = options.get("index", "true")
    if index != "false":
        sql += f"; CREATE INDEX {'CONCURRENTLY ' if 'concurrently' in index else ''}ON {table} ({column})"
    return sql


def _foreign_key(table: str, words: list[str], _keys: list[str], options: dict[str, str]) -> str:
    column = options.get("column", f":{words[1].rstrip('s')}_id" if len(words) > 1 else ":fd_run_time").strip(":\"'")
    late = " NOT VALID" if options.get("validate") == "false" else ""
    parent = name(words[1]) if len(words) > 1 else "fd_run_time"
    return f"ALTER TABLE {table} ADD FOREIGN KEY ({name(column)}) REFERENCES {parent}{late}"


def _null(table: str, words: list[str], _keys: list[str], options: dict[str, str]) -> str:
    del options
    return f"ALTER TABLE {table} ALTER COLUMN {name(words[1]) if len(words) > 1 else 'fd_run_time'} SET NOT NULL"


def _remove_index(_table: str, _words: list[str], _keys: list[str], options: dict[str, str]) -> str:
    apart = "CONCURRENTLY " if "concurrently" in options.get("algorithm", "") else ""
    return f"DROP INDEX {apart}{name(options.get('name', 'fd_run_time').strip(':' + chr(34) + chr(39)))}"


def _two(form: str) -> Callable[[str, list[str], list[str], dict[str, str]], str]:
    def made(table: str, words: list[str], _keys: list[str], _options: dict[str, str]) -> str:
        more = [name(word) for word in words[1:]] + ["fd_run_time", "text"]
        return form.format(table, *more)

    return made


_HELPERS: dict[str, Callable[[str, list[str], list[str], dict[str, str]], str]] = {
    "add_index": _add_index,
    "remove_index": _remove_index,
    "add_column": _add_column,
    "remove_column": _two("ALTER TABLE {0} DROP COLUMN {1}"),
    "rename_column": _two("ALTER TABLE {0} RENAME COLUMN {1} TO {2}"),
    "rename_table": _two("ALTER TABLE {0} RENAME TO {1}"),
    "change_column": _two("ALTER TABLE {0} ALTER COLUMN {1} TYPE {2}"),
    "change_column_null": _null,
    "add_foreign_key": _foreign_key,
    "add_reference": _add_reference,
    "add_belongs_to": _add_reference,
    "create_table": _two("CREATE TABLE {0} (id bigint)"),
    "drop_table": _two("DROP TABLE {0}"),
    "add_check_constraint": _two("ALTER TABLE {0} ADD CHECK (fd_run_time > 0)"),
}
