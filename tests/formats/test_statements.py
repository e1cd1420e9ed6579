"""A script as its top-level statements, each with its exact text."""

from __future__ import annotations

import pytest

from fulldress.formats.statements import expand, statements, static


def test_each_statement_with_its_lines_and_text() -> None:
    text = "#!/bin/sh\n# c\nA=1 B=2\nif x; then\n  y\nfi\ncat <<E >/f\nbody\nE\na && b || c\n"
    found = statements(text)
    assert next((s.kind, s.line, s.end_line) for s in found if s.kind != "variable_assignment") == ("if_statement", 4, 6)
    assert [s.name for s in found if s.kind == "variable_assignment"] == ["A", "B"]
    assert next(s for s in found if "body" in s.text).text.startswith("cat <<E >/f\nbody\nE")
    assert (found[-1].parts, found[-1].operators) == (("a", "b", "c"), ("&&", "||"))


def test_functions_are_named() -> None:
    (found,) = statements("go() {\n  x\n}\n")
    assert (found.kind, found.name) == ("function_definition", "go")


@pytest.mark.parametrize(
    ("word", "raw", "expected"),
    [
        ("$A/x", '"$A/x"', "1/x"),
        ("${A}b", "${A}b", "1b"),
        ("$A", "'$A'", "$A"),
        ("${B:-d}", "${B:-d}", "d"),
        ("${A:-d}", "${A:-d}", "1"),
        ("$B", "$B", "$B"),
        ("$(x)", "$(x)", "$(x)"),
    ],
)
def test_known_variables_are_put_in(word: str, raw: str, expected: str) -> None:
    assert expand(word, raw, {"A": "1"}) == expected


def test_static() -> None:
    assert static("/a/b")
    assert not static("$x")
    assert not static("`x`")
