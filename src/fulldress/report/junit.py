"""Findings as JUnit XML, for what shows test results in a CI. Makes text; writes nothing.

One test case for each finding and one for each rule that found nothing, so that a report without findings is not empty.
Only elements and attributes that every common reader knows: testsuites, testsuite, testcase, failure, error, skipped.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from fulldress.model.finding import Finding, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.sanitise import visible
from fulldress.report.text import where

_FAILED_TO_LOOK = ("rule-raised", "cure-raised")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def junit(report: FindingsReport, lock: PackageLock) -> str:
    """The whole document, with its declaration. ``info`` findings pass; all others fail."""
    cases = [_case(finding, lock.name) for finding in report.findings]
    cases += [_skipped(f"waived.{fp}", "waived", said) for fp, said in sorted(report.waived.items())]
    cases += [_skipped(slug, "not looked for", reason) for slug, reason in sorted(report.rules_stood_aside.items())]
    found = {f.rule for f in report.findings}
    cases += [_named(slug, "nothing found") for slug in report.rules_run if slug not in found]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": "0",
    }
    root = ET.Element("testsuites", {"name": "fulldress", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": clean(lock.name), **counts})
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report, lock).items():
        ET.SubElement(properties, "property", {"name": name, "value": clean(value)})
    suite.extend(cases)
    ET.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode")


def clean(text: str) -> str:
    """The text with everything invisible written as an escape, and nothing that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", visible(text))


def _properties(report: FindingsReport, lock: PackageLock) -> dict[str, str]:
    return {
        "schema_version": str(report.schema_version),
        "package_sha256": report.package_sha256,
        "bytes_inspected": str(lock.bytes_inspected),
        "bytes_not_inspected": str(sum(n.size for n in lock.not_inspected)),
        **{f"peer.{name}": said for name, said in sorted(report.peers.items())},
    }


def _named(rule: str, name: str) -> ET.Element:
    return ET.Element("testcase", {"classname": clean(f"fulldress.{rule}"), "name": clean(name), "time": "0"})


def _skipped(rule: str, name: str, reason: str) -> ET.Element:
    case = _named(rule, name)
    ET.SubElement(case, "skipped", {"message": clean(reason)})
    return case


def _case(finding: Finding, package: str) -> ET.Element:
    case = _named(finding.rule, f"{where(finding, package)}: {finding.title}")
    if finding.severity == "info":
        ET.SubElement(case, "system-out").text = _details(finding, package)
        return case
    tag = "error" if finding.rule in _FAILED_TO_LOOK else "failure"
    message = clean(f"{finding.severity}: {finding.title}")
    ET.SubElement(case, tag, {"type": finding.severity, "message": message}).text = _details(finding, package)
    return case


def _details(finding: Finding, package: str) -> str:
    lines = [where(finding, package), *(f"  | {line}" for line in finding.excerpt.split("\n") if line)]
    lines += [f"why:  {finding.consequence}", f"fix:  {finding.fix}", f"more: fulldress explain {finding.rule}"]
    return "\n".join(clean(line) for line in [*lines, f"fingerprint: {finding.fingerprint}"])
