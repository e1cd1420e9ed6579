"""Values against what the matrix says of their keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.keycheck import TYPES, check_row, corrected, problem
from fulldress.model.estate import MatrixRow


def row(**form: object) -> MatrixRow:
    return MatrixRow(product="p", key="k", change="known", since="0", **form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ({"type": "boolean"}, "Yes"),
        ({"type": "integer"}, "-5"),
        ({"type": "number"}, "0.5"),
        ({"type": "port"}, "65535"),
        ({"type": "duration", "range": "1..3600"}, "1h"),
        ({"type": "duration"}, "1h30m"),
        ({"type": "size"}, "64MB"),
        ({"type": "size", "range": "..1073741824"}, "1GiB"),
        ({"type": "url"}, "jdbc:postgresql://db/lims"),
        ({"type": "path"}, "/var/lib"),
        ({"type": "host"}, "[::1]"),
        ({"values": ("on", "off")}, "ON"),
        ({"range": "1.."}, "many"),
        ({"type": "integer"}, "${THREADS}"),
        ({"type": "integer"}, "<secret>"),
        ({}, "anything"),
    ],
)
def test_values_that_fit_or_cannot_be_judged(form: dict[str, object], value: str) -> None:
    assert problem(row(**form), value) == ""


@pytest.mark.parametrize(
    ("form", "value", "said"),
    [
        ({"type": "boolean"}, "maybe", "neither"),
        ({"type": "integer"}, "1.5", "whole"),
        ({"type": "port"}, "70000", "port"),
        ({"type": "duration"}, "5 parsecs", "duration"),
        ({"type": "duration", "range": "1..3600"}, "2h", "outside"),
        ({"type": "size", "range": "..1024"}, "2k", "outside"),
        ({"type": "url"}, "no url", "URL"),
        ({"range": "1..64"}, "65", "outside"),
        ({"values": ("debug", "info")}, "inof", "did you mean info"),
        ({"type": "path"}, "name", "path"),
        ({"type": "host"}, "a b", "host"),
        ({"type": "integer"}, "", "whole"),
    ],
)
def test_values_that_do_not_fit(form: dict[str, object], value: str, said: str) -> None:
    assert said in problem(row(**form), value)


def test_a_misspelled_value_is_corrected_only_when_one_can_be_meant() -> None:
    assert corrected(row(values=("active-active", "read-only")), "active-activ") == "active-active"
    assert corrected(row(values=("mode1", "mode2")), "mode3") == ""


@pytest.mark.parametrize("form", [{"type": "colour"}, {"range": "one to ten"}])
def test_a_row_that_cannot_be_understood_is_refused(form: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        check_row(row(**form))


@given(st.sampled_from(TYPES), st.text(max_size=20))
def test_any_value_is_judged_without_an_error(kind: str, value: str) -> None:
    assert isinstance(problem(row(type=kind, range="1..5"), value), str)
