"""Plain data written as TOML reads back as the same data."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.tomltext import dumps

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(TEXT, st.integers(-(2**60), 2**60), st.booleans(), st.floats(allow_nan=False))
VALUES = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)), max_leaves=12
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_reads_back(data: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(data)) == data


def test_it_is_laid_out_for_people() -> None:
    text = dumps({"title": "x", "gone": None, "step": [{"id": "a", "params": {"k": [1, 2]}}, {"id": "b"}], "t": {"u": True}})
    assert text == (
        'title = "x"\n\n[[step]]\nid = "a"\n\n[step.params]\nk = [1, 2]\n\n[[step]]\nid = "b"\n\n[t]\nu = true\n'
    )


def test_odd_numbers() -> None:
    back = tomllib.loads(dumps({"a": math.inf, "b": -math.inf, "c": math.nan}))
    assert (back["a"], back["b"], math.isnan(back["c"])) == (math.inf, -math.inf, True)


def test_what_toml_cannot_say_is_an_error() -> None:
    with pytest.raises(TypeError, match="bytes"):
        dumps({"a": b"x"})
