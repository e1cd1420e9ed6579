"""Nouns of the crash sweep: a fault put into a step on purpose, whether it fired, and what became of the machine. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

from fulldress.model.proof import Difference

Fault = Literal["kill-runner", "kill-step", "power-cut", "disk-full", "kill-database", "cut-link"]
"""What is done to it: the orchestrator dies, the step's processes die, the machine loses power, its disk is full, its
database server is killed, the connection to it is cut."""
Moment = Literal["before", "inside", "after"]
Recovery = Literal["resume", "rollback"]
"""What the operator does afterwards: go on to the end and roll back then, or roll back at once."""
Ending = Literal["completed", "rolled-back", "stopped", "not-run"]
"""The plan went on to its end, was undone, stopped and named the step in doubt, or the injection could not be tried."""


class Injection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault at one moment of one step, and what became of the machine after recovery and rollback."""

    step: str
    """Step id."""
    phase: Literal["do", "undo"]
    moment: Moment
    fault: Fault
    point: float = 0.0
    """Inside a step: at which share of its rehearsed duration, 0 to 1."""
    recovery: Recovery = "resume"
    fired: bool = False
    """The fault was seen to have happened; an injection that did not fire proves nothing."""
    evidence: str = ""
    """How that is known: ``runner 4711 ended by signal 9``."""
    ending: Ending = "not-run"
    equal: bool = False
    """After recovery and rollback the machine is what it was before, outside the allow-list."""
    differences: tuple[Difference, ...] = ()
    effects_left: int = 0
    """Side effects at third parties that stayed open."""
    repeated: tuple[str, ...] = ()
    """Steps whose work was done more than once although it had been acknowledged."""
    seconds: float = 0.0
    trouble: str = ""
    """Why it was not run, or what went wrong with the recovery."""

    @property
    def good(self) -> bool:
        """It fired, recovery came to a known end, and the machine is as it was."""
        known = self.ending in ("completed", "rolled-back")
        return self.fired and known and self.equal and not self.effects_left and not self.repeated


class UndoneFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rollback after the first ``steps`` steps of the plan: is everything as before?"""

    step: str
    """Id of the last step that was done before the rollback."""
    steps: int
    equal: bool
    differences: tuple[Difference, ...] = ()
    effects_left: int = 0
    seconds: float = 0.0
    trouble: str = ""


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """Rollback from every step, and every fault at every moment: what was tried and what came of it."""

    undone: tuple[UndoneFrom, ...] = ()
    injections: tuple[Injection, ...] = ()
    workers: int = 1
    """Clones that worked side by side."""
    notes: tuple[str, ...] = ()
    """What the sweep could not tell apart or try, in words; each makes its verdict inconclusive at best."""
    seconds: float = 0.0
