"""ALTER TABLE rewritten command by command into pieces that each hold their lock for milliseconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from postgast import pg_query_pb2 as pb

from fulldress.formats.sql import online
from fulldress.formats.sql.altering import SERIALS, Effects, command, commands, constraints, nullable_keys, volatile_default
from fulldress.formats.sql.catalogue import Catalogue, constraint_name
from fulldress.formats.sql.hazards import small
from fulldress.formats.sql.locks import MODES
from fulldress.formats.sql.names import deparse, expression, ident, relation, type_of, written
from fulldress.formats.sql.parse import Statement

_LATER = {pb.CONSTR_CHECK, pb.CONSTR_FOREIGN, pb.CONSTR_UNIQUE, pb.CONSTR_PRIMARY}
_DEFERRALS = {pb.CONSTR_ATTR_DEFERRABLE, pb.CONSTR_ATTR_DEFERRED, pb.CONSTR_ATTR_IMMEDIATE, pb.CONSTR_ATTR_NOT_DEFERRABLE}


class Pieces(msgspec.Struct):
    """What one ALTER TABLE became."""

    sql: list[str] = []
    changes: list[str] = []
    left: list[str] = []


def alter(statement: Statement, catalogue: Catalogue, rows: Mapping[str, int], backfills: Mapping[str, str]) -> Pieces:
    """The pieces of one ALTER TABLE, in the order of its commands. ``backfills``: column -> the SQL that filled it."""
    work = _Alter(statement.node, catalogue, rows, backfills)
    for cmd in commands(statement.node):
        work.command(cmd)
    return work.pieces


class _Alter:
    """One ALTER TABLE statement."""

    def __init__(self, node: Any, catalogue: Catalogue, rows: Mapping[str, int], backfills: Mapping[str, str]) -> None:
        self.backfills = backfills
        self.node = node
        self.name = relation(node.relation)
        self.table = written(node.relation)
        self.catalogue = catalogue
        self.rows = rows
        self.pieces = Pieces()

    def command(self, cmd: Any) -> None:
        effects = Effects(MODES)
        command(self.name, cmd, self.catalogue, effects)
        busy = {n for n in effects.rewrites | effects.scans if not self.catalogue.fresh(n) and not small(self.rows, n)}
        if cmd.subtype == pb.AT_ValidateConstraint or not busy:
            self._light(cmd)
        elif cmd.subtype == pb.AT_AddColumn:
            self._add_column(cmd)
        elif cmd.subtype == pb.AT_SetNotNull:
            self.pieces.sql += online.not_null(self.table, cmd.name, again=self.backfills.get(cmd.name, ""))
            self.pieces.changes.append(f"{cmd.name} NOT NULL is proved by a CHECK that is validated while others write")
        elif cmd.subtype == pb.AT_AddConstraint:
            self._constraint(getattr(cmd, "def").constraint, "")
        else:
            self._no_form(cmd, busy)

    def _no_form(self, cmd: Any, busy: set[str]) -> None:
        what = pb.AlterTableType.Name(cmd.subtype).removeprefix("AT_")
        self.pieces.left.append(f"{what} works through all of {', '.join(sorted(busy))} under its lock: no online form")
        self._light(cmd)

    def _single(self, cmd: Any) -> str:
        """An ALTER TABLE with this command only."""
        node = pb.AlterTableStmt()
        node.CopyFrom(self.node)
        del node.cmds[:]
        node.cmds.add().alter_table_cmd.CopyFrom(cmd)
        return deparse("alter_table_stmt", node)

    def _light(self, cmd: Any) -> None:
        copy = pb.AlterTableCmd()
        copy.CopyFrom(cmd)
        unless = ""
        if cmd.subtype in (pb.AT_AddColumn, pb.AT_DropColumn, pb.AT_DropConstraint):
            copy.missing_ok = True
        elif cmd.subtype == pb.AT_AddConstraint:
            constraint = getattr(copy, "def").constraint
            constraint.conname = constraint.conname or constraint_name(self.name, constraint)
            unless = online.has_constraint(self.table, constraint.conname)
        self.pieces.sql.append(online.attempt(self._single(copy), unless=unless))

    def _add_column(self, cmd: Any) -> None:
        column = pb.ColumnDef()
        column.CopyFrom(getattr(cmd, "def").column_def)
        if constraints(column, pb.CONSTR_IDENTITY) or constraints(column, pb.CONSTR_GENERATED):
            self._no_form(cmd, {self.name})
            return
        later = [item.constraint for item in column.constraints if item.constraint.contype in _LATER]
        serial = type_of(column.type_name)[0] in SERIALS
        slow = serial or volatile_default(column, self.catalogue)
        keep = _kept(column, slow=slow)
        defaults = constraints(column, pb.CONSTR_DEFAULT)
        required = bool(constraints(column, pb.CONSTR_NOTNULL)) or serial
        del column.constraints[:]
        column.constraints.extend(keep)
        if serial:
            self._serial(cmd, column)
        elif slow:
            name = ident(column.colname)
            default = f"ALTER TABLE {self.table} ALTER COLUMN {name} SET DEFAULT {expression(defaults[0].raw_expr)}"
            self.pieces.sql.append(online.attempt(self._added(cmd, column), default))
        else:
            self.pieces.sql.append(online.attempt(self._added(cmd, column)))
        if slow:
            self._fill(column.colname, required=required)
        for number, constraint in enumerate(later):
            if not _deferred(getattr(cmd, "def").column_def):
                self._constraint(constraint, column.colname)
            elif number == 0:
                self.pieces.left.append(f"the DEFERRABLE constraint of {column.colname} is not written as a step of its own")

    def _added(self, cmd: Any, column: Any) -> str:
        copy = pb.AlterTableCmd()
        copy.CopyFrom(cmd)
        copy.missing_ok = True
        getattr(copy, "def").column_def.CopyFrom(column)
        return self._single(copy)

    def _fill(self, name: str, *, required: bool) -> None:
        head = f"UPDATE {self.table} SET {ident(name)} = DEFAULT"
        self.pieces.sql.append(online.batches(self.table, head, f"{ident(name)} IS NULL"))
        self.pieces.changes.append(f"{name} is added empty and filled in batches (triggers of {self.name} see the updates)")
        if required:
            self.pieces.sql += online.not_null(self.table, name)
            self.pieces.changes.append(f"{name} NOT NULL is proved by a CHECK that is validated while others write")

    def _serial(self, cmd: Any, column: Any) -> None:
        base = SERIALS[type_of(column.type_name)[0]]
        sequence = f"{self.node.relation.relname}_{column.colname}_seq"
        qualified = ".".join(ident(part) for part in (self.node.relation.schemaname, sequence) if part)
        del column.type_name.names[:]
        for part in ("pg_catalog", base):
            column.type_name.names.add().string.sval = part
        kind = {"int2": "smallint", "int4": "integer", "int8": "bigint"}[base]
        owner = f"(SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = '{self.table}'::regclass)"
        name = ident(column.colname)
        self.pieces.sql.append(
            online.attempt(
                f"CREATE SEQUENCE IF NOT EXISTS {qualified} AS {kind}",
                f"EXECUTE format('ALTER SEQUENCE {qualified} OWNER TO %I', {owner})",
                self._added(cmd, column),
                f"ALTER TABLE {self.table} ALTER COLUMN {name} SET DEFAULT nextval('{qualified}')",
                f"ALTER SEQUENCE {qualified} OWNED BY {self.table}.{name}",
            )
        )

    def _constraint(self, original: Any, column: str) -> None:
        constraint = pb.Constraint()
        constraint.CopyFrom(original)
        constraint.conname = constraint.conname or constraint_name(self.name, constraint, column)
        name = constraint.conname
        if constraint.contype in (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN):
            if column and constraint.contype == pb.CONSTR_FOREIGN:
                constraint.fk_attrs.add().string.sval = column
            constraint.skip_validation, constraint.initially_valid = True, False
            self._add(constraint)
            self.pieces.sql.append(online.attempt(f"ALTER TABLE {self.table} VALIDATE CONSTRAINT {ident(name)}"))
            self.pieces.changes.append(f"{name} is added NOT VALID and validated while others write")
        elif constraint.indexname:
            for key in nullable_keys(self.name, constraint.indexname, self.catalogue):
                self.pieces.sql += online.not_null(self.table, key)
                self.pieces.changes.append(f"{key} NOT NULL is proved by a CHECK that is validated while others write")
            self._add(constraint)
        elif constraint.contype in (pb.CONSTR_UNIQUE, pb.CONSTR_PRIMARY):
            if column:
                constraint.keys.add().string.sval = column
            self._unique(constraint)
        else:
            self.pieces.left.append(f"{name}: an EXCLUDE constraint builds its index under AccessExclusive: no online form")
            self._add(constraint)

    def _add(self, constraint: Any) -> None:
        cmd = pb.AlterTableCmd(subtype=pb.AT_AddConstraint, behavior=pb.DROP_RESTRICT)
        getattr(cmd, "def").constraint.CopyFrom(constraint)
        unless = online.has_constraint(self.table, constraint.conname)
        self.pieces.sql.append(online.attempt(self._single(cmd), unless=unless))

    def _unique(self, constraint: Any) -> None:
        name, keys = constraint.conname, [key.string.sval for key in constraint.keys]
        index = pb.IndexStmt(idxname=name, access_method="btree", unique=True, concurrent=True, if_not_exists=True)
        index.relation.CopyFrom(self.node.relation)
        index.nulls_not_distinct = constraint.nulls_not_distinct
        index.table_space = constraint.indexspace
        index.options.extend(constraint.options)
        for key in keys:
            index.index_params.add().index_elem.CopyFrom(_element(key))
        for key in constraint.including:
            index.index_including_params.add().index_elem.CopyFrom(_element(key.string.sval))
        qualified = ".".join(ident(part) for part in (self.node.relation.schemaname, name) if part)
        if constraint.contype == pb.CONSTR_PRIMARY:
            for key in keys:
                self.pieces.sql += online.not_null(self.table, key)
        self.pieces.sql.append(online.concurrent_index(deparse("index_stmt", index), qualified, table=self.table))
        for field in ("keys", "including", "options", "indexspace", "nulls_not_distinct"):
            constraint.ClearField(field)
        constraint.indexname = name
        self._add(constraint)
        self.pieces.changes.append(f"{name} takes an index that was built CONCURRENTLY")


def _element(name: str) -> Any:
    return pb.IndexElem(name=name, ordering=pb.SORTBY_DEFAULT, nulls_ordering=pb.SORTBY_NULLS_DEFAULT)


def _deferred(column: Any) -> bool:
    return any(item.constraint.contype in _DEFERRALS for item in column.constraints)


def _kept(column: Any, *, slow: bool) -> list[Any]:
    """Constraints of a column definition that stay in ADD COLUMN: cheap ones, and a steady default."""
    gone = set(_LATER)
    if slow:
        gone |= {pb.CONSTR_DEFAULT, pb.CONSTR_NOTNULL}
    kept = []
    for item in column.constraints:
        if item.constraint.contype not in gone | _DEFERRALS:
            copy = pb.Node()
            copy.CopyFrom(item)
            kept.append(copy)
    return kept
