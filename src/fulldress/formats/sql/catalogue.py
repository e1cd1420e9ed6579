"""A shadow of the database's catalogue, as far as a script tells: what it created, what it already proved. Pure.

A table made by the same script is *fresh*: nobody else can be waiting for it, so its locks do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from postgast import pg_query_pb2 as pb

from fulldress.formats.sql.bounds import implies, key_of
from fulldress.formats.sql.grammar import Unreadable, parse
from fulldress.formats.sql.names import columns, conjuncts, dotted, expression, null_test, relation, type_of
from fulldress.formats.sql.nodes import find_nodes
from fulldress.formats.sql.parse import Statement

ColumnType = tuple[str, tuple[int, ...]]


class Constraint(msgspec.Struct):
    """A constraint that the script showed."""

    kind: str
    """check, fk, unique, primary, exclude; ``unseen`` when another script made it and this one validated it"""
    valid: bool = True
    parent: str = ""
    not_null: frozenset[str] = frozenset()
    """Columns that a check proves NOT NULL."""
    keys: tuple[str, ...] = ()
    """Columns of a key."""
    reads: frozenset[str] = frozenset()
    """Columns that a check reads."""
    body: str = ""
    """The condition of a check."""
    cascades: bool = False
    """A foreign key that deletes or changes its rows with the parent's."""


class Index(msgspec.Struct, frozen=True):
    """An index that the script showed."""

    table: str
    keys: tuple[str, ...]
    """Columns in order, "" for an expression."""
    whole: bool = True
    """False for a partial index."""


class Table(msgspec.Struct):
    """A table that the script showed."""

    fresh: bool = True
    shown: bool = False
    """Some script of the series creates it: all of its columns and keys are known."""
    columns: dict[str, ColumnType] = {}
    not_null: set[str] = set()
    constraints: dict[str, Constraint] = {}
    partitions: set[str] = set()
    default_partition: str = ""
    partition_of: str = ""
    partitioned: bool = False
    partition_key: str = ""
    """The one column that it is partitioned by."""


class Catalogue:
    """What is known so far; ``take`` moves it on by one statement."""

    def __init__(self, known: Iterable[Statement] = ()) -> None:
        self.tables: dict[str, Table] = {}
        self.indexes: dict[str, str] = {}
        self.built: dict[str, Index] = {}
        self.views: dict[str, set[str]] = {}
        """View or materialised view -> relations that it reads."""
        self.domains: set[str] = set()
        self.constant_functions: set[str] = set()
        self.triggers: dict[str, str] = {}
        for statement in known:
            self.take(statement)
        self.settle()

    def settle(self) -> None:
        """Ends a script: what it made is an old table for the next one."""
        for table in self.tables.values():
            table.fresh = False

    def fresh(self, name: str) -> bool:
        """True when the script made this table itself."""
        table = self.tables.get(name)
        return table is not None and table.fresh

    def table(self, name: str) -> Table:
        """The table's record; an unseen table is an old one of which nothing is known."""
        return self.tables.setdefault(name, Table(fresh=False))

    def parents(self, name: str) -> set[str]:
        """Tables that this one refers to by foreign keys."""
        table = self.tables.get(name)
        return {c.parent for c in table.constraints.values() if c.kind == "fk" and c.parent} if table else set()

    def children(self, name: str) -> set[str]:
        """Tables that refer to this one by foreign keys."""
        return {other for other in self.tables if name in self.parents(other)}

    def proves_not_null(self, name: str, column: str) -> bool:
        """True when a validated CHECK says so: SET NOT NULL then needs no scan."""
        found = self.tables.get(name)
        return found is not None and any(
            c.valid and (column in c.not_null or (c.kind == "unseen" and column in label))
            for label, c in found.constraints.items()
        )

    def proves(self, name: str, wanted: str) -> bool:
        """True when a validated CHECK of the table says so."""
        found = self.tables.get(name)
        return found is not None and any(c.valid and implies(c.body, wanted) for c in found.constraints.values())

    def __deepcopy__(self, _: dict[int, Any]) -> Catalogue:
        """A copy to be moved on apart: written out, as it is made for every cure of every migration."""
        twin = Catalogue()
        twin.tables = {name: _twin(table) for name, table in self.tables.items()}
        twin.indexes, twin.built = dict(self.indexes), dict(self.built)
        twin.views = {name: set(reads) for name, reads in self.views.items()}
        twin.domains, twin.constant_functions = set(self.domains), set(self.constant_functions)
        twin.triggers = dict(self.triggers)
        return twin

    def told(self) -> str:
        """All that is known, as one text: another text for other knowledge."""
        return repr([_plain(value) for _, value in sorted(vars(self).items())])

    def take(self, statement: Statement) -> None:
        """Learns from one statement."""
        node = statement.node
        if statement.kind == "create_stmt":
            self._create(node)
        elif statement.kind == "index_stmt":
            self._index(node)
        elif statement.kind == "alter_table_stmt" and node.objtype == pb.OBJECT_TABLE:
            for cmd in node.cmds:
                self._alter(relation(node.relation), cmd.alter_table_cmd)
        elif statement.kind in ("view_stmt", "create_table_as_stmt"):
            self._derived(statement.kind, node)
        elif statement.kind == "create_function_stmt":
            self._function(node)
        elif statement.kind == "create_domain_stmt":
            self.domains.add(dotted(node.domainname))
        elif statement.kind == "select_stmt" and node.HasField("into_clause"):
            self.tables[relation(node.into_clause.rel)] = Table()
        elif statement.kind == "drop_stmt":
            self._drop(node)
        elif statement.kind == "rename_stmt":
            self._renamed(node)

    def _index(self, node: Any) -> None:
        name = node.idxname or f"{node.relation.relname}_idx{len(self.indexes)}"
        self.indexes[name] = relation(node.relation)
        keys = tuple(item.index_elem.name for item in node.index_params)
        self.built[name] = Index(relation(node.relation), keys, whole=not node.where_clause.WhichOneof("node"))

    def uncovered(self) -> list[tuple[str, tuple[str, ...]]]:
        """Foreign keys (table, columns) of tables seen whole that no index begins with."""
        found = []
        for name, table in self.tables.items():
            for constraint in table.constraints.values() if table.shown else ():
                if constraint.kind == "fk" and constraint.keys and not self._covers(name, constraint.keys):
                    found.append((name, constraint.keys))
        return found

    def _covers(self, name: str, keys: tuple[str, ...]) -> bool:
        built = [i.keys for i in self.built.values() if i.table == name and i.whole]
        built += [c.keys for c in self.tables[name].constraints.values() if c.kind in ("primary", "unique")]
        return any(set(index[: len(keys)]) == set(keys) for index in built)

    def _create(self, node: Any) -> None:
        name = relation(node.relation)
        if node.if_not_exists and name in self.tables and not self.tables[name].fresh:
            return
        table = self.tables[name] = Table()
        for element in node.table_elts:
            if element.HasField("column_def"):
                self._column(name, element.column_def)
            elif element.HasField("constraint"):
                self._constraint(name, element.constraint)
        if node.HasField("partbound") and node.inh_relations:
            parent = relation(node.inh_relations[0].range_var)
            self._attach(parent, name, default=node.partbound.is_default)
        table.fresh = table.shown = True
        table.partitioned = node.HasField("partspec")
        table.partition_key = key_of(node.partspec) if table.partitioned else ""

    def _attach(self, parent: str, child: str, *, default: bool) -> None:
        self.table(parent).partitions.add(child)
        self.table(child).partition_of = parent
        if default:
            self.table(parent).default_partition = child

    def _detach(self, parent: str, child: str) -> None:
        table = self.table(parent)
        table.partitions.discard(child)
        table.default_partition = "" if table.default_partition == child else table.default_partition
        self.table(child).partition_of = ""

    def _renamed(self, node: Any) -> None:
        old = relation(node.relation)
        if node.rename_type == pb.OBJECT_TABLE and old in self.tables:
            new = ".".join([*old.split(".")[:-1], node.newname])
            self.tables[new] = self.tables.pop(old)
            self.indexes = {index: new if table == old else table for index, table in self.indexes.items()}
        elif node.rename_type == pb.OBJECT_COLUMN and node.subname in self.table(old).columns:
            table = self.table(old)
            table.columns[node.newname] = table.columns.pop(node.subname)
            if node.subname in table.not_null:
                table.not_null = (table.not_null - {node.subname}) | {node.newname}

    def _column(self, name: str, column: Any) -> None:
        table = self.table(name)
        table.columns[column.colname] = type_of(column.type_name)
        for item in column.constraints:
            constraint = item.constraint
            if constraint.contype == pb.CONSTR_NOTNULL:
                table.not_null.add(column.colname)
            else:
                self._constraint(name, constraint, column.colname)

    def _constraint(self, name: str, node: Any, column: str = "") -> None:
        table = self.table(name)
        kinds = {
            pb.CONSTR_CHECK: "check",
            pb.CONSTR_FOREIGN: "fk",
            pb.CONSTR_UNIQUE: "unique",
            pb.CONSTR_PRIMARY: "primary",
            pb.CONSTR_EXCLUSION: "exclude",
        }
        kind = kinds.get(node.contype)
        if kind is None:
            return
        listed = node.fk_attrs if kind == "fk" else node.keys
        keys = [key.string.sval for key in listed] or ([column] if column else [])
        if node.indexname and node.indexname in self.built:
            keys = [key for key in self.built[node.indexname].keys if key]
        if kind == "primary":
            table.not_null.update(keys)
        proven = (
            frozenset(filter(None, (null_test(t, pb.IS_NOT_NULL) for t in conjuncts(node.raw_expr))))
            if kind == "check"
            else ()
        )
        label = node.conname or constraint_name(name, node, column)
        table.constraints[label] = Constraint(
            kind,
            not node.skip_validation,
            relation(node.pktable) if kind == "fk" else "",
            frozenset(proven),
            tuple(keys),
            frozenset(columns(node.raw_expr)) if kind == "check" else frozenset(),
            expression(node.raw_expr) if kind == "check" else "",
            node.fk_del_action in ("c", "n", "d"),
        )
        if kind in ("unique", "primary", "exclude") and not node.indexname:
            self.indexes[label] = name

    def _alter(self, name: str, cmd: Any) -> None:
        table = self.table(name)
        if cmd.subtype == pb.AT_AddColumn:
            self._column(name, getattr(cmd, "def").column_def)
        elif cmd.subtype == pb.AT_AddConstraint:
            self._constraint(name, getattr(cmd, "def").constraint)
        elif cmd.subtype == pb.AT_ValidateConstraint:
            table.constraints.setdefault(cmd.name, Constraint("unseen")).valid = True
        elif cmd.subtype == pb.AT_DropConstraint:
            table.constraints.pop(cmd.name, None)
        elif cmd.subtype == pb.AT_SetNotNull:
            table.not_null.add(cmd.name)
        elif cmd.subtype == pb.AT_DropNotNull:
            table.not_null.discard(cmd.name)
        elif cmd.subtype == pb.AT_AlterColumnType and cmd.name in table.columns:
            table.columns[cmd.name] = type_of(getattr(cmd, "def").column_def.type_name)
        elif cmd.subtype == pb.AT_DropColumn:
            table.columns.pop(cmd.name, None)
            table.not_null.discard(cmd.name)
        elif cmd.subtype == pb.AT_DetachPartition:
            self._detach(name, relation(getattr(cmd, "def").partition_cmd.name))
        elif cmd.subtype == pb.AT_AttachPartition:
            bound = getattr(cmd, "def").partition_cmd
            self._attach(name, relation(bound.name), default=bound.bound.is_default)

    def _derived(self, kind: str, node: Any) -> None:
        if kind == "create_table_as_stmt" and node.objtype == pb.OBJECT_TABLE:
            self.tables[relation(node.into.rel)] = Table()
            return
        target = node.view if kind == "view_stmt" else node.into.rel
        reads = {relation(var) for var in find_nodes(node.query, pb.RangeVar)}
        self.views[relation(target)] = reads

    def _function(self, node: Any) -> None:
        """An SQL function that is only ``SELECT constant`` is inlined: as a default it rewrites nothing."""
        bodies = [
            option.def_elem.arg.list.items[0].string.sval
            for option in node.options
            if option.def_elem.defname == "as" and option.def_elem.arg.HasField("list")
        ]
        if bodies and not columns(node) and _constant(bodies[0]):
            self.constant_functions.add(dotted(node.funcname))

    def _drop(self, node: Any) -> None:
        for item in node.objects:
            if item.HasField("list"):
                name = dotted(item.list.items)
                self.tables.pop(name, None) if node.remove_type == pb.OBJECT_TABLE else self.indexes.pop(name, None)


def _twin(table: Table) -> Table:
    return msgspec.structs.replace(
        table,
        columns=dict(table.columns),
        not_null=set(table.not_null),
        constraints={label: msgspec.structs.replace(c) for label, c in table.constraints.items()},
        partitions=set(table.partitions),
    )


def _plain(value: Any) -> Any:
    """The value with its sets in order; dictionaries keep theirs, as results may depend on it."""
    if isinstance(value, msgspec.Struct):
        return [_plain(getattr(value, field)) for field in value.__struct_fields__]
    if isinstance(value, dict):
        return [(key, _plain(item)) for key, item in value.items()]
    return sorted(value) if isinstance(value, set | frozenset) else value


def _constant(body: str) -> bool:
    try:
        stmts = parse(body).stmts
    except Unreadable:
        return False
    if len(stmts) != 1 or not stmts[0].stmt.HasField("select_stmt"):
        return False
    select = stmts[0].stmt.select_stmt
    return (
        not select.from_clause and len(select.target_list) == 1 and select.target_list[0].res_target.val.HasField("a_const")
    )


def constraint_name(table: str, node: Any, column: str = "") -> str:
    """The name that PostgreSQL gives to a constraint without one (when it is not taken)."""
    bare = table.rsplit(".", 1)[-1]
    if node.contype == pb.CONSTR_PRIMARY:
        return f"{bare}_pkey"
    if node.contype == pb.CONSTR_CHECK:
        used = sorted(columns(node.raw_expr))
        return f"{bare}_{used[0]}_check" if len(used) == 1 else f"{bare}_check"
    listed = node.fk_attrs if node.contype == pb.CONSTR_FOREIGN else node.keys
    keys = "_".join([k.string.sval for k in listed] or [column])
    suffix = {pb.CONSTR_FOREIGN: "fkey", pb.CONSTR_EXCLUSION: "excl"}.get(node.contype, "key")
    return f"{bare}_{keys}_{suffix}"
