"""A shell script as its top-level statements, each with its exact text: what can be moved or dropped as a whole.

Pure; the commands inside a statement are read by :mod:`fulldress.formats.shell`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import tree_sitter_bash
from tree_sitter import Language, Node, Parser


class Statement(NamedTuple):
    """``kind`` is the grammar's: command, list, pipeline, redirected_statement, if_statement, function_definition ..."""

    kind: str
    text: str
    line: int
    end_line: int
    operators: tuple[str, ...] = ()
    """``&&`` and ``||`` between the parts of a list, in order."""
    parts: tuple[str, ...] = ()
    """The parts of a list."""
    name: str = ""
    """Of a function or of an assigned variable."""
    value: str = ""
    """Of an assignment, as written."""


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def statements(text: str) -> list[Statement]:
    """Statements in order, comments left out; a heredoc belongs to its statement."""
    data = text.encode("utf-8", "surrogateescape")
    found: list[Statement] = []
    for node in _parser().parse(data).root_node.named_children:
        if node.type == "comment":
            continue
        if node.type == "variable_assignments":
            found += [_statement(child, data) for child in node.named_children]
        else:
            found.append(_statement(node, data))
    return found


def _statement(node: Node, data: bytes) -> Statement:
    parts: list[str] = []
    operators: list[str] = []
    if node.type == "list":
        _flatten(node, data, parts, operators)
    name = node.child_by_field_name("name") if node.type in ("function_definition", "variable_assignment") else None
    value = node.child_by_field_name("value") if node.type == "variable_assignment" else None
    return Statement(
        kind=node.type,
        text=_text(node, data),
        line=node.start_point.row + 1,
        end_line=node.end_point.row + 1,
        operators=tuple(operators),
        parts=tuple(parts),
        name=_text(name, data) if name is not None else "",
        value=_text(value, data) if value is not None else "",
    )


def _flatten(node: Node, data: bytes, parts: list[str], operators: list[str]) -> None:
    for child in node.children:
        if child.type == "list":
            _flatten(child, data, parts, operators)
        elif child.is_named:
            parts.append(_text(child, data))
        else:
            operators.append(child.type)


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")


_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^{}$`]*))?\})")


def expand(word: str, raw: str, known: dict[str, str]) -> str:
    """A word with the variables that are known put in; ``raw`` is the word as written (single quotes keep it literal)."""
    if raw.startswith("'"):
        return word

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in known:
            return known[name]
        return match[0] if match[3] is None else match[3]

    return _VARIABLE.sub(value, word)


def static(word: str) -> bool:
    """True when nothing in the word is left to expand."""
    return "$" not in word and "`" not in word
