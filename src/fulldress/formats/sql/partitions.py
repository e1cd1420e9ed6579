"""Partitions made, attached and indexed online, as far as the catalogue shows how their parent is cut. Pure."""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.sql import online
from fulldress.formats.sql.bounds import condition, outside
from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.names import deparse, ident, relation, written
from fulldress.formats.sql.parse import Statement


def partition_pieces(statement: Statement, catalogue: Catalogue, sql: str) -> list[str]:
    """A partition attached or made behind CHECKs that spare the scans; [] where there is nothing to spare or to prove.

    ``sql``: the statement in the form that may be run again.
    """
    found = _attached(statement)
    if found is None:
        return []
    parent, child, bound = found
    known = catalogue.table(relation(parent))
    inside = condition(known.partition_key, bound)
    checks = []
    if statement.kind != "create_stmt" and not catalogue.fresh(relation(child)):
        checks.append((written(child), inside))
    if known.default_partition and not catalogue.fresh(known.default_partition):
        checks.append((".".join(map(ident, known.default_partition.split("."))), outside(inside)))
    return online.partition(written(parent), written(child), sql, checks) if inside and checks else []


def _attached(statement: Statement) -> tuple[Any, Any, Any] | None:
    """(parent, child, bound) of a statement that gives a table a partition."""
    node = statement.node
    if statement.kind == "create_stmt":
        if not node.HasField("partbound") or not node.inh_relations:
            return None
        return node.inh_relations[0].range_var, node.relation, node.partbound
    if len(node.cmds) != 1 or node.cmds[0].alter_table_cmd.subtype != pb.AT_AttachPartition:
        return None
    cmd = getattr(node.cmds[0].alter_table_cmd, "def").partition_cmd
    return node.relation, cmd.name, cmd.bound


def index_pieces(node: Any, qualified: str, usual: str) -> list[str]:
    """ON ONLY for the whole, CONCURRENTLY for each partition, then attached: the whole becomes valid by itself.

    ``usual``: the name that PostgreSQL would give to the index of the whole; partitions' indexes are named after it.
    """
    table, ending = written(node.relation), usual.removeprefix(node.relation.relname)
    whole = pb.IndexStmt()
    whole.CopyFrom(node)
    whole.relation.inh = False
    part = pb.IndexStmt()
    part.CopyFrom(node)
    part.relation.inh, part.relation.schemaname = True, ""
    part.relation.relname, part.idxname, part.concurrent = online.PARTITION, online.PART_INDEX, True
    sql = online.partition_indexes(table, qualified, ending, deparse("index_stmt", part))
    return [online.attempt(deparse("index_stmt", whole)), sql]
