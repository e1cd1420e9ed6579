"""A heavy migration rewritten to run online: the same schema at its end, and nobody waits long on the way. Pure.

Each statement becomes one or more pieces of SQL that commit by themselves and may be run again. What has no online form
stays as it is, under a lock_timeout, and is listed in ``Rewrite.left``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
from postgast import pg_query_pb2 as pb

from fulldress.formats.late import late
from fulldress.formats.sql import online
from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.hazards import concurrently, script_hazards, small, unbounded
from fulldress.formats.sql.kinds import ONLINE
from fulldress.formats.sql.locks import at_least, lock_effects
from fulldress.formats.sql.names import (
    columns,
    conjuncts,
    deparse,
    expression,
    ident,
    null_test,
    relation,
    volatile,
    written,
)
from fulldress.formats.sql.parse import Script, Statement, script
from fulldress.formats.sql.partitions import index_pieces, partition_pieces
from fulldress.formats.sql.tables import Pieces, alter

VERSION_TABLE = late(r"(?:^|[._])(?:schema_)?(?:migrations?|versions?|changelog|history)\Z|schema_\w+\Z", re.IGNORECASE)
_OUTSIDE = {"vacuum_stmt", "createdb_stmt", "dropdb_stmt", "alter_system_stmt", "create_tablespace_stmt"}
_ROWS = {"insert_stmt", "update_stmt", "delete_stmt", "select_stmt", "copy_stmt", "call_stmt", "do_stmt"}
_ONCE = {
    "create_enum_stmt": ("duplicate_object",),
    "create_domain_stmt": ("duplicate_object",),
    "composite_type_stmt": ("duplicate_table", "duplicate_object"),
    "create_trig_stmt": ("duplicate_object",),
    "create_policy_stmt": ("duplicate_object",),
    "create_function_stmt": ("duplicate_function",),
    "view_stmt": ("duplicate_table",),
    "create_stats_stmt": ("duplicate_object",),
    "create_role_stmt": ("duplicate_object",),
}
_IF_NOT_EXISTS = {"create_stmt", "create_seq_stmt", "create_schema_stmt", "create_extension_stmt", "create_table_as_stmt"}


class Rewrite(msgspec.Struct, frozen=True, kw_only=True):
    """An online form of a migration."""

    text: str
    changes: tuple[str, ...]
    """One line per statement that was changed."""
    left: tuple[str, ...]
    """What could not be made harmless, or runs again when the migration is resumed; never silently."""


def online_rewrite(text: str, *, rows: Mapping[str, int], known: Catalogue | None = None) -> Rewrite | None:
    """The online form of a migration, or None when it is harmless already or cannot be read.

    ``rows``: rows per table where known (with or without ``public.``); an unknown table counts as large. ``known``: what
    earlier migrations showed (it is not changed).
    """
    parsed = script(text)
    if (
        parsed.unparsed
        or parsed.open_at_end
        or not any(h.kind in ONLINE for h in script_hazards(parsed, rows, copy.deepcopy(known)))
    ):
        return None
    if any(s.kind == "transaction_stmt" and s.node.kind not in _SIMPLE for s in parsed.statements):
        return None
    return _Rewriter(parsed, rows, known).run()


_SIMPLE = {pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START, pb.TRANS_STMT_COMMIT}


class _Rewriter:
    """Goes through the statements once, with the shadow catalogue."""

    def __init__(self, parsed: Script, rows: Mapping[str, int], known: Catalogue | None) -> None:
        self.parsed = parsed
        self.at = 0
        """Number of the statement that is looked at."""
        self.rows = rows
        self.catalogue = copy.deepcopy(known) or Catalogue()
        self.segments: list[tuple[str, str]] = []
        """(kind, text); kind ``rows`` for statements that may share one transaction at the end."""
        self.recorded: list[tuple[str, str]] = []
        self.changes: list[str] = []
        self.left: list[str] = []
        self.new_columns: dict[str, set[str]] = {}
        self.backfills: dict[str, dict[str, str]] = {}
        """Table -> column -> its backfill, which must run once more when the column becomes NOT NULL."""

    def run(self) -> Rewrite:
        for meta in self.parsed.metas:
            if meta.name not in ("set", "echo", "qecho", "timing", "pset", "encoding", "t", "a", "x"):
                self.left.append(f"line {meta.line}: {meta.text} is kept as it is; nobody looked into what it runs")
        metas = [*self.parsed.metas]
        for number, statement in enumerate(self.parsed.statements):
            self.at = number
            while metas and metas[0].line < statement.line:
                self._meta(metas.pop(0).text)
            if not statement.inside:
                self._statement(statement)
            self.catalogue.take(statement)
        for meta in metas:
            self._meta(meta.text)
        self.segments += self.recorded
        return Rewrite(text=self._text(), changes=tuple(self.changes), left=tuple(self.left))

    def _meta(self, text: str) -> None:
        if "ON_ERROR_STOP" not in text:
            self.segments.append(("meta", text))

    def _text(self) -> str:
        return "\n".join([_TITLE + online.HEADER, *self._done_check(), *self._joined()]).rstrip() + "\n"

    def _joined(self) -> list[str]:
        """The segments; the last run of row statements becomes one transaction, so that it happens once or not at all."""
        at = len(self.segments)
        while at and self.segments[at - 1][0] == "rows":
            at -= 1
        parts = [text + "\n" for _, text in self.segments[:at]]
        last = [text for _, text in self.segments[at:]]
        if len(last) > 1:
            last = ["BEGIN;", *last, "COMMIT;"]
        return parts + last

    def _done_check(self) -> list[str]:
        """Skips a migration whose version row is there already."""
        for statement in self.parsed.statements:
            where = version_row(statement)
            if where and not self.catalogue.fresh(relation(statement.node.relation)):
                table = written(statement.node.relation)
                return [
                    f"SELECT EXISTS (SELECT FROM {table} WHERE {where}) AS fd_done \\gset\n"
                    "\\if :fd_done\n  \\echo 'this migration is applied already'\n  \\quit\n\\endif\n"
                ]
        return []

    def _put(self, statement: Statement, *pieces: str, kind: str = "ddl", change: str = "") -> None:
        head = statement.text.split("\n")[0].strip()
        note = f"-- line {statement.line}: {head[:100]}"
        for number, piece in enumerate(pieces):
            self.segments.append((kind, f"{note}\n{piece}" if number == 0 else piece))
        if change:
            self.changes.append(f"line {statement.line}: {change}")

    def _keep(self, statement: Statement, why: str) -> None:
        self.left.append(f"line {statement.line}: {why}")

    def _statement(self, statement: Statement) -> None:
        kind = statement.kind
        if kind == "transaction_stmt":
            if statement.node.kind in (pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START):
                self.changes.append(
                    f"line {statement.line}: no transaction around it all: every statement commits by itself"
                )
        elif kind == "variable_set_stmt":
            self._set(statement)
        elif kind in ("create_stmt", "alter_table_stmt") and self._partition(statement):
            return
        elif kind == "alter_table_stmt" and statement.node.objtype == pb.OBJECT_TABLE:
            pieces = alter(statement, self.catalogue, self.rows, self.backfills.get(relation(statement.node.relation), {}))
            self._added(statement)
            self._pieces(statement, pieces)
        elif kind == "index_stmt":
            self._index(statement)
        elif kind == "drop_stmt":
            self._drop(statement)
        elif kind in ("update_stmt", "delete_stmt"):
            self._rows(statement)
        elif kind == "insert_stmt":
            self._insert(statement)
        elif kind in _ROWS:
            self._other_rows(statement)
        else:
            self._other(statement)

    def _partition(self, statement: Statement) -> bool:
        pieces = partition_pieces(statement, self.catalogue, _repeatable(statement))
        if pieces:
            self._put(
                statement, *pieces, change="CHECKs that are validated while others write spare the scan under its lock"
            )
        return bool(pieces)

    def _pieces(self, statement: Statement, pieces: Pieces) -> None:
        self._put(statement, *pieces.sql, change="; ".join(pieces.changes))
        for why in pieces.left:
            self._keep(statement, why)

    def _added(self, statement: Statement) -> None:
        for item in statement.node.cmds:
            cmd = item.alter_table_cmd
            column = getattr(cmd, "def").column_def
            if cmd.subtype == pb.AT_AddColumn and not any(
                c.constraint.contype == pb.CONSTR_DEFAULT for c in column.constraints
            ):
                self.new_columns.setdefault(relation(statement.node.relation), set()).add(column.colname)

    def _set(self, statement: Statement) -> None:
        node = pb.VariableSetStmt()
        node.CopyFrom(statement.node)
        node.is_local = False
        if node.name.lower() not in ("lock_timeout", "statement_timeout"):
            self._put(statement, deparse("variable_set_stmt", node) + ";", kind="set")

    def _index(self, statement: Statement) -> None:
        node = pb.IndexStmt()
        node.CopyFrom(statement.node)
        table, name = relation(node.relation), node.idxname or index_name(node)
        node.idxname, node.if_not_exists = name, True
        if self.catalogue.fresh(table) or (small(self.rows, table) and not node.concurrent):
            self._put(statement, online.attempt(deparse("index_stmt", node)))
            return
        if not node.relation.inh:
            self._keep(statement, "an index on ONLY a partitioned table has no concurrent form")
            self._put(statement, online.attempt(deparse("index_stmt", node)))
            return
        qualified = ".".join(ident(part) for part in (node.relation.schemaname, name) if part)
        if self.catalogue.table(table).partitioned or self.catalogue.table(table).partitions:
            pieces = index_pieces(node, qualified, index_name(node))
            self._put(statement, *pieces, change=f"index {name} is built CONCURRENTLY on each partition and attached")
            return
        node.concurrent = True
        sql = online.concurrent_index(deparse("index_stmt", node), qualified, table=written(node.relation))
        self._put(statement, sql, change=f"index {name} is built CONCURRENTLY, checked for validity")

    def _drop(self, statement: Statement) -> None:
        node = pb.DropStmt()
        node.CopyFrom(statement.node)
        node.missing_ok = True
        if node.remove_type == pb.OBJECT_INDEX and node.behavior != pb.DROP_CASCADE:
            node.concurrent = True
            pieces = []
            for item in statement.node.objects:
                del node.objects[:]
                node.objects.append(item)
                pieces.append(online.without_timeout(deparse("drop_stmt", node)))
            self._put(statement, *pieces, change="the index is dropped CONCURRENTLY")
        else:
            self._put(statement, online.attempt(deparse("drop_stmt", node)))

    def _rows(self, statement: Statement) -> None:
        node, name = statement.node, relation(statement.node.relation)
        if self.catalogue.fresh(name) or not unbounded(statement, self.rows):
            self._put(statement, statement.text + ";", kind="rows")
            return
        sql = self._batched(statement)
        if sql is None:
            self._keep(statement, f"the change of all rows of {name} cannot be cut into batches that may run again")
            self._put(statement, statement.text + ";")
            return
        if statement.kind == "update_stmt":
            for item in node.target_list:
                self.backfills.setdefault(name, {})[item.res_target.name] = sql
        what = "UPDATE" if statement.kind == "update_stmt" else "DELETE"
        self._put(statement, sql, change=f"{what} of {written(node.relation)} in batches, each committed")

    def _batched(self, statement: Statement) -> str | None:
        node = statement.node
        if node.HasField("with_clause") or node.HasField("returning_clause"):
            return None
        var = node.relation
        prefix = ident(var.alias.aliasname) + "." if var.HasField("alias") else written(var) + "."
        where = expression(node.where_clause) if node.where_clause.WhichOneof("node") else ""
        if statement.kind == "delete_stmt":
            if not where or volatile(node.where_clause):
                return None
            head = _head(statement.kind, node)
            return online.batches(written(var), head, f"({where})", prefix=prefix)
        return self._update(node, written(var), where, prefix)

    def _update(self, node: Any, table: str, where: str, prefix: str) -> str | None:
        targets = [item.res_target for item in node.target_list]
        assigned = {t.name for t in targets}
        if any(t.val.HasField("multi_assign_ref") or t.indirection for t in targets):
            return None
        new = self.new_columns.get(relation(node.relation), set())
        nulls = {null_test(term, pb.IS_NULL) for term in conjuncts(node.where_clause)}
        todo = [f"({where})"] if where else []
        settle = False
        if len(targets) == 1 and (assigned <= new or assigned & nulls):
            target = targets[0]
            todo.append(f"{prefix}{ident(target.name)} IS NULL")
            if not target.val.HasField("a_const") and not target.val.HasField("set_to_default"):
                todo.append("" if volatile(target.val) else f"({expression(target.val)}) IS NOT NULL")
        elif any(volatile(t.val) or columns(t.val) & assigned for t in targets):
            return None
        else:
            differs = [f"{prefix}{ident(t.name)} IS DISTINCT FROM ({expression(t.val)})" for t in targets]
            todo.append("(" + " OR ".join(differs) + ")")
            settle = True
        terms = " AND ".join(term for term in todo if term)
        return online.batches(table, _head("update_stmt", node), terms, prefix=prefix, settle=settle)

    def _insert(self, statement: Statement) -> None:
        node = pb.InsertStmt()
        node.CopyFrom(statement.node)
        where = version_row(statement)
        if where is not None and not node.HasField("on_conflict_clause"):
            node.on_conflict_clause.action = pb.ONCONFLICT_NOTHING
            # Last of all: nothing may look applied before everything is.
            self.recorded.append(("rows", f"-- line {statement.line}\n{deparse('insert_stmt', node)};"))
            return
        self._put(statement, statement.text + ";", kind="rows")
        if where is None and not node.HasField("on_conflict_clause") and not self._is_last():
            self._keep(statement, "this INSERT runs again when an interrupted migration is resumed")

    def _is_last(self) -> bool:
        """True when only row statements and the version row follow: they share the last transaction."""
        other, version = self._ends
        return other <= self.at < version

    @cached_property
    def _ends(self) -> tuple[int, int]:
        """Numbers of the last statement that is no row statement, and of the last version row (-1 for none)."""
        statements = list(enumerate(self.parsed.statements))
        kinds = ("insert_stmt", "transaction_stmt", "select_stmt")
        other = max((n for n, s in statements if s.kind not in kinds), default=-1)
        return other, max((n for n, s in statements if version_row(s)), default=-1)

    def _other_rows(self, statement: Statement) -> None:
        self._put(statement, statement.text + ";", kind="rows" if statement.kind == "select_stmt" else "ddl")
        if statement.kind == "do_stmt":
            self._keep(statement, "a DO block is kept as it is; rehearse what it does")
        elif statement.kind != "select_stmt":
            self._keep(statement, "runs again when an interrupted migration is resumed")

    def _other(self, statement: Statement) -> None:
        effect = lock_effects([statement], self.catalogue)[0]
        if statement.kind == "lock_stmt":
            self.changes.append(f"line {statement.line}: LOCK TABLE is left out: without a transaction it guards nothing")
            return
        if statement.kind == "create_role_stmt" and _with_password(statement):
            self._role(statement)
        elif concurrently(statement):
            self._put(statement, online.without_timeout(statement.text))
        elif statement.kind in _OUTSIDE or statement.kind == "cluster_stmt":
            # Refused inside a block: no retries here, but it does not queue for long either.
            self._put(statement, statement.text + ";")
        elif statement.kind == "reindex_stmt" and statement.node.kind in (pb.REINDEX_OBJECT_INDEX, pb.REINDEX_OBJECT_TABLE):
            node = pb.ReindexStmt()
            node.CopyFrom(statement.node)
            node.params.add().def_elem.defname = "concurrently"
            self._put(statement, online.without_timeout(deparse("reindex_stmt", node)), change="REINDEX CONCURRENTLY")
            return
        else:
            self._put(statement, online.attempt(_repeatable(statement), ignore=_ONCE.get(statement.kind, ())))
        for name in (*effect.rewrites, *effect.scans):
            if at_least(effect.locks.get(name, "AccessShare"), "Share") and not small(self.rows, name):
                self._keep(statement, f"works through all of {name} under a {effect.locks[name]} lock: no online form")

    def _role(self, statement: Statement) -> None:
        """Not inside a DO block: psql fills variables in outside quotes only, and a password may have to become one."""
        options = {item.def_elem.defname for item in statement.node.options}
        if options & {"addroleto", "rolemembers", "adminmembers", "sysid"}:
            self._put(statement, statement.text + ";")
            self._keep(statement, "this CREATE ROLE fails when an interrupted migration is resumed")
            return
        name = ident(statement.node.role)
        kind = re.sub(r"(?is)^create\s+(role|user|group)\s.*", r"\1", statement.text).upper()
        there = "SELECT FROM pg_roles WHERE rolname = '" + statement.node.role.replace("'", "''") + "'"
        made = f"SELECT 'CREATE {kind} {name.replace(chr(39), chr(39) * 2)}' WHERE NOT EXISTS ({there}) \\gexec"
        self._put(
            statement, f"{made}\n" + re.sub(r"(?is)^create\s+(?:role|user|group)\s", "ALTER ROLE ", statement.text) + ";"
        )


def _with_password(statement: Statement) -> bool:
    return any(item.def_elem.defname == "password" for item in statement.node.options)


_TITLE = "-- Made to run online: each statement commits by itself, waits for locks only briefly, and may be run again.\n"


def _head(kind: str, node: Any) -> str:
    """An UPDATE or DELETE up to its WHERE."""
    copy = type(node)()
    copy.CopyFrom(node)
    copy.ClearField("where_clause")
    return deparse(kind, copy)


def _repeatable(statement: Statement) -> str:
    """A statement with IF NOT EXISTS where its kind has it."""
    if statement.kind not in _IF_NOT_EXISTS:
        return statement.text
    node = type(statement.node)()
    node.CopyFrom(statement.node)
    node.if_not_exists = True
    return deparse(statement.kind, node)


def index_name(node: Any) -> str:
    """The name that PostgreSQL gives to an index without one (when it is not taken)."""
    parts = [node.relation.relname]
    for item in (*node.index_params, *node.index_including_params):
        element = item.index_elem
        call = element.expr.func_call
        parts.append(element.name or (call.funcname[-1].string.sval if call.funcname else "expr"))
    return "_".join([*parts, "idx"])


def version_row(statement: Statement) -> str | None:
    """For the INSERT of a version row: the condition that finds the row; None for every other statement."""
    node = statement.node
    if statement.kind != "insert_stmt" or not VERSION_TABLE.search(node.relation.relname):
        return None
    values = node.select_stmt.select_stmt.values_lists
    if len(values) != 1:
        return None
    names = [item.res_target.name for item in node.cols]
    for name, value in zip(names, values[0].list.items, strict=False):
        if value.HasField("a_const"):
            return f"{ident(name)} = {expression(value)}"
    return ""
