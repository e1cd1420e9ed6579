"""A whole rehearsal: its acts in order, its verdict, and what it did not show.

Plays what it is given (the plan to be run, and the package as it came as a plan of one step); decides nothing about plans.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fulldress.model.faults import Sweep
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import Act, Check, EndpointShift, LoadReport, MirrorFacts, RehearsalReport
from fulldress.rehearse import mirror
from fulldress.rehearse.acts import forward_and_back, under_load
from fulldress.rehearse.beside import production_of
from fulldress.rehearse.comparison import compared, ensure_comparable
from fulldress.rehearse.crashsweep import ensure_room, ensure_sweepable, sweep
from fulldress.rehearse.crashtrail import with_crashes
from fulldress.rehearse.jobs import TITLE as JOBS
from fulldress.rehearse.jobs import AsItCame, jobs_act, jobs_check, wanted_jobs
from fulldress.rehearse.repeats import expected_locks, step_durations, worst_load
from fulldress.rehearse.setting import Load, Setting
from fulldress.rehearse.verdict import (
    compare_check,
    contained_check,
    crash_check,
    declared_checks,
    dress_checks,
    load_checks,
    outside_check,
    overall,
    proof_check,
    recorded_check,
    step_check,
    undone_check,
)
from fulldress.rehearse.wanted import FAULTS, MOMENTS, Wanted

AS_IT_CAME = "the package as it came, then a snapshot restore"
ADAPTED = "the adapted package"
ROLLBACK = "the adapted package, forward and back on a quiet clone"
IN_FULL_DRESS = (
    "Third parties were played by the sink: that they accept the calls, and how fast, was not shown.",
    "Hardware differs: times were measured on this machine, not on production's.",
    "Hostile code was not contained: a clone keeps mistakes in, not an attacker with root.",
)
ON_A_STAGING_HOST = (
    "Not full dress: it was played on a staging host, which is no copy of production; no sink stood around it.",
    "What it called at third parties is not known: they were those that the staging host reaches, and they may remember it.",
    "Hardware differs: times were measured on the staging host, not on production.",
)
NOT_COMPARED = "The installed version and the new one were not compared on one schedule (--compare SECONDS does)."


def rehearse(setting: Setting, plan: PlanLock, as_it_came: PlanLock | None, *, compare_s: float = 0.0) -> RehearsalReport:
    """Play all acts; ``as_it_came`` is left out when there is nothing of the vendor's to run.

    With ``compare_s`` the installed version and the new one also play so many seconds of one schedule.
    """
    ensure_comparable(setting, compare_s)
    ensure_sweepable(setting)
    ensure_room(setting)
    started = datetime.datetime.now(datetime.UTC)
    acts: list[Act] = []
    span = wanted_jobs(setting)
    came = AsItCame(span)
    if as_it_came is not None:
        _announce(setting, acts, AS_IT_CAME)
        acts.append(under_load(setting, as_it_came, name="as-it-came", title=AS_IT_CAME, restore=True, then=came.look))
    adapted: list[Act] = []
    for number in range(len(setting.wanted.rounds)):
        adapted.append(_under_load_again(setting, plan, [*acts, *adapted], number))
    _announce(setting, [*acts, *adapted], ROLLBACK)
    back, writes = forward_and_back(setting, plan, name="rollback", title=ROLLBACK)
    if span is not None:
        _announce(setting, [*acts, *adapted, back], JOBS)
    fired = [jobs_act(setting, plan, span, came)] if span is not None else []
    swept = sweep(setting, plan, back) if setting.wanted.sweeps else None
    if writes is not None and swept is not None:
        writes = with_crashes(writes, swept.seen, production_of(setting.mirror))
    checks = [
        *judged(setting, plan, adapted, back, fired),
        *map(jobs_check, fired),
        *swept_checks(setting, swept.sweep if swept else None),
    ]
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
        acts=(*acts, *adapted, back, *fired),
        durations=dict(setting.durations),
        not_shown=(*not_shown(setting, plan), *([] if compare_s or not setting.driver.full_dress else [NOT_COMPARED])),
        times=setting.wanted.times,
        step_durations=tuple(
            step_durations(
                [step.id for step in plan.plan.step],
                [*(timing for act in (*adapted, back) for timing in act.steps), *(swept.timings if swept else ())],
            )
        ),
        mirror=mirror_facts(setting),
        sweep=swept.sweep if swept else None,
        expected_locks=tuple(expected_locks(adapted)),
        write_set=writes,
        fidelity=setting.load.figures,
        shifts=shifts,
    )


def mirror_facts(setting: Setting) -> MirrorFacts:
    """What the clones were made from, and by which driver."""
    facts = mirror.facts(setting.mirror)
    return msgspec.structs.replace(facts, driver=setting.driver.name, full_dress=setting.driver.full_dress)


def _announce(setting: Setting, before: Sequence[Act], title: str) -> None:
    setting.progress.note(f"act {len(before) + 1}: {title}")


def _under_load_again(setting: Setting, plan: PlanLock, before: Sequence[Act], number: int) -> Act:
    """The adapted package under load, the first time or once more: a fresh clone, the same traffic, other requests."""
    wanted = setting.wanted
    multiple, repeat = wanted.rounds[number]
    title = f"{ADAPTED} at {multiple:g} × the load" if len(wanted.loads) > 1 else ADAPTED
    title += f", rehearsal {repeat + 1} of {wanted.times}" if repeat else ""
    _announce(setting, before, title)
    if number == 0:
        return under_load(setting, plan, name="adapted", title=title)
    again = setting._replace(load=setting.load_again(number))
    return under_load(again, plan, name=f"adapted-{number + 1}", title=title)


def judged(setting: Setting, plan: PlanLock, adapted: Sequence[Act], back: Act, fired: Sequence[Act] = ()) -> list[Check]:
    """One row per limit, over the acts of the plan that will be run; of several rehearsals the worst counts."""
    total, times = len(plan.plan.step), len(adapted)
    loads = [act.load for act in adapted if act.load is not None]
    return [
        step_check("steps under load", [s for act in adapted for s in act.steps if s.phase == "do"], total * times),
        *load_checks(worst_load(loads) if len(loads) == times else None, setting.release.objectives),
        *declared_checks(_declared(setting, adapted), setting.release.objectives),
        step_check("steps forward", [s for s in back.steps if s.phase == "do"], total),
        step_check("steps back", [s for s in back.steps if s.phase == "undo"], total),
        recorded_check([*adapted, back, *fired]),
        proof_check(back.proof),
        outside_check(back.effects, recorded=setting.driver.full_dress),
        contained_check([*adapted, back, *fired]),
        *dress_checks(setting.driver.name, setting.driver.full_dress),
        *mirror.checks(setting.mirror),
    ]


def _declared(setting: Setting, adapted: Sequence[Act]) -> list[tuple[LoadReport, Load]]:
    """Each act's load beside what was to be sent; nothing where a log told the traffic."""
    if not setting.load.declared:
        return []
    loads = [setting.load_again(number) if number else setting.load for number in range(len(adapted))]
    return [(act.load, load) for act, load in zip(adapted, loads, strict=True) if act.load is not None]


def swept_checks(setting: Setting, swept: Sweep | None) -> list[Check]:
    """The rows of the sweep, for what was asked of it."""
    if swept is None:
        return []
    undone = [undone_check(swept, len(setting.wanted.undo_at))] if setting.wanted.undo_at else []
    return [*undone, crash_check(swept)] if setting.wanted.crash else undone


def not_shown(setting: Setting, plan: PlanLock) -> list[str]:
    """The limits of what was shown, said with the result."""
    lines = [
        *(IN_FULL_DRESS if setting.driver.full_dress else ON_A_STAGING_HOST),
        *_not_swept(setting.wanted, plan, sweepable=setting.driver.full_dress),
        *_not_fired(setting),
    ]
    lines += setting.mirror.doubtful
    if Path(setting.mirror.tree, "var/lib/mysql").is_dir():
        lines.append(
            "MySQL or MariaDB: rows were not compared after rollback, only the files they lie in; locks were not watched."
        )
    if not setting.load.figures:
        lines.append("The load was fitted to no log, or to too little of one: how like production it was, was not measured.")
    left_out = setting.load.left_out
    if left_out:
        most = ", ".join(sorted(left_out, key=lambda name: -left_out[name])[:3])
        lines.append(f"{sum(left_out.values())} logged requests that write were not sent, no body is declared for: {most}.")
    return lines


def _not_fired(setting: Setting) -> list[str]:
    """What was not fired of the scheduled jobs."""
    if wanted_jobs(setting) is not None:
        return []
    why = "no window is declared" if setting.wanted.jobs and not setting.release.window.start else "as was asked for"
    if setting.wanted.jobs and not setting.driver.full_dress:
        why = "the clock of a staging host is not shifted"
    return [f"Scheduled jobs (cron, timers) that fall due in the window were not fired: {why}."]


def _not_swept(wanted: Wanted, plan: PlanLock, *, sweepable: bool = True) -> list[str]:
    """What the sweep was not asked for; on a staging host there is none."""
    if not sweepable:
        return ["Rollback was proven after the last step only, and no crash was tried: a staging host is not swept."]
    lines = []
    if len(wanted.undo_at) < len(plan.plan.step):
        where = (
            f"after {len(wanted.undo_at)} of {len(plan.plan.step)} steps" if wanted.undo_at else "after the last step only"
        )
        lines.append(f"Rollback was proven {where}, on a quiet clone (--undo-at each proves all).")
    missing = [moment for moment in MOMENTS if moment not in wanted.crash]
    if missing:
        lines.append(f"No crash was tried {', '.join(missing)} a step (--crash each tries all).")
    if wanted.crash:
        others = [fault for fault in FAULTS if fault not in wanted.faults]
        lines += [f"Faults that were not tried: {', '.join(others)} (--faults)."] if others else []
        if "power-cut" in wanted.faults:
            lines.append(
                "A power cut took the machine, not what its disk had been told: writes not yet on the disk survived."
            )
    return lines
