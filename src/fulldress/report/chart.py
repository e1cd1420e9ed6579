"""Server-made SVG of one act: steps, locks, who waited, latency on a log scale, requests sent and failed, on one time axis.

Pure: numbers in, markup out. Every text from outside is escaped; no script is needed to read the chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import LoadBucket, LoadReport, LockHold, LockImpact

WIDTH, LEFT, RIGHT = 960, 58, 12
TOP_STEPS, LANE, PLOT_HEIGHT, RATE_HEIGHT, FAIL_HEIGHT, GAP = 18, 22, 190, 26, 26, 16
TOP_LOCKS, TOP_WAITS = TOP_STEPS + LANE, TOP_STEPS + 2 * LANE
PLOT_TOP = TOP_STEPS + 3 * LANE + 14
RATE_TOP = PLOT_TOP + PLOT_HEIGHT + GAP
FAIL_TOP = RATE_TOP + RATE_HEIGHT + GAP
HEIGHT = FAIL_TOP + FAIL_HEIGHT + 30
LOW_MS, HIGH_MS = 1.0, 20_000.0
STRONG = ("Share", "ShareRowExclusive", "Exclusive", "AccessExclusive")


class Scale:
    """Maps seconds and milliseconds to pixels."""

    def __init__(self, start: float, seconds: float) -> None:
        self.start, self.seconds = start, max(seconds, 1.0)

    def x(self, at: float) -> float:
        """Pixel column of a time (seconds since the epoch), clamped to the plot."""
        share = min(max((at - self.start) / self.seconds, 0.0), 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, ms: float) -> float:
        """Pixel row of a latency in milliseconds (log scale, clamped)."""
        share = math.log(min(max(ms, LOW_MS), HIGH_MS) / LOW_MS) / math.log(HIGH_MS / LOW_MS)
        return PLOT_TOP + PLOT_HEIGHT * (1 - share)


def latency_chart(
    title: str,
    load: LoadReport,
    steps: Iterable[StepTiming],
    locks: Iterable[LockHold],
    impacts: Iterable[LockImpact] = (),
) -> str:
    """The chart of one act as an ``<svg>`` element. Times in the arguments are seconds since the epoch."""
    scale = Scale(load.started, load.seconds)
    parts = [
        _axes(scale, load.slow_ms),
        _steps(scale, list(steps)),
        _locks(scale, list(locks)),
        _waits(scale, list(impacts)),
        _latencies(scale, load.buckets),
        _bars(scale, load, "rate", RATE_TOP, RATE_HEIGHT),
        _bars(scale, load, "failed", FAIL_TOP, FAIL_HEIGHT),
    ]
    label = escape(
        f"{title}: latency over {load.seconds:.0f} s, worst {load.worst:.0f} ms, {load.failed} of {load.scheduled} failed"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" class="chart">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )


def _axes(scale: Scale, slow_ms: float) -> str:
    out = []
    for ms, label in ((1, "1 ms"), (10, "10 ms"), (100, "100 ms"), (1000, "1 s"), (10_000, "10 s")):
        y = scale.y(ms)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    y = scale.y(slow_ms)
    out.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    out.append(f'<text class="tick limit-label" x="{WIDTH - RIGHT}" y="{y - 4:.1f}" text-anchor="end">slow</text>')
    step = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600) if scale.seconds / s <= 12 or s == 3600)
    for second in range(0, int(scale.seconds) + 1, step):
        x = scale.x(scale.start + second)
        out.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{second} s</text>')
    lanes = (
        *(("steps", TOP_STEPS + 14), ("locks", TOP_LOCKS + 14), ("waiting", TOP_WAITS + 14)),
        *(("sent", RATE_TOP + RATE_HEIGHT - 4), ("failed", FAIL_TOP + FAIL_HEIGHT - 4)),
    )
    for name, y in lanes:
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{y}" text-anchor="end">{name}</text>')
    return "".join(out)


def _steps(scale: Scale, steps: list[StepTiming]) -> str:
    out = []
    for number, step in enumerate(steps, 1):
        x, width = scale.x(step.started), max(scale.x(step.ended) - scale.x(step.started), 2.0)
        kind = "step bad" if step.code not in (0, None) else "step undo" if step.phase == "undo" else "step"
        hint = escape(f"{number}. {step.title} ({step.ended - step.started:.1f} s)")
        out.append(f'<g class="{kind}"><title>{hint}</title>')
        out.append(f'<rect x="{x:.1f}" y="{TOP_STEPS}" width="{width:.1f}" height="{LANE - 4}" rx="2"/>')
        if width > 14:
            out.append(f'<text x="{x + width / 2:.1f}" y="{TOP_STEPS + 13}" text-anchor="middle">{number}</text>')
        out.append("</g>")
    return "".join(out)


def _locks(scale: Scale, locks: list[LockHold]) -> str:
    out = []
    shown = [lock for lock in locks if lock.mode in STRONG and lock.held + lock.waited >= 0.001]
    for lock in sorted(shown, key=lambda lock: STRONG.index(lock.mode)):  # the hardest on top
        x = scale.x(lock.at)
        width = max(scale.x(lock.at + lock.waited + lock.held) - x, 1.5)
        hint = escape(f"{lock.mode} on {lock.relation}: held {lock.held * 1000:.0f} ms, {lock.waiters} waiting")
        kind = "lock hard" if lock.mode == "AccessExclusive" else "lock"
        out.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{TOP_LOCKS}" width="{width:.1f}" height="{LANE - 4}">'
            f"<title>{hint}</title></rect>"
        )
    return "".join(out)


def _latencies(scale: Scale, buckets: tuple[LoadBucket, ...]) -> str:
    seen = [b for b in buckets if b.sent > b.failed]
    worst = "".join(
        f'<circle cx="{scale.x(b.start):.1f}" cy="{scale.y(b.worst):.1f}" r="1.3"/>' for b in seen if b.worst > b.p99
    )
    return f'<g class="worst">{worst}</g>{_line(scale, seen, "p99")}{_line(scale, seen, "p50")}'


def _line(scale: Scale, buckets: list[LoadBucket], name: str) -> str:
    points = " ".join(f"{scale.x(b.start):.1f},{scale.y(getattr(b, name)):.1f}" for b in buckets)
    return f'<polyline class="{name}" points="{points}"/>'


def _waits(scale: Scale, impacts: list[LockImpact]) -> str:
    """Sessions in the queue behind a lock: the more that overlap, the darker."""
    out = []
    for impact in impacts:
        for wait in impact.waits:
            x = scale.x(wait.at)
            width = max(scale.x(wait.at + wait.waited) - x, 1.5)
            behind = f"{impact.lock.mode} on {impact.lock.relation}"
            hint = escape(f"{wait.waited * 1000:.0f} ms behind {behind}: {wait.statement[:200]}")
            out.append(
                f'<rect class="wait" x="{x:.1f}" y="{TOP_WAITS}" width="{width:.1f}" height="{LANE - 4}">'
                f"<title>{hint}</title></rect>"
            )
    return "".join(out)


def _bars(scale: Scale, load: LoadReport, what: str, top: int, height: int) -> str:
    """Requests of each slice of time: all that were sent (``rate``), or those that ``failed``; with the most a second."""
    counts = [(b.start, b.failed if what == "failed" else b.sent) for b in load.buckets]
    most = max((count for _, count in counts), default=0)
    base = top + height
    out = [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>']
    for start, count in counts:
        if not count:
            continue
        x, tall = scale.x(start), height * 0.9 * count / most
        width = max(scale.x(start + load.bucket_seconds) - x - 0.5, 1.0)
        out.append(
            f'<rect class="{what}" x="{x:.1f}" y="{base - tall:.1f}" width="{width:.1f}" height="{tall:.1f}">'
            f"<title>{count} {'failed' if what == 'failed' else 'sent'}</title></rect>"
        )
    if most:
        label = f"at most {most / load.bucket_seconds:.0f}/s"
        out.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{top - 1}" text-anchor="end">{label}</text>')
    return "".join(out)
