"""One self-contained page of a release: findings, rehearsal, rollback, side effects, the run, and how long it all took.

Reads the release folder, renders ``page.html.j2`` with autoescape on, writes nothing itself. Opens from disk, needs no
script and no network, and prints.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
from markupsafe import Markup

from fulldress.flow import STAGES
from fulldress.model.finding import Adaptation, Finding, FindingsReport
from fulldress.model.package import PackageLock, TrustReport
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import LoadReport, RehearsalReport, RunReport
from fulldress.report.chart import latency_chart
from fulldress.report.rehearsalview import rehearsal_view
from fulldress.report.sanitise import visible
from fulldress.report.templates import templates
from fulldress.store import folder as f
from fulldress.store.codec import read_json, read_toml
from fulldress.store.folder import ReleaseFolder
from fulldress.store.journal import Event, read_journal

JOURNAL = "journal.jsonl"


class Row(msgspec.Struct, frozen=True):
    """A finding beside what answers it."""

    finding: Finding
    patch: str
    """File name of the adaptation, when one names this finding."""
    gone: bool
    """The rescan of the adapted package does not find it any more."""
    step: str
    """Id of the plan step that makes its call, with an undo."""


def render(folder: ReleaseFolder) -> str:
    """The page of everything the folder holds by now, as one HTML text."""
    environment = templates()
    environment.filters["one_line"] = lambda text: " ".join(str(text).split())[:160]
    environment.filters["moment"] = _moment
    environment.filters["visible_lines"] = lambda text: "\n".join(visible(line) for line in str(text).splitlines())
    environment.filters["short"] = lambda digest: str(digest)[:12]
    return environment.get_template("page.html.j2").render(**_context(folder))


def _moment(seconds: float) -> str:
    """A moment as people and logs write it, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _context(folder: ReleaseFolder) -> dict[str, Any]:
    events = read_journal(folder.path(JOURNAL))
    adaptations = _adaptations(folder)
    rehearsal = latest(folder, f.REHEARSALS, "rehearsal.json", RehearsalReport)
    run = latest(folder, f.RUNS, "run.json", RunReport)
    return {
        "release": folder.release(),
        "package": _maybe(folder, f.PACKAGE_LOCK, PackageLock),
        "trust": _maybe(folder, f.TRUST, TrustReport),
        "rows": _rows(folder, adaptations, _maybe(folder, f.PLAN_LOCK, PlanLock)),
        "adaptations": adaptations,
        "rescan": _maybe(folder, f.RESCAN, FindingsReport),
        "rehearsal": rehearsal,
        "run": run,
        "view": rehearsal_view(rehearsal),
        "run_chart": _run_chart(run) if run and run.load else None,
        "left_outside": _left_outside(rehearsal),
        "stages": _stage_seconds(events, run),
        "head": events[-1].hash if events else "",
        "rehearsed": _rehearsed(rehearsal),
    }


def latest(folder: ReleaseFolder, room: str, name: str, kind: type[Any]) -> Any:
    """The newest report of a room (``06-rehearsals``, ``08-runs``), or None."""
    files = sorted(folder.path(room).glob(f"*/{name}"))
    return read_json(files[-1], kind) if files else None


def _maybe(folder: ReleaseFolder, name: str, kind: type[Any]) -> Any:
    path = folder.path(name)
    return read_json(path, kind) if path.exists() else None


def _adaptations(folder: ReleaseFolder) -> list[Adaptation]:
    return [read_toml(path, Adaptation) for path in sorted(folder.path(f.ADAPTATIONS).glob("[0-9]*.toml"))]


def _rows(folder: ReleaseFolder, adaptations: list[Adaptation], plan: PlanLock | None) -> list[Row]:
    report: FindingsReport | None = _maybe(folder, f.FINDINGS, FindingsReport)
    if report is None:
        return []
    rescan: FindingsReport | None = _maybe(folder, f.RESCAN, FindingsReport)
    left = {(finding.rule, finding.place) for finding in rescan.findings} if rescan else None
    answered = {fp: f"{a.number:04d}-{a.slug}" for a in adaptations for fp in a.findings}
    return [
        Row(
            finding,
            answered.get(finding.fingerprint, ""),
            left is not None and (finding.rule, finding.place) not in left,
            _step_of(finding, plan),
        )
        for finding in report.findings
    ]


def _step_of(finding: Finding, plan: PlanLock | None) -> str:
    """The plan step that makes the very call that the finding is about."""
    calls = [step for step in plan.plan.step if step.kind == "http"] if plan else []
    return next((s.id for s in calls if f"{s.params['method']} {s.params['url']}" in finding.title), "")


def _run_chart(run: RunReport) -> Markup:
    load: LoadReport | None = run.load
    assert load is not None
    return Markup(latency_chart(f"run on {run.host}", load, run.steps, ()))


def _left_outside(rehearsal: RehearsalReport | None) -> list[Any]:
    """What a snapshot rollback of the package as it came leaves behind at third parties."""
    if rehearsal is None:
        return []
    return [e for act in rehearsal.acts if act.name == "as-it-came" for e in act.effects if not e.closed]


def _rehearsed(rehearsal: RehearsalReport | None) -> dict[str, float]:
    if rehearsal is None:
        return {}
    return {
        step.id: step.ended - step.started
        for act in rehearsal.acts
        if act.name == "adapted"
        for step in act.steps
        if step.phase == "do"
    }


def _stage_seconds(events: list[Event], run: RunReport | None) -> list[tuple[str, float]]:
    """Seconds of the last time each stage ran, in the order of work; a run counts from its first step to its last."""
    last = {e.kind: float(e.data["seconds"]) for e in events if "seconds" in e.data}
    if run is not None and run.steps:
        last["run"] = max(step.ended for step in run.steps) - min(step.started for step in run.steps)
    return [(stage.name, last[stage.name]) for stage in STAGES if stage.name in last]
