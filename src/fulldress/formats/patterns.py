"""Many patterns at once over bytes: one pass, whatever the number of patterns. Pure.

A Pattern is one regular expression in Hyperscan's dialect (Perl's without look-around and back-references; ``^`` and ``$``
match at lines). It says where something *may* be; a rule judges the line itself, with ``re`` or a parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import hyperscan
import msgspec

MAX_HITS = 10_000
"""Hits of one pattern kept for one object; what is beyond is counted (``Found.dropped``) and never silently lost."""


class Pattern(msgspec.Struct, frozen=True, kw_only=False):
    """What a rule looks for in every byte of the package."""

    regex: str
    once: bool = False
    """True: only whether it occurs, with one hit at most. Much cheaper for patterns that occur everywhere."""


class Found(NamedTuple):
    """What was found in one object."""

    ends: dict[int, list[int]]
    """Index of the pattern -> offsets just behind each match, ascending, each once."""
    dropped: dict[int, int]
    """Index of the pattern -> how many hits were beyond ``MAX_HITS``."""


class Matcher:
    """Patterns compiled together. Not safe to share between threads while searching."""

    def __init__(self, patterns: Sequence[Pattern], compiled: bytes | None = None) -> None:
        """Compile (about a second for some hundred patterns), or load what :meth:`dump` gave for the same patterns."""
        self.patterns = tuple(patterns)
        if compiled is not None:
            self._database: Any = hyperscan.loadb(compiled, hyperscan.HS_MODE_BLOCK)
            self._database.scratch = hyperscan.Scratch(self._database)
            return
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        base = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY
        self._database.compile(
            expressions=[p.regex.encode() for p in self.patterns],
            ids=list(range(len(self.patterns))),
            flags=[base | (hyperscan.HS_FLAG_SINGLEMATCH if p.once else 0) for p in self.patterns],
        )

    def dump(self) -> bytes:
        """The compiled form, good for this processor and this version of the library."""
        return bytes(hyperscan.dumpb(self._database))

    def search(self, data: bytes) -> Found:
        """Every match in the data."""
        ends: dict[int, list[int]] = {}
        dropped: dict[int, int] = {}

        def matched(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            kept = ends.setdefault(number, [])
            if kept and kept[-1] == end:
                return
            if len(kept) < MAX_HITS:
                kept.append(end)
            else:
                dropped[number] = dropped.get(number, 0) + 1

        if data:
            self._database.scan(data, match_event_handler=matched)
        return Found(ends, dropped)
