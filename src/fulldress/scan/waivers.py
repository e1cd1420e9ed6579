"""Waivers: findings that a named person accepted for a stated reason until a stated day.

Reads ``03-findings/waivers.toml`` and writes entries for it. A waiver names a fingerprint (content, never a line number), so
it does not hide what is written on that line later. Past its last day it counts for nothing, and the report says that it
ended. A critical finding is accepted by two people or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from fulldress.formats.tomltext import dumps
from fulldress.model.finding import Finding, FindingsReport
from fulldress.store.codec import read_toml

Written = Annotated[str, msgspec.Meta(min_length=1)]


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[waiver]]``."""

    fingerprint: Written
    reason: Written
    owner: Written
    second: str = ""
    """Another person, without whom a critical finding stays."""
    expires: date
    """Last day on which it counts, in the estate's time zone."""

    @property
    def said(self) -> str:
        """How the waiver reads in a report."""
        people = f"{self.owner} and {self.second}" if self.by_two else self.owner
        return f"{self.reason} ({people}, until {self.expires.isoformat()})"

    @property
    def by_two(self) -> bool:
        """True when two different people stand for it."""
        people = {self.owner.strip().casefold(), self.second.strip().casefold()} - {""}
        return len(people) == 2

    def covers(self, finding: Finding) -> bool:
        """True when it takes this finding off the list."""
        return self.fingerprint == finding.fingerprint and (finding.severity != "critical" or self.by_two)


class Waivers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    schema_version: int = 1
    waiver: tuple[Waiver, ...] = ()


class Split(NamedTuple):
    """Waivers in force, and those that ended."""

    active: tuple[Waiver, ...]
    expired: tuple[Waiver, ...]

    def told(self, report: FindingsReport) -> FindingsReport:
        """The report, saying which waivers ended and which have no effect."""
        renewed = {w.fingerprint for w in self.active}
        return msgspec.structs.replace(
            report,
            waivers_ended=tuple(f"{w.fingerprint}: {w.said}" for w in self.expired if w.fingerprint not in renewed),
            waivers_idle=tuple(_idle(self.active, report)),
        )


def _idle(active: Iterable[Waiver], report: FindingsReport) -> Iterable[str]:
    left = {finding.fingerprint: finding for finding in report.findings}
    for waiver in active:
        if waiver.fingerprint in report.waived:
            continue
        why = "a critical finding needs two people" if waiver.fingerprint in left else "nothing matches it any more"
        yield f"{waiver.fingerprint}: {why}: {waiver.said}"


def read_waivers(path: Path, today: date) -> Split:
    """The waivers of a file; none when there is no file. UsageError when one lacks reason, owner or expiry."""
    if not path.exists():
        return Split((), ())
    waivers = read_toml(path, Waivers).waiver
    return Split(tuple(w for w in waivers if w.expires >= today), tuple(w for w in waivers if w.expires < today))


def with_waiver(text: str, waiver: Waiver, title: str) -> str:
    """The file's text with one more entry at its end; everything that people wrote stays as it is."""
    plain = {k: v for k, v in msgspec.to_builtins(waiver).items() if v and k != "expires"}
    entry = f"[[waiver]]\n# {' '.join(title.split())}\n{dumps(plain)}expires = {waiver.expires.isoformat()}\n"
    head = f"{text.rstrip()}\n\n" if text.strip() else ""
    return head + entry
