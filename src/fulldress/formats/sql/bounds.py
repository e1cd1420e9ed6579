"""The bounds of partitions as conditions that a CHECK can prove, so that ATTACH need not read the table. Pure."""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.sql.grammar import Unreadable, parse
from fulldress.formats.sql.names import conjuncts, expression, ident

_ENDLESS = {"minvalue", "maxvalue"}


def key_of(spec: Any) -> str:
    """The column of a PARTITION BY with one column (RANGE or LIST); "" for every other."""
    if spec.strategy not in (pb.PARTITION_STRATEGY_RANGE, pb.PARTITION_STRATEGY_LIST) or len(spec.part_params) != 1:
        return ""
    return str(spec.part_params[0].partition_elem.name)


def condition(column: str, bound: Any) -> str:
    """What holds for every row of a partition with this bound; "" when it is not simple."""
    if not column or bound.is_default:
        return ""
    name = ident(column)
    if bound.listdatums:
        values = [expression(item) for item in bound.listdatums]
        if any(item.a_const.isnull for item in bound.listdatums):
            return ""
        return _written(f"{name} IS NOT NULL AND {name} IN ({', '.join(values)})")
    terms = [f"{name} IS NOT NULL"]
    for sign, datums in ((">=", bound.lowerdatums), ("<", bound.upperdatums)):
        if len(datums) != 1:
            return ""
        if not _endless(datums[0]):
            terms.append(f"{name} {sign} {expression(datums[0])}")
    return _written(" AND ".join(terms))


def outside(text: str) -> str:
    """What holds for every row that is not of that partition: for the default partition."""
    return _written(f"NOT ({text})") if text else ""


def implies(check: str, wanted: str) -> bool:
    """True when a CHECK's terms hold all terms of the wanted condition, word for word."""
    return bool(check and wanted) and set(_terms(wanted)) <= set(_terms(check))


def _endless(node: Any) -> bool:
    fields = node.column_ref.fields if node.HasField("column_ref") else []
    return bool(fields) and fields[-1].string.sval.lower() in _ENDLESS


def _expression(text: str) -> Any:
    return parse(f"SELECT {text}").stmts[0].stmt.select_stmt.target_list[0].res_target.val


def _written(text: str) -> str:
    """The condition as the deparser writes it, so that it can be compared."""
    try:
        return expression(_expression(text))
    except Unreadable:
        return ""


def _terms(text: str) -> list[str]:
    try:
        return [expression(term) for term in conjuncts(_expression(text))]
    except Unreadable:
        return []
