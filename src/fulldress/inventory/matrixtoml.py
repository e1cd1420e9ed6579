"""Proposed rows as a matrix file that a person reviews: each with its reason, guesses marked. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fulldress.formats.tomltext import dumps
from fulldress.inventory.matrixdiff import Proposed
from fulldress.model.estate import MatrixRow

_FIELDS = ("key", "change", "since", "instead", "value", "type", "range", "values", "consequence")


def to_toml(rows: Iterable[Proposed], *, product: str, source: str) -> str:
    """The text of a matrix file. ``source``: what it was made from, for the reader."""
    lines = [f"# {_one_line(source)}\n# Proposed, for a person to review: correct it, then name it in release.toml.\n\n"]
    lines.append(dumps({"product": product}))
    for row, why, guessed in rows:
        mark = "GUESSED, check it: " if guessed else ""
        lines.append(f"\n# {mark}{_one_line(why)}\n[[key]]\n{dumps(_plain(row))}")
    return "".join(lines)


def _plain(row: MatrixRow) -> dict[str, object]:
    found: dict[str, object] = {name: value for name in _FIELDS if (value := getattr(row, name))}
    if row.silent_fallback:
        found["silent-fallback"] = True
    return found


def _one_line(text: str) -> str:
    """A comment must not end early: whatever a stranger wrote stays behind the #."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]
