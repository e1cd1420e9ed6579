"""The act in which scheduled jobs that fall due in the window are fired on the upgraded clone, and the row that judges them.

The plan is played on a quiet clone first, as it will be when the jobs fall due. A job that fails is fired on a clone of
production as it is, too: what failed before is not the upgrade's fault.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fulldress.errors import FulldressError
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import Act, Check, FiredJob, Judgement, OutsideCall
from fulldress.ports import Host
from fulldress.rehearse import jobsfire
from fulldress.rehearse.acts import Stage, play, reconciled, staged, timed
from fulldress.rehearse.jobsdue import Due, Schedules, Span, window
from fulldress.rehearse.setting import Setting

NAME, TITLE = "jobs", "jobs due in the window"
AS_BEFORE = "it failed before the upgrade as well"
NOT_DUE = "not due any more after the upgrade"
ONLY_AS_IT_CAME = "not due: only the package as it came brings it"
_SILENT = (NOT_DUE, ONLY_AS_IT_CAME)
_SOON_S = 0.5


def wanted_jobs(setting: Setting) -> Span | None:
    """The window whose jobs are to be fired; None when there is none, or nothing to fire them on without harm."""
    if not setting.wanted.jobs or not setting.driver.full_dress:
        return None
    return window(setting.release)


class AsItCame:
    """What falls due in the window where the package as it came was played; ``due`` is None until that is known."""

    def __init__(self, span: Span | None) -> None:
        self._span = span
        self.due: tuple[Due, ...] | None = None

    def look(self, host: Host) -> str:
        """Ask the clone; returns why it could not be known, or nothing. A wrecked clone is no reason to end here."""
        if self._span is None:
            return ""
        try:
            self.due = jobsfire.survey(host, self._span).due
        except (FulldressError, OSError) as error:
            return f"Which jobs the package as it came would bring is not known: {error}."
        return ""


def jobs_act(setting: Setting, plan: PlanLock, span: Span, came: AsItCame | None = None) -> Act:
    """Play the plan on a quiet clone, then fire what falls due in the window."""
    with staged(setting, NAME) as stage:
        before = jobsfire.survey(stage.host, span)
        with timed(setting.durations, f"plan, {NAME}"):
            steps = play(setting, stage, plan)
        if stage.watch.over or any(step.code != 0 for step in steps):
            notes = ("The plan did not go through, so no job was fired.", *stage.watch.notes)
            return Act(name=NAME, title=TITLE, steps=tuple(steps), contained=tuple(stage.watch.found), notes=notes)
        after = jobsfire.survey(stage.host, span)
        with timed(setting.durations, "firing jobs"):
            fired = _with_calls(stage, jobsfire.fire(stage.host, after))
        calls, effects = stage.sink.calls(steps=steps), stage.sink.effects(steps=steps)
        again = stage.sink.retries()
        unrecorded = stage.sink.tally().unaccounted
        notes = (*after.notes, *_how(fired), *_unknown(came), reconciled(stage.sink), *stage.watch.notes)
        contained = tuple(stage.watch.found)
    return Act(
        name=NAME,
        title=TITLE,
        steps=tuple(steps),
        calls=tuple(calls),
        retries=tuple(again),
        effects=tuple(effects),
        unrecorded=unrecorded,
        jobs=(*_excused(setting, fired, before), *gone(before, after), *vendors(before, after, came)),
        contained=contained,
        notes=notes,
    )


def _with_calls(stage: Stage, fired: Sequence[FiredJob]) -> list[FiredJob]:
    """Each job with what was asked of the outside while it ran; names are left out where a call followed."""
    every = stage.sink.calls()
    return [msgspec.structs.replace(job, calls=tuple(during(every, job))) if job.fired else job for job in fired]


def during(calls: Sequence[OutsideCall], job: FiredJob) -> list[OutsideCall]:
    """The calls made while a job ran."""
    near = [call for call in calls if job.fired <= call.at <= job.fired + job.seconds + _SOON_S]
    asked = {call.endpoint.partition(":")[0] for call in near if call.protocol != "dns"}
    return [call for call in near if call.protocol != "dns" or call.endpoint.partition(":")[0] not in asked]


def _excused(setting: Setting, fired: Sequence[FiredJob], before: Schedules) -> list[FiredJob]:
    """Those that failed are fired on a clone of production as it is; who fails there as well is excused."""
    failed = {job.name for job in fired if failing(job)}
    again = tuple(one for one in before.due if one.name in failed)
    if not again:
        return list(fired)
    with staged(setting, f"{NAME}-before") as stage:
        then = {job.name: job for job in jobsfire.fire(stage.host, before._replace(due=again))}
    return [
        msgspec.structs.replace(job, trouble="; ".join(filter(None, (AS_BEFORE, job.trouble))))
        if job.name in failed and job.name in then and failing(then[job.name])
        else job
        for job in fired
    ]


def failing(job: FiredJob) -> bool:
    """Whether it was fired and is known to have failed."""
    return bool(job.fired) and job.code not in (None, 0)


def gone(before: Schedules, after: Schedules) -> list[FiredJob]:
    """What falls due in the window today, and does not after the upgrade."""
    still = {one.identity for one in after.due}
    return [_not_due(one) for one in before.due if one.identity not in still]


def vendors(before: Schedules, after: Schedules, came: AsItCame | None) -> list[FiredJob]:
    """What only the package as it came would make fall due: the adaptation takes it out, or leaves it out."""
    known = {one.identity for one in (*before.due, *after.due)}
    brought = came.due or () if came is not None else ()
    return [_not_due(one, ONLY_AS_IT_CAME) for one in brought if one.identity not in known]


def _not_due(one: Due, why: str = NOT_DUE) -> FiredJob:
    return FiredJob(name=one.name, kind=one.kind, command=one.command, due=one.moments[0], trouble=why)


def _unknown(came: AsItCame | None) -> list[str]:
    if came is not None and came.due is not None:
        return []
    return ["Jobs that only the package as it came would bring are not listed: it was not played, or could not be asked."]


def _how(fired: Sequence[FiredJob]) -> list[str]:
    """How they were fired, said with the result."""
    if not fired:
        return ["No scheduled job falls due in the window."]
    direct = sum(job.trouble.startswith("started directly") for job in fired)
    lines = []
    if len(fired) > direct:
        lines.append(
            f"{len(fired) - direct} of {len(fired)} jobs were left to the clone's own schedulers, under a shifted time "
            "zone; the epoch was as it is. Timers' random delays were taken away."
        )
    if direct:
        lines.append(f"{direct} of {len(fired)} jobs were started directly: no wall clock fires them.")
    return lines


def jobs_check(act: Act) -> Check:
    """Every job that falls due in the window was fired and ended well; what failed before the upgrade does not count."""
    limit = "0 new failures"
    if any(step.code != 0 for step in act.steps):
        return Check(name=TITLE, judgement="no-data", measured="the plan did not go through", limit=limit)
    due = [job for job in act.jobs if not job.trouble.startswith(_SILENT)]
    failed = [job for job in due if failing(job)]
    new = [job for job in failed if AS_BEFORE not in job.trouble]
    silent = [job for job in due if not job.fired or job.code is None]
    measured = f"{sum(bool(job.fired) for job in due)} fired, {len(failed)} failed"
    if new:
        measured += f", first: {new[0].name}"
    elif silent:
        measured += f", {len(silent)} not seen to end, first: {silent[0].name}"
    judgement: Judgement = "fail" if new else "inconclusive" if silent else "pass"
    return Check(name=TITLE, judgement=judgement, measured=measured if due else "none falls due", limit=limit)
