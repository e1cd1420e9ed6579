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

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from fulldress.formats.encodings import HEAD, as_text, as_utf8, encoding_of, is_narrow
from fulldress.formats.patterns import Matcher, Pattern
from fulldress.model.advisory import AdvisoryReport
from fulldress.model.estate import Estate, KeyImpact, MatrixRow
from fulldress.model.finding import Confidence, Cure, Finding, Severity, StepDraft
from fulldress.model.package import Acceptance, Entry, NotInspected, PackageLock, Remark, TrustReport
from fulldress.model.release import Release
from fulldress.scan.placeindex import PlaceIndex

T = TypeVar("T")
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
    needs: tuple[Literal["estate", "matrix", "trust", "release", "advisories", "baseline"], ...] = ()
    """Inputs without which the rule stands aside (and the report says so)."""
    yields_to: tuple[str, ...] = ()
    """Rules that know better what a line means: of a line of which one of them speaks, this one says nothing."""


class Looked(NamedTuple):
    """What a search of one object brought to light."""

    binary: bool
    """True when a NUL is among the first 8 KiB of what is no text of wide characters."""
    ends: dict[Pattern, Sequence[int]]
    """Offsets just behind each match, in the object's UTF-8 form."""
    encoding: str = ""
    """Of a text of wide characters (``utf-16`` ...), which is searched and shown in its UTF-8 form."""
    dropped: int = 0
    """Matches beyond the most that are kept of one pattern in one object."""


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


MAX_WHOLE = 16 << 20
"""Larger texts are never held in memory whole; their lines are read from around the hits."""
MAX_KEPT = 12 << 20
"""Bytes of decoded texts, and of contents, that are kept for the next rule."""

Among = Callable[[Entry], bool]
"""Which entries a rule asks about."""
ReadPart = Callable[[str, int, int], bytes]
"""SHA-256, offset, size -> so many verified bytes of an object."""
Search = Callable[[Sequence[Pattern]], Mapping[str, Looked]]
"""Patterns -> SHA-256 of an object -> what was found there. One that is left out is a text without a match."""


class Context:
    """Everything a rule may look at. Reads come from verified blobs through ``read_blob``."""

    def __init__(
        self,
        package: PackageLock,
        read_blob: Callable[[str], bytes],
        *,
        estate: Estate | None = None,
        impacts: tuple[KeyImpact, ...] | None = None,
        matrix: tuple[MatrixRow, ...] = (),
        trust: TrustReport | Callable[[], TrustReport] | None = None,
        release: Release | None = None,
        acceptance: Acceptance | None = None,
        advisories: AdvisoryReport | None = None,
        drafted: tuple[StepDraft, ...] = (),
        chain: tuple[str, ...] = (),
        search: Search | None = None,
        read_part: ReadPart | None = None,
    ) -> None:
        """``search``: another way to look for patterns in all objects than reading them here, one after the other.

        ``read_part``: a way to read a part of an object without the rest. ``trust``: the report, or who makes it when asked.
        """
        self.package = package
        self._read_blob = read_blob
        self.estate = estate
        self.impacts = impacts
        """Config keys × versions joined to the estate; None when there is no matrix."""
        self.matrix = matrix
        """What the offered version knows of the product's config keys."""
        self._trust = trust
        self.release = release
        self.acceptance = acceptance
        """The decision of two people about exactly this package, when there is one."""
        self.advisories = advisories
        """What the vendor's channels say about exactly this package; None when they were not read."""
        self.known_hosts: frozenset[str] | None = None
        """Outside hosts that the previous package names; None when it is not known."""
        self.drafted = drafted
        """Steps that earlier adaptations asked for: a finding that one of them answers is not reported again."""
        self.chain = chain
        """Intermediate certificates that the release declares, as PEM."""
        self._read_part = read_part or (lambda sha256, offset, size: read_blob(sha256)[offset : offset + size])
        self._texts: Recent[str | None] = Recent(MAX_KEPT)
        self._plain: Recent[bytes] = Recent(MAX_KEPT // 4)
        self._search = search or self._search_here
        self._looked: dict[str, Looked] = {}
        self._searched: set[Pattern] = set()
        self._holding: dict[Pattern, set[int]] = {}
        """Pattern -> which of ``files`` it occurs in."""
        self.memo: dict[object, object] = {}
        """For parsers: what was parsed once need not be parsed by the next rule."""

    @property
    def is_judged(self) -> bool:
        """True when there is, or will be, a :attr:`trust`; asking costs nothing."""
        return self._trust is not None

    @cached_property
    def trust(self) -> TrustReport | None:
        """What is known of the package's signatures; the first who asks may wait for it."""
        return self._trust() if callable(self._trust) else self._trust

    @cached_property
    def files(self) -> tuple[Entry, ...]:
        """Entries with content, containers included, in order of place."""
        return tuple(sorted((e for e in self.package.entries if e.sha256), key=lambda e: e.place))

    @cached_property
    def _positions(self) -> dict[str, tuple[int, ...] | int]:
        """Where in ``files`` an object is: it may be there under several names, but most are there once."""
        found: dict[str, tuple[int, ...] | int] = {}
        for n, entry in enumerate(self.files):
            if entry.kind != "container":
                before = found.setdefault(entry.sha256, n)
                if before != n:
                    found[entry.sha256] = (*before, n) if isinstance(before, tuple) else (before, n)
        return found

    @cached_property
    def _index(self) -> PlaceIndex:
        return PlaceIndex([entry.place for entry in self.files])

    def index(self) -> None:
        """Make the index of places now, for all who will ask."""
        self._index.make()

    def ending(self, *suffixes: str) -> list[Entry]:
        """Those of ``files`` whose place ends with one of the suffixes, in order of place."""
        return [self.files[n] for n in self._index.ending(*suffixes)]

    def holding(self, *parts: str) -> list[Entry]:
        """Those of ``files`` in whose place one of the parts occurs (given in lower case; upper case is found too)."""
        return [self.files[n] for n in self._index.holding(*parts)]

    def naming(self, *parts: str) -> list[Entry]:
        """Those of ``files`` in whose name, behind the last slash, one of the parts occurs; case as above."""
        return [self.files[n] for n in self._index.naming(*parts)]

    def called(self, name: str) -> list[Entry]:
        """Those of ``files`` whose name, behind the last slash, is this one."""
        return [self.files[n] for n in self._index.called(name)]

    def entry(self, place: str) -> Entry | None:
        """The entry at a place."""
        return self._by_place.get(place)

    @cached_property
    def _by_place(self) -> dict[str, Entry]:
        return {e.place: e for e in self.package.entries}

    def read(self, entry: Entry) -> bytes:
        """The content of an entry."""
        return self._read_blob(entry.sha256)

    def head(self, entry: Entry, size: int) -> bytes:
        """The first bytes of an entry; the rest is not read."""
        return self._read_part(entry.sha256, 0, min(size, entry.size))

    def text(self, entry: Entry) -> str | None:
        """The content as text, or None for binaries, containers and files over 8 MiB. Never raises on bad UTF-8."""
        if entry.kind == "container" or entry.size > MAX_TEXT:
            return None
        if entry.sha256 not in self._texts:
            self._texts.put(entry.sha256, as_text(self.read(entry)), entry.size)
        return self._texts.get(entry.sha256)

    def _utf8(self, entry: Entry) -> bytes:
        """The whole content, a text of wide characters in its UTF-8 form: what offsets of hits count in."""
        if entry.sha256 not in self._plain:
            data = self.read(entry)
            looked = self._looked.get(entry.sha256)
            self._plain.put(entry.sha256, as_utf8(data, looked.encoding) if looked and looked.encoding else data, len(data))
        return self._plain.get(entry.sha256)

    # ---- what matches a pattern, anywhere

    def prepare(self, patterns: Sequence[Pattern]) -> None:
        """Look for these patterns in one read of every object; later questions about them cost nothing."""
        new = tuple(dict.fromkeys(p for p in patterns if p not in self._searched))
        if not new:
            return
        for sha256, looked in self._search(new).items():
            before = self._looked.get(sha256)
            if before is not None:
                ends, dropped = {**before.ends, **looked.ends}, looked.dropped + before.dropped
                self._looked[sha256] = Looked(looked.binary, ends, looked.encoding, dropped)
            else:
                self._looked[sha256] = looked
            here = self._positions.get(sha256, ())
            for pattern in looked.ends:
                self._holding.setdefault(pattern, set()).update(here if isinstance(here, tuple) else (here,))
        self._searched.update(new)

    def _search_here(self, patterns: Sequence[Pattern]) -> dict[str, Looked]:
        matcher = Matcher(patterns)
        found = {}
        for entry in self.files:
            if entry.kind != "container" and entry.sha256 not in found:
                found[entry.sha256] = looked_at(self.read(entry), matcher)
        return found

    def hits(self, *patterns: Pattern, among: Among | None = None) -> Iterator[Hit]:
        """Every match in every entry that is no container, in order of place and offset; texts and binaries alike.

        ``among`` says of which entries the matches are wanted: the others cost nothing.
        """
        for entry, found in self._hits_by_entry(patterns, among):
            for end, pattern in found:
                yield Hit(entry, pattern, end)

    def _hits_by_entry(
        self, patterns: tuple[Pattern, ...], among: Among | None
    ) -> Iterator[tuple[Entry, list[tuple[int, Pattern]]]]:
        """Each entry with its matches: (end, pattern), in order of offset and of the patterns."""
        for entry in self.matching(*patterns, among=among):
            ends = self._looked[entry.sha256].ends
            here = [pattern for pattern in patterns if pattern in ends]
            if len(here) == 1:
                yield entry, [(end, here[0]) for end in ends[here[0]]]
                continue
            found = sorted((end, n) for n, pattern in enumerate(here) for end in ends[pattern])
            yield entry, [(end, here[n]) for end, n in found]

    def crowded(self) -> list[tuple[Entry, int]]:
        """Entries with more matches than are kept of a pattern, and how many no rule has seen."""
        found = {sha256: looked.dropped for sha256, looked in self._looked.items() if looked.dropped}
        return [(e, found[e.sha256]) for e in self.files if e.sha256 in found and e.kind != "container"] if found else []

    def matching(self, *patterns: Pattern, among: Among | None = None) -> list[Entry]:
        """The entries in which at least one of the patterns occurs, in order of place."""
        self.prepare(patterns)
        places: set[int] = set().union(*(self._holding.get(pattern, ()) for pattern in patterns))
        found = [self.files[n] for n in sorted(places)]
        return found if among is None else [entry for entry in found if among(entry)]

    def is_binary(self, entry: Entry) -> bool:
        """True for content with a NUL near its beginning."""
        looked = self._looked.get(entry.sha256)
        if looked is not None:
            return looked.binary
        if self._searched and entry.kind != "container":
            return False
        head = self._read_part(entry.sha256, 0, HEAD)
        return not is_narrow(head) and not encoding_of(head)

    def around(self, hit: Hit, before: int = 256, after: int = 256) -> bytes:
        """The bytes around the end of a match."""
        start = max(0, hit.end - before)
        if self._is_large(hit.entry):
            return self._read_part(hit.entry.sha256, start, hit.end + after - start)
        return self._utf8(hit.entry)[start : hit.end + after]

    def _is_large(self, entry: Entry) -> bool:
        """Too large to be held in memory. Texts of wide characters never are: they are converted whole."""
        looked = self._looked.get(entry.sha256)
        return entry.size > MAX_WHOLE and not (looked is not None and looked.encoding)

    def lines(self, *patterns: Pattern, among: Among | None = None) -> Iterator[Line]:
        """Every line of a text entry of any size in which a pattern matched, in order of place and line."""

        def wanted(entry: Entry) -> bool:
            return (among is None or among(entry)) and not self.is_binary(entry)

        for entry, found in self._hits_by_entry(patterns, wanted):
            if self._is_large(entry):
                yield from large_lines(functools.partial(self._read_part, entry.sha256), entry, found)
            else:
                yield from _lines(self._utf8(entry), entry, found)

    def texts(self, *suffixes: str) -> Iterator[tuple[Entry, str]]:
        """Entries that are text, with their text; only those whose place ends with one of the suffixes, if any given."""
        for entry in self.ending(*suffixes) if suffixes else self.files:
            text = self.text(entry)
            if text is not None:
                yield entry, text


def looked_at(data: bytes, matcher: Matcher) -> Looked:
    """Search one object."""
    seen = matcher.look(data)
    return Looked(
        seen.binary,
        {matcher.patterns[n]: tuple(ends) for n, ends in seen.found.ends.items()},
        seen.encoding,
        sum(seen.found.dropped.values()),
    )


def _lines(data: bytes, entry: Entry, hits: Sequence[tuple[int, Pattern]]) -> Iterator[Line]:
    """The lines of one text in which the hits end, each once."""
    number, counted, line_end = 1, 0, -1
    start, patterns = 0, set[Pattern]()
    for end, pattern in hits:
        at = end - 1 if end else 0
        if at >= line_end:
            if patterns:
                yield _line(data, entry, number, start, line_end, patterns)
            start = data.rfind(b"\n", 0, at) + 1
            number, counted = number + data.count(b"\n", counted, start), start
            line_end = found if (found := data.find(b"\n", at)) >= 0 else len(data)
            line_end = max(line_end, at + 1)
            patterns = set()
        patterns.add(pattern)
    if patterns:
        yield _line(data, entry, number, start, line_end, patterns)


def _line(data: bytes, entry: Entry, number: int, start: int, end: int, patterns: set[Pattern]) -> Line:
    text = data[start : min(end, start + MAX_LINE)].decode("utf-8", "surrogateescape").rstrip("\n")
    return Line(entry, number, text, frozenset(patterns))


def large_lines(read: Callable[[int, int], bytes], entry: Entry, hits: Sequence[tuple[int, Pattern]]) -> Iterator[Line]:
    """As :func:`_lines`, of a text that is read piece by piece around the hits."""
    size = entry.size
    number, counted = 1, 0
    last: tuple[int, int, set[Pattern]] | None = None  # number, start and patterns of the line before
    for end, pattern in hits:
        at = max(0, end - 1)
        low = max(counted, at - MAX_LINE)
        while counted < low:  # newlines between the lines of two hits
            piece = read(counted, min(MAX_KEPT // 16, low - counted))
            number += piece.count(b"\n")
            counted += len(piece)
        near = read(counted, at - counted)
        number += near.count(b"\n")
        newline = near.rfind(b"\n")
        start = counted + newline + 1 if newline >= 0 else (last[1] if last and last[0] == number else counted)
        counted = at
        if last is not None and last[0] != number:
            yield _large_line(read, size, entry, last)
            last = None
        last = (number, start, {pattern, *(last[2] if last else ())})
    if last is not None:
        yield _large_line(read, size, entry, last)


def _large_line(read: Callable[[int, int], bytes], size: int, entry: Entry, line: tuple[int, int, set[Pattern]]) -> Line:
    number, start, patterns = line
    text = read(start, min(MAX_LINE, size - start)).partition(b"\n")[0].decode("utf-8", "surrogateescape")
    return Line(entry, number, text, frozenset(patterns))


class Recent(Generic[T]):
    """What was made last, up to a number of bytes; the oldest goes first."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: dict[str, tuple[T, int]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def get(self, key: str) -> T:
        """What was put there last."""
        return self._kept[key][0]

    def put(self, key: str, value: T, size: int) -> None:
        """Keep it; make room first. The newest always stays, whatever its size."""
        while self._kept and self._size + size > self._most:
            oldest = next(iter(self._kept))
            self._size -= self._kept.pop(oldest)[1]
        self._kept[key], self._size = (value, size), self._size + size


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that needs more than files."""

    files: dict[str, str | bytes]
    estate: Estate | None = None
    impacts: tuple[KeyImpact, ...] | None = None
    matrix: tuple[MatrixRow, ...] = ()
    trust: TrustReport | None = None
    release: Release | None = None
    advisories: AdvisoryReport | None = None
    drafted: tuple[StepDraft, ...] = ()
    known_hosts: tuple[str, ...] | None = None
    modified: str = "2026-10-01T00:00:00"
    """Recorded time of every file of the sample."""
    times: dict[str, str] = {}
    """Recorded times of single files, where they differ."""
    modes: dict[str, int] = {}
    """Modes of single files; others are 0755 with a ``#!`` line, else 0644."""
    not_inspected: tuple[NotInspected, ...] = ()
    remarks: tuple[Remark, ...] = ()


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
