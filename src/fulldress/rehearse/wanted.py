"""What a rehearsal was asked to show: how often, from where to roll back, which faults at which moments. Pure; no I/O."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast, get_args

import msgspec

from fulldress.errors import UsageError
from fulldress.model.faults import Fault, Moment

MOMENTS: tuple[Moment, ...] = get_args(Moment)
FAULTS: tuple[Fault, ...] = get_args(Fault)
USUAL: tuple[Fault, ...] = ("kill-runner", "kill-step", "power-cut")
"""What is tried unless ``--faults`` says otherwise: the three ends that come without any warning."""
MOST_TIMES, MOST_POINTS, MOST_WORKERS, MOST_LOAD = 100, 20, 64, 100


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one rehearsal."""

    times: int = 1
    """How often the adapted package is rehearsed under load, each time on a fresh clone with other requests."""
    loads: tuple[float, ...] = (1.0,)
    """Multiples of the logged traffic; the adapted package is rehearsed at each of them, ``times`` times."""
    undo_at: tuple[str, ...] = ()
    """Ids of the steps after which the plan is stopped and rolled back, in the order of the plan."""
    crash: tuple[Moment, ...] = ()
    faults: tuple[Fault, ...] = USUAL
    points: int = 1
    """Moments inside each step."""
    workers: int = 1
    """Clones side by side."""
    queue: str = ""
    """Where the injections are handed out: a PostgreSQL URL that other machines can reach; empty: a file of our own."""

    jobs: bool = True
    """Fire the scheduled jobs that fall due in the window, when one is declared."""

    @property
    def rounds(self) -> list[tuple[float, int]]:
        """Multiple and repetition (0, 1, ...) of each rehearsal under load, in the order in which they are played."""
        return [(load, again) for again in range(self.times) for load in self.loads]

    @property
    def sweeps(self) -> bool:
        """Whether anything is to be tried beyond the acts."""
        return bool(self.undo_at or self.crash)


def wanted(
    steps: Sequence[str],
    *,
    times: int = 1,
    load: str = "1",
    undo_at: str = "none",
    crash: str = "none",
    faults: str = "",
    points: int = 1,
    workers: int = 0,
    queue: str = "",
    jobs: bool = True,
) -> Wanted:
    """The options as typed, checked against the plan's step ids. UsageError names what is wrong with which option."""
    for name, value, most in (("times", times, MOST_TIMES), ("points", points, MOST_POINTS)):
        if not 1 <= value <= most:
            raise UsageError(f"--{name} is a number from 1 to {most}, not {value}")
    if not 0 <= workers <= MOST_WORKERS:
        raise UsageError(f"--workers is a number from 1 to {MOST_WORKERS}; 0 means one for each processor")
    return Wanted(
        times=times,
        loads=_multiples(load),
        undo_at=_stops(undo_at, steps),
        crash=()
        if crash == "none"
        else MOMENTS
        if crash == "each"
        else cast("tuple[Moment, ...]", _of(crash, MOMENTS, "crash")),
        faults=cast("tuple[Fault, ...]", _of(faults, FAULTS, "faults")) if faults else USUAL,
        points=points,
        workers=workers or os.cpu_count() or 1,
        queue=queue,
        jobs=jobs,
    )


def _multiples(text: str) -> tuple[float, ...]:
    """``0.5,1,2``: each once, as typed."""
    try:
        found = tuple(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        found = ()
    if not found or not all(0 < one <= MOST_LOAD for one in found):
        raise UsageError(
            f"--load: {text!r} is no multiple of the logged traffic",
            fix=f"a number above 0, at most {MOST_LOAD}; or several, with commas between: 0.5,1,2",
        )
    return found


def _stops(text: str, steps: Sequence[str]) -> tuple[str, ...]:
    if text == "none":
        return ()
    if text == "each":
        return tuple(steps)
    names = [_the_step(word.strip(), steps) for word in text.split(",")]
    return tuple(step for step in steps if step in names)


def _the_step(word: str, steps: Sequence[str]) -> str:
    """A step by its id, or by the beginning of it when only one begins so (``07``)."""
    found = [step for step in steps if step == word] or [step for step in steps if word and step.startswith(word)]
    if len(found) != 1:
        what = "no step begins" if not found else f"{len(found)} steps begin"
        raise UsageError(f"--undo-at: {what} with {word!r}", fix=f"each, none, or one of: {', '.join(steps)}")
    return found[0]


def _of(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Words between commas, in the order of ``known``."""
    words = [word.strip() for word in text.split(",")]
    wrong = [word for word in words if word not in known]
    if wrong:
        raise UsageError(
            f"--{option}: {wrong[0]!r} is not known", fix=f"one or several, with commas between: {', '.join(known)}"
        )
    return tuple(word for word in known if word in words)
