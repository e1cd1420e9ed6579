"""How like the log the synthetic traffic is: distance of the mix, and burstiness beside each other. Pure; no I/O.

Every figure of the schedule stands beside the log's own: half of its minutes against the other half for the mix (the noise
floor), the same index of dispersion for the bursts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from fulldress.rehearse.model_traffic import Hour, Minute, Planned, TrafficModel, left_out

_FEWEST_WINDOWS = 5
"""Below that a variance says nothing, and nothing is said."""


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of likeness; None where there was too little to say anything."""

    mix_distance: float | None
    """Jensen–Shannon distance (0 same, 1 disjoint) between the schedule's mix and the log's, without what was left out."""
    mix_noise: float | None
    """The same between two halves of the log's own minutes."""
    dispersion_log: dict[str, float | None]
    """Variance / mean of the counts per 1 s and 10 s (``"1"``, ``"10"``); a Poisson stream has 1."""
    dispersion_schedule: dict[str, float | None]
    rate_log: float
    """Requests per second in the chosen hour, without what was left out."""
    rate_schedule: float


def fidelity(
    model: TrafficModel,
    planned: Sequence[Planned],
    *,
    seconds: float,
    hour: Hour = "peak",
    writes: Mapping[str, object] | None = None,
) -> Fidelity:
    """Compare a schedule of so many seconds with the hour of the model that it was drawn from."""
    minutes = model.pool(hour)
    omitted = set(left_out(model, writes))
    kept = [_kept(model, minute, omitted) for minute in minutes]
    total = sum(len(one) for one in kept)
    log_times = [index * 60 + at for index, one in enumerate(kept) for at, _ in one]
    times = [one.at_s for one in planned]
    return Fidelity(
        mix_distance=distance(_mix(kept), Counter(one.endpoint for one in planned)),
        mix_noise=distance(_mix(kept[::2]), _mix(kept[1::2])),
        dispersion_log={str(width): dispersion(log_times, 60.0 * len(kept), width) for width in (1, 10)},
        dispersion_schedule={str(width): dispersion(times, seconds, width) for width in (1, 10)},
        rate_log=round(total / (60 * len(kept)), 3),
        rate_schedule=round(len(planned) / seconds, 3),
    )


def in_words(found: Fidelity) -> str:
    """The figures as a sentence for a report, each beside the log's own."""
    bursts = " and ".join(
        f"{_figure(found.dispersion_schedule[width])} per {width} s (log {_figure(found.dispersion_log[width])})"
        for width in sorted(found.dispersion_schedule, key=int)
    )
    return (
        f"Synthetic traffic beside the log: {found.rate_schedule:.1f} requests a second (log {found.rate_log:.1f}); "
        f"distance of the mix {_figure(found.mix_distance)} (two halves of the log: {_figure(found.mix_noise)}); "
        f"variance/mean of the counts {bursts}."
    )


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _kept(model: TrafficModel, minute: Minute, omitted: set[str]) -> list[tuple[float, str]]:
    named = (
        (offset / 1000, model.endpoints[index].name)
        for offset, index in zip(minute.offsets_ms, minute.endpoints, strict=True)
    )
    return [(at, name) for at, name in named if name not in omitted]


def _mix(minutes: Sequence[Sequence[tuple[float, str]]]) -> Counter[str]:
    return Counter(name for minute in minutes for _, name in minute)


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
