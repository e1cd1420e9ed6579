"""The sweep: stands aside, survives rules that raise, ranks, merges, fingerprints, waives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.errors import NothingToDo, UsageError
from fulldress.formats.patterns import MAX_HITS, Pattern
from fulldress.model.finding import Finding
from fulldress.model.package import LIMIT, NotInspected
from fulldress.scan.rule import Context, Rule, RuleMeta, Sample
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import MAX_EXCERPT, load_rules, sweep
from fulldress.scan.waivers import Waiver, read_waivers


def finding(rule: str = "a-rule", **more: Any) -> Finding:
    given: dict[str, Any] = {
        "severity": "low",
        "confidence": "certain",
        "title": "t",
        "place": "f",
        "consequence": "c",
        "fix": "x",
    }
    return Finding(rule=rule, **{**given, **more})


def rule(
    *findings: Finding | Exception,
    slug: str = "a-rule",
    needs: tuple[Any, ...] = (),
    family: Any = "archive",
    yields_to: tuple[str, ...] = (),
) -> Rule:
    def check(context: Context) -> Iterator[Finding]:
        for item in findings:
            if isinstance(item, Exception):
                raise item
            yield item

    meta = RuleMeta(
        slug=slug, family=family, title="T", severity="low", confidence="certain", needs=needs, yields_to=yields_to
    )
    return cast("Rule", SimpleNamespace(META=meta, check=check, BAD=(), GOOD=()))


def context(**files: str | bytes) -> Context:
    return context_of(files or {"f": "one\ntwo\n"})


def test_rules_are_found_by_folder() -> None:
    folder = Path(__file__).parents[2] / "src/fulldress/scan/rules"
    assert {r.META.slug.replace("-", "_") for r in load_rules()} == {p.stem for p in folder.glob("[a-z]*.py")}


def test_stands_aside_with_the_reason() -> None:
    report = sweep(context(), [rule(finding(), needs=("estate", "trust"))])
    assert report.findings == ()
    assert report.rules_run == ()
    assert "inventory" in report.rules_stood_aside["a-rule"] and "trust" in report.rules_stood_aside["a-rule"]


def test_a_rule_that_raises_is_a_finding_and_the_others_go_on() -> None:
    report = sweep(context(), [rule(finding(), RuntimeError("boom"), slug="bad"), rule(finding(title="u"), slug="good")])
    assert sorted(f.rule for f in report.findings) == ["a-rule", "a-rule", "rule-raised"]
    assert "bad failed: RuntimeError: boom" in next(f.title for f in report.findings if f.rule == "rule-raised")


def test_ranked_by_severity_then_confidence() -> None:
    found = [
        finding(title="1"),
        finding(severity="critical", confidence="possible", title="2"),
        finding(severity="critical", title="3"),
    ]
    assert [f.title for f in sweep(context(), [rule(*found)]).findings] == ["3", "2", "1"]


def test_duplicates_of_a_line_are_merged_into_the_worst() -> None:
    found = [finding(line=1, title="a"), finding(line=1, title="b", severity="high"), finding(line=2, title="c")]
    assert [f.title for f in sweep(context(), [rule(*found)]).findings] == ["b", "c"]


def test_one_secret_finding_for_a_line_names_the_others() -> None:
    first = rule(finding(line=1, title="a password in a.sh", severity="high", rule="first"), slug="first", family="secret")
    second = rule(
        finding(line=1, title="a token in a.sh", severity="high", curable=True, rule="second"),
        slug="second",
        family="secret",
    )
    third = rule(finding(line=1, title="a host in a.sh", rule="third"), slug="third", family="endpoint")
    told = sweep(context(), [first, second, third]).findings
    assert [f.title for f in told] == ["A token in a.sh; also a password", "A host in a.sh"]


def test_a_waived_secret_does_not_hide_another_of_its_line() -> None:
    first = rule(finding(line=1, title="a password", rule="first"), slug="first", family="secret")
    second = rule(finding(line=1, title="a token", rule="second", severity="high"), slug="second", family="secret")
    known = sweep(context(), [second]).findings[0].fingerprint
    known_and_accepted = Waiver(fingerprint=known, reason="known", owner="E. M.", expires=date(2030, 1, 2))
    told = sweep(context(), [first, second], waivers=[known_and_accepted])
    assert [f.title for f in told.findings] == ["A password"] and list(told.waived) == [known]


def test_a_rule_says_nothing_of_a_line_that_another_knows_better() -> None:
    general = rule(
        *(finding(line=n, title=f"general {n}", rule="general") for n in (0, 1, 2)), slug="general", yields_to=("exact",)
    )
    exact = rule(finding(line=1, title="exact", rule="exact"), finding(title="whole", rule="exact"), slug="exact")
    told = sweep(context(), [general, exact]).findings
    assert {f.title.lower() for f in told} == {"exact", "whole", "general 0", "general 2"}
    known = next(f.fingerprint for f in told if f.line == 1)
    waiver = Waiver(fingerprint=known, reason="known", owner="E. M.", expires=date(2030, 1, 2))
    told = sweep(context(), [general, exact], waivers=[waiver]).findings
    assert {f.title.lower() for f in told} == {"whole", "general 0", "general 1", "general 2"}


def test_rules_yield_to_rules_that_there_are() -> None:
    slugs = {r.META.slug for r in load_rules()}
    assert all(set(r.META.yields_to) <= slugs - {r.META.slug} for r in load_rules())


def test_findings_without_line_are_merged_by_content() -> None:
    found = [finding(title="a"), finding(title="a"), finding(title="b")]
    assert [f.title for f in sweep(context(), [rule(*found)]).findings] == ["a", "b"]


def test_fingerprint_ignores_the_line_number_and_blanks() -> None:
    one = sweep(context(f="x\n  secret  here\n"), [rule(finding(line=2, excerpt="secret here"))]).findings[0]
    two = sweep(context(f="x\ny\nz\nsecret here\n"), [rule(finding(line=4, excerpt="secret  here"))]).findings[0]
    assert one.fingerprint == two.fingerprint


def test_fingerprint_notices_another_secret_on_the_line() -> None:
    one = sweep(context(f="token=aaaaaaaa\n"), [rule(finding(line=1, excerpt="token=<redacted>"))]).findings[0]
    two = sweep(context(f="token=bbbbbbbb\n"), [rule(finding(line=1, excerpt="token=<redacted>"))]).findings[0]
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint[:12] == two.fingerprint[:12]


def test_waived_findings_leave_the_list_and_are_named() -> None:
    first = sweep(context(), [rule(finding())]).findings[0]
    waiver = Waiver(fingerprint=first.fingerprint, reason="known", owner="E. M.", expires=date(2030, 1, 2))
    report = sweep(context(), [rule(finding())], waivers=[waiver])
    assert report.findings == ()
    assert report.waived == {first.fingerprint: "t: known (E. M., until 2030-01-02)"}


def test_expired_waivers_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(
        '[[waiver]]\nfingerprint = "a"\nreason = "r"\nowner = "o"\nexpires = 2026-11-20\n'
        '[[waiver]]\nfingerprint = "b"\nreason = "r"\nowner = "o"\nexpires = 2026-11-21\n'
    )
    split = read_waivers(path, date(2026, 11, 21))
    assert [w.fingerprint for w in split.active] == ["b"]
    assert [w.fingerprint for w in split.expired] == ["a"]


@pytest.mark.parametrize("missing", ["reason", "owner", "expires"])
def test_a_waiver_needs_reason_owner_and_expiry(tmp_path: Path, missing: str) -> None:
    keys = {"fingerprint": '"a"', "reason": '"r"', "owner": '"o"', "expires": "2026-11-20"}
    del keys[missing]
    path = tmp_path / "waivers.toml"
    path.write_text("[[waiver]]\n" + "\n".join(f"{k} = {v}" for k, v in keys.items()))
    with pytest.raises(UsageError, match=missing):
        read_waivers(path, date(2026, 1, 1))


def test_an_empty_reason_is_no_reason(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text('[[waiver]]\nfingerprint = "a"\nreason = ""\nowner = "o"\nexpires = 2026-11-20\n')
    with pytest.raises(UsageError):
        read_waivers(path, date(2026, 1, 1))


def test_no_file_is_no_waiver(tmp_path: Path) -> None:
    assert read_waivers(tmp_path / "none.toml", date(2026, 1, 1)) == ((), ())


def test_nothing_scanned_is_never_fine() -> None:
    lock = msgspec.structs.replace(context().package, entries=())
    with pytest.raises(NothingToDo):
        sweep(Context(lock, lambda _: b""), [rule()])


def test_long_excerpts_are_cut_and_bytes_are_printable() -> None:
    report = sweep(context(f=b"\xff" * 5000), [rule(finding(excerpt="\udcff" * 5000, title="\udcfe"))])
    found = report.findings[0]
    assert len(found.excerpt) == MAX_EXCERPT
    assert found.title == "\\xfe"
    msgspec.json.encode(report)


HOSTILE = st.binary(max_size=300) | st.sampled_from(
    [
        b"#!/bin/sh\n" + b"sudo " * 500 + b"\n",
        b"#!/bin/bash\ncurl -H 'Authorization: Bearer \xff\xfe\x1b[31m' http://x\xe2\x80\xae.example/\n",
        b"0 3 * * * root " + b"/usr/bin/x" * 1000,
        b'{"req":' * 200,
        b"password=" + b"a" * 100_000,
        b"\x1b]0;title\x07http://evil.example/\r\n",
        b"http://" * 5000,
        b"=" * 20_000,
        b"-----BEGIN RSA PRIVATE KEY-----" * 300,
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "a.sh",
                "x.deb!/etc/cron.d/y",
                "a.properties",
                "manifest.json",
                "b.py",
                "c.xml",
                "d.service",
                "README",
                "e.timer",
            ]
        ),
        HOSTILE,
        min_size=1,
        max_size=4,
    )
)
def test_no_content_makes_a_rule_raise(files: dict[str, bytes]) -> None:
    report = sweep(context_of(files))
    assert [f.title for f in report.findings if f.rule == "rule-raised"] == []
    msgspec.json.encode(report)


def test_matches_beyond_the_most_that_are_kept_are_told() -> None:
    looks = Pattern("needle")
    rules = [r for r in load_rules() if r.META.slug == "uninspected-content"]
    seeking = cast("Rule", SimpleNamespace(META=rule(slug="b").META, check=lambda _: iter(()), LOOKS_FOR=(looks,)))
    report = sweep(context(many="needle\n" * (MAX_HITS + 7), few="needle\n"), [seeking, *rules])
    assert [(f.place, f.severity) for f in report.findings] == [("many", "low")]
    assert report.findings[0].title.startswith("7 matches in 1")


def test_a_package_of_nothing_but_what_is_over_a_limit_says_so() -> None:
    over = NotInspected(place="disk.img", size=10 << 30, reason=f"{LIMIT}: larger than 4294967296 bytes")
    report = sweep(context_of(Sample(files={}, not_inspected=(over,))))
    assert [(f.rule, f.severity, f.place) for f in report.findings] == [("uninspected-content", "high", "disk.img")]
