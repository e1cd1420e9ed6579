"""What flows through a shell script: its assignments in order, and words with their variables filled in.

Pure. Values are followed only where they are plain text in the script or in its environment; a command substitution stays
as written, except for the ways in which a script finds its own folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import NamedTuple

from tree_sitter import Node

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command

_SELF = r"(?:\"?\$\{?(?:0|BASH_SOURCE(?:\[0\])?)\}?\"?)"
_OWN_FOLDER = late(
    rf"\$\(\s*cd\s+(?:-P\s+)?(?:--\s+)?\"?\$\(\s*dirname\s+(?:--\s+)?{_SELF}\s*\)\"?(?P<up>[/.]*)\"?[^()]*(?:&&|;)\s*pwd[^()]*\)"
    rf"|\$\(\s*dirname\s+(?:--\s+)?(?:\"?\$\(\s*(?:readlink|realpath)[^()]*\)\"?|{_SELF})\s*\)|\$\{{(?:0|BASH_SOURCE)%/\*\}}"
)
_VARIABLE = late(r"\$(?:\{(\w+)(?::?[-=]([^{}]*))?\}|(\w+))")
_MAX_VALUE = 2000


class Assignment(NamedTuple):
    """``NAME=value`` outside any command."""

    name: str
    value: str
    """Unquoted; expansions as written."""
    line: int
    start: int


def assignments(text: str) -> list[Assignment]:
    """Every assignment of a script in order: plain ones, ``export``, ``readonly``, ``local``, ``declare``."""
    data = shell.encode(text)
    found: list[Assignment] = []
    stack: list[Node] = [shell.tree(data)]
    while stack:
        node = stack.pop()
        if node.type == "variable_assignment":
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            if name is not None:
                raw = "" if value is None else _text(data, value)
                found.append(Assignment(_text(data, name), _unquoted(raw), node.start_point.row + 1, node.start_byte))
        stack.extend(reversed(node.named_children))
    return found


def _text(data: bytes, node: Node) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")


def _unquoted(raw: str) -> str:
    if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
        return raw[1:-1]
    return raw


def loop_values(text: str) -> list[Assignment]:
    """What the variable of each ``for`` loop is given: its words, one after the other."""
    data = shell.encode(text)
    found: list[Assignment] = []
    stack: list[Node] = [shell.tree(data)]
    while stack:
        node = stack.pop()
        variable = node.child_by_field_name("variable") if node.type == "for_statement" else None
        if variable is not None:
            name = _text(data, variable)
            for value in node.children_by_field_name("value"):
                found.append(Assignment(name, _unquoted(_text(data, value)), node.start_point.row + 1, node.start_byte))
        stack.extend(reversed(node.named_children))
    return found


def events(text: str, *, loops: bool = False) -> list[Assignment | Command]:
    """Assignments and commands in the order of the text; ``loops``: what loops are given counts as assignments."""
    both: list[Assignment | Command] = [*assignments(text), *(loop_values(text) if loops else ()), *shell.commands(text)]
    return sorted(both, key=lambda event: event.start)


def expand(word: str, values: Mapping[str, str], folder: str = "") -> str:
    """The word with the variables filled in that have a known value; ``folder`` is where the script itself lies."""
    if "$" not in word:
        return word
    word = _OWN_FOLDER.sub(lambda m: posixpath.normpath(f"{folder or '.'}{m['up'] or ''}"), word)
    for _ in range(4):
        expanded = _VARIABLE.sub(lambda m: _value(m, values), word)[:_MAX_VALUE]
        if expanded == word:
            break
        word = expanded
    return word


def _value(match: re.Match[str], values: Mapping[str, str]) -> str:
    name = match[1] or match[3]
    if name in values:
        return values[name]
    return match[2] if match[2] else match[0]


def forgiven(text: str) -> list[tuple[int, str]]:
    """(byte offset, what follows) of every command whose failure is waved through: ``x || true``, ``x || :``."""
    data = shell.encode(text)
    found: list[tuple[int, str]] = []
    stack: list[Node] = [shell.tree(data)]
    while stack:
        node = stack.pop()
        if node.type == "list" and any(child.type == "||" for child in node.children):
            last = _text(data, node.named_children[-1]).strip()
            if re.fullmatch(r"true|:|/bin/true|exit 0|echo\b.*", last, re.DOTALL):
                found.append((node.named_children[0].start_byte, last))
        stack.extend(reversed(node.named_children))
    return found
