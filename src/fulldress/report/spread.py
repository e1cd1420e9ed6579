"""Server-made SVG of ranges, one row each: from least to most, with the middle marked. Numbers in, markup out.

For how long steps took over several rehearsals, and for how far an endpoint's latency moved (with its interval).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, LABELS, RIGHT, ROW, TOP = 960, 300, 70, 20, 8
LABEL_LENGTH = 46


class Range(NamedTuple):
    """One row: ``low <= middle <= high`` in the chart's unit; ``kind`` is a CSS class."""

    label: str
    low: float
    middle: float
    high: float
    kind: str = ""


def spread_chart(title: str, rows: Sequence[Range], *, unit: str, zero: float = 0.0) -> str:
    """The ranges on one scale that begins at the least of them or ``zero``, where a line is drawn."""
    low = min([zero, *(row.low for row in rows)])
    high = max([zero, *(row.high for row in rows)])
    share = (WIDTH - LABELS - RIGHT) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return LABELS + (value - low) * share

    bottom = TOP + ROW * len(rows)
    parts = [f'<line class="grid" x1="{x(zero):.1f}" x2="{x(zero):.1f}" y1="{TOP}" y2="{bottom}"/>']
    for number, row in enumerate(rows):
        parts.append(_row(row, x(row.low), x(row.middle), x(row.high), TOP + ROW * number, unit))
    parts.append(f'<text class="tick" x="{x(high):.1f}" y="{bottom + 14}" text-anchor="end">{high:.3g} {unit}</text>')
    label = escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + 20}" role="img" aria-label="{label}" class="chart spread">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )


def _row(row: Range, low: float, middle: float, high: float, top: int, unit: str) -> str:
    short = row.label if len(row.label) <= LABEL_LENGTH else row.label[: LABEL_LENGTH - 1] + "…"
    hint = escape(f"{row.label}: {row.low:.3g} to {row.high:.3g} {unit}, middle {row.middle:.3g} {unit}")
    centre = top + ROW / 2
    return (
        f'<g class="range {escape(row.kind)}"><title>{hint}</title>'
        f'<text class="tick" x="{LABELS - 8}" y="{centre + 4:.1f}" text-anchor="end">{escape(short)}</text>'
        f'<rect x="{low:.1f}" y="{top + 4}" width="{max(high - low, 2.0):.1f}" height="{ROW - 8}" rx="2"/>'
        f'<line class="middle" x1="{middle:.1f}" x2="{middle:.1f}" y1="{top + 2}" y2="{top + ROW - 2}"/>'
        f'<text class="tick" x="{high + 6:.1f}" y="{centre + 4:.1f}">{row.middle:.3g} {unit}</text></g>'
    )
