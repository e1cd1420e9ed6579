"""Distances of two samples."""

from __future__ import annotations

import random

import pytest

from fulldress.measure.twosample import quantile_rmse, separability, wasserstein


def normal(count: int, mean: float = 0.0, spread: float = 1.0, seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(mean, spread) for _ in range(count)]


def test_a_shift_is_its_own_distance() -> None:
    assert wasserstein(normal(2000), normal(2000, 3.0)) == pytest.approx(3.0, rel=0.01)
    assert wasserstein(normal(500), normal(500)) == 0
    assert wasserstein([], [1.0]) is None


def test_samples_of_different_sizes() -> None:
    assert wasserstein([0.0, 1.0], [0.0, 0.0, 1.0, 1.0]) == pytest.approx(0, abs=0.02)


def test_the_error_of_quantiles_is_a_share_of_the_mean() -> None:
    assert quantile_rmse([9.0, 9.0, 9.0], [10.0, 10.0, 10.0]) == pytest.approx(0.1)
    assert quantile_rmse([9.0], [10.0]) is None


@pytest.mark.parametrize(("mean", "spread", "low", "high"), [(0, 1, 0.4, 0.6), (3, 1, 0.95, 1), (0, 4, 0.7, 1)])
def test_a_classifier_sees_means_and_spreads(mean: float, spread: float, low: float, high: float) -> None:
    left = [[one] for one in normal(120, seed=1)]
    right = [[one] for one in normal(120, mean, spread, seed=2)]
    found = separability(left, right)
    assert found is not None
    assert low <= found <= high


def test_too_few_rows_say_nothing() -> None:
    assert separability([[1.0]] * 19, [[2.0]] * 19) is None
