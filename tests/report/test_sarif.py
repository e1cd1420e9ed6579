"""SARIF and annotations: the shape that consumers demand, and hostile text that stays text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fulldress.model.finding import Finding, FindingsReport
from fulldress.model.package import NotInspected, PackageLock
from fulldress.report.github import annotations_text
from fulldress.report.sarif import sarif
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import load_rules, sweep
from fulldress.store.codec import canonical

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("sarif-2.1.0-rtm.5.json").read_bytes())
"""The committee's schema, as the npm package @microsoft/jest-sarif 1.0.0-beta.0 (MIT) carries it."""


def errors(log: dict[str, Any]) -> list[str]:
    check = jsonschema.validators.validator_for(SCHEMA)(SCHEMA, format_checker=jsonschema.FormatChecker())
    return [f"{error.json_path}: {error.message[:200]}" for error in check.iter_errors(log)]


LOCK = PackageLock(
    name="päck age#1.zip",
    sha256="ab" * 32,
    size=10,
    format="zip",
    entries=(),
    bytes_inspected=5,
    not_inspected=(NotInspected(place="b.7z", size=9, reason="no reader"),),
)


def finding(**more: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": "sudo-assumption",
        "severity": "high",
        "confidence": "likely",
        "title": "t",
        "place": "a b.deb!/etc/x%y",
        "line": 3,
        "excerpt": "sudo x",
        "consequence": "c.",
        "fix": "f.",
        "fingerprint": "0123",
    }
    return Finding(**{**given, **more})


def report(*findings: Finding) -> FindingsReport:
    run = tuple(rule.META.slug for rule in load_rules())
    return FindingsReport(
        package_sha256="x", rules_run=run, rules_stood_aside={"endpoint-retired": "why"}, findings=findings
    )


def written(*findings: Finding) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(canonical(sarif(report(*findings), LOCK, load_rules())))
    return found


EVIL = "a\x00\x1b[2J\u202e\udc80 </script> {0} %s \\ [x](javascript:1)\r\n::error::"


def test_the_schema_accepts_it() -> None:
    hostile = finding(title=EVIL, place=EVIL, excerpt=EVIL, consequence=EVIL, fix=EVIL, rule=EVIL)
    failed = finding(place="", line=0, rule="rule-raised")
    for log in (written(), written(finding(), hostile, failed), _real()):
        assert errors(log) == []
    assert len(_real()["runs"][0]["results"]) >= 3


def _real() -> dict[str, Any]:
    context = context_of({"s.sh": "#!/bin/sh\nsudo rm -rf $X/a\n", "a.ini": "password = geheim1\n"})
    found: dict[str, Any] = json.loads(json.dumps(sarif(sweep(context), context.package, load_rules())))
    return found


def test_the_schema_refuses_what_is_wrong() -> None:
    unsaid, loud = written(finding()), written(finding())
    del unsaid["runs"][0]["results"][0]["message"]
    loud["runs"][0]["results"][0]["level"] = "loud"
    assert errors(unsaid)
    assert errors(loud)


def test_rule_index_points_at_the_rule() -> None:
    run = written(finding())["runs"][0]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "sudo-assumption"
    assert "ruleIndex" not in written(finding(rule="rule-raised"))["runs"][0]["results"][0]


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", "error"), ("high", "error"), ("medium", "warning"), ("low", "note"), ("info", "note")],
)
def test_levels(severity: str, level: str) -> None:
    assert written(finding(severity=severity))["runs"][0]["results"][0]["level"] == level


def test_place_becomes_a_uri() -> None:
    location = written(finding())["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "p%C3%A4ck%20age%231.zip%21/a%20b.deb%21/etc/x%25y"
    assert location["region"]["startLine"] == 3


def test_what_was_not_looked_at_is_said() -> None:
    notes = written()["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert [n["level"] for n in notes] == ["note", "warning"]


def test_schema_version_is_inside() -> None:
    assert written()["runs"][0]["properties"]["schema_version"] == 1


def test_annotations() -> None:
    text = annotations_text(report(finding(), finding(severity="medium", line=0), finding(severity="info")), LOCK)
    first, second, third = text.splitlines()
    assert first.startswith("::error file=päck age#1.zip,line=3,title=sudo-assumption (high)::päck age#1.zip!/a b.deb")
    assert second.startswith("::warning file=päck age#1.zip,title=")
    assert third.startswith("::notice ")


def test_annotations_cannot_be_broken_out_of() -> None:
    text = annotations_text(report(finding(title="a\n::error::owned\r%0A", place="x,line=9::y")), LOCK)
    assert len(text.splitlines()) == 1
    assert "%250A" in text
    assert "\n::" not in text
