"""The findings of one package as one self-contained HTML page: opens from disk, needs no script and no network, prints.

Renders ``scan.html.j2`` with autoescape on; reads and writes nothing else.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from markupsafe import Markup, escape

from fulldress import __version__
from fulldress.model.finding import SEVERITIES, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure, diff_lines
from fulldress.report.templates import templates
from fulldress.report.text import SCREENFUL, aside, looked_into, on_screen, summary, where
from fulldress.scan.rule import Rule

MAX_NOT_INSPECTED = 50
"""Places listed; the rest is counted."""
OPEN_LINES = 40
"""Longer diffs are folded."""


class Block(NamedTuple):
    """A paragraph, a list or an example of a rule's page."""

    kind: str
    """``text``, ``list`` or ``code``."""
    lines: tuple[str, ...]


class Part(NamedTuple):
    """A heading of a rule's page and what stands under it."""

    heading: str
    blocks: tuple[Block, ...]


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
    environment.filters["typed"] = _typed
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
        looked_into=looked_into(report, lock),
        where=where,
        diff_lines=diff_lines,
        aside=aside(report),
        rules=[_about(rule) for rule in rules if rule.META.slug in hit],
        open_lines=OPEN_LINES,
        not_inspected=lock.not_inspected[:MAX_NOT_INSPECTED],
    )


def _typed(text: str) -> Markup:
    """What stands between backticks is set as code; everything is escaped first."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _blocks(text: str) -> Iterator[Block]:
    """The Markdown of a rule's docstring: fenced examples, lists, paragraphs."""
    for number, piece in enumerate(re.split(r"(?m)^```.*\n?", text)):
        if number % 2:
            yield Block("code", (piece.rstrip(),))
            continue
        for paragraph in filter(str.strip, re.split(r"\n\s*\n", piece)):
            items = re.split(r"(?m)^\s*[-*] ", paragraph)
            if len(items) > 1 and not items[0].strip():
                yield Block("list", tuple(" ".join(item.split()) for item in items[1:]))
            else:
                yield Block("text", (" ".join(paragraph.split()),))


def _about(rule: Rule) -> About:
    page = inspect.getdoc(rule) or ""
    first, *rest = re.split(r"(?m)^## (.+)$", page)
    parts = tuple(
        Part(heading.strip(), tuple(_blocks(text.strip()))) for heading, text in zip(rest[::2], rest[1::2], strict=True)
    )
    return About(rule.META.slug, first.strip() or rule.META.title, parts)
