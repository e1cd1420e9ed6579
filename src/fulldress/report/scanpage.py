"""The findings of one package as one self-contained HTML page: opens from disk, needs no script and no network, prints.

Renders ``scan.html.j2`` with autoescape on; reads and writes nothing else.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from fulldress import __version__
from fulldress.model.finding import SEVERITIES, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure, diff_lines
from fulldress.report.templates import templates
from fulldress.report.text import SCREENFUL, aside, on_screen, summary, where
from fulldress.scan.rule import Rule

MAX_NOT_INSPECTED = 50
"""Places listed; the rest is counted."""
OPEN_LINES = 40
"""Longer diffs are folded."""


class Part(NamedTuple):
    """A heading of a rule's page and the paragraphs under it."""

    heading: str
    text: str


class About(NamedTuple):
    """A rule as the page explains it."""

    slug: str
    title: str
    parts: tuple[Part, ...]


def scan_page(
    report: FindingsReport, lock: PackageLock, rules: Iterable[Rule], cures: Mapping[str, ShownCure] | None = None
) -> str:
    """The page. ``cures``: fingerprint -> what the finding's cure would change."""
    environment = templates()
    hit = {f.rule for f in report.findings}
    counts = Counter(f.severity for f in report.findings)
    return environment.get_template("scan.html.j2").render(
        report=msgspec.structs.replace(report, findings=tuple(on_screen(report.findings))),
        lock=lock,
        version=__version__,
        cures=cures or {},
        counts=[(s, counts[s]) for s in SEVERITIES if counts[s]],
        screenful=SCREENFUL,
        summary=summary(report),
        where=where,
        diff_lines=diff_lines,
        aside=aside(report),
        rules=[_about(rule) for rule in rules if rule.META.slug in hit],
        open_lines=OPEN_LINES,
        not_inspected=lock.not_inspected[:MAX_NOT_INSPECTED],
    )


def _about(rule: Rule) -> About:
    page = inspect.getdoc(rule) or ""
    first, *rest = re.split(r"(?m)^## (.+)$", page)
    parts = tuple(Part(heading.strip(), text.strip()) for heading, text in zip(rest[::2], rest[1::2], strict=True))
    return About(rule.META.slug, first.strip() or rule.META.title, parts)
