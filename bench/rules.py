"""What each rule costs on a package: CPU, findings, and the patterns that hit most often.

Run: .venv/bin/python bench/rules.py PACKAGE [--profile RULE ...] [--top 40]
What several rules share (parsed scripts, migrations) is paid by the first that asks for it; all run in this one process.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from fulldress.cli.scanwork import package_context
from fulldress.formats.patterns import Pattern
from fulldress.scan import crew
from fulldress.scan.rule import Context
from fulldress.scan.sweep import load_rules, sweep

ALL = "all"


class Cost(NamedTuple):
    """One rule."""

    cpu: float
    slug: str
    found: int


def costs(context: Context, profiled: frozenset[str], profile: cProfile.Profile) -> list[Cost]:
    """CPU of each rule, in the order in which they run."""
    rows = []
    for rule in load_rules():
        watched = bool({rule.META.slug, ALL} & profiled)
        before = time.process_time()
        if watched:
            profile.enable()
        report = sweep(context, [rule])
        if watched:
            profile.disable()
        rows.append(Cost(time.process_time() - before, rule.META.slug, len(report.findings)))
    return rows


def busiest(context: Context) -> list[tuple[int, Pattern]]:
    """How often each pattern hits, most first."""
    patterns = dict.fromkeys(p for rule in load_rules() for p in getattr(rule, "LOOKS_FOR", ()))
    count = Counter({pattern: sum(1 for _ in context.hits(pattern)) for pattern in patterns})
    return [(hits, pattern) for pattern, hits in count.most_common()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--profile", nargs="*", default=[], metavar="RULE", help=f"where these spend it ({ALL}: every rule)")
    parser.add_argument("--top", type=int, default=40)
    given = parser.parse_args()
    crew.WORTH_IT = crew.TOO_MUCH  # one process
    began = time.process_time()
    load_rules()
    print(f"{time.process_time() - began:8.3f} s  loading the rules")
    profile = cProfile.Profile(time.process_time)
    began = time.process_time()
    with package_context(given.package, vendor=None, sandboxed=True, progress=None) as context:
        print(f"{time.process_time() - began:8.3f} s  this process's part of taking the package apart and judging it")
        rows = costs(context, frozenset(given.profile), profile)
        print(f"{sum(r.cpu for r in rows):8.3f} s  {len(rows)} rules over {len(context.files)} files; of that:")
        for row in sorted(rows, reverse=True)[: given.top]:
            print(f"{row.cpu:8.3f} s  {row.slug}  {row.found or ''}")
        for hits, pattern in busiest(context)[:8]:
            print(f"{hits:8} hits  {pattern.regex[:90]}")
    if given.profile:
        stats = pstats.Stats(profile)
        stats.sort_stats("tottime").print_stats(30)
        stats.sort_stats("cumulative").print_stats(40)


if __name__ == "__main__":
    main()
