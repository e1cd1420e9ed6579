"""The latency histogram against exact quantiles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.measure.histogram import RELATIVE_ERROR, Histogram

VALUES = st.lists(st.floats(min_value=0, max_value=1e9, allow_subnormal=False), min_size=1, max_size=200)


def filled(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(VALUES, st.floats(min_value=0, max_value=1))
def test_a_quantile_is_within_the_promised_error_of_the_exact_one(values: list[float], fraction: float) -> None:
    exact = sorted(values)[max(1, math.ceil(fraction * len(values))) - 1]
    found = filled(values).quantile(fraction)
    assert found is not None
    assert abs(found - exact) <= RELATIVE_ERROR * exact * 1.0000001 + 1e-9


@given(VALUES)
def test_count_least_and_worst_are_exact(values: list[float]) -> None:
    histogram = filled(values)
    assert (histogram.count, histogram.least, histogram.worst) == (len(values), min(values), max(values))
    assert (histogram.quantile(0), histogram.quantile(1)) == (min(values), max(values))


@given(VALUES, VALUES)
def test_merging_is_the_same_as_adding(left: list[float], right: list[float]) -> None:
    merged = filled(left)
    merged.merge(filled(right))
    assert merged == filled(left + right)


@given(VALUES)
def test_quantiles_never_go_down(values: list[float]) -> None:
    histogram = filled(values)
    found = [histogram.or_zero(step / 20) for step in range(21)]
    assert found == sorted(found)


def test_an_empty_one_has_no_quantile_and_no_worst() -> None:
    empty = Histogram()
    assert (empty.quantile(0.5), empty.worst, empty.count) == (None, None, 0)
    assert empty.or_zero(0.99) == 0


def test_merging_an_empty_one_changes_nothing() -> None:
    histogram = filled([1, 2])
    histogram.merge(Histogram())
    assert histogram == filled([1, 2])


def test_it_stays_small() -> None:
    histogram = filled([1.0001**step for step in range(100_000)])
    assert len(histogram.buckets) < 600
    assert histogram.count == 100_000


def test_a_value_may_count_many_times() -> None:
    histogram = Histogram()
    histogram.add(5, times=99)
    histogram.add(1000)
    assert histogram.quantile(0.99) == pytest.approx(5, rel=RELATIVE_ERROR)
    assert histogram.quantile(1) == 1000


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_what_is_no_latency_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Histogram().add(value)


def test_a_fraction_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction"):
        filled([1]).quantile(1.5)
