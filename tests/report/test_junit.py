"""JUnit XML: what common readers expect, and hostile text that stays text."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.model.finding import Finding, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.junit import clean, junit

LOCK = PackageLock(name="päck\x01.zip", sha256="ab" * 32, size=10, format="zip", entries=(), bytes_inspected=5)
EVIL = "a\x00\x1b[31m]]>\ufffe\udc80</failure><x a='1' b=\"2\">\n&amp;"


def finding(**more: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": "a-rule", "severity": "high", "confidence": "likely", "title": "t", "place": "a/b", "line": 3,
        "excerpt": "sudo x", "consequence": "c.", "fix": "f.", "fingerprint": "0123",
    }  # fmt: skip
    return Finding(**{**given, **more})


def parsed(*findings: Finding, **more: Any) -> ET.Element:
    report = FindingsReport(package_sha256="x", rules_run=("a-rule", "quiet"), findings=findings, **more)
    return ET.fromstring(junit(report, LOCK).encode())


def test_counts_are_those_of_the_cases() -> None:
    root = parsed(
        finding(), finding(severity="info"), finding(rule="rule-raised"), waived={"f": "w"}, rules_stood_aside={"x": "y"}
    )
    suite = root[0]
    for element in (root, suite):
        counted = {name: element.get(name) for name in ("tests", "failures", "errors", "skipped")}
        assert counted == {"tests": "6", "failures": "1", "errors": "1", "skipped": "2"}
    assert len(suite.findall("testcase")) == 6


def test_only_what_every_reader_knows() -> None:
    root = parsed(finding(), finding(severity="info"), finding(rule="rule-raised"), waived={"f": "w"})
    known = {
        "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
        "properties": set(), "property": {"name", "value"}, "testcase": {"classname", "name", "time"},
        "failure": {"type", "message"}, "error": {"type", "message"}, "skipped": {"message"}, "system-out": set(),
    }  # fmt: skip
    for element in root.iter():
        assert set(element.attrib) <= known[element.tag]


def test_a_failure_says_place_consequence_and_fix() -> None:
    [failure] = parsed(finding()).iter("failure")
    assert failure.get("type") == "high"
    for said in ("a/b:3", "sudo x", "why:  c.", "fix:  f.", "fulldress explain a-rule", "0123"):
        assert said in (failure.text or "")


@pytest.mark.parametrize("field", ["title", "place", "excerpt", "consequence", "fix", "rule"])
def test_hostile_text_stays_text(field: str) -> None:
    root = parsed(msgspec.structs.replace(finding(), **{field: EVIL}))
    assert len(list(root.iter("failure"))) == 1
    assert not list(root.iter("x"))


@given(st.text(alphabet=st.characters()))
def test_whatever_the_text_the_document_parses(text: str) -> None:
    ET.fromstring(f"<a>{clean(text).replace('&', '&amp;').replace('<', '&lt;')}</a>".encode())
