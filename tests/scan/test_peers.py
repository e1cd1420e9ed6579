"""What other programs say, merged: the same line and topic confirms, the rest is one low finding for each code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fulldress.model.finding import Finding, FindingsReport
from fulldress.scan.peers import Opinion, merged
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import load_rules, sweep
from fulldress.scan.waivers import Waiver

FILES = {"run.sh": '#!/bin/bash\nset -e\nrm -rf "$OLD"/lib\nls\n', "a.ini": "db.password = Kx82hd7s\n"}
FAMILIES = {rule.META.slug: rule.META.family for rule in load_rules()}


def run(*opinions: Opinion, waivers: Sequence[Waiver] = ()) -> FindingsReport:
    def make(numbers: Sequence[int]) -> Finding:
        first = opinions[numbers[0]]
        return Finding(
            rule=f"{first.peer}/{first.code}", severity="low", confidence="possible", title=f"said {len(numbers)} times",
            place=first.place, line=first.line, consequence="c", fix="f",
        )  # fmt: skip

    context = context_of(FILES)
    return merged(sweep(context), opinions, make, context, FAMILIES, waivers)


def at(report: FindingsReport, rule: str) -> Finding:
    return next(f for f in report.findings if f.rule == rule)


def test_the_same_line_and_topic_confirms() -> None:
    report = run(Opinion("shellcheck", "SC2115", "run.sh", 3), Opinion("kingfisher", "k.1", "a.ini", 1))
    assert at(report, "unguarded-destruction").confirmed_by == ("shellcheck SC2115",)
    assert at(report, "secret-in-config").confirmed_by == ("kingfisher k.1",)
    assert not [f for f in report.findings if "/" in f.rule]


def test_another_topic_on_the_line_is_a_finding_of_its_own() -> None:
    report = run(Opinion("shellcheck", "SC2086", "run.sh", 3), Opinion("shellcheck", "SC2086", "run.sh", 4))
    assert at(report, "unguarded-destruction").confirmed_by == ()
    theirs = at(report, "shellcheck/SC2086")
    assert (theirs.title, theirs.line, theirs.curable) == ("said 2 times", 3, False)
    assert len(theirs.fingerprint) == len(theirs.lineage) == 16


def test_theirs_rank_below_ours_and_can_be_waived() -> None:
    opinion = Opinion("shellcheck", "SC2086", "run.sh", 4)
    report = run(opinion)
    assert report.findings[0].rule == "unguarded-destruction"
    waiver = Waiver(fingerprint=at(report, "shellcheck/SC2086").fingerprint, reason="r", owner="o", expires=date(2999, 1, 1))
    waived = run(opinion, waivers=[waiver])
    assert waiver.fingerprint in waived.waived
    assert "shellcheck/SC2086" not in {f.rule for f in waived.findings}
