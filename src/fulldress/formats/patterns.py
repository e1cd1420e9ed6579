"""Many patterns at once over bytes: one pass, whatever the number of patterns. Pure.

A Pattern is one regular expression in Hyperscan's dialect (Perl's without look-around and back-references; ``^`` and ``$``
match at lines). It says where something *may* be; a rule judges the line itself, with ``re`` or a parser.

What a pattern costs hangs on the rarest letters that every match has in a row: fewer than three (``rm\\s``, ``SK[a-f0-9]``)
slow down the search for all patterns by a third. ``^\\s*`` before alternatives, counted repetitions before the letters
(``\\w{0,40}key``) and frequent words cost much; to be wider at the beginning costs nothing, the rule judges anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import hyperscan
import msgspec

from fulldress.formats.encodings import HEAD, as_utf8, encoding_of, is_narrow

MAX_HITS = 10_000
"""Hits of one pattern kept for one object; what is beyond is counted (``Found.dropped``) and never silently lost."""
BLOCK = 16 << 20
"""Larger objects are searched in pieces of this size, so that memory does not grow with them."""
OVERLAP = 64 << 10
"""Bytes of a piece that are searched again with the next one; no match is longer."""


_INDENTED = re.compile(r"(?<![\[\\])\^(\\s|\[ \\t\]|\[\^\\S\\n\]| )\*(?=\w|\((?!\?))")
_COUNTED = re.compile(r"(?<![\[\\])\^(\\s|\[ \\t\]|\[\^\\S\\n\]| )\{(\d),\d+\}")


_LETTERS = re.compile(r"(\[(?:\\.|[^\]\\])+\])\{0,(\d+)\}")
_ENDS = (r"\s", r"\S", r"\n", r"\W", r"\D", r"\x", "\n")
FEW = 8
"""Letters up to which it pays to count them."""


def _within_a_line(letters: str) -> bool:
    """True for a class that has no line end among its letters; False also where that is not plain to see."""
    if letters.startswith("[^"):
        return r"\n" in letters or r"\s" in letters
    return not any(end in letters for end in _ENDS)


class Pattern(msgspec.Struct, frozen=True, kw_only=False):
    """What a rule looks for in every byte of the package."""

    regex: str
    once: bool = False
    """True: only whether it occurs, with one hit at most. Much cheaper for patterns that occur everywhere."""

    def __post_init__(self) -> None:
        """Take out what is counted without need; what is found beyond the pattern as it was written the rule judges anyway.

        Blanks at the beginning of a line: ``^\\s{1,9}-`` becomes ``^\\s\\s*-``, and none are asked for before a word.
        Vectorscan 5.4 misses some matches of the bounded form, depending on the lines before, and could not go by the word.
        Letters within a line: ``a[^\\n]{0,80}b`` becomes ``a[^\\n]*b``. To count them took a third of all searching.
        """
        plain = _COUNTED.sub(lambda m: f"^{m[1] * int(m[2])}{m[1]}*", self.regex)
        plain = _INDENTED.sub("", plain)
        plain = _LETTERS.sub(lambda m: f"{m[1]}*" if int(m[2]) > FEW and _within_a_line(m[1]) else m[0], plain)
        if plain != self.regex:
            msgspec.structs.force_setattr(self, "regex", plain)


class Found(NamedTuple):
    """What was found in one object."""

    ends: dict[int, list[int]]
    """Index of the pattern -> offsets just behind each match, ascending, each once."""
    dropped: dict[int, int]
    """Index of the pattern -> how many hits were beyond ``MAX_HITS``."""


class Seen(NamedTuple):
    """One object, looked through. Offsets are those of its UTF-8 form."""

    binary: bool
    """True when a NUL is among the first 8 KiB of what is no UTF-16 or UTF-32 text."""
    encoding: str
    """``utf-16`` and the like; ``""`` for everything that is searched as it is."""
    found: Found


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
            kept = ends.get(number)
            if kept is None:
                ends[number] = [end]
            elif kept[-1] == end:
                return
            elif len(kept) < MAX_HITS:
                kept.append(end)
            else:
                dropped[number] = dropped.get(number, 0) + 1

        if data:
            self._database.scan(data, match_event_handler=matched)
        return Found(ends, dropped)

    def search_pieces(self, pieces: Iterable[bytes]) -> Found:
        """Every match in a stream, piece by piece; ``\\A`` holds only at its beginning."""
        ends: dict[int, list[int]] = {}
        dropped: dict[int, int] = {}
        tail, base = b"", 0
        for piece in pieces:
            block = tail + piece
            here = self.search(block)
            for number, found in here.ends.items():
                if base and self._once_only(number, ends):
                    continue
                kept = ends.setdefault(number, [])
                fresh = [base + end for end in found if end > len(tail) or not base]
                room = MAX_HITS - len(kept)
                kept += fresh[:room]
                dropped[number] = dropped.get(number, 0) + len(fresh[room:])
            for number, more in here.dropped.items():
                dropped[number] = dropped.get(number, 0) + more
            cut = max(0, len(block) - OVERLAP)
            newline = block.find(b"\n", cut, cut + OVERLAP // 2)
            cut = newline + 1 if newline >= 0 and cut else cut
            base, tail = base + cut, block[cut:]
        return Found({n: e for n, e in ends.items() if e}, {n: d for n, d in dropped.items() if d})

    def _once_only(self, number: int, ends: dict[int, list[int]]) -> bool:
        pattern = self.patterns[number]
        return "\\A" in pattern.regex or (pattern.once and bool(ends.get(number)))

    def look(self, data: bytes) -> Seen:
        """Search one object that lies in memory, texts of wide characters in their UTF-8 form."""
        head = data[:HEAD]
        if is_narrow(head):
            return Seen(False, "", self.search(data) if len(data) <= BLOCK else self.search_pieces(_cut(data)))
        encoding = encoding_of(head)
        plain = as_utf8(data, encoding) if encoding else data
        return Seen(not encoding, encoding, self.search(plain) if len(plain) <= BLOCK else self.search_pieces(_cut(plain)))


def _cut(data: bytes) -> Iterable[bytes]:
    return (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
