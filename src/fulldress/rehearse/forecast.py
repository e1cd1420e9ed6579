"""How long a crash sweep will still take, by what its passes took so far; and an order that tells soon. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fulldress.rehearse.injections import Item, Played


class Forecast:
    """Rollbacks and passes with faults take different times, so each kind is counted for itself."""

    def __init__(self) -> None:
        self._rollbacks: list[float] = []
        self._faults = 0
        self._passes: list[float] = []

    def took(self, item: Item, played: Played) -> None:
        """A pass is over; one that was not played at all tells nothing."""
        if not played.seconds:
            return
        if item.injections:
            self._faults += len(item.injections)
            self._passes.append(played.seconds)
        else:
            self._rollbacks.append(played.seconds)

    def left(self, waiting: Iterable[Item], workers: int) -> float | None:
        """Seconds until these are played; None while nothing is known. A kind of which none was played takes as long as the
        other: a pass goes the same way over the plan, with faults on it."""
        rollback, fault = _mean(self._rollbacks), sum(self._passes) / self._faults if self._faults else None
        total = 0.0
        for item in waiting:
            each = (fault, len(item.injections)) if item.injections else (rollback, 1)
            unknown = rollback if item.injections else _mean(self._passes)
            seconds = each[0] * each[1] if each[0] is not None else unknown
            if seconds is None:
                return None
            total += seconds
        return total / max(1, workers)


def _mean(seconds: Sequence[float]) -> float | None:
    return sum(seconds) / len(seconds) if seconds else None


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
