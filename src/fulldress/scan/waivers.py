"""Waivers: findings that a named person accepted for a stated reason until a stated day.

Reads ``03-findings/waivers.toml``. A waiver names a fingerprint (content, never a line number), so it does not hide
what is written on that line later. Past its last day it counts for nothing, and the report says that it ended.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from fulldress.store.codec import read_toml

Written = Annotated[str, msgspec.Meta(min_length=1)]


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[waiver]]``."""

    fingerprint: Written
    reason: Written
    owner: Written
    expires: date
    """Last day on which it counts."""

    @property
    def said(self) -> str:
        """How the waiver reads in a report."""
        return f"{self.reason} ({self.owner}, until {self.expires.isoformat()})"


class Waivers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    schema_version: int = 1
    waiver: tuple[Waiver, ...] = ()


class Split(NamedTuple):
    """Waivers in force, and those that ended."""

    active: tuple[Waiver, ...]
    expired: tuple[Waiver, ...]


def read_waivers(path: Path, today: date) -> Split:
    """The waivers of a release folder; none when there is no file. UsageError when one lacks reason, owner or expiry."""
    if not path.exists():
        return Split((), ())
    waivers = read_toml(path, Waivers).waiver
    return Split(tuple(w for w in waivers if w.expires >= today), tuple(w for w in waivers if w.expires < today))
