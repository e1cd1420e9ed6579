"""The places of a package as an index: which end so, which have such words in them. Pure.

Packages have very many names, and dozens of rules ask which of them concern them: asking every name costs more than all
that the rules then read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

_END = 3
"""Characters at the end of a place that it is filed under."""


class _Joined:
    """Many texts as one, to be searched at the speed of one."""

    def __init__(self, texts: Sequence[str]) -> None:
        whole = "\n".join(texts)
        if not whole.isascii():  # other letters may be as long as two in lower case
            texts = [text.lower() for text in texts]
            whole = "\n".join(texts)
        self._whole = whole.lower()
        self._starts = list(accumulate([len(text) + 1 for text in texts], initial=0))

    def having(self, part: str) -> set[int]:
        """Numbers of the texts in which it occurs."""
        found: set[int] = set()
        at = self._whole.find(part)
        while at >= 0:
            number = bisect_right(self._starts, at) - 1
            found.add(number)
            at = self._whole.find(part, self._starts[number + 1])
        return found


class PlaceIndex:
    """Answers are numbers of places, ascending."""

    def __init__(self, places: Sequence[str]) -> None:
        self._places = places

    @cached_property
    def _ends(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, place in enumerate(self._places):
            found.setdefault(place[-_END:], []).append(number)
        return found

    @cached_property
    def _whole(self) -> _Joined:
        return _Joined(self._places)

    @cached_property
    def _names(self) -> _Joined:
        return _Joined([place[place.rfind("/") + 1 :] for place in self._places])

    def make(self) -> None:
        """Make all of it now."""
        _ = (self._ends, self._whole, self._names)

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
        return sorted(set[int]().union(*(self._whole.having(part) for part in parts)))

    def naming(self, *parts: str) -> list[int]:
        """Places in whose last name one of the parts occurs, in upper or lower case."""
        return sorted(set[int]().union(*(self._names.having(part) for part in parts)))
