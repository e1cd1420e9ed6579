"""Limits as people raise them on the command line."""

from __future__ import annotations

import pytest

from fulldress.errors import UsageError
from fulldress.intake.budgets import Budgets, raised


def test_a_named_limit_is_raised_and_the_others_stay() -> None:
    base = Budgets(lenient=True)
    found = raised(base, ["depth=9", "total_bytes=1_000"])
    assert (found.depth, found.total_bytes, found.lenient, found.entries) == (9, 1000, True, base.entries)
    assert raised(base, []) == base


@pytest.mark.parametrize("wrong", ["depth", "depth=x", "depth=0", "lenient=1", "width=3", "depth=-1"])
def test_what_is_no_limit_is_said_with_those_there_are(wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        raised(Budgets(), [wrong])
    assert "stub_bytes" in caught.value.fix
