"""How unlike two samples are: mixes, bursts, earth mover's distance, quantile error, whether a classifier tells them apart.

Pure; no I/O, no randomness but by a seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

_POINTS = 200
_ROUNDS = 120
_MOST = 150
"""Rows of each sample that the classifier looks at."""
_FEWEST = 20
_FEWEST_WINDOWS = 5
"""Below that a variance says nothing, and nothing is said."""


def distance(left: Mapping[str, int], right: Mapping[str, int]) -> float | None:
    """Jensen–Shannon distance (base 2, 0 to 1) of two mixes; None when one is empty."""
    lefts, rights = sum(left.values()), sum(right.values())
    if not lefts or not rights:
        return None
    divergence = 0.0
    for name in {*left, *right}:
        p, q = left.get(name, 0) / lefts, right.get(name, 0) / rights
        middle = (p + q) / 2
        divergence += sum(part / 2 * math.log2(part / middle) for part in (p, q) if part)
    return round(math.sqrt(max(0.0, divergence)), 4)


def dispersion(times: Sequence[float], seconds: float, width: float) -> float | None:
    """Variance / mean of the counts in windows of ``width`` seconds; None with fewer than five windows or no event."""
    windows = int(seconds // width)
    if windows < _FEWEST_WINDOWS:
        return None
    counts = [0] * windows
    for at in times:
        if (place := int(at // width)) < windows:
            counts[place] += 1
    mean = sum(counts) / windows
    if not mean:
        return None
    return round(sum((count - mean) ** 2 for count in counts) / (windows - 1) / mean, 3)


def wasserstein(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Earth mover's distance of two samples, in their own unit; None when one is empty."""
    if not left or not right:
        return None
    return sum(abs(a - b) for a, b in _paired(left, right, _POINTS)) / _POINTS


def quantile_rmse(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Root mean square difference of the quantiles, as a share of the right one's mean; None with fewer than three each."""
    mean = sum(right) / len(right) if right else 0.0
    if min(len(left), len(right)) < 3 or not mean:
        return None
    return math.sqrt(sum((a - b) ** 2 for a, b in _paired(left, right, _POINTS)) / _POINTS) / mean


def _paired(left: Sequence[float], right: Sequence[float], points: int) -> list[tuple[float, float]]:
    lefts, rights = sorted(left), sorted(right)
    return [(_at(lefts, (n + 0.5) / points), _at(rights, (n + 0.5) / points)) for n in range(points)]


def _at(ordered: Sequence[float], fraction: float) -> float:
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def separability(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]], *, seed: int = 0) -> float | None:
    """Area under the curve of a logistic classifier that learns from one half and judges the other, both ways round.

    0.5: it cannot tell them apart; 1: always. Rows are features of the same length. None with fewer than 20 rows of each.
    """
    if min(len(left), len(right)) < _FEWEST:
        return None
    draw = random.Random(seed)
    size = min(len(left), len(right), _MOST)  # as many of both: else their number would tell them apart
    rows = [(list(row), label) for part, label in ((left, 0), (right, 1)) for row in draw.sample(list(part), size)]
    draw.shuffle(rows)
    halves = rows[::2], rows[1::2]
    found = [_auc(_scores(learn, judge)) for learn, judge in (halves, halves[::-1])]
    known = [one for one in found if one is not None]
    return sum(known) / len(known) if known else None


def _scores(learn: Sequence[tuple[list[float], int]], judge: Sequence[tuple[list[float], int]]) -> list[tuple[float, int]]:
    width = len(learn[0][0])
    means = [sum(row[n] for row, _ in learn) / len(learn) for n in range(width)]
    spread = [math.sqrt(sum((row[n] - means[n]) ** 2 for row, _ in learn) / len(learn)) or 1.0 for n in range(width)]

    def dressed(row: Sequence[float]) -> list[float]:
        """Also its square: two samples of one mean may differ in their spread."""
        plain = [min(6.0, max(-6.0, (value - means[n]) / spread[n])) for n, value in enumerate(row)]
        return [1.0, *plain, *(value * value / 2 - 0.5 for value in plain)]

    known = [(dressed(row), label) for row, label in learn]
    weights = [0.0] * (2 * width + 1)
    for _ in range(_ROUNDS):
        slope = [0.01 * weight for weight in weights]
        for row, label in known:
            error = (_logistic(sum(a * b for a, b in zip(weights, row, strict=True))) - label) / len(known)
            for n, value in enumerate(row):
                slope[n] += error * value
        weights = [weight - 0.3 * step for weight, step in zip(weights, slope, strict=True)]
    return [(sum(a * b for a, b in zip(weights, dressed(row), strict=True)), label) for row, label in judge]


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def _auc(scores: Sequence[tuple[float, int]]) -> float | None:
    ones = [score for score, label in scores if label]
    zeros = [score for score, label in scores if not label]
    if not ones or not zeros:
        return None
    better = sum((one > zero) + (one == zero) / 2 for one in ones for zero in zeros)
    return better / (len(ones) * len(zeros))
