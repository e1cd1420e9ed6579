"""The contract of a rule, and what a rule may see.

A rule is one file in ``scan/rules/`` and is pure: it reads the Context and returns findings; it opens no file, no socket
and no process. The file holds:

* a docstring under fixed headings (What it does, Why it matters, Example, Fix, References): the page of ``explain``;
* ``META``, a :class:`RuleMeta`;
* ``LOOKS_FOR``, the :class:`~fulldress.formats.patterns.Pattern` objects that it asks the Context about (if any), so that
  the sweep searches for all rules' patterns in one read of every byte; ``looks_for(context)`` gives those that depend
  on the estate;
* ``check(context) -> Iterator[Finding]``;
* optionally ``cure(context, finding) -> Cure | None``, given one of its own findings over the *current* content;
* ``BAD`` and ``GOOD``: samples ``{place: text}`` that the generic test scans (every BAD trips the rule, no GOOD does).
  A sample may also be a :class:`Sample` where the rule needs an estate, a matrix or a trust report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

import msgspec

from fulldress.formats.patterns import Found, Matcher, Pattern
from fulldress.model.estate import Estate, KeyImpact
from fulldress.model.finding import Confidence, Cure, Finding, Severity, StepDraft
from fulldress.model.package import Acceptance, Entry, NotInspected, PackageLock, TrustReport
from fulldress.model.release import Release

MAX_LINE = 16_384
"""Longer lines are data, not something that a person wrote; line rules look at their beginning."""
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


class Looked(NamedTuple):
    """What a search of one object brought to light."""

    binary: bool
    """True when a NUL is among the first 8 KiB."""
    ends: dict[Pattern, tuple[int, ...]]
    """Offsets just behind each match."""


class Hit(NamedTuple):
    """One match in one entry, text or binary. ``end`` is the offset just behind it."""

    entry: Entry
    pattern: Pattern
    end: int


class Line(NamedTuple):
    """A line of a text entry in which at least one pattern matched."""

    entry: Entry
    number: int
    """1-based."""
    text: str
    """Without the newline; at most ``MAX_LINE`` characters around the first match."""
    patterns: frozenset[Pattern]


Search = Callable[[Sequence[Pattern]], Mapping[str, Looked]]
"""Patterns -> SHA-256 of each object -> what was found there."""


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
        search: Search | None = None,
    ) -> None:
        """``search``: another way to look for patterns in all objects than reading them here, one after the other."""
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
        self._search = search or self._search_here
        self._looked: dict[str, Looked] = {}
        self._searched: set[Pattern] = set()
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

    # ---- what matches a pattern, anywhere

    def prepare(self, patterns: Sequence[Pattern]) -> None:
        """Look for these patterns in one read of every object; later questions about them cost nothing."""
        new = tuple(dict.fromkeys(p for p in patterns if p not in self._searched))
        if not new:
            return
        for sha256, looked in self._search(new).items():
            before = self._looked.get(sha256)
            self._looked[sha256] = Looked(looked.binary, {**before.ends, **looked.ends} if before else looked.ends)
        self._searched.update(new)

    def _search_here(self, patterns: Sequence[Pattern]) -> dict[str, Looked]:
        matcher = Matcher(patterns)
        found = {}
        for entry in self.files:
            if entry.kind != "container" and entry.sha256 not in found:
                found[entry.sha256] = looked_at(self.read(entry), matcher)
        return found

    def hits(self, *patterns: Pattern) -> Iterator[Hit]:
        """Every match in every entry that is no container, in order of place and offset; texts and binaries alike."""
        self.prepare(patterns)
        for entry in self.files:
            looked = self._looked.get(entry.sha256)
            if looked is None or entry.kind == "container":
                continue
            found = [(end, n, p) for n, p in enumerate(patterns) for end in looked.ends.get(p, ())]
            for end, _, pattern in sorted(found, key=lambda f: f[:2]):
                yield Hit(entry, pattern, end)

    def matching(self, *patterns: Pattern) -> list[Entry]:
        """The entries in which at least one of the patterns occurs, in order of place."""
        return list({hit.entry.place: hit.entry for hit in self.hits(*patterns)}.values())

    def is_binary(self, entry: Entry) -> bool:
        """True for content with a NUL near its beginning."""
        looked = self._looked.get(entry.sha256)
        return looked.binary if looked is not None else b"\0" in self.read(entry)[:8192]

    def around(self, hit: Hit, before: int = 256, after: int = 256) -> bytes:
        """The bytes around the end of a match."""
        return self.read(hit.entry)[max(0, hit.end - before) : hit.end + after]

    def lines(self, *patterns: Pattern) -> Iterator[Line]:
        """Every line of a text entry of any size in which a pattern matched, in order of place and line."""
        by_entry: dict[str, list[Hit]] = {}
        for hit in self.hits(*patterns):
            by_entry.setdefault(hit.entry.place, []).append(hit)
        for hits in by_entry.values():
            if not self.is_binary(hits[0].entry):
                yield from _lines(self.read(hits[0].entry), hits)

    def texts(self, *suffixes: str) -> Iterator[tuple[Entry, str]]:
        """Entries that are text, with their text; only those whose place ends with one of the suffixes, if any given."""
        for entry in self.files:
            if suffixes and not entry.place.endswith(suffixes):
                continue
            text = self.text(entry)
            if text is not None:
                yield entry, text


def looked_at(data: bytes, matcher: Matcher) -> Looked:
    """Search one object."""
    found: Found = matcher.search(data)
    return Looked(b"\0" in data[:8192], {matcher.patterns[n]: tuple(ends) for n, ends in found.ends.items()})


def _lines(data: bytes, hits: Sequence[Hit]) -> Iterator[Line]:
    """The lines of one text in which the hits end, each once."""
    number, counted, line_end = 1, 0, -1
    start, patterns = 0, set[Pattern]()
    for hit in hits:
        at = max(0, hit.end - 1)
        if at >= line_end:
            if patterns:
                yield _line(data, hits[0].entry, number, start, line_end, patterns)
            start = data.rfind(b"\n", 0, at) + 1
            number, counted = number + data.count(b"\n", counted, start), start
            line_end = found if (found := data.find(b"\n", at)) >= 0 else len(data)
            line_end = max(line_end, at + 1)
            patterns = set()
        patterns.add(hit.pattern)
    if patterns:
        yield _line(data, hits[0].entry, number, start, line_end, patterns)


def _line(data: bytes, entry: Entry, number: int, start: int, end: int, patterns: set[Pattern]) -> Line:
    text = data[start : min(end, start + MAX_LINE)].decode("utf-8", "surrogateescape").rstrip("\n")
    return Line(entry, number, text, frozenset(patterns))


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
    modes: dict[str, int] = {}
    """Modes of single files; others are 0755 with a ``#!`` line, else 0644."""
    not_inspected: tuple[NotInspected, ...] = ()


class Rule(Protocol):
    """A module of ``scan/rules/`` seen as an object. ``cure`` and ``LOOKS_FOR`` are optional (look them up by getattr)."""

    META: RuleMeta
    BAD: tuple[dict[str, str] | Sample, ...]
    GOOD: tuple[dict[str, str] | Sample, ...]

    def check(self, context: Context) -> Iterator[Finding]:
        """Findings over the package (and estate)."""
        ...


def cure_of(rule: Rule) -> Callable[[Context, Finding], Cure | None] | None:
    """The rule's ``cure`` function, or None."""
    return getattr(rule, "cure", None)


def patterns_of(rule: Rule, context: Context) -> tuple[Pattern, ...]:
    """The patterns that a rule asks the Context about: its ``LOOKS_FOR`` and what ``looks_for(context)`` adds to it."""
    more: Callable[[Context], tuple[Pattern, ...]] | None = getattr(rule, "looks_for", None)
    return (*getattr(rule, "LOOKS_FOR", ()), *(more(context) if more is not None else ()))
