"""What several rehearsals of one plan say together: durations of steps, locks to expect, the worst load. Pure; no I/O."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Literal, cast

import msgspec

from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import Act, ExpectedLock, LoadReport, LockHold, StepDurations
from fulldress.rehearse.intervals import MODES


def step_durations(steps: Sequence[str], timings: Iterable[StepTiming]) -> list[StepDurations]:
    """Seconds of each step and phase over all acts, in the order of the plan; a step that failed is no sample."""
    found: dict[tuple[str, str], list[float]] = {}
    for timing in timings:
        if timing.code == 0:
            found.setdefault((timing.id, timing.phase), []).append(round(timing.ended - timing.started, 3))
    order = {step: number for number, step in enumerate(steps)}
    keys = sorted((key for key in found if key[0] in order), key=lambda key: (key[1] != "do", order[key[0]]))
    return [
        StepDurations(
            step=step,
            phase=cast("Literal['do', 'undo']", phase),
            samples=tuple(found[step, phase]),
            median=round(statistics.median(found[step, phase]), 3),
            worst=max(found[step, phase]),
        )
        for step, phase in keys
    ]


def expected_locks(acts: Iterable[Act]) -> list[ExpectedLock]:
    """The strongest lock of each step on each table, with the longest hold and wait of any act; the longest first."""
    found: dict[tuple[str, str], list[LockHold]] = {}
    for act in acts:
        for lock in act.locks:
            if lock.step:
                found.setdefault((lock.step, lock.relation), []).append(lock)
    locks = [
        ExpectedLock(
            step=step,
            relation=relation,
            mode=max((hold.mode for hold in holds), key=_strength),
            held=max(hold.held for hold in holds),
            waited=max(hold.waited for hold in holds),
        )
        for (step, relation), holds in found.items()
    ]
    return sorted(locks, key=lambda lock: (-lock.held, lock.step, lock.relation))


def _strength(mode: str) -> int:
    return MODES.index(mode) if mode in MODES else 0


def worst_load(loads: Sequence[LoadReport]) -> LoadReport | None:
    """One report that holds, of every figure a limit is put on, the worst of all rehearsals; None without any.

    A rehearsal without requests makes the whole one without requests: what was not measured is never outvoted.
    """
    if not loads or any(load.scheduled == 0 for load in loads):
        return loads[0] if len(loads) == 1 else None
    worst = max(loads, key=lambda load: load.failed / load.scheduled)
    outage = max(loads, key=lambda load: load.endpoint_outage_seconds)
    return msgspec.structs.replace(
        worst,
        p99=max(load.p99 for load in loads),
        lag_p99_ms=max(load.lag_p99_ms for load in loads),
        outage_seconds=max(load.outage_seconds for load in loads),
        endpoint_outage_seconds=outage.endpoint_outage_seconds,
        worst_endpoint=outage.worst_endpoint,
    )
