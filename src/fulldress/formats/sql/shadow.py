"""SQL found in a file that is not SQL, set down line for line. Pure."""

from __future__ import annotations

from typing import NamedTuple

from fulldress.formats.sql.names import ident, literal


class Shadow(NamedTuple):
    """The SQL of a migration that was written in another language."""

    text: str
    """Each statement at its line of the file."""
    tool: str
    single: bool
    """The tool runs it in one transaction."""
    unread: tuple[tuple[int, str], ...] = ()
    """What it does besides, and nobody here could read."""


class Sheet:
    """Collects statements with their lines."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, str]] = []
        self.unread: list[tuple[int, str]] = []

    def put(self, line: int, sql: str) -> None:
        """One statement (or several), as the tool sends it."""
        if sql.strip():
            self.pieces.append((line, sql.strip().rstrip(";")))

    def doubt(self, line: int, what: str) -> None:
        """Something that works on the database and could not be read."""
        self.unread.append((line, what))

    def made(self, tool: str, *, single: bool) -> Shadow | None:
        """The whole; None when nothing was found."""
        if not self.pieces and not self.unread:
            return None
        text, at = "", 1
        for line, sql in self.pieces:
            if line > at:
                text += "\n" * (line - at)
                at = line
            text += f"{sql}; "
            at += sql.count("\n")
            if "--" in sql:
                text, at = text + "\n", at + 1
        return Shadow(text, tool, single, tuple(self.unread))


def name(value: object, schema: object = None) -> str:
    """A table's or column's name as SQL."""
    parts = [str(part) for part in (schema, value) if part]
    return ".".join(ident(piece) for part in parts for piece in part.split("."))


def names(values: object) -> str:
    """A list of columns as SQL: what is no plain name is an expression."""
    listed = values if isinstance(values, (list, tuple)) else [values]
    return ", ".join(ident(v) if isinstance(v, str) and v.isidentifier() else f"({v})" for v in listed) or "fd_unknown"


def default(value: object) -> str:
    """A default's text: numbers and true/false bare, the rest as a string."""
    text = str(value)
    bare = text.lower() in ("true", "false", "null") or text.lstrip("-").replace(".", "", 1).isdigit()
    return text.lower() if bare else literal(text)
