"""The examples of eugene, a lock tracer: each rule's bad.sql trips that rule's hazard, its good.sql does not.

The numbered parts of an example run one after the other; a part is one transaction unless it works CONCURRENTLY.
"""

from __future__ import annotations

import re
from pathlib import Path

from exactness import Row
from exactness._migrations import folder
from fulldress.formats import sql
from fulldress.formats.sql import Hazard
from fulldress.formats.sql.catalogue import Catalogue

OURS = {
    "E1": ("constraint-validates-under-lock", "."),
    "E2": ("not-null-scan", "."),
    "E3": ("schema-choice", "json"),
    "E4": ("long-lock-transaction", "reads"),
    "E5": ("table-rewrite", "."),
    "E6": ("index-blocks-writes", "."),
    "E7": ("index-blocks-writes", "."),
    "E8": ("index-blocks-writes", "."),
    "E9": ("migration-without-lock-timeout", "."),
    "E10": ("long-lock-transaction", "."),
    "E11": ("table-rewrite", "."),
    "E15": ("foreign-key-without-index", "."),
    "W12": ("schema-choice", "again"),
    "W13": ("schema-choice", "enum"),
    "W14": ("not-null-scan", "primary key using index"),
}
"""eugene's rule -> the hazard that answers it, and a word of its detail or its statement."""


def measure() -> list[Row]:
    """Bad examples found, good ones left alone, both for the example's own rule."""
    examples = folder("eugene") / "examples"
    bad = sorted(p for p in examples.glob("*/bad.sql"))
    good = sorted(p for p in examples.glob("*/good.sql"))
    missed = [p.parent.name for p in bad if not said(p)]
    false = [p.parent.name for p in good if said(p)]
    return [
        Row("bad examples found", len(bad) - len(missed), len(bad), not missed, "all 15", ", ".join(missed)),
        Row("good examples accused of their own rule", len(false), len(good), not false, "none of 13", ", ".join(false)),
    ]


def said(path: Path) -> bool:
    """True when the example trips its own rule."""
    kind, word = OURS[path.parent.name]
    known = Catalogue()
    found: list[Hazard] = []
    for part in re.split(r"(?m)^-- \d+\.sql\n", path.read_text())[1:]:
        read = sql.script(part, single_transaction="concurrently" not in part)
        found += sql.script_hazards(read, {}, known)
        known.settle()
    if kind == "foreign-key-without-index":
        return bool(known.uncovered())
    return any(h.kind == kind and re.search(word, f"{h.detail} {' '.join(h.statement.text.split())}") for h in found)
