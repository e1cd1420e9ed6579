"""Arguments of a call, in the source of any language with parentheses and quotes. Pure; no parser of that language."""

from __future__ import annotations


def split(text: str) -> list[str]:
    """The arguments of a call up to its closing parenthesis; empty when it does not close in the text."""
    arguments: list[str] = []
    depth, quote, begin = 0, "", 0
    for at, char in enumerate(text):
        if quote:
            if char == quote and text[at - 1] != "\\":
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            if depth == 0:
                return [*arguments, text[begin:at]]
            depth -= 1
        elif char == "," and depth == 0:
            arguments.append(text[begin:at])
            begin = at + 1
    return []
