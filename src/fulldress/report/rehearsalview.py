"""From a rehearsal's report to what the page shows of it: charts, the grid of the crash sweep, the worst first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from fulldress.model.changes import Change, WriteSet
from fulldress.model.faults import Injection, Sweep
from fulldress.model.rehearsal import Act, EndpointShift, RehearsalReport, StepDurations
from fulldress.report.chart import latency_chart
from fulldress.report.spread import Range, spread_chart

MOST_ROWS = 40
"""Rows of a list on the page; all are in the JSON beside it."""
PHASES = ("do", "undo")
MOMENTS = ("before", "inside", "after")


class Cell(NamedTuple):
    """All injections of one step at one moment."""

    good: int
    tried: int
    word: str
    """pass, fail, inconclusive, or none when nothing was tried."""
    hint: str


class GridRow(NamedTuple):
    """A step of the plan: rollback from here, and the crashes around it."""

    step: str
    back: Cell
    cells: tuple[Cell, ...]
    """``do`` before, inside, after; then ``undo`` before, inside, after."""


def rehearsal_view(rehearsal: RehearsalReport | None) -> dict[str, Any]:
    """What the template needs beside the report itself; empty without a rehearsal."""
    if rehearsal is None:
        return {"charts": {}, "grid": (), "troubles": (), "durations_chart": None, "shifts_chart": None, "writes": ()}
    return {
        "charts": {act.name: act_chart(act) for act in rehearsal.acts if act.load},
        "grid": sweep_grid(rehearsal.sweep, order(rehearsal)),
        "troubles": troubles(rehearsal.sweep),
        "durations_chart": durations_chart(rehearsal.step_durations) if rehearsal.times > 1 else None,
        "shifts_chart": shifts_chart(rehearsal.shifts),
        "writes": write_groups(rehearsal.write_set),
    }


def act_chart(act: Act) -> Markup:
    """The chart of an act that was played under load."""
    assert act.load is not None
    return Markup(latency_chart(act.title, act.load, act.steps, act.locks, act.impacts))


def order(rehearsal: RehearsalReport) -> list[str]:
    """The plan's steps in order, as far as an act played them."""
    return list(dict.fromkeys(step.id for act in reversed(rehearsal.acts) for step in act.steps if step.phase == "do"))


def sweep_grid(sweep: Sweep | None, steps: Sequence[str]) -> tuple[GridRow, ...]:
    """One row for each step that the sweep touched, in the plan's order; steps no act knew come last."""
    if sweep is None:
        return ()
    touched = list(dict.fromkeys([*(u.step for u in sweep.undone), *(i.step for i in sweep.injections)]))
    ordered = [s for s in steps if s in touched] + [s for s in touched if s not in steps]
    return tuple(GridRow(step, _undone_cell(sweep, step), _crash_cells(sweep, step)) for step in ordered)


def _undone_cell(sweep: Sweep, step: str) -> Cell:
    rows = [u for u in sweep.undone if u.step == step]
    good = sum(u.equal and not u.effects_left and not u.trouble for u in rows)
    return Cell(
        good, len(rows), _word(good, len(rows)), "; ".join(_first(u.differences, u.trouble) for u in rows if not u.equal)
    )


def _crash_cells(sweep: Sweep, step: str) -> tuple[Cell, ...]:
    cells = []
    for phase in PHASES:
        for moment in MOMENTS:
            found = [i for i in sweep.injections if (i.step, i.phase, i.moment) == (step, phase, moment)]
            good = sum(i.good for i in found)
            unfired = any(not i.fired for i in found)
            bad = any(i.fired and not i.good for i in found)
            word = "fail" if bad else "inconclusive" if unfired else _word(good, len(found))
            hint = ", ".join(f"{count} × {fault}" for fault, count in sorted(Counter(i.fault for i in found).items()))
            cells.append(Cell(good, len(found), word, hint))
    return tuple(cells)


def _word(good: int, tried: int) -> str:
    return "none" if not tried else "pass" if good == tried else "fail"


def _first(differences: Sequence[Any], trouble: str) -> str:
    if differences:
        return f"{differences[0].part} {differences[0].name}"
    return trouble


def troubles(sweep: Sweep | None) -> tuple[Injection, ...]:
    """The injections that are not good, those that fired first."""
    if sweep is None:
        return ()
    return tuple(sorted((i for i in sweep.injections if not i.good), key=lambda i: not i.fired))[:MOST_ROWS]


def durations_chart(durations: Iterable[StepDurations]) -> Markup | None:
    """Least, median and worst seconds of each step that took a tenth of a second or more."""
    rows = [
        Range(f"{d.step} ({d.phase})" if d.phase == "undo" else d.step, min(d.samples), d.median, d.worst, d.phase)
        for d in durations
        if d.samples and d.worst >= 0.1
    ]
    return Markup(spread_chart("Seconds of each step over all rehearsals", rows[:MOST_ROWS], unit="s")) if rows else None


def shifts_chart(shifts: Iterable[EndpointShift]) -> Markup | None:
    """How far each endpoint moved, in per cent, the widest change first; those without enough data stay out."""
    known = [s for s in shifts if s.judgement != "not enough data"]
    known.sort(key=lambda s: -abs(s.low + s.high))
    rows = [Range(s.endpoint, 100 * s.low, 50 * (s.low + s.high), 100 * s.high, s.judgement) for s in known[:MOST_ROWS]]
    return Markup(spread_chart("Change of each endpoint, interval", rows, unit="%")) if rows else None


class WriteGroup(NamedTuple):
    """Changed paths below one directory."""

    folder: str
    changes: tuple[Change, ...]


def write_groups(writes: WriteSet | None) -> tuple[WriteGroup, ...]:
    """The write-set by the first two parts of the path, the largest group first."""
    if writes is None:
        return ()
    groups: dict[str, list[Change]] = {}
    for change in writes.changes:
        groups.setdefault("/" + "/".join(change.path.strip("/").split("/")[:2]), []).append(change)
    return tuple(
        WriteGroup(folder, tuple(rows)) for folder, rows in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))
    )
