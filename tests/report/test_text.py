"""The text report, as a person reads it (whole outputs in __snapshots__)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from fulldress.model.finding import Baseline, Finding, FindingsReport
from fulldress.model.package import Entry, NotInspected, PackageLock
from fulldress.report.cure import ShownCure
from fulldress.report.text import MAX_DIFF, SCREENFUL, findings_text, on_screen, summary, where

LOCK = PackageLock(
    name="pkg.zip",
    sha256="ab" * 32,
    size=10,
    format="zip",
    entries=(Entry(place="a.deb", kind="container"), Entry(place="a.deb!/etc/cron.d/x", kind="file")),
    bytes_inspected=12345,
)


def finding(number: int = 1, **more: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": "schedule-retired-target",
        "severity": "high",
        "confidence": "certain",
        "title": f"job {number} reaches the retired server",
        "place": "a.deb!/etc/cron.d/x",
        "line": number,
        "excerpt": "0 3 * * * root /usr/bin/import",
        "consequence": "It fires on schedule, fails every time, and hands its credentials to whoever answers that name.",
        "fix": "Disable the job.",
        "fingerprint": f"{number:016x}",
    }
    return Finding(**{**given, **more})


def report(*findings: Finding, **more: Any) -> FindingsReport:
    return FindingsReport(package_sha256=LOCK.sha256, rules_run=("a", "b"), findings=findings, **more)


def test_findings(snapshot: SnapshotAssertion) -> None:
    worst = finding(3, severity="critical", curable=True, confidence="likely")
    whole = finding(2, severity="low", place="", line=0, excerpt="", title="the package as a whole")
    assert findings_text(report(worst, finding(), whole), LOCK) == snapshot


def test_nothing_found(snapshot: SnapshotAssertion) -> None:
    assert findings_text(report(), LOCK) == snapshot


def test_everything_that_is_not_a_finding(snapshot: SnapshotAssertion) -> None:
    lock = msgspec.structs.replace(LOCK, not_inspected=(NotInspected(place="b.7z", size=9000, reason="no reader"),))
    aside = report(
        rules_stood_aside={"endpoint-retired": "no inventory", "unit-missing": "no inventory", "x": "no matrix"},
        waived={"f": "t: known (E. M., until 2030-01-02)"},
        waivers_ended=("f: known (E. M., until 2025-01-02)",),
        waivers_idle=("e: nothing matches it any more: known (E. M., until 2030-01-02)",),
        baseline=Baseline(name="old.zip", sha256="cd" * 32, known=12, gone=3),
        peers={"shellcheck": "not installed"},
    )
    assert findings_text(aside, lock) == snapshot


def test_many_rules_that_stood_aside_are_counted_and_all_names_them() -> None:
    many = report(rules_stood_aside={f"rule-{n}": "no inventory" if n else "no matrix; no inventory" for n in range(6)})
    assert "6 rules stood aside (--all names them): 6 have no inventory, 1 no matrix\n" in findings_text(many, LOCK)
    named = findings_text(many, LOCK, everything=True)
    assert "not looked for: rule-1, rule-2, rule-3, rule-4, rule-5: no inventory" in named


def test_a_cure_is_shown_under_its_finding(snapshot: SnapshotAssertion) -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-0 3 * * * \x1b[1m\n+# off\n"
    cures = {finding().fingerprint: ShownCure(note="disabled", safety="safe", diff=diff, steps=("set a key",))}
    assert findings_text(report(finding(curable=True)), LOCK, cures=cures) == snapshot


def test_a_long_diff_is_cut_and_says_where_the_rest_is() -> None:
    cures = {finding().fingerprint: ShownCure(note="n", safety="review", diff="@@ -0,0 +1,40 @@\n" + "+x\n" * 40)}
    text = findings_text(report(finding(curable=True)), LOCK, cures=cures)
    assert text.count("+x") == MAX_DIFF - 1
    assert "17 more lines: --format html" in text


def test_what_other_programs_say_of_the_line_is_said() -> None:
    assert "also said by shellcheck SC2115" in findings_text(report(finding(confirmed_by=("shellcheck SC2115",))), LOCK)


def test_hostile_text_is_escaped(snapshot: SnapshotAssertion) -> None:
    evil = "\x1b[2J\x1b]0;pwned\x07 a\u202eb\u200bc\nnext\r\x9b1m"
    text = findings_text(report(finding(title=evil, place=evil, excerpt=evil, consequence=evil, fix=evil)), LOCK)
    assert text == snapshot
    assert not any(c in text for c in "\x1b\x07\u202e\u200b\r\x9b")


def test_colour(snapshot: SnapshotAssertion) -> None:
    assert findings_text(report(finding()), LOCK, colour=True) == snapshot


def test_a_screen_holds_fifteen_and_counts_the_rest() -> None:
    many = report(*(finding(n) for n in range(1, 19)))
    screen = findings_text(many, LOCK)
    assert screen.count("  why:") == SCREENFUL
    assert "and 3 less dangerous ones: --all" in screen
    assert findings_text(many, LOCK, everything=True).count("  why:") == 18


def test_one_hidden_is_not_several() -> None:
    assert "and 1 less dangerous one:" in findings_text(report(*(finding(n) for n in range(1, 17))), LOCK)


def test_summary_stands_at_the_end() -> None:
    text = findings_text(report(finding(), finding(2, severity="low", curable=True)), LOCK)
    assert text.splitlines()[-3] == "pkg.zip: 1 high, 1 low; 1 of 2 can be patched"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit(width: int) -> None:
    long = finding(excerpt="x" * 500, title="words " * 60)
    lines = findings_text(report(long), LOCK, width=width).splitlines()
    assert all(
        len(line) <= max(width, 74) for line in lines if "sha256" not in line and "-->" not in line and "more:" not in line
    )


def test_where() -> None:
    assert where(finding(), "pkg.zip") == "pkg.zip!/a.deb!/etc/cron.d/x:1"
    assert where(finding(line=0), "pkg.zip") == "pkg.zip!/a.deb!/etc/cron.d/x"
    assert where(finding(place="", line=0), "pkg.zip") == "pkg.zip"


def test_summary_of_nothing() -> None:
    assert summary(report()) == "no findings"


def test_on_the_first_screen_each_rule_has_its_turn() -> None:
    many = [msgspec.structs.replace(finding(n), rule="r", severity="high") for n in range(20)]
    one = msgspec.structs.replace(finding(30), rule="other", severity="high")
    mild = msgspec.structs.replace(finding(31), rule="mild", severity="low")
    screen = on_screen([*many, one, mild])[:SCREENFUL]
    assert one in screen
    assert mild not in screen
    assert screen == sorted(screen, key=[*many, one, mild].index)
