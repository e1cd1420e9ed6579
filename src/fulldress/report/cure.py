"""What a cure would do, as every report shows it. A noun and its lines; does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class ShownCure(msgspec.Struct, frozen=True, kw_only=True):
    """The cure of one finding, by itself. Secrets are already hidden."""

    note: str
    safety: str
    """``safe`` or ``review``."""
    diff: str = ""
    """Unified diff; empty when the cure is plan steps only."""
    steps: tuple[str, ...] = ()
    """Titles of the plan steps that it asks for."""


class DiffLine(NamedTuple):
    """A line of a unified diff."""

    kind: str
    """``head``, ``hunk``, ``add``, ``del`` or ``same``."""
    text: str


def diff_lines(diff: str) -> Iterator[DiffLine]:
    """The lines with their kinds. A removed ``-- comment`` looks like a head: the counts of the hunk tell them apart."""
    old = new = 0
    for line in diff.removesuffix("\n").split("\n") if diff else ():
        hunk = _HUNK.match(line) if old <= 0 and new <= 0 else None
        if hunk:
            old, new = (int(count) if count else 1 for count in hunk.groups())
            yield DiffLine("hunk", line)
        elif old <= 0 and new <= 0:
            yield DiffLine("head", line)
        else:
            kind = {"+": "add", "-": "del", "\\": "head"}.get(line[:1], "same")
            old -= kind in ("del", "same")
            new -= kind in ("add", "same")
            yield DiffLine(kind, line)
