"""Every plan reads back from its TOML as it was."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.model.plan import Plan, Step
from fulldress.plan.tomlout import plan_toml

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["a\nb\n", "'''\n", "it's\n'", "\\ \n\\", "\x7f\n", '"""', "# x", "\r\n", ""]
)
VALUE = st.recursive(
    TEXT | st.booleans() | st.integers(-(2**40), 2**40),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXT, VALUE, max_size=4), TEXT, TEXT, st.floats(1, 1e6))
def test_it_reads_back(params: dict[str, Any], title: str, note: str, timeout: float) -> None:
    steps = (
        Step(id="a", kind="k", title=title, params=params, timeout_s=timeout, breaks=note),
        Step(id="b", kind="k", title="t"),
    )
    plan = Plan(release=title, host="machine:m", step=steps)
    assert msgspec.toml.decode(plan_toml(plan, {"a": note}).encode(), type=Plan) == plan
