"""Plain columns for a terminal or a pipe. Text of strangers is shown with its control characters escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from fulldress.report.sanitise import visible

shown = visible


def columns(head: Sequence[str], rows: Iterable[Sequence[str]], *, widest: int = 46) -> str:
    """A table: heads, a rule, and rows with long cells wrapped at ``widest`` characters."""
    cells = [[textwrap.wrap(shown(cell), widest) or [""] for cell in row] for row in rows]
    widths = [max([len(name), *(len(line) for row in cells for line in row[i])]) for i, name in enumerate(head)]
    lines = [_line(head, widths), _line(["─" * width for width in widths], widths)]
    for row in cells:
        height = max(len(cell) for cell in row)
        lines.extend(_line([cell[n] if n < len(cell) else "" for cell in row], widths) for n in range(height))
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
