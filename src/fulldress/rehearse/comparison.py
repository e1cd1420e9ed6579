"""The installed version and the new one under one and the same schedule: two clones, the plan played on one of them.

They take turns in short slices of the schedule, now the one first and now the other, so that the machine's mood is the same
for both. What a slice begins in is warmed up before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from fulldress.errors import UsageError
from fulldress.measure.compare import shifts
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import EndpointShift
from fulldress.rehearse.acts import Stage, loaded, play, staged, timed
from fulldress.rehearse.logins import slots
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.samples import Sample
from fulldress.rehearse.setting import Setting

SLICE_S = 15.0
"""Short, so that both meet the same slow moments; long enough for visits of several requests."""
WARM_S = 5.0
LONGEST_S = 3600.0
OLD, NEW = "compare-old", "compare-new"


class Comparison(NamedTuple):
    """What came of it."""

    shifts: tuple[EndpointShift, ...]
    trouble: str = ""
    """Why there is nothing to compare."""


def ensure_comparable(setting: Setting, seconds: float) -> None:
    """Raises UsageError for a time that cannot be meant, and where there are no two clones."""
    if not 0 <= seconds <= LONGEST_S:
        raise UsageError(f"--compare is in seconds: at most {LONGEST_S:g}")
    if seconds and not setting.driver.full_dress:
        raise UsageError(
            "old and new cannot be compared on a staging host",
            why="it is one host, and both are needed side by side",
            fix="leave --compare out, or use --driver overlay",
        )


def compared(setting: Setting, plan: PlanLock, seconds: float) -> Comparison:
    """Play ``seconds`` of the load on a clone as it is and on one after the plan."""
    with timed(setting.durations, "compare"), staged(setting, OLD) as old, staged(setting, NEW) as new:
        steps = play(setting, new, plan)
        failed = next((step.id for step in steps if step.code != 0), "")
        if failed or len(steps) < len(plan.plan.step):
            return Comparison((), f"the plan did not end well ({failed or 'steps are missing'})")
        return Comparison(shifts(*_turns(setting, old, new, seconds)))


def _turns(setting: Setting, old: Stage, new: Stage, seconds: float) -> tuple[list[Sample], list[Sample]]:
    found: dict[str, list[Sample]] = {OLD: [], NEW: []}
    length = turn_of(setting.load.planned, seconds)[1]
    stages = {OLD: old, NEW: new}
    for number, part in enumerate(slices(setting.load.planned, seconds)):
        for name in (OLD, NEW) if number % 2 == 0 else (NEW, OLD):
            played = _played(setting, stages[name], part, number)
            # the first slice warms them up; the others stand where the schedule has them, for both alike
            found[name] += [one._replace(due=one.due + (number - 1) * length) for one in played] if number else []
    return found[OLD], found[NEW]


def _played(setting: Setting, stage: Stage, part: Sequence[Planned], number: int) -> list[Sample]:
    load = loaded(setting, stage, part, stage.directory / f"load-{number}")
    try:
        load.wait()
    finally:
        load.kill()
    return [sample._replace(due=sample.due - load.started) for sample in load.samples()]


def slices(planned: Sequence[Planned], seconds: float) -> Iterator[list[Planned]]:
    """First a short slice to warm up, then the schedule in equal ones, which end with the clock for both versions alike.

    A schedule that is shorter than that begins again.
    """
    end = _end(planned)
    count, length = turn_of(planned, seconds)
    whole = max(1, int(end // length))
    yield part_of(planned, 0.0, min(WARM_S, end))
    for number in range(count):
        begin = number % whole * length
        yield part_of(planned, begin, begin + length)


def turn_of(planned: Sequence[Planned], seconds: float) -> tuple[int, float]:
    """How many slices there are, and how long each is."""
    count = max(1, -(-int(seconds) // int(SLICE_S)))
    return count, min(seconds / count, _end(planned))


def _end(planned: Sequence[Planned]) -> float:
    return max((one.at_s for one in planned), default=0.0) + 1.0


def part_of(planned: Sequence[Planned], begin: float, end: float) -> list[Planned]:
    """The requests of one slice, counted from its begin.

    The rest of a session that began before is a session here, unless it needs what earlier answers gave (a login's): such a
    one is only in the slice that it begins in.
    """
    bound = {one.session.id for one in planned if one.session is not None and _needs(one)}
    began: dict[int, bool] = {}
    found: list[Planned] = []
    for one in planned:
        inside = begin <= one.at_s < end
        if one.session is not None and one.session.id in bound:
            inside = began.setdefault(one.session.id, inside) and one.at_s < end
        if inside:
            found.append(msgspec.structs.replace(one, at_s=round(one.at_s - begin, 6)))
    return found


def _needs(one: Planned) -> bool:
    """Whether its session lives by what answers give, cookies of a login among it."""
    return bool((one.session and one.session.take) or one.expect or slots(one))
