"""What other programs say of a package, merged into our findings: the same line and topic confirms, the rest is listed low.

Knows no program: topics come with what was said. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from fulldress.formats.late import late
from fulldress.model.finding import Finding, FindingsReport
from fulldress.scan.rule import Context
from fulldress.scan.sweep import as_shown
from fulldress.scan.waivers import Waiver

TOPICS: dict[str, tuple[str, ...]] = {
    "squawk": ("migration",),
    "kingfisher": ("secret",),
    "systemd-analyze": ("systemd",),
}
"""Peer -> families of our rules that are about the same."""
RULES: dict[str, tuple[str, ...]] = {
    "shellcheck/SC2115": ("unguarded-destruction",),
    "shellcheck/SC2114": ("unguarded-destruction",),
    "shellcheck/SC2164": ("errors-ignored", "unguarded-destruction"),
}
"""Single opinions that are about the same as a rule of ours."""
NEAR = 2
"""Lines by which two programs may differ on where a statement is."""


class Opinion(NamedTuple):
    """What one program says of one line."""

    peer: str
    code: str
    place: str
    line: int


def merged(
    report: FindingsReport,
    opinions: Sequence[Opinion],
    make: Callable[[Sequence[int]], Finding],
    context: Context,
    families: Mapping[str, str],
    waivers: Iterable[Waiver] = (),
) -> FindingsReport:
    """The report with ``confirmed_by`` set and with one more finding for each code that nothing of ours says.

    ``make``: indexes of opinions with one code -> their finding. ``families``: our rule -> its family.
    """
    confirmed: dict[int, list[str]] = defaultdict(list)
    alone: dict[tuple[str, str], list[int]] = defaultdict(list)
    by_place: dict[str, list[int]] = defaultdict(list)
    for at, finding in enumerate(report.findings):
        by_place[finding.place].append(at)
    for number, opinion in enumerate(opinions):
        same = [at for at in by_place[opinion.place] if _same(report.findings[at], opinion, families)]
        for at in same:
            confirmed[at].append(f"{opinion.peer} {opinion.code}")
        if not same:
            alone[(opinion.peer, opinion.code)].append(number)
    ours = [_confirmed(finding, confirmed.get(at, [])) for at, finding in enumerate(report.findings)]
    theirs = [as_shown(context, make(numbers)) for numbers in alone.values()]
    in_force = list(waivers)
    waived = {f.fingerprint: f"{f.title}: {w.said}" for f in theirs for w in in_force if w.covers(f)}
    left = [f for f in theirs if f.fingerprint not in waived]
    ranked = sorted([*ours, *left], key=lambda f: (f.rank, f.rule))
    return msgspec.structs.replace(report, findings=tuple(ranked), waived={**report.waived, **waived})


def _same(finding: Finding, opinion: Opinion, families: Mapping[str, str]) -> bool:
    about = RULES.get(f"{opinion.peer}/{opinion.code}", ())
    topic = families.get(finding.rule) in TOPICS.get(opinion.peer, ())
    near = abs(finding.line - opinion.line) <= (NEAR if opinion.peer == "squawk" else 0)
    return (finding.rule in about or topic) and near


def _confirmed(finding: Finding, by: Sequence[str]) -> Finding:
    return msgspec.structs.replace(finding, confirmed_by=tuple(sorted(set(by)))) if by else finding


UNITS = late(r"(^|/)[^/]+\.(service|timer|socket|path|target|mount|automount|slice|swap)$")
"""Places that are systemd's unit files."""
