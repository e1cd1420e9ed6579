"""The places of a package as an index: which end so, which have such words in them. Pure.

Packages have very many names, and dozens of rules ask which of them concern them: asking every name costs more than all
that the rules then read.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate

_END = 3
"""Characters at the end of a place that it is filed under."""
_HASH = 0xFFFFFFFF


class _Joined:
    """Many texts as one, to be searched at the speed of one."""

    def __init__(self, texts: Sequence[str]) -> None:
        whole = "\n".join(texts)
        if not whole.isascii():  # other letters may be as long as two in lower case
            texts = [text.lower() for text in texts]
            whole = "\n".join(texts)
        self._starts = array("q", accumulate(map(len, texts), lambda end, size: end + size + 1, initial=0))
        self._whole = whole.lower()

    def having(self, part: str) -> Iterator[int]:
        """Numbers of the texts in which it occurs."""
        at = self._whole.find(part)
        while at >= 0:
            number = bisect_right(self._starts, at) - 1
            yield number
            at = self._whole.find(part, self._starts[number + 1])

    def beginning(self, part: str) -> Iterator[int]:
        """Numbers of the texts that begin so."""
        if self._whole.startswith(part):
            yield 0
        at = self._whole.find(f"\n{part}")
        while at >= 0:
            yield bisect_right(self._starts, at + 1) - 1
            at = self._whole.find(f"\n{part}", at + 1)


class PlaceIndex:
    """Answers are numbers of places, ascending. Folders are kept once, because most names share theirs with others."""

    def __init__(self, places: Sequence[str]) -> None:
        self._places = places

    @cached_property
    def _ends(self) -> dict[str, array[int]]:
        found: dict[str, array[int]] = {}
        for number, place in enumerate(self._places):
            end = place[-_END:]
            if end in found:
                found[end].append(number)
            else:
                found[end] = array("L", (number,))
        return found

    @cached_property
    def _folders(self) -> tuple[_Joined, list[array[int] | tuple[int]]]:
        """The folders, with the slash behind them, and the numbers of the places in each: most archives hold one."""
        found: dict[str, array[int] | tuple[int]] = {}
        for number, place in enumerate(self._places):
            folder = place[: place.rfind("/") + 1]
            held = found.get(folder)
            if held is None:
                found[folder] = (number,)
            elif isinstance(held, tuple):
                found[folder] = array("L", (*held, number))
            else:
                held.append(number)
        return _Joined(list(found)), list(found.values())

    @cached_property
    def _by_name(self) -> tuple[_Joined, array[int]]:
        """The last names; and parts of their hashes in order, each with its number behind it."""
        names = [place.rpartition("/")[2] for place in self._places]
        hashes = sorted([(hash(name) & _HASH) << 32 | number for number, name in enumerate(names)])
        return _Joined(names), array("Q", hashes)

    def make(self) -> None:
        """Make all of it now."""
        _ = (self._ends, self._folders, self._by_name)

    def ending(self, *suffixes: str) -> list[int]:
        """Places that end with one of the suffixes."""
        found: set[int] = set()
        for suffix in suffixes:
            if len(suffix) >= _END:
                found.update(n for n in self._ends.get(suffix[-_END:], ()) if self._places[n].endswith(suffix))
            else:
                found.update(n for end, numbers in self._ends.items() if end.endswith(suffix) for n in numbers)
        return sorted(found)

    def holding(self, *parts: str) -> list[int]:
        """Places in which one of the parts occurs, in upper or lower case; the parts are given in lower case."""
        found: set[int] = set()
        (joined, numbers), (names, _) = self._folders, self._by_name
        for part in parts:
            for folder in joined.having(part):
                found.update(numbers[folder])
            left, slash, right = part.rpartition("/")
            if not slash:
                found.update(names.having(part))
            elif right:  # it may lie across the last slash
                across = f"{left}/{right}"
                found.update(n for n in names.beginning(right) if across in self._places[n].lower())
        return sorted(found)

    def naming(self, *parts: str) -> list[int]:
        """Places in whose last name one of the parts occurs, in upper or lower case."""
        names, _ = self._by_name
        return sorted({number for part in parts for number in names.having(part)})

    def called(self, name: str) -> list[int]:
        """Places whose last name is this one."""
        _, hashes = self._by_name
        key, found = hash(name) & _HASH, []
        at = bisect_left(hashes, key << 32)
        while at < len(hashes) and hashes[at] >> 32 == key:
            number = hashes[at] & _HASH
            if self._places[number].rpartition("/")[2] == name:
                found.append(number)
            at += 1
        return found
