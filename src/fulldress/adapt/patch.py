"""The difference between two states of a package as a unified diff for people. Text only; nothing is applied from it.

What runs are the blobs of the adapted package; the patch shows how they differ from the vendor's. Secrets are hidden.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence

from fulldress.adapt.tree import Contents, changed_places
from fulldress.formats.redact import SECRET
from fulldress.model.package import Entry, PackageLock

INEXACT = "this part shows and does not apply; `fulldress adapt --output FILE` writes the whole adapted package"
MAX_LINES = 20_000
MAX_BYTES = 4 << 20
"""Larger files are shown by their digests."""


class Hide:
    """How secrets are taken out of what is shown: line by line, and by what the whole file says is one."""

    def __init__(self, line: Callable[[str], str], values: Callable[[str, str], Collection[str]]) -> None:
        """``values``: place, text -> secrets of the file that a single line does not show to be any."""
        self._line, self.values = line, values

    def __call__(self, text: str) -> str:
        """The line without secrets."""
        return self._line(text)


def patch(before: PackageLock, after: PackageLock, blobs: Contents, hide: Callable[[str], str]) -> str:
    """A unified diff of every changed place, ``a/PLACE`` against ``b/PLACE``; ``hide`` removes secrets from the text."""
    old = {e.place: e for e in before.entries}
    new = {e.place: e for e in after.entries}
    return "".join(
        line for place in changed_places(before, after) for line in _one(place, old.get(place), new.get(place), blobs, hide)
    )


def _one(place: str, old: Entry | None, new: Entry | None, blobs: Contents, hide: Callable[[str], str]) -> Iterator[str]:
    left, right = (f"a/{place}" if old else "/dev/null"), (f"b/{place}" if new else "/dev/null")
    texts = [_lines(e, blobs) for e in (old, new)]
    if texts[0] is None or texts[1] is None:
        yield f"Binary files {left} and {right} differ\n"
        yield from (f"# sha256 {name}: {e.sha256}\n" for name, e in ((left, old), (right, new)) if e and e.sha256)
        return
    # Compared as they are, hidden afterwards: a line that differs in its secret alone is still seen to differ.
    known = {v for text in texts if text and isinstance(hide, Hide) for v in hide.values(place, "".join(text))}
    hidden = _Hidden(hide, sorted(known, key=len, reverse=True))
    lines = [
        hidden(line) if number > 1 else _head(line)
        for number, line in enumerate(difflib.unified_diff(texts[0], texts[1], left, right))
    ]
    if hidden.changed:
        yield f"# {hidden.changed} line{'s'[: hidden.changed > 1]} below would show a secret and do not: {INEXACT}\n"
    yield from lines


def _head(line: str) -> str:
    """A tab ends a name with blanks in it, or patch(1) takes its first word alone."""
    return f"{line.rstrip()}\t\n" if " " in line[4:].rstrip() else line


class _Hidden:
    """Hides secrets line by line, and private keys as a block."""

    def __init__(self, hide: Callable[[str], str], known: Sequence[str] = ()) -> None:
        self._hide, self._in_key, self._known = hide, False, known
        self.changed = 0
        """Lines that are shown otherwise than they are."""

    def __call__(self, line: str) -> str:
        sign, text = line[:1], line[1:].rstrip("\n")
        if sign != "@":
            shown = self._text(text)
            self.changed += shown != text
            text = shown
        return f"{sign}{text}\n" + ("" if line.endswith("\n") else "\\ No newline at end of file\n")

    def _text(self, text: str) -> str:
        if "PRIVATE KEY-----" in text:
            self._in_key = "-----BEGIN" in text and "-----END" not in text
            return text.partition("-----BEGIN")[0] + SECRET if "-----BEGIN" in text else SECRET
        if self._in_key:
            return SECRET
        for value in self._known:
            text = text.replace(value, SECRET)
        return self._hide(text)


def _lines(entry: Entry | None, blobs: Contents) -> list[str] | None:
    """The lines of a text; None for what is not shown as text."""
    if entry is None:
        return []
    if entry.kind != "file":
        return None if entry.sha256 else []
    if entry.size > MAX_BYTES:
        return None
    data = blobs.read(entry.sha256)
    if b"\0" in data:
        return None
    text = data.decode("utf-8", "backslashreplace")
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1:] = [lines[-1][:-1]] if lines[-1] != "\n" else []
    return lines if len(lines) <= MAX_LINES else None
