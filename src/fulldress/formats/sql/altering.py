"""ALTER TABLE, command by command: the lock it takes, and whether rows are rewritten or read under it. Pure."""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.sql.bounds import condition, outside
from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.names import dotted, relation, type_of, volatile

SERIALS = {
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
    "smallserial": "int2",
    "serial2": "int2",
}
_GENTLE = {pb.AT_SetStatistics, pb.AT_SetRelOptions, pb.AT_ResetRelOptions, pb.AT_SetOptions, pb.AT_ResetOptions}
_GENTLE |= {pb.AT_ClusterOn, pb.AT_DropCluster, pb.AT_ValidateConstraint}
_TRIGGERS = {pb.AT_EnableTrig, pb.AT_DisableTrig, pb.AT_EnableTrigAll, pb.AT_DisableTrigAll, pb.AT_EnableTrigUser}
_TRIGGERS |= {pb.AT_DisableTrigUser, pb.AT_EnableAlwaysTrig, pb.AT_EnableReplicaTrig}
_MOVES = {pb.AT_SetUnLogged, pb.AT_SetLogged, pb.AT_SetTableSpace, pb.AT_SetAccessMethod}


class Effects:
    """Collects locks, rewrites and scans of one statement."""

    def __init__(self, modes: tuple[str, ...]) -> None:
        self._modes = modes
        self.locks: dict[str, str] = {}
        self.rewrites: set[str] = set()
        self.scans: set[str] = set()

    def lock(self, name: str, mode: str) -> None:
        """A lock on a relation; the strongest one counts."""
        if name and (name not in self.locks or self._modes.index(mode) > self._modes.index(self.locks[name])):
            self.locks[name] = mode


def alter_table(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    """Effects of one ALTER TABLE with all its commands."""
    name = relation(node.relation)
    for item in node.cmds:
        command(name, item.alter_table_cmd, catalogue, effects)


def command(name: str, cmd: Any, catalogue: Catalogue, effects: Effects) -> None:
    """Effects of one command of an ALTER TABLE."""
    subtype = cmd.subtype
    if subtype in _GENTLE:
        effects.lock(name, "ShareUpdateExclusive")
        if subtype == pb.AT_ValidateConstraint:
            _validate(name, cmd, catalogue, effects)
    elif subtype in _TRIGGERS:
        effects.lock(name, "ShareRowExclusive")
    elif subtype == pb.AT_AddConstraint:
        _add_constraint(name, getattr(cmd, "def").constraint, catalogue, effects)
    elif subtype == pb.AT_DetachPartitionFinalize:
        effects.lock(name, "ShareUpdateExclusive")
        effects.lock(relation(getattr(cmd, "def").partition_cmd.name), "AccessExclusive")
    elif subtype in (pb.AT_AttachPartition, pb.AT_DetachPartition):
        _partition(name, cmd, catalogue, effects)
    elif subtype == pb.AT_AddInherit:
        effects.lock(name, "AccessExclusive")
        effects.lock(relation(getattr(cmd, "def").range_var), "ShareUpdateExclusive")
    else:
        effects.lock(name, "AccessExclusive")
        _exclusive(name, cmd, catalogue, effects)


def _exclusive(name: str, cmd: Any, catalogue: Catalogue, effects: Effects) -> None:
    """Commands under AccessExclusive: most are a matter of milliseconds, these are not."""
    if cmd.subtype == pb.AT_AddColumn:
        _add_column(name, getattr(cmd, "def").column_def, catalogue, effects)
    elif cmd.subtype == pb.AT_AlterColumnType:
        change_type(name, cmd, catalogue, effects)
    elif cmd.subtype == pb.AT_SetNotNull:
        if not catalogue.proves_not_null(name, cmd.name) and cmd.name not in catalogue.table(name).not_null:
            effects.scans.add(name)
    elif cmd.subtype in _MOVES:
        if not _moves_nowhere(cmd):
            effects.rewrites.add(name)
    elif cmd.subtype == pb.AT_DropConstraint:
        constraint = catalogue.table(name).constraints.get(cmd.name)
        if constraint is not None and constraint.kind == "fk":
            effects.lock(constraint.parent, "AccessExclusive")


def _moves_nowhere(cmd: Any) -> bool:
    return (cmd.subtype, cmd.name) in ((pb.AT_SetTableSpace, "pg_default"), (pb.AT_SetAccessMethod, "heap"))


def _validate(name: str, cmd: Any, catalogue: Catalogue, effects: Effects) -> None:
    effects.scans.add(name)
    constraint = catalogue.table(name).constraints.get(cmd.name)
    if constraint is not None and constraint.kind == "fk":
        effects.lock(constraint.parent, "RowShare")
        effects.scans.add(constraint.parent)


def _add_constraint(name: str, constraint: Any, catalogue: Catalogue, effects: Effects) -> None:
    # A table of the same script is empty or nearly so: there is nothing to check against the parent.
    late = constraint.skip_validation or catalogue.fresh(name)
    if constraint.contype == pb.CONSTR_FOREIGN:
        parent = relation(constraint.pktable)
        for table in (name, parent):
            effects.lock(table, "ShareRowExclusive")
            if not late:
                effects.scans.add(table)
        return
    effects.lock(name, "AccessExclusive")
    if constraint.indexname:
        if constraint.contype == pb.CONSTR_PRIMARY and nullable_keys(name, constraint.indexname, catalogue):
            effects.scans.add(name)
    elif not late:
        effects.scans.add(name)


def nullable_keys(name: str, index: str, catalogue: Catalogue) -> list[str]:
    """Columns of an index that nothing proves to be filled: a PRIMARY KEY over it reads the whole table."""
    built, table = catalogue.built.get(index), catalogue.table(name)
    keys = built.keys if built is not None else ()
    return [key for key in keys if key not in table.not_null and not catalogue.proves_not_null(name, key)]


def _partition(name: str, cmd: Any, catalogue: Catalogue, effects: Effects) -> None:
    bound = getattr(cmd, "def").partition_cmd
    child, default = relation(bound.name), catalogue.table(name).default_partition
    if cmd.subtype == pb.AT_DetachPartition:
        mode = "ShareUpdateExclusive" if bound.concurrent else "AccessExclusive"
        for table in (name, child, default):
            effects.lock(table, mode)
        return
    effects.lock(name, "ShareUpdateExclusive")
    bounds = condition(catalogue.table(name).partition_key, bound.bound)
    for table, wanted in ((child, bounds), (default, outside(bounds))):
        effects.lock(table, "AccessExclusive")
        if not catalogue.proves(table, wanted):
            effects.scans |= {table} - {""}


def constraints(column: Any, kind: int) -> list[Any]:
    """The constraints of one kind of a column definition."""
    return [item.constraint for item in column.constraints if item.constraint.contype == kind]


def volatile_default(column: Any, catalogue: Catalogue) -> bool:
    """True when the default has to be computed row by row, which rewrites the table."""
    return any(
        volatile(constraint.raw_expr) and not _known_constant(constraint.raw_expr, catalogue)
        for constraint in constraints(column, pb.CONSTR_DEFAULT)
    )


def _known_constant(expr: Any, catalogue: Catalogue) -> bool:
    return expr.HasField("func_call") and dotted(expr.func_call.funcname) in catalogue.constant_functions


def _add_column(name: str, column: Any, catalogue: Catalogue, effects: Effects) -> None:
    kind, _ = type_of(column.type_name)
    if not column.constraints:
        if kind in SERIALS:
            effects.rewrites.add(name)
        return
    own = [item.constraint for item in column.constraints]
    kinds = {c.contype for c in own}
    stored = pb.CONSTR_GENERATED in kinds and any(c.generated_kind != "v" for c in own if c.contype == pb.CONSTR_GENERATED)
    slow = pb.CONSTR_DEFAULT in kinds and volatile_default(column, catalogue)
    if kind in SERIALS or stored or pb.CONSTR_IDENTITY in kinds or slow:
        effects.rewrites.add(name)
    if not kinds.isdisjoint((pb.CONSTR_CHECK, pb.CONSTR_UNIQUE, pb.CONSTR_PRIMARY)):
        effects.scans.add(name)
    for constraint in own if pb.CONSTR_FOREIGN in kinds else ():
        if constraint.contype != pb.CONSTR_FOREIGN:
            continue
        parent = relation(constraint.pktable)
        effects.lock(parent, "ShareRowExclusive")
        if pb.CONSTR_DEFAULT in kinds:
            effects.scans |= {name, parent}


def change_type(name: str, cmd: Any, catalogue: Catalogue, effects: Effects) -> None:
    """A change of a column's type: free when every stored value stays as it is, else a rewrite."""
    definition = getattr(cmd, "def").column_def
    new = type_of(definition.type_name)
    old = catalogue.table(name).columns.get(cmd.name)
    if definition.HasField("raw_default") or old is None or not _same_bytes(old, new):
        effects.rewrites.add(name)
    elif old != new and any(c.kind == "check" and cmd.name in c.reads for c in catalogue.table(name).constraints.values()):
        # The values stay, but a CHECK on the column is made anew and checked again.
        effects.scans.add(name)


def _same_bytes(old: tuple[str, tuple[int, ...]], new: tuple[str, tuple[int, ...]]) -> bool:
    """True when values of the old type are values of the new one, byte for byte."""
    if old == new:
        return True
    strings = {"varchar", "text"}
    if old[0] in strings and new[0] in strings:
        return not new[1] or (old[0] == "varchar" and bool(old[1]) and new[1][0] >= old[1][0])
    if old[0] == new[0] == "numeric":
        return not new[1] or (len(old[1]) == len(new[1]) == 2 and new[1][0] >= old[1][0] and new[1][1] == old[1][1])
    # The server's time zone decides; UTC is what servers are set to.
    return old[0] == "timestamp" and new[0] == "timestamptz"


def commands(node: Any) -> list[Any]:
    """The commands of an ALTER TABLE statement."""
    return [item.alter_table_cmd for item in node.cmds]
