"""What the three migration sets share: where they are, and the lock oracle as the analyser sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from exactness import NotHere
from fulldress.formats import sql
from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.locks import MODES, at_least

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "migrations"

NAMELESS = {
    "rename_table": {"t": "tt"},
    "drop_table": {"t": ""},
    "drop_table_child_of_fk": {"child": ""},
    "drop_view": {"vw": ""},
    "drop_partition": {"pt1": ""},
}
"""The measurement looks names up after the statement: what is renamed has its new name there, what is gone has none.

Seen from a second session while the first is still open, each of these holds AccessExclusive under its old name
(``tests/formats/sql/test_oracle.py`` asks a server).
"""


class Case(NamedTuple):
    """One measured statement and what the analyser says of it."""

    id: str
    sql: str
    locks: dict[str, str]
    rewrites: set[str]
    scans: set[str]
    our_locks: dict[str, str]
    our_rewrites: set[str]
    our_scans: set[str]

    @property
    def heavy(self) -> set[str]:
        """Relations that the server rewrites or reads through while nobody may write (or read) them."""
        strong = {name for name, mode in self.locks.items() if at_least(mode, "Share")}
        return strong & (self.rewrites | self.scans)

    @property
    def our_heavy(self) -> set[str]:
        """The same as the analyser sees it."""
        strong = {name for name, mode in self.our_locks.items() if at_least(mode, "Share")}
        return strong & (self.our_rewrites | self.our_scans)


def folder(name: str) -> Path:
    """A folder of the corpora."""
    path = CORPORA / name
    if not path.exists():
        raise NotHere(f"{path} (see ../shared/corpora/README.md)")
    return path


def schema() -> list[sql.Statement]:
    """The statements that made the oracle's database."""
    found = re.search(r'S="""(.*?)"""', (folder("lock-oracle") / "lockcat.py").read_text(), re.DOTALL)
    assert found is not None
    return sql.statements(found.group(1))


def oracle() -> list[Case]:
    """Every measured statement that the server accepted."""
    known = schema()
    measured = json.loads((folder("lock-oracle") / "pg15.18.json").read_text())
    return [_case(case, known) for case in measured if "error" not in case]


def _case(case: dict[str, object], known: list[sql.Statement]) -> Case:
    locks: dict[str, str] = {}
    rewrites: set[str] = set()
    scans: set[str] = set()
    for effect in sql.lock_effects(sql.statements(str(case["sql"])), Catalogue(known)):
        rewrites |= set(effect.rewrites)
        scans |= set(effect.scans)
        for name, mode in effect.locks.items():
            name = NAMELESS.get(str(case["id"]), {}).get(name, name)
            if name:
                locks[name] = max(mode, locks.get(name, MODES[0]), key=MODES.index)
    return Case(
        str(case["id"]),
        str(case["sql"]),
        dict(case["locks"]),  # type: ignore[call-overload]
        set(case["rewrite"]),  # type: ignore[call-overload]
        set(case["scan"]),  # type: ignore[call-overload]
        locks,
        rewrites,
        scans,
    )
