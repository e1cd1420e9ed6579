"""Findings as SARIF 2.1.0. Makes values; writes nothing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from fulldress import __version__
from fulldress.model.finding import Confidence, Finding, FindingsReport, Severity
from fulldress.model.package import PackageLock
from fulldress.report.sanitise import visible
from fulldress.scan.rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVEL: dict[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
SCORE: dict[Severity, str] = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0", "info": "0.0"}
PRECISION: dict[Confidence, str] = {"certain": "very-high", "likely": "high", "possible": "low"}


def sarif(report: FindingsReport, lock: PackageLock, rules: Iterable[Rule]) -> dict[str, Any]:
    """The report as one SARIF run."""
    known = [rule for rule in rules if rule.META.slug in report.rules_run]
    index = {rule.META.slug: number for number, rule in enumerate(known)}
    driver = {
        "name": "fulldress",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in known],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(lock.name)}, "length": lock.size, "hashes": {"sha-256": lock.sha256}}],
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_notes(report, lock))}],
        "results": [_result(finding, lock, index) for finding in report.findings],
        "properties": {"schema_version": report.schema_version, "package_sha256": report.package_sha256},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    page = inspect.getdoc(rule) or rule.META.title
    return {
        "id": rule.META.slug,
        "name": rule.META.title,
        "shortDescription": {"text": rule.META.title},
        "fullDescription": {"text": page.partition("\n")[0]},
        "help": {"text": re.sub(r"(?m)^## ", "", page), "markdown": page},
        "defaultConfiguration": {"level": LEVEL[rule.META.severity]},
        "properties": {
            "tags": [rule.META.family],
            "precision": PRECISION[rule.META.confidence],
            "security-severity": SCORE[rule.META.severity],
        },
    }


def _result(finding: Finding, lock: PackageLock, index: dict[str, int]) -> dict[str, Any]:
    location: dict[str, Any] = {
        "artifactLocation": {"uri": _uri(f"{lock.name}!/{finding.place}" if finding.place else lock.name)}
    }
    if finding.line:
        location["region"] = {"startLine": finding.line}
        if finding.excerpt:
            location["region"]["snippet"] = {"text": visible(finding.excerpt)}
    result: dict[str, Any] = {
        "ruleId": visible(finding.rule),
        "level": LEVEL[finding.severity],
        "message": {"text": f"{visible(finding.title)}. {visible(finding.consequence)} {visible(finding.fix)}"},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"fulldress/v1": finding.fingerprint},
        "properties": {"severity": finding.severity, "confidence": finding.confidence, "curable": finding.curable},
    }
    if finding.lineage:
        result["partialFingerprints"]["fulldressLineage/v1"] = finding.lineage
    if finding.confirmed_by:
        result["properties"]["confirmed_by"] = [visible(name) for name in finding.confirmed_by]
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    return result


def _uri(place: str) -> str:
    """A relative reference: undecodable bytes as they are, everything that is no URI character percent-encoded."""
    return quote(place.encode("utf-8", "surrogateescape"))


def _notes(report: FindingsReport, lock: PackageLock) -> Iterator[dict[str, Any]]:
    for slug, reason in sorted(report.rules_stood_aside.items()):
        yield {"level": "note", "message": {"text": f"{slug} stood aside: {reason}"}, "associatedRule": {"id": slug}}
    for name, said in sorted(report.peers.items()):
        yield {"level": "note", "message": {"text": visible(f"{name}, which was asked too: {said}")}}
    for part in lock.not_inspected:
        yield {"level": "warning", "message": {"text": visible(f"not inspected: {part.place}: {part.reason}")}}
