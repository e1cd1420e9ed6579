"""What must hold before production is touched: a fresh plan, a green rehearsal of exactly it, no unfinished run.

Reads the release folder only.
"""

from __future__ import annotations

from pathlib import Path

from fulldress.errors import NoGo, NothingToDo, Stale, TargetHeld, UsageError
from fulldress.model.package import Acceptance, TrustReport
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import RehearsalReport, RunReport
from fulldress.model.vendor import Escalation
from fulldress.store import folder as f
from fulldress.store.codec import read_json, read_toml
from fulldress.store.folder import ReleaseFolder


class PackageNotAccepted(NoGo):
    """The package carries no signature of a key recorded for its vendor, and nobody has decided what that means.

    Ask the contact that was recorded beforehand (``fulldress trust escalate``). Then each of two people says
    ``fulldress trust accept --by NAME --reason TEXT``, about exactly this digest. Pinning the key is a separate act.
    """

    slug = "package-not-accepted"


class NotRehearsed(NoGo):
    """No rehearsal of exactly this plan ended with ``pass``, and only what was rehearsed is run on production.

    ``fulldress rehearse`` plays it. Where no rehearsal is possible, ``fulldress run --without-rehearsal-because TEXT`` runs
    the plan all the same, and the reason is in the run's journal for good.
    """

    slug = "not-rehearsed"


class RunUnfinished(TargetHeld):
    """An earlier run of this release was killed, stopped or cut off in the middle.

    ``fulldress resume`` finishes it: no step is lost, none is done twice. ``fulldress rollback`` undoes it.
    """

    slug = "run-unfinished"


def rehearsals(folder: ReleaseFolder) -> list[RehearsalReport]:
    """All rehearsals, the oldest first."""
    return [read_json(p, RehearsalReport) for p in sorted(folder.path(f.REHEARSALS).glob("*/rehearsal.json"))]


def green_rehearsal(folder: ReleaseFolder, lock: PlanLock) -> RehearsalReport | None:
    """The latest rehearsal of exactly this plan, when its verdict is pass."""
    mine = [r for r in rehearsals(folder) if r.plan_digest == lock.digest]
    return mine[-1] if mine and mine[-1].verdict == "pass" else None


def require_rehearsed(folder: ReleaseFolder, lock: PlanLock) -> RehearsalReport:
    """The green rehearsal of this plan. Raises Stale when another plan was rehearsed, NoGo when none is green."""
    found = green_rehearsal(folder, lock)
    if found is not None:
        return found
    known = rehearsals(folder)
    mine = [r for r in known if r.plan_digest == lock.digest]
    if mine:
        why = f"its latest rehearsal, {mine[-1].id}, says: {mine[-1].verdict}"
    elif known:
        raise Stale(
            f"changed since rehearsal {known[-1].id}: {f.PLAN_LOCK}",
            why=f"that rehearsal was of plan {known[-1].plan_digest[:16]}, this plan is {lock.digest[:16]}",
            fix="fulldress rehearse",
        )
    else:
        why = "it was never rehearsed"
    raise NotRehearsed(
        f"no green rehearsal of this plan ({lock.digest[:16]})",
        why=why,
        fix="fulldress rehearse (or, on record: fulldress run --without-rehearsal-because TEXT)",
    )


def require_trusted(folder: ReleaseFolder) -> None:
    """Raises PackageNotAccepted unless a pinned key signed the package, or two people accepted exactly this digest.

    Not even then when the vendor's contact said since that it is not theirs. Stale for a verdict that was changed by hand.
    """
    trust = read_json(folder.path(f.TRUST), TrustReport)
    if any(c.file == f.TRUST for c in folder.changes("intake")):
        raise Stale(
            f"{f.TRUST} is not what was written by fulldress",
            why="a verdict that somebody wrote by hand says nothing about who signed the package",
            fix="fulldress trust judges it anew",
        )
    asked = read_json(folder.path(f.ESCALATION), Escalation) if folder.path(f.ESCALATION).is_file() else None
    if asked is not None and asked.package_sha256 == trust.package_sha256 and asked.refused:
        raise PackageNotAccepted(
            f"the package may not be run: {asked.refused}",
            why="an acceptance, or a pinned key, counts for less than the vendor's own word",
            fix=f"ask {asked.contact} for a release that is theirs",
        )
    path = folder.path(f.ACCEPTANCE)
    accepted = path.is_file() and read_toml(path, Acceptance).covers(trust)
    if trust.verdict != "pinned-ok" and not accepted:
        raise PackageNotAccepted(
            f"the package is not signed by a key recorded for its vendor: {trust.verdict}",
            why="whoever made this package may not be the vendor, and a rehearsal cannot tell",
            fix=f"{trust.next_action} Then each of two people: fulldress trust accept --by NAME --reason TEXT",
        )


def rehearsed_seconds(report: RehearsalReport | None) -> dict[str, float]:
    """Step id -> seconds in the rehearsal: the median of all, or those of the act under load where only they are known."""
    if report is None:
        return {}
    if report.step_durations:
        return {d.step: d.median for d in report.step_durations if d.phase == "do"}
    acts = [a for a in report.acts if a.name == "adapted"] or list(report.acts)
    return {t.id: t.ended - t.started for a in acts for t in a.steps if t.phase == "do"}


def runs(folder: ReleaseFolder) -> list[tuple[Path, RunReport]]:
    """All runs with their directories, the oldest first."""
    return [(p.parent, read_json(p, RunReport)) for p in sorted(folder.path(f.RUNS).glob("*/run.json"))]


def require_no_unfinished(folder: ReleaseFolder) -> None:
    """TargetHeld when a run of this folder was not finished."""
    for _, report in runs(folder):
        if report.state == "running":
            raise RunUnfinished(
                f"run {report.id} of {report.operator} on {report.host} is not finished",
                why="a second run would do its steps twice",
                fix="fulldress resume finishes it, fulldress rollback undoes it",
            )


def pick(folder: ReleaseFolder, named: str | None, *, unfinished: bool) -> tuple[Path, RunReport]:
    """The run to go on with (the latest unfinished) or to undo (the named, or the latest that changed something)."""
    known = runs(folder)
    if named is not None:
        found = [r for r in known if r[1].id == named]
        if not found:
            raise UsageError(f"there is no run {named}", fix=f"known: {', '.join(r.id for _, r in known) or 'none'}")
        return found[0]
    states = ("running",) if unfinished else ("running", "failed", "rollback-incomplete", "done")
    found = [r for r in known if r[1].state in states]
    if not found:
        raise NothingToDo(
            "no run is unfinished" if unfinished else "there is no run to undo",
            why=f"runs so far: {', '.join(f'{r.id} ({r.state})' for _, r in known) or 'none'}",
            fix="fulldress run starts one",
        )
    return found[-1]
