"""Liquibase changelogs in XML, YAML and JSON: their changes as the SQL that they send. Pure.

XML is read by expat alone: no external entity is ever opened, and a document with its own entities is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.parsers import expat

from fulldress.formats.sql.shadow import Shadow, Sheet, default, name

_OURS = ("postgresql", "postgres", "all")
_TYPES = {
    "datetime": "timestamp",
    "clob": "text",
    "blob": "bytea",
    "nvarchar": "varchar",
    "tinyint": "smallint",
    "double": "float8",
}


class _Element:
    """One element of the changelog: its tag, attributes, line, text and children."""

    def __init__(self, tag: str, attributes: Mapping[str, Any], line: int) -> None:
        self.tag, self.attributes, self.line = tag, attributes, line
        self.text = ""
        self.children: list[_Element] = []

    def get(self, key: str) -> str:
        """An attribute as text; "" when it is not there."""
        return str(self.attributes.get(key, "") or "")

    def all(self, tag: str) -> Iterator[_Element]:
        """Children with a tag."""
        return (child for child in self.children if child.tag == tag)


def read_xml(_place: str, text: str) -> Shadow | None:
    """A changelog in XML; None for other XML and for what is no XML."""
    root = _tree(text)
    return _read(root) if root is not None and root.tag == "databaseChangeLog" else None


def read_yaml(_place: str, text: str) -> Shadow | None:
    """A changelog in YAML, or in JSON, which is YAML too."""
    if "databaseChangeLog" not in text:
        return None
    from ruamel.yaml import YAML  # noqa: PLC0415 - loaded when needed: heavy, few packages have such files
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - loaded when needed: with the above

    try:
        data = YAML(typ="rt").load(io.StringIO(text))
        root = _Element("databaseChangeLog", {}, 1)
        for item in data["databaseChangeLog"]:
            root.children += _elements(item)
    except (YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return _read(root)


def _elements(item: Any) -> list[_Element]:
    """``- createIndex: {...}`` as elements; nested lists (columns, changes) become children."""
    found = []
    for key, value in item.items() if isinstance(item, Mapping) else ():
        line = item.lc.key(key)[0] + 1 if hasattr(item, "lc") else 1
        inside = value if isinstance(value, Mapping) else {}
        element = _Element(str(key), {k: v for k, v in inside.items() if not isinstance(v, (list, Mapping))}, line)
        for inner_key, inner in inside.items():
            if isinstance(inner, list):
                for one in inner:
                    element.children += _elements(one)
            elif isinstance(inner, Mapping):
                element.children += _elements({inner_key: inner})
        element.text = str(inside.get("sql", "")) if isinstance(value, Mapping) else str(value)
        found.append(element)
    return found


def _tree(text: str) -> _Element | None:
    stack: list[_Element] = []
    root: list[_Element] = []
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = _Element(tag.rpartition(":")[2], attributes, parser.CurrentLineNumber)
        (stack[-1].children if stack else root).append(element)
        stack.append(element)

    def data(chunk: str) -> None:
        if stack:
            stack[-1].text += chunk

    def refuse(*_declared: object) -> None:
        raise ValueError("entities")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: stack.pop() and None
    parser.CharacterDataHandler = data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except (expat.ExpatError, ValueError):
        return None
    return root[0] if root else None


def _read(root: _Element) -> Shadow | None:
    sheet = Sheet()
    for changeset in root.all("changeSet"):
        if not _for_us(changeset):
            continue
        single = changeset.get("runInTransaction").lower() != "false"
        changes = [c for c in changeset.children if c.tag not in ("preConditions", "rollback", "comment", "validCheckSum")]
        if single and changes:
            sheet.put(changeset.line, "BEGIN")
        for change in changes:
            handler = _CHANGES.get(change.tag)
            if handler is not None:
                handler(sheet, change)
            elif change.tag == "sqlFile" and change.get("path").endswith(".sql"):
                continue  # it is read as the script that it is
            elif change.tag in ("sqlFile", "customChange", "executeCommand", "loadData"):
                sheet.doubt(change.line, change.tag)
        if single and changes:
            sheet.put(changes[-1].line, "COMMIT")
    return sheet.made("Liquibase", single=False)


def _for_us(element: _Element) -> bool:
    wanted = [word.strip().lower() for word in element.get("dbms").split(",") if word.strip()]
    return (
        not wanted or any(word in _OURS for word in wanted) or all(w.startswith("!") and w[1:] not in _OURS for w in wanted)
    )


def _type(kind: str) -> str:
    head, paren, rest = kind.lower().partition("(")
    if "${" in kind:
        return "text"
    return _TYPES.get(head.strip(), head.strip() or "text") + (paren + rest if paren else "")


def _table(change: _Element, key: str = "tableName", schema: str = "schemaName") -> str:
    return name(change.get(key) or "fd_run_time", change.get(schema))


def _definition(column: _Element) -> str:
    words = [name(column.get("name") or "fd_run_time"), _type(column.get("type"))]
    for key in ("defaultValue", "defaultValueNumeric", "defaultValueBoolean", "defaultValueDate"):
        if column.get(key):
            words.append(f"DEFAULT {default(column.get(key))}")
    if column.get("defaultValueComputed"):
        words.append(f"DEFAULT {column.get('defaultValueComputed')}")
    for rule in column.all("constraints"):
        if rule.get("nullable").lower() == "false":
            words.append("NOT NULL")
        if rule.get("primaryKey").lower() == "true":
            words.append("PRIMARY KEY")
        if rule.get("unique").lower() == "true":
            words.append("UNIQUE")
        if rule.get("referencedTableName"):
            words.append(f"REFERENCES {name(rule.get('referencedTableName'))}")
    return " ".join(words)


def _sql(sheet: Sheet, change: _Element) -> None:
    if _for_us(change):
        lead = len(change.text) - len(change.text.lstrip("\n \t\r"))
        sheet.put(change.line + change.text.count("\n", 0, lead), change.text)


def _create_table(sheet: Sheet, change: _Element) -> None:
    columns = ", ".join(_definition(c) for c in change.all("column"))
    sheet.put(change.line, f"CREATE TABLE {_table(change)} ({columns})")


def _add_column(sheet: Sheet, change: _Element) -> None:
    for column in change.all("column"):
        sheet.put(column.line, f"ALTER TABLE {_table(change)} ADD COLUMN {_definition(column)}")


def _create_index(sheet: Sheet, change: _Element) -> None:
    keys = ", ".join(
        name(c.get("name")) if c.get("computed").lower() != "true" else c.get("name") for c in change.all("column")
    )
    unique = "UNIQUE " if change.get("unique").lower() == "true" else ""
    sheet.put(
        change.line, f"CREATE {unique}INDEX {name(change.get('indexName'))} ON {_table(change)} ({keys or 'fd_run_time'})"
    )


def _drop_column(sheet: Sheet, change: _Element) -> None:
    for column in [change.get("columnName")] if change.get("columnName") else [c.get("name") for c in change.all("column")]:
        sheet.put(change.line, f"ALTER TABLE {_table(change)} DROP COLUMN {name(column)}")


def _foreign_key(sheet: Sheet, change: _Element) -> None:
    child, parent = _table(change, "baseTableName", ""), _table(change, "referencedTableName", "")
    keys = ", ".join(name(k.strip()) for k in change.get("baseColumnNames").split(",") if k.strip())
    late = " NOT VALID" if change.get("validate").lower() == "false" else ""
    label = name(change.get("constraintName") or "fd_run_time")
    sheet.put(change.line, f"ALTER TABLE {child} ADD CONSTRAINT {label} FOREIGN KEY ({keys}) REFERENCES {parent}{late}")


def _not_null(sheet: Sheet, change: _Element) -> None:
    table, column = _table(change), name(change.get("columnName") or "fd_run_time")
    if change.get("defaultNullValue"):
        value = default(change.get("defaultNullValue"))
        sheet.put(change.line, f"UPDATE {table} SET {column} = {value} WHERE {column} IS NULL")
    sheet.put(change.line, f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")


def _update(sheet: Sheet, change: _Element) -> None:
    where = next((w.text.strip() for w in change.all("where")), "")
    sets = ", ".join(f"{name(c.get('name') or 'fd_run_time')} = NULL" for c in change.all("column"))
    if sets:
        sheet.put(change.line, f"UPDATE {_table(change)} SET {sets}" + (f" WHERE {where}" if where else ""))


def _delete(sheet: Sheet, change: _Element) -> None:
    where = next((w.text.strip() for w in change.all("where")), "")
    sheet.put(change.line, f"DELETE FROM {_table(change)}" + (f" WHERE {where}" if where else ""))


def _keyed(kind: str) -> Callable[[Sheet, _Element], None]:
    def handler(sheet: Sheet, change: _Element) -> None:
        keys = ", ".join(name(k.strip()) for k in change.get("columnNames").split(",") if k.strip())
        label = name(change.get("constraintName") or "fd_run_time")
        sheet.put(change.line, f"ALTER TABLE {_table(change)} ADD CONSTRAINT {label} {kind} ({keys})")

    return handler


def _form(form: str) -> Callable[[Sheet, _Element], None]:
    def handler(sheet: Sheet, change: _Element) -> None:
        got = {key: name(change.get(key) or "fd_run_time") for key in _NAMES}
        sheet.put(change.line, form.format(table=_table(change), type=_type(change.get("newDataType")), **got))

    return handler


_NAMES = (
    "columnName",
    "oldColumnName",
    "newColumnName",
    "oldTableName",
    "newTableName",
    "constraintName",
    "indexName",
    "viewName",
)
_CHANGES: dict[str, Callable[[Sheet, _Element], None]] = {
    "sql": _sql,
    "update": _update,
    "delete": _delete,
    "createTable": _create_table,
    "addColumn": _add_column,
    "createIndex": _create_index,
    "dropColumn": _drop_column,
    "addForeignKeyConstraint": _foreign_key,
    "addNotNullConstraint": _not_null,
    "addUniqueConstraint": _keyed("UNIQUE"),
    "addPrimaryKey": _keyed("PRIMARY KEY"),
    "dropTable": _form("DROP TABLE {table}"),
    "dropIndex": _form("DROP INDEX {indexName}"),
    "dropView": _form("DROP VIEW {viewName}"),
    "renameColumn": _form("ALTER TABLE {table} RENAME COLUMN {oldColumnName} TO {newColumnName}"),
    "renameTable": _form("ALTER TABLE {oldTableName} RENAME TO {newTableName}"),
    "modifyDataType": _form("ALTER TABLE {table} ALTER COLUMN {columnName} TYPE {type}"),
    "dropNotNullConstraint": _form("ALTER TABLE {table} ALTER COLUMN {columnName} DROP NOT NULL"),
    "dropUniqueConstraint": _form("ALTER TABLE {table} DROP CONSTRAINT {constraintName}"),
    "dropForeignKeyConstraint": _form("ALTER TABLE {table} DROP CONSTRAINT {constraintName}"),
}
