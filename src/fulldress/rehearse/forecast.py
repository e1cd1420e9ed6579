"""How long a crash sweep will still take, by how long the steps took and its passes so far; and an order that tells soon.

Pure; no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fulldress.model.plan import PlanLock, StepTiming
from fulldress.rehearse.injections import Item, Played, halts

EACH_PASS_S, EACH_FAULT_S = 3.0, 1.5
"""What a pass takes beside its steps (two readings of the state), and a fault in it. Only how they relate to steps counts:
how fast this machine is with all that, the passes tell."""


class Forecast:
    """Told of every pass; knows what the plan's steps took on a quiet clone."""

    def __init__(self, lock: PlanLock, steps: Iterable[StepTiming]) -> None:
        self._lock = lock
        took: dict[str, float] = {}
        for step in steps:
            took[step.id] = took.get(step.id, 0.0) + step.ended - step.started
        self._until: dict[str, float] = {}
        whole = 0.0
        for one in lock.plan.step:
            self._until[one.id] = whole = whole + took.get(one.id, 0.0)
        self._order = {step: number for number, step in enumerate(self._until)}
        self._whole = whole
        self._seconds = self._weight = 0.0

    def weight(self, item: Item) -> float:
        """Seconds of a pass by what is known of its steps: to where it turns round, and back."""
        stops = [one.step for one in item.injections if halts(one, self._lock)]
        stops += [item.stop_after] if item.stop_after else []
        way = self._until[min(stops, key=self._order.__getitem__)] if stops else self._whole
        return EACH_PASS_S + EACH_FAULT_S * len(item.injections) + way

    def took(self, item: Item, played: Played) -> None:
        """A pass is over; one that was not played at all tells nothing."""
        if played.seconds:
            self._seconds += played.seconds
            self._weight += self.weight(item)

    def left(self, waiting: Iterable[Item], workers: int) -> float:
        """Seconds until these are played."""
        pace = self._seconds / self._weight if self._weight else 1.0
        return pace * sum(map(self.weight, waiting)) / max(1, workers)


def mixed(rollbacks: Sequence[Item], passes: Sequence[Item]) -> list[Item]:
    """Both kinds spread evenly over the queue, so that it is soon known how long each takes.

    Passes that fill the disk come last: they need another kind of clone, and a worker that changes throws its own away.
    """
    last = [item for item in passes if any(one.fault == "disk-full" for one in item.injections)]
    others = [item for item in passes if item not in last]
    placed = [
        ((place + 0.5) / len(kind), number, item)
        for number, kind in enumerate((others, list(rollbacks)))
        for place, item in enumerate(kind)
    ]
    return [item for _, _, item in sorted(placed, key=lambda each: each[:2])] + last
