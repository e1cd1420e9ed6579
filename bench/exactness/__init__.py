"""Sets with a known truth, one module each: what the inspection finds of what is there, and what it invents.

A module has ``measure() -> list[Row]``. A set that needs files which are not in the repository says so by raising
``NotHere`` with what is missing and how to get it; nothing is skipped silently.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table."""

    what: str
    """What was counted, in words: ``planted secrets found``."""
    got: int
    of: int
    met: bool
    target: str
    """In words: ``at least 50 of 53``."""
    note: str = ""
    """What was missed, by name."""


class NotHere(Exception):
    """The set's files are not on this machine."""
