"""Which rows differ, once a table is known to: a second look, on the machine and on one that is as before.

Names keys and columns, never values: rows may be people's. Reads only. Sums over 4096 heaps of a table's keys tell which
heaps to open, so a few rows are found in a table of any size.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fulldress.model.proof import Difference, Proof
from fulldress.ports import Host
from fulldress.rehearse import rows

ROWS = 5
"""Rows that are named for each table."""
TABLES = 10
"""Tables that are looked into."""
HEAPS = 4
"""Heaps of keys that are opened for each table."""
SECONDS = 600.0


def with_rows(proof: Proof, before: Host, after: Host) -> Proof:
    """The proof with the first rows that differ of each differing table that has a primary key.

    ``before`` is a machine whose rows are as they were (a clone of the same mirror that nothing was done to).
    """
    found: list[Difference] = []
    looked = 0
    for difference in proof.differences:
        found.append(difference)
        database, colon, table = difference.name.partition(": ")
        both = "absent" not in (difference.before, difference.after)
        is_table = not table.startswith(("sequence ", "large objects"))
        if difference.part != "rows" or not (colon and both and is_table) or ":" in database or looked >= TABLES:
            continue
        looked += 1
        found.extend(_rows_of(database, table, before, after))
    return msgspec.structs.replace(proof, differences=tuple(found))


def _rows_of(database: str, table: str, before: Host, after: Host) -> Iterator[Difference]:
    hosts = (before, after)
    sums = [{number: (count, total) for number, count, total in _ask(h, database, rows.buckets(table), 3)} for h in hosts]
    heaps = sorted(
        (number for number in sums[0].keys() | sums[1].keys() if sums[0].get(number) != sums[1].get(number)), key=int
    )
    if not heaps:
        return
    opened = [dict(_ask(host, database, rows.bucket_rows(table, [int(h) for h in heaps[:HEAPS]]), 2)) for host in hosts]
    keys = sorted((k for k in opened[0].keys() | opened[1].keys() if opened[0].get(k) != opened[1].get(k)), key=_by_number)
    columns = [_columns(host, database, table, keys[:ROWS]) for host in hosts]
    for key in keys[:ROWS]:
        one, two = (side.get(key) for side in columns)
        name = f"{database}: {table} {key}"
        if one is None or two is None:
            words = ("absent" if one is None else "there", "absent" if two is None else "there")
        else:
            changed = ", ".join(column for column in one if one[column] != two.get(column))
            words = ("there", f"differs in {changed}" if changed else "differs in form")
        yield Difference(part="rows", name=name, before=words[0], after=words[1])


def _by_number(key: str) -> tuple[int, str]:
    """``id=9`` before ``id=10``."""
    return (len(key), key)


def _columns(host: Host, database: str, table: str, keys: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, column, digest in _ask(host, database, rows.row_columns(table, keys), 3) if keys else ():
        found.setdefault(key, {})[column] = digest
    return found


def _ask(host: Host, database: str, query: str, fields: int) -> Iterator[list[str]]:
    """Lines of a query. One that fails names no row: the table was named already."""
    text = f"\\pset fieldsep '\\t'\n{query}"
    argv = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database]
    done = host.run(argv, stdin=text.encode(), user="postgres", timeout_s=SECONDS)
    for line in done.stdout.decode(errors="replace").splitlines() if done.ok else ():
        parts = line.split("\t")
        if len(parts) == fields:
            yield parts
