"""The hazards of migrations: their kinds, and one hazard. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from fulldress.formats.sql.parse import Statement

HazardKind = Literal[
    "migration-cannot-run",
    "table-rewrite",
    "not-null-scan",
    "index-blocks-writes",
    "constraint-validates-under-lock",
    "unbounded-backfill",
    "long-lock-transaction",
    "migration-without-lock-timeout",
    "concurrently-in-transaction",
    "lock-held-on-purpose",
    "migration-hides-statements",
    "breaks-running-version",
    "schema-choice",
]

ONLINE: frozenset[HazardKind] = frozenset(
    {
        "table-rewrite",
        "not-null-scan",
        "index-blocks-writes",
        "constraint-validates-under-lock",
        "unbounded-backfill",
        "long-lock-transaction",
        "migration-without-lock-timeout",
        "concurrently-in-transaction",
    }
)
"""Hazards that an online form takes away."""


class Hazard(msgspec.Struct, frozen=True, kw_only=True):
    """One statement that hurts under load."""

    kind: HazardKind
    relation: str
    statement: Statement
    detail: str
    """What happens, in one sentence without a full stop."""
    mild: bool = False
    """Worth knowing, nothing to act on."""


def rows_of(rows: Mapping[str, int], name: str) -> int | None:
    """Rows of a table by its name with or without ``public``; None when nobody counted them."""
    return rows.get(name, rows.get(f"public.{name}"))
