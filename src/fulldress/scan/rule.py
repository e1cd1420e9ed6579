"""The contract of a rule, and what a rule may see.

A rule is one file in ``scan/rules/`` and is pure: it reads the Context and returns findings; it opens no file, no socket
and no process. The file holds:

* a docstring under fixed headings (What it does, Why it matters, Example, Fix, References): the page of ``explain``;
* ``META``, a :class:`RuleMeta`;
* ``check(context) -> Iterator[Finding]``;
* optionally ``cure(context, finding) -> Cure | None``, given one of its own findings over the *current* content;
* ``BAD`` and ``GOOD``: samples ``{place: text}`` that the generic test scans (every BAD trips the rule, no GOOD does).
  A sample may also be a :class:`Sample` where the rule needs an estate, a matrix or a trust report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Literal, Protocol

import msgspec

from fulldress.model.estate import Estate, KeyImpact
from fulldress.model.finding import Confidence, Cure, Finding, Severity, StepDraft
from fulldress.model.package import Acceptance, Entry, NotInspected, PackageLock, TrustReport
from fulldress.model.release import Release

MAX_TEXT = 8 << 20
"""Larger files are not decoded as text by rules."""

Family = Literal[
    "archive",
    "schedule",
    "endpoint",
    "secret",
    "privilege",
    "systemd",
    "migration",
    "tls",
    "configuration",
    "provenance",
]


class RuleMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says of itself. ``slug`` equals the file name with dashes."""

    slug: str
    family: Family
    title: str
    severity: Severity
    confidence: Confidence
    needs: tuple[Literal["estate", "matrix", "trust", "release"], ...] = ()
    """Inputs without which the rule stands aside (and the report says so)."""


class Context:
    """Everything a rule may look at. Reads come from verified blobs through ``read_blob``."""

    def __init__(
        self,
        package: PackageLock,
        read_blob: Callable[[str], bytes],
        *,
        estate: Estate | None = None,
        impacts: tuple[KeyImpact, ...] | None = None,
        trust: TrustReport | None = None,
        release: Release | None = None,
        acceptance: Acceptance | None = None,
        drafted: tuple[StepDraft, ...] = (),
    ) -> None:
        self.package = package
        self._read_blob = read_blob
        self.estate = estate
        self.impacts = impacts
        """Config keys × versions joined to the estate; None when there is no matrix."""
        self.trust = trust
        self.release = release
        self.acceptance = acceptance
        """The decision of two people about exactly this package, when there is one."""
        self.drafted = drafted
        """Steps that earlier adaptations asked for: a finding that one of them answers is not reported again."""
        self._texts: dict[str, str | None] = {}
        self.memo: dict[object, object] = {}
        """For parsers: what was parsed once need not be parsed by the next rule."""

    @cached_property
    def files(self) -> tuple[Entry, ...]:
        """Entries with content, containers included, in order of place."""
        return tuple(sorted((e for e in self.package.entries if e.sha256), key=lambda e: e.place))

    def entry(self, place: str) -> Entry | None:
        """The entry at a place."""
        return self._by_place.get(place)

    @cached_property
    def _by_place(self) -> dict[str, Entry]:
        return {e.place: e for e in self.package.entries}

    def read(self, entry: Entry) -> bytes:
        """The content of an entry."""
        return self._read_blob(entry.sha256)

    def text(self, entry: Entry) -> str | None:
        """The content as text, or None for binaries, containers and files over 8 MiB. Never raises on bad UTF-8."""
        if entry.sha256 not in self._texts:
            self._texts[entry.sha256] = self._decode(entry)
        return self._texts[entry.sha256]

    def _decode(self, entry: Entry) -> str | None:
        if entry.kind == "container" or entry.size > MAX_TEXT:
            return None
        data = self.read(entry)
        if b"\0" in data[:8192]:
            return None
        return data.decode("utf-8", "surrogateescape")

    def texts(self, *suffixes: str) -> Iterator[tuple[Entry, str]]:
        """Entries that are text, with their text; only those whose place ends with one of the suffixes, if any given."""
        for entry in self.files:
            if suffixes and not entry.place.endswith(suffixes):
                continue
            text = self.text(entry)
            if text is not None:
                yield entry, text


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that needs more than files."""

    files: dict[str, str | bytes]
    estate: Estate | None = None
    impacts: tuple[KeyImpact, ...] | None = None
    trust: TrustReport | None = None
    release: Release | None = None
    drafted: tuple[StepDraft, ...] = ()
    modified: str = "2026-10-01T00:00:00"
    """Recorded time of every file of the sample."""
    times: dict[str, str] = {}
    """Recorded times of single files, where they differ."""
    not_inspected: tuple[NotInspected, ...] = ()


class Rule(Protocol):
    """A module of ``scan/rules/`` seen as an object. ``cure`` is optional (look it up with getattr)."""

    META: RuleMeta
    BAD: tuple[dict[str, str] | Sample, ...]
    GOOD: tuple[dict[str, str] | Sample, ...]

    def check(self, context: Context) -> Iterator[Finding]:
        """Findings over the package (and estate)."""
        ...


def cure_of(rule: Rule) -> Callable[[Context, Finding], Cure | None] | None:
    """The rule's ``cure`` function, or None."""
    return getattr(rule, "cure", None)
