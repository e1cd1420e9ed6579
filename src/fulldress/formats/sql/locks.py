"""Which statement takes which lock on which relation, and whether it rewrites or scans it while holding that lock.

The levels are measured facts of PostgreSQL 15. Locks on tables that the same script created are left out: nobody waits
for them. Pure.
"""

# ruff: noqa: ARG001 - the handlers of all statement kinds share one signature
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from postgast import pg_query_pb2 as pb

from fulldress.formats.sql.altering import Effects, alter_table
from fulldress.formats.sql.bounds import condition, outside
from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.names import dotted, relation
from fulldress.formats.sql.nodes import find_nodes
from fulldress.formats.sql.parse import Statement

MODES = (
    "AccessShare",
    "RowShare",
    "RowExclusive",
    "ShareUpdateExclusive",
    "Share",
    "ShareRowExclusive",
    "Exclusive",
    "AccessExclusive",
)


def at_least(mode: str, floor: str) -> bool:
    """True when the mode is as strong as the floor (``Share`` and up block writers)."""
    return MODES.index(mode) >= MODES.index(floor)


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement does to relations that existed before the script."""

    statement: Statement
    locks: dict[str, str]
    """Relation -> strongest mode: ``AccessExclusive``."""
    rewrites: tuple[str, ...] = ()
    """Relations whose every row is written anew under the lock."""
    scans: tuple[str, ...] = ()
    """Relations that are read through under the lock."""

    @property
    def strongest(self) -> str:
        """The strongest mode on any old relation; "" when there is none."""
        return max(self.locks.values(), key=MODES.index, default="")


def lock_effects(statements: Iterable[Statement], known: Catalogue | None = None) -> list[Effect]:
    """The effects of a script's statements in order. ``known`` is what is known of the database before."""
    catalogue = known if known is not None else Catalogue()
    found = []
    for statement in statements:
        effects = _effects(statement, catalogue)
        found.append(
            Effect(
                statement=statement,
                locks={r: m for r, m in effects.locks.items() if not catalogue.fresh(r)},
                rewrites=tuple(sorted(r for r in effects.rewrites if not catalogue.fresh(r))),
                scans=tuple(sorted(r for r in effects.scans if not catalogue.fresh(r))),
            )
        )
        catalogue.take(statement)
    return found


def _effects(statement: Statement, catalogue: Catalogue) -> Effects:
    effects = Effects(MODES)
    handler = _HANDLERS.get(statement.kind)
    if handler is not None and statement.node is not None:
        handler(statement.node, catalogue, effects)
    return effects


def _alter(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    if node.objtype in (pb.OBJECT_TABLE, pb.OBJECT_MATVIEW):
        alter_table(node, catalogue, effects)
    elif node.objtype == pb.OBJECT_VIEW:
        effects.lock(relation(node.relation), "AccessExclusive")


def _create(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    for constraint in find_nodes(node, pb.Constraint):
        if constraint.contype == pb.CONSTR_FOREIGN:
            effects.lock(relation(constraint.pktable), "ShareRowExclusive")
    if not node.inh_relations:
        return
    for item in node.inh_relations:
        parent = relation(item.range_var)
        if not node.HasField("partbound"):
            effects.lock(parent, "ShareUpdateExclusive")
            continue
        effects.lock(parent, "AccessExclusive")
        if default := catalogue.table(parent).default_partition:
            effects.lock(default, "AccessExclusive")
            bounds = condition(catalogue.table(parent).partition_key, node.partbound)
            if not catalogue.proves(default, outside(bounds)):
                effects.scans.add(default)


def _index(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    name = relation(node.relation)
    if node.concurrent:
        effects.lock(name, "ShareUpdateExclusive")
        return
    parts = catalogue.table(name).partitions if node.relation.inh else set()
    for table in {name, *parts}:
        effects.lock(table, "Share")
        if table in parts or (not parts and node.relation.inh):
            effects.scans.add(table)


def _drop(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    for item in node.objects:
        parts = item.list.items if item.HasField("list") else []
        name = dotted(parts) if parts else ""
        if node.remove_type == pb.OBJECT_INDEX:
            table = catalogue.indexes.get(name, "")
            mode = "ShareUpdateExclusive" if node.concurrent else "AccessExclusive"
            effects.lock(table or f"table of index {name}", mode)
        elif node.remove_type == pb.OBJECT_TABLE:
            _drop_table(name, catalogue, effects)
        elif node.remove_type in (pb.OBJECT_TRIGGER, pb.OBJECT_POLICY, pb.OBJECT_RULE):
            effects.lock(dotted(parts[:-1]), "AccessExclusive")
        elif node.remove_type in (pb.OBJECT_VIEW, pb.OBJECT_MATVIEW):
            effects.lock(name, "AccessExclusive")


def _drop_table(name: str, catalogue: Catalogue, effects: Effects) -> None:
    if catalogue.fresh(name):
        return
    effects.lock(name, "AccessExclusive")
    for other in catalogue.parents(name) | catalogue.children(name):
        effects.lock(other, "AccessExclusive")
    if parent := catalogue.table(name).partition_of:
        effects.lock(parent, "AccessExclusive")
        effects.lock(catalogue.table(parent).default_partition, "AccessExclusive")


def _truncate(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    for item in node.relations:
        name = relation(item.range_var)
        names = {name} | (catalogue.children(name) if node.behavior == pb.DROP_CASCADE else set())
        for table in names:
            effects.lock(table, "AccessExclusive")
            effects.rewrites.add(table)


def _reads(node: Any, effects: Effects, *, mode: str = "AccessShare") -> None:
    for var in find_nodes(node, pb.RangeVar):
        effects.lock(relation(var), mode)


def _select(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    mode = "RowShare" if node.locking_clause else "AccessShare"
    for part in (*node.from_clause, *node.target_list, node.where_clause, node.larg, node.rarg):
        _reads(part, effects, mode=mode)
    if node.HasField("into_clause"):
        effects.locks.pop(relation(node.into_clause.rel), None)


def _write(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    _reads(node, effects)
    name = relation(node.relation)
    effects.lock(name, "RowExclusive")
    # Foreign keys look up the other side, row by row.
    changed = {item.res_target.name for item in getattr(node, "target_list", ())}
    for other in catalogue.parents(name) if not isinstance(node, pb.DeleteStmt) else ():
        keys = [c.keys for c in catalogue.table(name).constraints.values() if c.kind == "fk" and c.parent == other]
        if isinstance(node, pb.InsertStmt) or any(changed & set(k) for k in keys):
            effects.lock(other, "RowShare")
    if isinstance(node, pb.DeleteStmt):
        for child in catalogue.children(name):
            links = [c for c in catalogue.table(child).constraints.values() if c.kind == "fk" and c.parent == name]
            effects.lock(child, "RowExclusive" if any(c.cascades for c in links) else "RowShare")


def _create_as(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    _reads(node.query, effects)


def _view(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    _reads(node.query, effects)
    if node.replace:
        effects.lock(relation(node.view), "AccessExclusive")


def _refresh(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    name = relation(node.relation)
    effects.lock(name, "Exclusive" if node.concurrent else "AccessExclusive")
    for read in catalogue.views.get(name, set()):
        effects.lock(read, "AccessShare")
    (effects.scans if node.concurrent else effects.rewrites).add(name)


def _option(params: Any, name: str) -> bool:
    return any(p.def_elem.defname == name and _true(p.def_elem) for p in params)


def _true(option: Any) -> bool:
    if not option.HasField("arg"):
        return True
    return option.arg.string.sval in ("true", "on") or option.arg.integer.ival == 1 or bool(option.arg.boolean.boolval)


def _reindex(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    name = relation(node.relation) if node.HasField("relation") else f"all of {node.name}"
    if node.kind == pb.REINDEX_OBJECT_INDEX:
        name = catalogue.indexes.get(name, "") or f"table of index {name}"
    if _option(node.params, "concurrently"):
        effects.lock(name, "ShareUpdateExclusive")
        return
    effects.lock(name, "Share")
    effects.scans.add(name)


def _cluster(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    name = relation(node.relation) if node.HasField("relation") else "every clustered table"
    effects.lock(name, "AccessExclusive")
    effects.rewrites.add(name)


def _vacuum(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    full = _option(node.options, "full")
    names = [relation(item.vacuum_relation.relation) for item in node.rels] or ["every table"]
    for name in names if node.rels or full else []:
        effects.lock(name, "AccessExclusive" if full else "ShareUpdateExclusive")
        if full:
            effects.rewrites.add(name)


def _lock(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    for item in node.relations:
        effects.lock(relation(item.range_var), MODES[node.mode - 1])


def _rename(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    if node.rename_type in (pb.OBJECT_TABLE, pb.OBJECT_COLUMN, pb.OBJECT_TABCONSTRAINT, pb.OBJECT_VIEW, pb.OBJECT_TRIGGER):
        effects.lock(relation(node.relation), "AccessExclusive")


def _brief(mode: str, field: str = "relation") -> Callable[[Any, Catalogue, Effects], None]:
    def handler(node: Any, catalogue: Catalogue, effects: Effects) -> None:
        effects.lock(relation(getattr(node, field)), mode)

    return handler


def _moved(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    if node.object_type in (pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW):
        effects.lock(relation(node.relation), "AccessExclusive")


def _domain(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    constraint = getattr(node, "def").constraint
    if node.subtype not in ("C", "O", "V") or (node.subtype == "C" and constraint.skip_validation):
        return
    name = dotted(node.type_name)
    users = [t for t, table in catalogue.tables.items() if any(kind == name for kind, _ in table.columns.values())]
    for table in users or [f"every table with a column of {name}"]:
        effects.lock(table, "Share")
        effects.scans.add(table)


def _comment(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    if node.objtype in (pb.OBJECT_TABLE, pb.OBJECT_COLUMN):
        parts = node.object.list.items
        effects.lock(dotted(parts if node.objtype == pb.OBJECT_TABLE else parts[:-1]), "ShareUpdateExclusive")


def _statistics(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    _reads(node, effects, mode="ShareUpdateExclusive")


def _copy(node: Any, catalogue: Catalogue, effects: Effects) -> None:
    if node.HasField("relation"):
        effects.lock(relation(node.relation), "RowExclusive" if node.is_from else "AccessShare")


_HANDLERS: dict[str, Callable[[Any, Catalogue, Effects], None]] = {
    "alter_table_stmt": _alter,
    "create_stmt": _create,
    "index_stmt": _index,
    "drop_stmt": _drop,
    "truncate_stmt": _truncate,
    "select_stmt": _select,
    "insert_stmt": _write,
    "update_stmt": _write,
    "delete_stmt": _write,
    "create_table_as_stmt": _create_as,
    "view_stmt": _view,
    "refresh_mat_view_stmt": _refresh,
    "reindex_stmt": _reindex,
    "cluster_stmt": _cluster,
    "vacuum_stmt": _vacuum,
    "lock_stmt": _lock,
    "rename_stmt": _rename,
    "create_trig_stmt": _brief("ShareRowExclusive"),
    "rule_stmt": _brief("AccessExclusive"),
    "create_policy_stmt": _brief("AccessExclusive", "table"),
    "alter_policy_stmt": _brief("AccessExclusive", "table"),
    "alter_owner_stmt": _moved,
    "alter_object_schema_stmt": _moved,
    "alter_domain_stmt": _domain,
    "comment_stmt": _comment,
    "create_stats_stmt": _statistics,
    "create_publication_stmt": _statistics,
    "copy_stmt": _copy,
}
