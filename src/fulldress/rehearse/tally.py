"""What is known of a sweep so far, and which passes are still to be played to know the rest. Pure; no I/O.

A pass that ended equal speaks for all its faults. One that did not is taken apart on fresh clones, until a fault alone on
a fresh clone is found guilty. What the plain rollback leaves as well is nobody's fault in particular and is not searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fulldress.model.faults import Injection, UndoneFrom
from fulldress.model.plan import PlanLock, StepTiming
from fulldress.model.proof import Difference
from fulldress.rehearse.injections import Item, Played, halves, pack, sooner

MOST_AGAIN = 4
"""How often a fault that was not reached is tried again."""
MOST_GUILTY = 12
"""After so many faults were found one by one, further passes that went wrong are not taken apart."""


class Tally:
    """Takes results, says what is next."""

    def __init__(self, lock: PlanLock, known: Iterable[Difference] = ()) -> None:
        self._lock = lock
        self._known = {(one.part, one.name) for one in known}
        self._order = {step.id: number for number, step in enumerate(lock.plan.step)}
        self.undone: list[UndoneFrom] = []
        self.injections: list[Injection] = []
        self.timings: list[StepTiming] = []
        self.notes: list[str] = []
        self.seen: dict[str, str] = {}
        """Paths that were written when something was broken -> the step."""
        self._guilty = 0

    def take(self, item: Item, played: Played) -> list[Item]:
        """Put down what a pass came to; returns the passes that it makes necessary."""
        if played.state == "not-run":
            return self._not_run(item, played)
        for path, step in played.seen:
            self.seen.setdefault(path, step)
        if item.stop_after and not item.injections:
            return self._rollback(item, played)
        again = self._missed(item, played)
        if played.clean and not played.repeated:
            self.injections += played.reached
            self.timings += [t for t in played.timings if not played.reached]
            return again
        if self._nothing_new(played):
            self.injections += played.reached
        elif len(played.reached) > 1 and self._guilty < MOST_GUILTY:
            return again + halves(msgspec.structs.replace(item, injections=_asked(played.reached)))
        elif item.fresh or self._guilty >= MOST_GUILTY:
            self._found(played)
        elif played.reached:
            again.append(msgspec.structs.replace(item, injections=_asked(played.reached), fresh=True))
        return again

    def give_up(self, item: Item) -> None:
        """An item whose workers died again and again."""
        self._not_run(msgspec.structs.replace(item, again=MOST_AGAIN), Played(state="not-run", trouble="its workers died"))

    def _nothing_new(self, played: Played) -> bool:
        """It differs, but in nothing that the plain rollback does not leave as well."""
        left = {(one.part, one.name) for one in played.differences}
        return bool(left) and left <= self._known and not (played.effects_left or played.trouble or played.repeated)

    def _found(self, played: Played) -> None:
        """Guilty: alone on a fresh clone; or one of many, when there are too many to tell apart."""
        self._guilty += 1
        if len(played.reached) > 1:
            self.notes.append(f"{len(played.reached)} faults of one pass were not told apart: many others were found before")
        self.injections += played.reached

    def _missed(self, item: Item, played: Played) -> list[Item]:
        """Faults that were not reached are packed anew; those that came too late are tried sooner."""
        if not played.missed:
            return []
        if item.again >= MOST_AGAIN:
            why = "the plan was rolled back before it, or the step was over before it could be hit"
            self.injections += [msgspec.structs.replace(one, trouble=played.trouble or why) for one in played.missed]
            return []
        over = {(one.phase, one.step) for one in self._passed(played)}
        wanted = [sooner(one) if (one.phase, one.step) in over else one for one in played.missed]
        count = item.again + (0 if played.reached else 1)
        packed = pack(_asked(wanted), self._lock)
        fresh = item.fresh or not played.reached  # perhaps it is the clone: what was not seen there may hinder it
        return [msgspec.structs.replace(new, again=count, fresh=fresh) for new in packed]

    def _passed(self, played: Played) -> list[Injection]:
        """Missed inside a step that was played: it was over too soon."""
        done = {(t.phase, t.id) for t in played.timings}
        return [one for one in played.missed if one.moment == "inside" and (one.phase, one.step) in done]

    def _rollback(self, item: Item, played: Played) -> list[Item]:
        if not played.clean and not item.fresh and not self._nothing_new(played):
            return [msgspec.structs.replace(item, fresh=True)]
        self.timings += played.timings
        self.undone.append(
            UndoneFrom(
                step=item.stop_after,
                steps=self._order[item.stop_after] + 1,
                equal=played.equal,
                differences=played.differences,
                effects_left=played.effects_left,
                seconds=played.seconds,
                trouble=played.trouble,
            )
        )
        return []

    def _not_run(self, item: Item, played: Played) -> list[Item]:
        """Nothing was shown: once more, and in the end it is said."""
        if item.again < MOST_AGAIN:
            return [msgspec.structs.replace(item, again=item.again + 1, fresh=True)]
        if item.stop_after and not item.injections:
            number = self._order[item.stop_after] + 1
            self.undone.append(UndoneFrom(step=item.stop_after, steps=number, equal=False, trouble=played.trouble))
        self.injections += [msgspec.structs.replace(one, trouble=played.trouble) for one in item.injections]
        return []

    def sorted_injections(self) -> tuple[Injection, ...]:
        """In the order of the plan, forward before back."""
        return tuple(
            sorted(self.injections, key=lambda i: (i.phase, self._order[i.step], i.recovery, i.moment, i.fault, i.point))
        )

    def sorted_undone(self) -> tuple[UndoneFrom, ...]:
        """By the number of steps that were done before."""
        return tuple(sorted(self.undone, key=lambda one: one.steps))


def _asked(injections: Sequence[Injection]) -> tuple[Injection, ...]:
    """As they were asked for, without what came of them."""
    return tuple(
        Injection(step=one.step, phase=one.phase, moment=one.moment, fault=one.fault, point=one.point, recovery=one.recovery)
        for one in injections
    )
