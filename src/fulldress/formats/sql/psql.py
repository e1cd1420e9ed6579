"""The parts of a psql script that are not SQL: meta-commands, variables and COPY data.

They are blanked out byte for byte, so that every offset and line number of what remains still holds. Pure text.
"""

from __future__ import annotations

import re

import msgspec

from fulldress.formats.late import late

_DOLLAR = late(r"\$(?:[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*)?\$")
_VARIABLE = late(r":(?:'[^'\n]*'|\"[^\"\n]*\"|[A-Za-z_]\w*)")
_COPY = late(r"\bcopy\b[^;]*\bfrom\s+stdin\b[^;]*\Z", re.IGNORECASE)
_SENDS = {"g", "gx", "gexec", "gset", "gdesc", "crosstabview", "watch"}


class Meta(msgspec.Struct, frozen=True):
    """One psql meta-command: ``\\set x 1``."""

    name: str
    text: str
    line: int


class Plain(msgspec.Struct, frozen=True):
    """A script without its psql parts, and the parts that were taken out."""

    sql: str
    metas: tuple[Meta, ...]
    cuts: tuple[int, ...]
    """Offsets of the semicolons that end statements."""


def plain(text: str) -> Plain:
    """The SQL of a psql script, of the same length as the script, line for line."""
    return _Lexer(text).run()


_STOPS = late(r"--|/\*|['\"$\\:()\[\];]")
"""What the lexer looks at; everything between is passed over."""
_NESTING = late(r"/\*|\*/")
_ESCAPED = late(r"\\.|'", re.DOTALL)
_WITHIN = late(r"[^\n]+")


class _Lexer:
    """Walks the text once, knowing quotes, dollar quotes and comments."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[str] = []
        self.written = 0
        """Where the text goes on that is not in ``pieces`` yet."""
        self.metas: list[Meta] = []
        self.cuts: list[int] = []
        self.start = 0
        self.depth = 0

    def run(self) -> Plain:
        at = 0
        while (stop := _STOPS.search(self.text, at)) is not None:
            at = self._step(stop.start())
        self._put(len(self.text), "")
        return Plain("".join(self.pieces), tuple(self.metas), tuple(self.cuts))

    def _put(self, start: int, instead: str) -> None:
        """Something of the same length instead of the text at ``start``, which is never before what was put last."""
        self.pieces += (self.text[self.written : start], instead)
        self.written = start + len(instead)

    def _step(self, at: int) -> int:
        text, char = self.text, self.text[at]
        if char == "-":
            end = text.find("\n", at)
            return len(text) if end < 0 else end
        if char == "/":
            return self._comment(at)
        if char in "'\"":
            return self._quoted(at, char)
        if char == "$" and (tag := _DOLLAR.match(text, at)) and not (at and (text[at - 1].isalnum() or text[at - 1] == "_")):
            end = text.find(tag.group(), tag.end())
            return len(text) if end < 0 else end + len(tag.group())
        if char == "\\":
            return self._meta(at)
        if char == ":":
            return self._variable(at)
        return self._punctuation(at, char)

    def _punctuation(self, at: int, char: str) -> int:
        if char in "([":
            self.depth += 1
        elif char in ")]":
            self.depth = max(0, self.depth - 1)
        elif char == ";" and self.depth == 0:
            self.cuts.append(at)
            head, self.start = self.text[self.start : at], at + 1
            if _COPY.search(head):
                return self._copy_data(at + 1)
        return at + 1

    def _comment(self, at: int) -> int:
        depth, at = 1, at + 2
        while depth:
            found = _NESTING.search(self.text, at)
            if found is None:
                return len(self.text)
            depth, at = depth + (1 if found[0] == "/*" else -1), found.end()
        return at

    def _quoted(self, at: int, quote: str) -> int:
        if quote == "'" and at > 0 and self.text[at - 1] in "eE" and not (at > 1 and self.text[at - 2].isalnum()):
            ends = (found.end() for found in _ESCAPED.finditer(self.text, at + 1) if found[0] == quote)
            return next(ends, len(self.text))
        end = self.text.find(quote, at + 1)
        return len(self.text) if end < 0 else end + 1

    def _blank(self, start: int, end: int, first: str = "") -> None:
        """Blanks instead of the text, its newlines kept; ``first`` instead of its first character."""
        self._put(start, first + _WITHIN.sub(lambda found: " " * len(found[0]), self.text[start + len(first) : end]))

    def _meta(self, at: int) -> int:
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        words = self.text[at + 1 : end].split()
        name = words[0] if words else ""
        self.metas.append(Meta(name, self.text[at:end].rstrip(), self.text.count("\n", 0, at) + 1))
        if name in _SENDS and self.text[self.start : at].strip():
            self._blank(at, end, ";")
            self.cuts.append(at)
            self.start = at + 1
            return end
        self._blank(at, end)
        if not self.text[self.start : at].strip():
            self.start = end
        return end

    def _variable(self, at: int) -> int:
        if self.text.startswith("::", at) or self.text.startswith(":=", at):
            return at + 2
        found = _VARIABLE.match(self.text, at)
        if found is None or (self.depth and self.text[at - 1].isdigit()):
            return at + 1
        # :'x' stays a literal, :"x" a name; :x becomes a name of the same width.
        self._put(at, "_" if found.group()[1] not in "'\"" and len(found.group()) > 2 else " ")
        return found.end()

    def _copy_data(self, at: int) -> int:
        end = self.text.find("\n\\.", at)
        end = len(self.text) if end < 0 else end + 3
        self._blank(at, end)
        self.start = end
        return end
