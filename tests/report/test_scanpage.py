"""The page of a scan: whole, self-contained, and safe against what it shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from fulldress.model.finding import Baseline, Finding, FindingsReport
from fulldress.model.package import Entry, NotInspected, PackageLock
from fulldress.report.cure import ShownCure
from fulldress.report.scanpage import scan_page
from fulldress.scan.sweep import load_rules

LOCK = PackageLock(
    name="p.zip", sha256="ab" * 32, size=9, format="zip", bytes_inspected=5,
    entries=(Entry(place="a", kind="file", sha256="c"),),
    not_inspected=(NotInspected(place="b.7z", size=9000, reason="no reader"),),
)  # fmt: skip
EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(1)> \x1b[2J \u202e {{ 7 * 7 }} \"'"


def finding(**more: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": "sudo-assumption", "severity": "high", "confidence": "likely", "title": "t", "place": "a/b", "line": 3,
        "excerpt": "sudo x\nsudo y", "consequence": "c.", "fix": "f.", "fingerprint": "0123", "curable": True,
    }  # fmt: skip
    return Finding(**{**given, **more})


class Page(HTMLParser):
    """Collects tags, attributes and links of a page; fails when tags are not closed in order."""

    VOID = ("meta", "br", "img", "hr", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(*findings: Finding, cures: dict[str, ShownCure] | None = None, **more: Any) -> str:
    run = tuple(rule.META.slug for rule in load_rules())
    return scan_page(FindingsReport(package_sha256="x", rules_run=run, findings=findings, **more), LOCK, load_rules(), cures)


def test_place_excerpt_consequence_fix_and_cure_are_there() -> None:
    cure = ShownCure(note="noted", safety="safe", diff="@@ -1 +1 @@\n-old\n+new\n", steps=("set a key",))
    text = page(finding(), cures={"0123": cure})
    for part in ("p.zip!/a/b:3", "sudo x", "    4 │", "c.", "f.", "noted", '<span class="del">-old', "set a key", "0123"):
        assert part in text


def test_every_link_leads_to_a_part_of_the_page() -> None:
    parsed = Page(page(finding(), finding(severity="low", rule="errors-ignored")))
    ids = {value for name, value in parsed.attributes if name == "id"}
    links = {value for name, value in parsed.attributes if name == "href"}
    assert links and {f"#{i}" for i in ids} >= links
    assert not {"script", "img", "link", "iframe"} & set(parsed.tags)


@pytest.mark.parametrize("field", ["title", "place", "excerpt", "consequence", "fix", "rule"])
def test_hostile_text_stays_text(field: str) -> None:
    text = page(msgspec.structs.replace(finding(), **{field: EVIL}))
    parsed = Page(text)
    assert not {"script", "img"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert not re.search("[\x1b\u202e]", text)
    assert "{{ 7 * 7 }}" in text


def test_a_hostile_diff_stays_text() -> None:
    diff = f"@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n"
    parsed = Page(page(finding(), cures={"0123": ShownCure(note=EVIL, safety="review", diff=diff, steps=(EVIL,))}))
    assert not {"script", "img"} & set(parsed.tags)


def test_what_was_not_looked_at_is_said() -> None:
    was = Baseline(name="old.zip", sha256="y", known=12, gone=3)
    text = page(
        rules_stood_aside={"x": "no inventory"}, waived={"f": "t: known"}, baseline=was, peers={"squawk": "not installed"}
    )
    for said in (
        "b.7z",
        "no reader",
        "no inventory",
        "t: known",
        "12 findings were there before",
        "not installed",
        "no promise",
    ):
        assert said in text


def test_the_first_screen_is_fifteen_and_the_rest_is_below() -> None:
    text = page(*(finding(fingerprint=f"{n:04}") for n in range(20)))
    assert text.count("<article") == 20
    assert text.count('<a href="#f') == 15
    assert "and 5 less dangerous ones below" in text


def test_what_stands_between_backticks_is_code_and_stays_escaped() -> None:
    text = page(finding(fix="Run `fulldress adapt` <b>now</b>, `<i>`."))
    assert "Run <code>fulldress adapt</code> &lt;b&gt;now&lt;/b&gt;, <code>&lt;i&gt;</code>." in text


def test_a_rules_page_has_its_example_its_list_and_its_paragraphs() -> None:
    text = page(finding(rule="table-rewrite"))
    rule = text[text.index('id="rule-table-rewrite"') :]
    assert "<pre>ALTER TABLE" in rule
    assert "<ul><li>PostgreSQL" in rule
    assert "```" not in rule
