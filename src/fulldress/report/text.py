"""Findings as people read them in a terminal: the most dangerous first, the summary last.

Makes text; writes nothing. Everything that comes from a package passes the sanitiser.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fulldress.model.finding import SEVERITIES, Finding, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure, diff_lines
from fulldress.report.sanitise import clipped, visible

SCREENFUL = 15
"""Findings on one screen; the rest is counted."""
FEW = 4
"""Rules that stood aside are named on the first screen when they are no more."""
MAX_DIFF = 24
"""Lines of a cure's diff on the screen."""

_DIFF_COLOUR = {"add": "32", "del": "31", "hunk": "34"}
_COLOUR = {"critical": "1;31", "high": "31", "medium": "33", "low": "36", "info": "2"}


class Paint:
    """ANSI colours, or none."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on else text


def on_screen(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with those for the first screen in front, both parts the worst first.

    Among equally severe ones each rule has its turn: five passwords must not push the one retired server off the screen.
    """
    turns: Counter[tuple[str, str]] = Counter()
    keyed = []
    for index, finding in enumerate(findings):
        keyed.append(((SEVERITIES.index(finding.severity), turns[finding.severity, finding.rule], index), index))
        turns[finding.severity, finding.rule] += 1
    chosen = {index for _, index in sorted(keyed)[:SCREENFUL]}
    return [f for n, f in enumerate(findings) if n in chosen] + [f for n, f in enumerate(findings) if n not in chosen]


def findings_text(
    report: FindingsReport,
    lock: PackageLock,
    *,
    everything: bool = False,
    colour: bool = False,
    width: int = 100,
    cures: Mapping[str, ShownCure] | None = None,
) -> str:
    """The whole report. ``cures``: fingerprint -> the change to show under a finding. ``width`` in characters."""
    paint = Paint(colour)
    count = len(report.findings) if everything else SCREENFUL
    given = cures or {}
    blocks = [
        _finding(finding, lock.name, paint, width) + _cure(given.get(finding.fingerprint), paint, width)
        for finding in (report.findings if everything else on_screen(report.findings))[:count]
    ]
    hidden = len(report.findings) - count
    if hidden > 0:
        blocks.append(f"and {hidden} less dangerous one{'s'[: hidden > 1]}: --all shows everything")
    blocks.append("\n".join(_closing(report, lock, paint, width, everything)))
    return "\n\n".join(blocks)


def _finding(finding: Finding, package: str, paint: Paint, width: int) -> str:
    head = f"{finding.severity}: " + visible(finding.title)
    doubt = "" if finding.confidence == "certain" else f" ({finding.confidence})"
    colour = _COLOUR[finding.severity]
    lines = [paint(_wrapped(head + doubt, "", "  ", width), colour if finding.severity != "critical" else "1;31")]
    lines.extend(_frame(finding, package, paint, width))
    lines.append(_wrapped(finding.consequence, "  why:  ", "        ", width))
    patch = " `fulldress adapt` writes the patch." if finding.curable and "`fulldress adapt`" not in finding.fix else ""
    lines.append(_wrapped(finding.fix + patch, "  fix:  ", " " * 8, width))
    if finding.confirmed_by:
        lines.append(_wrapped(f"also said by {', '.join(finding.confirmed_by)}", "  ", "  ", width))
    lines.append(f"  more: fulldress explain {visible(finding.rule)}   ({finding.fingerprint})")
    return "\n".join(lines)


def _cure(cure: ShownCure | None, paint: Paint, width: int) -> str:
    """The change that the cure would make, as a diff in the frame."""
    if cure is None:
        return ""
    lines = [_wrapped(f"cure ({cure.safety}): {cure.note}", "  ", "        ", width)]
    lines += [_wrapped(f"plan step: {step}", "  ", "        ", width) for step in cure.steps]
    diff = [line for line in diff_lines(cure.diff) if not line.text.startswith("--- ") or line.kind != "head"]
    for line in diff[:MAX_DIFF]:
        shown = clipped(line.text, width - 7)
        lines.append(f"       {paint(shown, _DIFF_COLOUR[line.kind]) if line.kind in _DIFF_COLOUR else shown}")
    if len(diff) > MAX_DIFF:
        lines.append(f"       … {len(diff) - MAX_DIFF} more lines: --format html shows them")
    return "\n" + "\n".join(lines)


def _frame(finding: Finding, package: str, paint: Paint, width: int) -> Iterator[str]:
    """The place through all archives, and the line as it stands there."""
    yield f"  {paint('-->', '34')} {visible(where(finding, package))}"
    if finding.excerpt:
        gutter = str(finding.line) if finding.line else "·"
        first = finding.excerpt.split("\n")
        for number, line in enumerate(first[:3]):
            label = gutter if number == 0 else "·"
            yield f"  {paint(f'{label:>4} |', '34')} {clipped(line.rstrip(), width - 9)}"


def where(finding: Finding, package: str) -> str:
    """``pkg.zip!/lims.deb!/etc/cron.d/x:3``."""
    place = f"{package}!/{finding.place}" if finding.place else package
    return f"{place}:{finding.line}" if finding.line else place


def _wrapped(text: str, first: str, rest: str, width: int) -> str:
    return "\n".join(
        textwrap.wrap(
            visible(text),
            width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _closing(report: FindingsReport, lock: PackageLock, paint: Paint, width: int, everything: bool) -> Iterator[str]:
    yield from _not_looked_for(report, width, everything)
    for name, said in sorted(report.peers.items()):
        yield _wrapped(f"{name}: {said}", "", "  ", width)
    for said in report.waived.values():
        yield _wrapped(f"waived: {said}", "", "  ", width)
    for said in report.waivers_ended:
        yield _wrapped(f"waiver ended: {said}", "", "  ", width)
    for said in report.waivers_idle:
        yield _wrapped(f"waiver without effect: {said}", "", "  ", width)
    if report.baseline is not None:
        was = report.baseline
        yield _wrapped(
            f"only what is new since {was.name}: {was.known} were there before, {was.gone} are gone", "", "  ", width
        )
    yield paint(f"{visible(lock.name)}: {summary(report)}", "1")
    yield f"looked into {looked_into(report, lock)}"
    yield f"sha256 {lock.sha256}"


def looked_into(report: FindingsReport, lock: PackageLock) -> str:
    """What was read, by how many rules, and what was not: ``all 49 files (44,228 bytes) with 73 rules``."""
    files = sum(e.kind in ("file", "container") for e in lock.entries)
    rules = f"with {len(report.rules_run)} rules"
    if not lock.not_inspected:
        return f"all {files:,} files ({lock.bytes_inspected:,} bytes) {rules}"
    missed, places = sum(n.size for n in lock.not_inspected), len(lock.not_inspected)
    where_ = f"{places} place{'s'[: places > 1]}"
    return f"{lock.bytes_inspected:,} bytes of {files:,} files {rules}; {missed:,} bytes in {where_} could not be read"


def _not_looked_for(report: FindingsReport, width: int, everything: bool) -> Iterator[str]:
    """Few rules are named; of many only what they wait for, and how many do."""
    if len(report.rules_stood_aside) <= FEW or everything:
        for slugs, reason in aside(report):
            yield _wrapped(f"not looked for: {', '.join(slugs)}: {reason}", "", "  ", width)
        return
    waiting = Counter(part for reason in report.rules_stood_aside.values() for part in reason.split("; "))
    (first, many), *rest = waiting.most_common()
    said = ", ".join([f"{many} have {first}", *(f"{count} {part}" for part, count in rest)])
    yield _wrapped(f"{len(report.rules_stood_aside)} rules stood aside (--all names them): {said}", "", "  ", width)


def aside(report: FindingsReport) -> list[tuple[list[str], str]]:
    """Rules that could not run, together by their reason."""
    by_reason: dict[str, list[str]] = {}
    for slug, reason in sorted(report.rules_stood_aside.items()):
        by_reason.setdefault(reason, []).append(slug)
    return [(slugs, reason) for reason, slugs in sorted(by_reason.items())]


def summary(report: FindingsReport) -> str:
    """``1 critical, 4 high, 2 low; 5 of 7 can be patched``."""
    if not report.findings:
        return "no findings"
    counted = Counter(f.severity for f in report.findings)
    curable = sum(f.curable for f in report.findings)
    listed = ", ".join(f"{counted[s]} {s}" for s in SEVERITIES if counted[s])
    return f"{listed}; {curable} of {len(report.findings)} can be patched"
