"""Steps that hold a timer of the package while the plan runs. Pure.

The package's file stays as it is: a timer without a trigger is refused by systemd, and one with another time fires then
for ever. A mask would make the package's own `systemctl enable --now` fail.
"""

from __future__ import annotations

import re

from fulldress.formats.late import late
from fulldress.model.finding import Cure, StepDraft
from fulldress.scan.jobs.job import Job
from fulldress.scan.rule import Context

_NAME = late(r"[A-Za-z0-9][A-Za-z0-9:_.\\-]*(?:@[A-Za-z0-9:_.\\-]+)?\.timer")


def can_be_held(job: Job) -> bool:
    """True for a timer that is a unit by itself; which instances of a template there are is not known here."""
    return job.timer and job.kind == "timer" and _NAME.fullmatch(_unit(job.place)) is not None


def is_held(context: Context, job: Job) -> bool:
    """True where an adaptation has drafted the steps."""
    return all(step in context.drafted for step in _steps(_unit(job.place)))


def held(context: Context, place: str) -> Cure | None:
    """The steps that hold the timer at this place before the upgrade and let it go after it."""
    steps = tuple(step for step in _steps(_unit(place)) if step not in context.drafted)
    return Cure(steps=steps, note=f"{_unit(place)} is held while the plan runs", safety="review") if steps else None


def _unit(place: str) -> str:
    return re.split(r"[/!]", place)[-1]


def _steps(unit: str) -> tuple[StepDraft, ...]:
    return (
        StepDraft(kind="unit", title=f"Hold {unit}", params={"action": "hold", "unit": unit}),
        StepDraft(kind="unit", title=f"Release {unit}", when="after", params={"action": "release", "unit": unit}),
    )
