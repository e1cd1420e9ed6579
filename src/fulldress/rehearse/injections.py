"""Which faults a crash sweep puts where, and how they are packed into passes over the plan. Pure; no I/O.

A pass plays the plan forward and back on one clone with many faults on its way, because most of the time of a lone
injection is spent on getting there. A pass that does not end equal is taken apart until the one fault is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from fulldress.model.faults import Injection, Moment
from fulldress.model.plan import PlanLock, StepTiming
from fulldress.model.proof import Difference
from fulldress.rehearse.wanted import MOMENTS, Wanted
from fulldress.steps import kinds

PER_PASS = 30
"""Faults in one pass: fewer make more passes, more make it longer until one that went wrong is found."""
Phase = Literal["do", "undo"]


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pass: what a worker takes from the queue."""

    injections: tuple[Injection, ...] = ()
    stop_after: str = ""
    """Stop after this step, and roll back from there."""
    fresh: bool = False
    """On a clone that nothing was played on."""
    again: int = 0
    """How often something of it was tried before."""


class Played(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an item."""

    reached: tuple[Injection, ...] = ()
    missed: tuple[Injection, ...] = ()
    """The plan ended or was rolled back before their moment, or the step was over too soon."""
    equal: bool = False
    differences: tuple[Difference, ...] = ()
    effects_left: int = 0
    repeated: tuple[str, ...] = ()
    state: str = ""
    """How the run ended."""
    seconds: float = 0.0
    timings: tuple[StepTiming, ...] = ()
    trouble: str = ""
    seen: tuple[tuple[str, str], ...] = ()
    """Paths that were written when something was broken, and the step."""

    @property
    def clean(self) -> bool:
        """The clone is as it was: another pass may use it."""
        return self.equal and not self.effects_left and not self.trouble


def injections(lock: PlanLock, wanted: Wanted) -> list[Injection]:
    """Every fault that was asked for, in the order in which a run would meet them; then each direct rollback."""
    found = [one for phase in ("do", "undo") for one in _of_phase(lock, wanted, phase)]
    faults = [fault for fault in wanted.faults if fault != "kill-step" or wanted.crash == ("inside",)]
    if wanted.crash and faults:
        moment: Moment = "inside" if "inside" in wanted.crash else wanted.crash[0]
        point = 0.5 if moment == "inside" else 0.0
        found += [
            Injection(step=step.id, phase="do", moment=moment, fault=faults[0], point=point, recovery="rollback")
            for step in lock.plan.step
        ]
    return found


def _of_phase(lock: PlanLock, wanted: Wanted, phase: Phase) -> Iterable[Injection]:
    undoable = {scripts.id for scripts in lock.scripts if scripts.undo}
    steps = [step.id for step in lock.plan.step]
    for step in steps if phase == "do" else [step for step in reversed(steps) if step in undoable]:
        for moment in wanted.crash:
            for fault in wanted.faults:
                if fault == "kill-step" and moment != "inside":
                    continue  # there are processes of the step only inside it
                for point in points(wanted.points) if moment == "inside" else (0.0,):
                    yield Injection(step=step, phase=phase, moment=moment, fault=fault, point=point)


def points(number: int) -> tuple[float, ...]:
    """Shares of a step's duration, evenly: one is its middle."""
    return tuple(round((n + 0.5) / number, 3) for n in range(number))


def halts(injection: Injection, lock: PlanLock) -> bool:
    """Whether the plan will probably be rolled back because of it, so that nothing behind it is reached in that pass."""
    if injection.phase == "undo":
        return False
    if injection.recovery == "rollback" or injection.fault == "disk-full":
        return True
    scripts = next(s for s in lock.scripts if s.id == injection.step)
    kind = next(s.kind for s in lock.plan.step if s.id == injection.step)
    if injection.fault == "kill-database":
        return injection.moment != "after" and kind == "migration"
    in_doubt = injection.moment == "inside" and injection.fault in ("kill-step", "power-cut")
    return in_doubt and not scripts.verify_after and kinds()[kind].KIND.needs_undo


def pack(wanted: Sequence[Injection], lock: PlanLock, most: int = PER_PASS) -> list[Item]:
    """As few passes as hold all: one fault at a moment of a step, none behind the one that halts the pass.

    Faults of a full disk get passes of their own: they need a clone on a disk that can be filled.
    """
    order = {step.id: number for number, step in enumerate(lock.plan.step)}
    passes: list[list[Injection]] = []
    for one in sorted(wanted, key=lambda i: not halts(i, lock)):  # the halting ones first: each opens a pass
        home = next((p for p in passes if len(p) < most and _fits(one, p, lock, order)), None)
        if home is None:
            passes.append([one])
        else:
            home.append(one)
    return [Item(injections=tuple(p)) for p in passes]


def _fits(one: Injection, others: Sequence[Injection], lock: PlanLock, order: dict[str, int]) -> bool:
    if any((o.phase, o.step, o.moment) == (one.phase, one.step, one.moment) for o in others):
        return False
    if any((o.fault == "disk-full") != (one.fault == "disk-full") for o in others):
        return False
    limit = next((o for o in others if halts(o, lock)), None)
    if halts(one, lock):
        return limit is None and all(_before(o, one, order) for o in others)
    return limit is None or _before(one, limit, order)


def _before(one: Injection, limit: Injection, order: dict[str, int]) -> bool:
    """Whether ``one`` is met in a run that turns round at ``limit``."""
    if one.phase == "undo":
        return order[one.step] <= order[limit.step]
    when = (order[one.step], MOMENTS.index(one.moment))
    return when < (order[limit.step], MOMENTS.index(limit.moment))


def prefixes(wanted: Wanted, lock: PlanLock) -> list[Item]:
    """A rollback after each step that was asked for; the one after the last step is the rehearsal's own act."""
    last = lock.plan.step[-1].id
    return [Item(stop_after=step) for step in wanted.undo_at if step != last]


def halves(item: Item) -> list[Item]:
    """A pass taken apart, to find which of its faults it was; each half on a fresh clone."""
    middle = max(1, len(item.injections) // 2)
    parts = (item.injections[:middle], item.injections[middle:])
    return [msgspec.structs.replace(item, injections=part, fresh=True) for part in parts if part]


def sooner(injection: Injection) -> Injection:
    """The same inside a step that was over before it could be hit."""
    return msgspec.structs.replace(injection, point=round(injection.point / 4, 4))
