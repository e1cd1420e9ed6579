"""A whole rehearsal: its acts in order, its verdict, and what it did not show.

Plays what it is given (the plan to be run, and the package as it came as a plan of one step); decides nothing about plans.
"""

from __future__ import annotations

import datetime

from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import Act, Check, EndpointShift, MirrorFacts, RehearsalReport
from fulldress.rehearse.acts import Setting, forward_and_back, under_load
from fulldress.rehearse.comparison import compared
from fulldress.rehearse.verdict import (
    compare_check,
    contained_check,
    dress_checks,
    load_checks,
    outside_check,
    overall,
    proof_check,
    recorded_check,
    step_check,
)

AS_IT_CAME = "the package as it came, then a snapshot restore"
ADAPTED = "the adapted package"
ROLLBACK = "the adapted package, forward and back on a quiet clone"

NOT_COMPARED = "The installed version and the new one were not compared on one schedule (--compare SECONDS does)."


def rehearse(setting: Setting, plan: PlanLock, as_it_came: PlanLock | None, *, compare_s: float = 0.0) -> RehearsalReport:
    """Play all acts; ``as_it_came`` is left out when there is nothing of the vendor's to run.

    With ``compare_s`` the installed version and the new one also play so many seconds of one schedule.
    """
    started = datetime.datetime.now(datetime.UTC)
    acts: list[Act] = []
    if as_it_came is not None:
        setting.progress.note(f"act {len(acts) + 1}: {AS_IT_CAME}")
        acts.append(under_load(setting, as_it_came, name="as-it-came", title=AS_IT_CAME, restore=True))
    setting.progress.note(f"act {len(acts) + 1}: {ADAPTED}")
    adapted = under_load(setting, plan, name="adapted", title=ADAPTED)
    setting.progress.note(f"act {len(acts) + 2}: {ROLLBACK}")
    back = forward_and_back(setting, plan, name="rollback", title=ROLLBACK)
    checks = judged(setting, plan, adapted, back)
    shifts: tuple[EndpointShift, ...] = ()
    if compare_s:
        setting.progress.note(f"old and new on one schedule, {compare_s:g} s each")
        shifts, trouble = compared(setting, plan, compare_s)
        checks.append(compare_check(shifts, setting.release.objectives, trouble))
    return RehearsalReport(
        id=setting.id,
        plan_digest=plan.digest,
        started=started.isoformat(timespec="seconds"),
        verdict=overall(checks),
        checks=tuple(checks),
        acts=(*acts, adapted, back),
        durations=dict(setting.durations),
        not_shown=(*not_shown(setting), *([] if compare_s else [NOT_COMPARED])),
        mirror=mirror_facts(setting),
        fidelity=setting.load.figures,
        shifts=shifts,
    )


def mirror_facts(setting: Setting) -> MirrorFacts:
    """What the clones were made from, and by which driver."""
    mirror = setting.mirror
    return MirrorFacts(
        host=mirror.host,
        refreshed=mirror.refreshed,
        seconds=mirror.seconds,
        copied_bytes=mirror.copied_bytes,
        driver=setting.driver.name,
        full_dress=setting.driver.full_dress,
    )


def judged(setting: Setting, plan: PlanLock, adapted: Act, back: Act) -> list[Check]:
    """One row per limit, over the two acts of the plan that will be run."""
    total = len(plan.plan.step)
    return [
        step_check("steps under load", [s for s in adapted.steps if s.phase == "do"], total),
        *load_checks(adapted.load, setting.release.objectives),
        step_check("steps forward", [s for s in back.steps if s.phase == "do"], total),
        step_check("steps back", [s for s in back.steps if s.phase == "undo"], total),
        recorded_check([adapted, back]),
        proof_check(back.proof),
        outside_check(back.effects),
        contained_check([adapted, back]),
        *dress_checks(setting.driver.name, setting.driver.full_dress),
    ]


def not_shown(setting: Setting) -> list[str]:
    """The limits of what was shown, said with the result."""
    lines = [
        "Third parties were played by the sink: that they accept the calls, and how fast, was not shown.",
        "Hardware differs: times were measured on this machine, not on production's.",
        "Hostile code was not contained: a clone keeps mistakes in, not an attacker with root.",
        "Rollback was proven after the last step, on a quiet clone: not from every step, and not after a crash inside one.",
        "Jobs due at other hours (cron, timers) were not fired.",
    ]
    if not setting.driver.full_dress:
        lines.insert(
            0, "Not full dress: it was played on a staging host, which is no copy of production; no sink stood around it."
        )
    if not setting.load.figures:
        lines.append("The load was fitted to no log, or to too little of one: how like production it was, was not measured.")
    left_out = setting.load.left_out
    if left_out:
        most = ", ".join(sorted(left_out, key=lambda name: -left_out[name])[:3])
        lines.append(f"{sum(left_out.values())} logged requests that write were not sent, no body is declared for: {most}.")
    return lines
