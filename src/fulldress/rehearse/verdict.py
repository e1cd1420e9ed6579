"""The verdict of a rehearsal: one row per limit, measured beside limit and margin. Pure; measures nothing itself.

Nothing measured is never a pass: a check without data says so, and only ``pass`` is green.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from fulldress.model.faults import Injection, Sweep
from fulldress.model.plan import StepTiming
from fulldress.model.proof import Difference, Proof
from fulldress.model.rehearsal import Act, Check, EndpointShift, Judgement, LoadReport, SideEffect
from fulldress.model.release import Objectives
from fulldress.rehearse.setting import Load

JUDGEMENTS: tuple[Judgement, ...] = ("fail", "no-data", "inconclusive", "pass")
"""The worst first."""
FEWEST = 20
"""Declared requests that cannot all be missing by chance."""
SHORT = 0.1
"""Of the declared rate may be missing; more, where so few requests scatter more by chance (three standard deviations)."""
LAG_SHARE = 0.05
"""A generator that lags by more than this share of the latency limit measures itself."""


def overall(checks: Iterable[Check]) -> Judgement:
    """The worst of all checks: fail, then no-data, then inconclusive, then pass. No checks at all is no-data."""
    words = {check.judgement for check in checks}
    for word in ("fail", "no-data", "inconclusive"):
        if word in words:
            return word
    return "pass" if words else "no-data"


def load_checks(load: LoadReport | None, objectives: Objectives) -> list[Check]:
    """The adapted package under load, held to the release's objectives."""
    if load is None or load.scheduled == 0:
        return [Check(name="load", judgement="no-data", measured="no request was due", limit="some load")]
    ratio = load.failed / load.scheduled
    lag_limit = max(1.0, LAG_SHARE * objectives.max_p99_ms)
    return [
        _limit("failed requests under load", 100 * ratio, 100 * objectives.max_failed_ratio, "%", digits=2),
        _limit("p99 latency under load", load.p99, objectives.max_p99_ms, "ms"),
        _limit("longest outage of an endpoint", load.endpoint_outage_seconds, objectives.max_outage_seconds, "s", digits=1),
        _limit("longest outage of all at once", load.outage_seconds, objectives.max_outage_seconds, "s", digits=1),
        _limit("the load generator's own lag, p99", load.lag_p99_ms, lag_limit, "ms", digits=2, beyond="inconclusive"),
    ]


def declared_checks(loads: Sequence[tuple[LoadReport, Load]], objectives: Objectives) -> list[Check]:
    """Declared traffic: was it sent as often as declared, and how much of it failed? The worst act; none for a log's."""
    found = [_declared(report, load, objectives) for report, load in loads if load.declared and report.scheduled]
    return sorted(found, key=lambda check: JUDGEMENTS.index(check.judgement))[:1]


def _declared(report: LoadReport, load: Load, objectives: Objectives) -> Check:
    minutes = report.seconds / 60
    asked, sent = sum(load.declared.values()), report.scheduled / minutes
    never = [name for name, rate in load.declared.items() if rate * minutes >= FEWEST and name not in report.endpoints]
    ratios = {
        name: seen.failed / seen.sent for name, seen in report.endpoints.items() if name in load.declared and seen.sent
    }
    worst = max(ratios, key=lambda name: ratios[name], default="")
    measured = f"{sent:.0f} requests a minute, {report.failed} of {report.scheduled} failed"
    judgement: Judgement = "pass"
    if worst and ratios[worst] > objectives.max_failed_ratio:
        judgement, measured = "fail", f"{measured}, worst: {worst}, {100 * ratios[worst]:.1f} %"
    elif never:
        judgement, measured = "inconclusive", f"{measured}; never sent: {never[0]}"
    elif sent < asked - max(SHORT * asked, 3 * math.sqrt(max(1.0, load.burstiness) * asked / minutes)):
        judgement = "inconclusive"
    limit = f"{asked:.0f} a minute"
    return Check(name="declared traffic", judgement=judgement, measured=measured, limit=limit, margin=f"{sent - asked:+.0f}")


def _limit(name: str, measured: float, limit: float, unit: str, *, digits: int = 0, beyond: Judgement = "fail") -> Check:
    return Check(
        name=name,
        judgement="pass" if measured <= limit else beyond,
        measured=f"{measured:.{digits}f} {unit}",
        limit=f"{limit:.{digits}f} {unit}",
        margin=f"{limit - measured:+.{digits}f} {unit}",
    )


def step_check(name: str, steps: Iterable[StepTiming], expected: int) -> Check:
    """Every step of the plan ended well, and none is missing."""
    steps = list(steps)
    bad = next((s for s in steps if s.code != 0), None)
    good = sum(1 for s in steps if s.code == 0)
    if bad is not None:
        code = "unknown" if bad.code is None else f"exit {bad.code}"
        return Check(name=name, judgement="fail", measured=f"{bad.id}: {code}", limit=f"{expected} of {expected}")
    return Check(
        name=name,
        judgement="pass" if good == expected > 0 else "fail" if expected else "no-data",
        measured=f"{good} of {expected}",
        limit=f"{expected} of {expected}",
    )


def proof_check(proof: Proof | None) -> Check:
    """After rollback everything is as before."""
    if proof is None or not sum(proof.counted.values()):
        return Check(name="equal after rollback", judgement="no-data", measured="not compared", limit="0 differences")
    measured = f"{sum(proof.counted.values())} compared, {len(proof.differences)} differ"
    if firsts := _first_of_each(proof.differences):
        measured += ", first: " + "; ".join(f"{difference.part} {difference.name}" for difference in firsts)
    return Check(
        name="equal after rollback", judgement="pass" if proof.equal else "fail", measured=measured, limit="0 differ"
    )


def _first_of_each(differences: Iterable[Difference]) -> list[Difference]:
    """One difference of each part; of rows a single one by its key, which says more than its table."""
    firsts: dict[str, Difference] = {}
    for difference in differences:
        known = firsts.setdefault(difference.part, difference)
        if "there" in (difference.before, difference.after) and "there" not in (known.before, known.after):
            firsts[difference.part] = difference
    return list(firsts.values())


def outside_check(effects: Iterable[SideEffect], *, recorded: bool = True) -> Check:
    """After rollback nothing is left at third parties; where no sink stood around it, nobody knows."""
    if not recorded:
        name, limit = "side effects closed by rollback", "0 left"
        return Check(name=name, judgement="no-data", measured="no sink stood around it", limit=limit)
    effects = list(effects)
    left = [e for e in effects if not e.closed]
    measured = f"{len(left)} of {len(effects)} left"
    if left:
        measured += f", first: {left[0].kind} at {left[0].endpoint}"
    return Check(
        name="side effects closed by rollback", judgement="fail" if left else "pass", measured=measured, limit="0 left"
    )


def undone_check(sweep: Sweep, asked: int) -> Check:
    """Rolled back from every step that was asked for, everything is as before."""
    good = sum(1 for one in sweep.undone if one.equal and not one.effects_left and not one.trouble)
    bad = next((one for one in sweep.undone if one.differences or one.effects_left), None)
    tried = next((one for one in sweep.undone if one.trouble), None)
    measured = f"{good} of {asked} equal"
    if bad is not None:
        measured += f"; after {bad.step}: {culprit(bad.differences, bad.effects_left)}"
    elif tried is not None:
        measured += f"; after {tried.step}: {tried.trouble}"
    elif good < asked and sweep.notes:
        measured += f"; {sweep.notes[0]}"
    judgement: Judgement = "fail" if bad is not None else "pass" if good == asked > 0 else "inconclusive"
    return Check(name="rollback from every step", judgement=judgement, measured=measured, limit=f"{asked} of {asked}")


def crash_check(sweep: Sweep) -> Check:
    """Every fault fired, recovery came to a known end, nothing was done twice, everything is as before."""
    every = len(sweep.injections)
    good = [one for one in sweep.injections if one.good]
    bad = [one for one in sweep.injections if one.fired and not one.good]
    silent = [one for one in sweep.injections if not one.fired]
    measured = f"{len(good)} of {every} fired and equal"
    if bad:
        measured += f"; {_where(bad[0])}: {_what(bad[0])}"
    elif silent:
        measured += f"; {len(silent)} did not fire, first {_where(silent[0])}"
    elif sweep.notes:
        measured += f"; {sweep.notes[0]}"
    judgement: Judgement = "fail" if bad else "inconclusive" if silent or sweep.notes else "pass" if every else "no-data"
    return Check(name="crashes survived", judgement=judgement, measured=measured, limit=f"{every} of {every}")


def failures(sweep: Sweep) -> list[str]:
    """Every rollback and every fault that was not good, one line each, with the first thing that differs."""
    lines = []
    for one in sweep.undone:
        if one.trouble or one.effects_left or not one.equal:
            what = culprit(one.differences, one.effects_left) if one.differences or one.effects_left else one.trouble
            lines.append(f"rollback after {one.step}: {what}")
    for fault in sweep.injections:
        if not fault.good:
            lines.append(f"{_where(fault)}: {_what(fault) if fault.fired else 'did not fire'}")
    return lines


def _where(one: Injection) -> str:
    return f"{one.fault} {one.moment} {'the undo of ' if one.phase == 'undo' else ''}{one.step}"


def _what(one: Injection) -> str:
    if one.differences or one.effects_left:
        return culprit(one.differences, one.effects_left)
    if one.repeated:
        return f"done twice: {', '.join(one.repeated)}"
    return one.trouble or f"ended {one.ending}"


def culprit(differences: Iterable[Difference], effects_left: int) -> str:
    """The first thing that is not as before: what it is, its name, and how it differs."""
    first = next(iter(differences), None)
    if first is None:
        return f"{effects_left} side effect{'s' if effects_left != 1 else ''} left at third parties"
    return f"{first.part} {first.name} ({first.before} -> {first.after})"


def recorded_check(acts: Iterable[Act]) -> Check:
    """Whatever left the clones was recorded by the sink, by the kernel's own count."""
    name, limit = "calls recorded by the sink", "0 slipped past"
    missed: list[str] = []
    for act in acts:
        if act.unrecorded is None:
            return Check(name=name, judgement="no-data", measured=f"not counted in {act.name}", limit=limit)
        missed.extend(act.unrecorded)
    measured = f"{len(missed)} slipped past" + (f", first: {missed[0]}" if missed else "")
    return Check(name=name, judgement="fail" if missed else "pass", measured=measured, limit=limit)


def contained_check(acts: Iterable[Act]) -> Check:
    """The plan stayed within its steps: it did not take the machine down, and left nothing running outside them."""
    found = list(dict.fromkeys(text for act in acts for text in act.contained))
    measured = f"{len(found)} had to be contained" + (f", first: {found[0]}" if found else "")
    return Check(
        name="stays within its steps", judgement="fail" if found else "pass", measured=measured, limit="0 contained"
    )


def compare_check(shifts: Sequence[EndpointShift], objectives: Objectives, trouble: str = "") -> Check:
    """No endpoint is slower than with the installed version.

    A slower one that keeps the objective is for a person to decide, one beyond it fails.
    """
    name, limit = "as fast as the installed version", "0 regressed"
    judged = [one for one in shifts if one.judgement != "not enough data"]
    if not judged:
        return Check(name=name, judgement="no-data", measured=trouble or _untold(shifts), limit=limit)
    worse = sorted((one for one in judged if one.judgement == "regressed"), key=lambda one: -one.p99_after)
    measured = f"{len(worse)} of {len(judged)} regressed"
    if not worse:
        return Check(name=name, judgement="pass", measured=measured, limit=limit)
    first = worse[0]
    beyond = any(one.p99_after > objectives.max_p99_ms for one in worse)
    return Check(
        name=name,
        judgement="fail" if beyond else "inconclusive",
        measured=f"{measured}, first: {first.endpoint} p99 {first.p99_before:.0f} -> {first.p99_after:.0f} ms",
        limit=limit,
    )


def _untold(shifts: Sequence[EndpointShift]) -> str:
    """Too few requests, or slow ones that all came in few moments: said with what was seen."""
    most = max(shifts, key=lambda one: one.before, default=None)
    if most is None:
        return "not enough requests"
    seen = f"p99 {most.p99_before:.0f} -> {most.p99_after:.0f} ms"
    return f"not told by {most.before} requests of each in uneven moments, {seen}: compare longer"


def dress_checks(driver: str, full_dress: bool) -> list[Check]:
    """What is played anywhere but on a copy of production proves nothing about production, so it is never a pass."""
    if full_dress:
        return []
    return [Check(name="full dress", judgement="inconclusive", measured=f"driver {driver}", limit="clones of production")]
