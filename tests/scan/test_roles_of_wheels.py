"""A wheel that is published for everybody is a library; the vendor's own is a program."""

from __future__ import annotations

import pytest

from fulldress.scan.roles import role
from fulldress.scan.samples import context_of


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ("Name: a\nVersion: 1\nRequires-Dist: flask\n", "program"),
        ("Name: a\nVersion: 1\nLicense: MIT\n", "library"),
        ("Name: a\nClassifier: Programming Language :: Python\n", "library"),
        ("Name: a\nVersion: 1\n\nLicense: told in the description\n", "program"),
    ],
)
def test_by_what_it_says_of_itself(metadata: str, what: str) -> None:
    root = "wheels/a-1-py3-none-any.whl!/"
    context = context_of({f"{root}a-1.dist-info/RECORD": "", f"{root}a-1.dist-info/METADATA": metadata, f"{root}a/x.py": ""})
    assert role(context, f"{root}a/x.py") == what


def test_a_wheel_that_is_the_package_itself_is_a_library() -> None:
    files = {"a-1.dist-info/RECORD": "", "a-1.dist-info/METADATA": "Name: a\n", "a/x.py": ""}
    assert role(context_of(files), "a/x.py") == "library"
