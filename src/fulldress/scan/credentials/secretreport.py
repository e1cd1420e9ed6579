"""How the secret rules report: one finding for a line, but one for the whole file when it is full of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fulldress.model.finding import SEVERITIES, Confidence, Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.secrets import Worth
from fulldress.scan.places import Standing

MANY = 8
"""More findings than these in one file are one finding."""
CONSEQUENCE = "Everyone who ever had the package can use it, and it cannot be rotated without a new package."
WEAK = "Whoever knows the product, or has a list of common passwords, gets in."
ROTATE = "Rotate it, and refer to an environment variable instead."


class Spot(NamedTuple):
    """One secret at one line of a file."""

    line: int
    what: str
    """For the title: ``a secret under db.password``."""
    excerpt: str
    severity: Severity
    confidence: Confidence = "certain"
    curable: bool = False


def severity_of(worth: Worth, standing: Standing, strong: Severity = "high") -> Severity | None:
    """How bad a value is where it stands; None where it is not worth a word."""
    if standing == "silent" or not worth:
        return None
    if standing == "acting":
        return strong if worth == "real" else "medium"
    return "low" if worth == "real" else None


def redacted(text: str, *values: str) -> str:
    """One line to show, without the values."""
    shown = text.strip()
    for value in sorted(values, key=len, reverse=True):
        shown = shown.replace(value, secrets.HIDDEN) if len(value) > 1 else shown
    return shown


def findings(
    rule: str, place: str, spots: Sequence[Spot], *, consequence: str = CONSEQUENCE, fix: str = ROTATE
) -> Iterator[Finding]:
    """The findings of one file."""
    name = place.rpartition("/")[2]
    if len(spots) <= MANY:
        for spot in spots:
            yield _finding(rule, place, spot, f"{spot.what} in {name}", consequence, fix)
        return
    worst = min(spots, key=lambda s: (SEVERITIES.index(s.severity), s.line))
    others = ", ".join(dict.fromkeys(str(s.line) for s in spots[:6]))
    title = f"{len(spots)} secrets in {name}: {worst.what} and others (lines {others}{' ...' if len(spots) > 6 else ''})"
    yield _finding(rule, place, worst._replace(curable=any(s.curable for s in spots)), title, consequence, fix)


def _finding(rule: str, place: str, spot: Spot, title: str, consequence: str, fix: str) -> Finding:
    return Finding(
        rule=rule,
        severity=spot.severity,
        confidence=spot.confidence,
        title=title,
        place=place,
        line=spot.line,
        excerpt=spot.excerpt,
        consequence=WEAK if spot.severity == "medium" and consequence == CONSEQUENCE else consequence,
        fix=fix,
        curable=spot.curable,
    )
