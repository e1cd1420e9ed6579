"""The way back from a migration that only added things: derived from its statements, or not at all. Pure."""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.sql import online
from fulldress.formats.sql.altering import commands
from fulldress.formats.sql.catalogue import constraint_name
from fulldress.formats.sql.dynamic import AT_RUN_TIME
from fulldress.formats.sql.names import columns, deparse, dotted, ident, relation, written
from fulldress.formats.sql.parse import Statement, script
from fulldress.formats.sql.rewrite import index_name, version_row

_NEUTRAL = {"transaction_stmt", "variable_set_stmt", "select_stmt", "do_stmt", "vacuum_stmt", "reindex_stmt", "cluster_stmt"}
_BRIEF = {pb.AT_ValidateConstraint, pb.AT_SetStatistics}
_TITLE = "-- Reverts what the migration added. Each statement commits by itself and may be run again.\n"


class _Lossy(Exception):
    """Something that existed before would not come back."""


def derive_down(text: str) -> str | None:
    """SQL that reverts an expand-only migration (as it came or rewritten), or None when data or schema would be lost."""
    parsed = script(text)
    if parsed.unparsed or any(meta.name in ("i", "ir", "include", "copy") for meta in parsed.metas):
        return None
    work = _Down()
    try:
        for statement in parsed.statements:
            work.take(statement)
    except _Lossy:
        return None
    return work.text()


class _Down:
    """Collects the undo of each statement; they run in reverse order, the version row last."""

    def __init__(self) -> None:
        self.undo: dict[tuple[str, ...], str] = {}
        """What was made -> how it goes away. A later DROP in the migration takes the entry out again."""
        self.version = ""

    def text(self) -> str | None:
        if not self.undo and not self.version:
            return None
        steps = [step for step in reversed(self.undo.values()) if step]
        return "\n".join([_TITLE + online.HEADER, *(step + "\n" for step in steps), self.version]).rstrip() + "\n"

    def take(self, statement: Statement) -> None:
        if statement.alone and statement.kind == "drop_stmt" and statement.text.endswith(AT_RUN_TIME):
            # The online form drops the invalid left-over of an index that it builds.
            return
        handler = getattr(self, f"_{statement.kind}", None)
        if handler is not None:
            handler(statement.node)
        elif statement.kind == "insert_stmt":
            self._insert(statement)
        elif statement.kind in ("update_stmt", "delete_stmt"):
            self._write(statement)
        elif statement.kind not in _NEUTRAL:
            raise _Lossy(statement.kind)

    def _made(self, table: str, column: str = "") -> bool:
        return ("table", table) in self.undo or bool(column and ("column", table, column) in self.undo)

    def _create_stmt(self, node: Any) -> None:
        self.undo[("table", relation(node.relation))] = online.attempt(f"DROP TABLE IF EXISTS {written(node.relation)}")

    def _create_table_as_stmt(self, node: Any) -> None:
        what = "MATERIALIZED VIEW" if node.objtype == pb.OBJECT_MATVIEW else "TABLE"
        drop = f"DROP {what} IF EXISTS {written(node.into.rel)}"
        self.undo[("table", relation(node.into.rel))] = online.attempt(drop)

    def _create_seq_stmt(self, node: Any) -> None:
        self.undo[("sequence", relation(node.sequence))] = online.attempt(
            f"DROP SEQUENCE IF EXISTS {written(node.sequence)}"
        )

    def _alter_seq_stmt(self, node: Any) -> None:
        if ("sequence", relation(node.sequence)) not in self.undo:
            raise _Lossy("alter sequence")

    def _create_enum_stmt(self, node: Any) -> None:
        name = dotted(node.type_name)
        self.undo[("type", name)] = online.attempt("DROP TYPE IF EXISTS " + ".".join(map(ident, name.split("."))))

    def _create_schema_stmt(self, node: Any) -> None:
        if node.schema_elts:
            raise _Lossy("create schema with elements")
        self.undo[("schema", node.schemaname)] = online.attempt(f"DROP SCHEMA IF EXISTS {ident(node.schemaname)}")

    def _view_stmt(self, node: Any) -> None:
        if node.replace and not self._made(relation(node.view)):
            raise _Lossy("create or replace view")
        self.undo[("table", relation(node.view))] = online.attempt(f"DROP VIEW IF EXISTS {written(node.view)}")

    def _create_trig_stmt(self, node: Any) -> None:
        if node.replace:
            raise _Lossy("create or replace trigger")
        drop = f"DROP TRIGGER IF EXISTS {ident(node.trigname)} ON {written(node.relation)}"
        self.undo[("trigger", relation(node.relation), node.trigname)] = online.attempt(drop)

    def _index_stmt(self, node: Any) -> None:
        name = node.idxname or index_name(node)
        qualified = ".".join(ident(part) for part in (node.relation.schemaname, name) if part)
        drop = online.without_timeout(f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}")
        self.undo[("index", name)] = "" if self._made(relation(node.relation)) else drop

    def _comment_stmt(self, node: Any) -> None:
        parts = [item.string.sval for item in node.object.list.items]
        table = ".".join(parts[:-1] if node.objtype == pb.OBJECT_COLUMN else parts).removeprefix("public.")
        if not self._made(table, parts[-1] if node.objtype == pb.OBJECT_COLUMN else ""):
            raise _Lossy("comment")

    def _grant_stmt(self, node: Any) -> None:
        made = {(item.range_var.relname if item.HasField("range_var") else "") for item in node.objects}
        kinds = ("table", "sequence")
        if not node.is_grant or not all(any((kind, name) in self.undo for kind in kinds) for name in made):
            raise _Lossy("grant on something older")

    def _drop_stmt(self, node: Any) -> None:
        kind = {pb.OBJECT_TABLE: "table", pb.OBJECT_INDEX: "index", pb.OBJECT_SEQUENCE: "sequence"}.get(node.remove_type)
        for item in node.objects:
            if kind is None or self.undo.pop((kind, dotted(item.list.items)), None) is None:
                raise _Lossy("drops something older")

    def _insert(self, statement: Statement) -> None:
        node = statement.node
        where = version_row(statement)
        if where:
            self.version = f"DELETE FROM {written(node.relation)} WHERE {where};"
        elif not self._made(relation(node.relation)):
            raise _Lossy("inserts into an older table")

    def _write(self, statement: Statement) -> None:
        node = statement.node
        table = relation(node.relation)
        if statement.kind == "delete_stmt" and not self._made(table):
            raise _Lossy("deletes from an older table")
        if not all(self._made(table, item.res_target.name) for item in getattr(node, "target_list", ())):
            raise _Lossy("changes older rows")

    def _rename_stmt(self, node: Any) -> None:
        if node.rename_type not in (pb.OBJECT_COLUMN, pb.OBJECT_TABLE, pb.OBJECT_INDEX, pb.OBJECT_TABCONSTRAINT):
            raise _Lossy("rename")
        back = pb.RenameStmt()
        back.CopyFrom(node)
        if node.rename_type in (pb.OBJECT_TABLE, pb.OBJECT_INDEX):
            back.relation.relname, back.newname = node.newname, node.relation.relname
        else:
            back.subname, back.newname = node.newname, node.subname
        key = ("rename", relation(node.relation), node.subname, node.newname)
        gone = ("undefined_column", "undefined_table", "undefined_object")
        self.undo[key] = online.attempt(deparse("rename_stmt", back), ignore=gone)

    def _alter_table_stmt(self, node: Any) -> None:
        if ("sequence", relation(node.relation)) in self.undo:
            return
        for cmd in commands(node):
            self._command(node, cmd)

    def _command(self, node: Any, cmd: Any) -> None:
        table, alter = relation(node.relation), f"ALTER TABLE {written(node.relation)}"
        definition = getattr(cmd, "def")
        if cmd.subtype == pb.AT_AddColumn:
            name = definition.column_def.colname
            drop = online.attempt(f"{alter} DROP COLUMN IF EXISTS {ident(name)}")
            self.undo[("column", table, name)] = "" if self._made(table) else drop
        elif cmd.subtype == pb.AT_AddConstraint:
            self._constraint(node, definition.constraint)
        elif cmd.subtype == pb.AT_DropConstraint:
            if self.undo.pop(("constraint", table, cmd.name), None) is None:
                raise _Lossy("drops an older constraint")
        elif cmd.subtype == pb.AT_SetNotNull:
            if not self._made(table, cmd.name):
                drop = f"{alter} ALTER COLUMN {ident(cmd.name)} DROP NOT NULL"
                self.undo[("not null", table, cmd.name)] = online.attempt(drop)
        elif cmd.subtype not in _BRIEF and not self._made(table, cmd.name):
            raise _Lossy("changes an older table")

    def _constraint(self, node: Any, constraint: Any) -> None:
        table = relation(node.relation)
        name = constraint.conname or constraint_name(table, constraint)
        if constraint.contype == pb.CONSTR_PRIMARY and not self._made(table):
            # Its columns stay NOT NULL when it goes; whether they were so before cannot be told from here.
            raise _Lossy("primary key on an older table")
        # With USING INDEX the constraint owns the index: dropping it drops both.
        self.undo.pop(("index", constraint.indexname), None)
        used = columns(constraint.raw_expr)
        whole = self._made(table) or bool(used and all(("column", table, c) in self.undo for c in used))
        drop = f"ALTER TABLE {written(node.relation)} DROP CONSTRAINT IF EXISTS {ident(name)}"
        self.undo[("constraint", table, name)] = "" if whole else online.attempt(drop)
