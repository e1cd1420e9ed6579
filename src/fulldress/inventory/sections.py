"""The probe's answer in sections, and how they are looked up. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from fulldress.errors import FulldressError


class SurveyFailed(FulldressError):
    """A host did not answer the survey, or answered only in part; nothing was written.

    Its inventory would be incomplete, and an incomplete inventory hides what the package collides with.
    """

    slug = "survey-failed"


MOST = 1 << 62
"""No honest count of a host is larger, and larger ones cannot be kept."""


def whole(text: str) -> int:
    """A whole number as a host writes it; 0 for what is none: a host may answer anything."""
    return min(int(text), MOST) if text.isascii() and text.isdecimal() and len(text) < 40 else 0


class Section(NamedTuple):
    """One part of a host's answer: name, what it is about (a file, mostly), content."""

    name: str
    file: str
    text: str


class Sections(Sequence[Section]):
    """All sections of a host."""

    def __init__(self, found: Sequence[Section]) -> None:
        """``found``: in the order of the answer."""
        self._found = list(found)
        self._texts = {section.name: section.text for section in found if not section.file}

    def text(self, name: str) -> str:
        """The content of a section that is about no file; ``""`` when there is none."""
        return self._texts.get(name, "")

    def named(self, name: str) -> Iterator[Section]:
        """All sections of a name."""
        return (section for section in self._found if section.name == name)

    def about(self, name: str, file: str) -> str | None:
        """The content of the section about one thing, None when there is none."""
        return next((section.text for section in self.named(name) if section.file == file), None)

    @overload
    def __getitem__(self, index: int) -> Section: ...
    @overload
    def __getitem__(self, index: slice) -> list[Section]: ...
    def __getitem__(self, index: int | slice) -> Section | list[Section]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)
