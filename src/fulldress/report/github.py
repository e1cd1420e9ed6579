"""Findings as GitHub workflow commands (annotations). Makes text; writes nothing."""

from __future__ import annotations

from fulldress.model.finding import Finding, FindingsReport, Severity
from fulldress.model.package import PackageLock
from fulldress.report.sanitise import visible
from fulldress.report.text import where

KIND: dict[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "notice", "info": "notice"}


def annotations_text(report: FindingsReport, lock: PackageLock) -> str:
    """GitHub workflow commands, one line a finding, the most dangerous first; then what other programs answered."""
    asked = [f"::notice title={_property(visible(n))}::{_data(visible(said))}" for n, said in sorted(report.peers.items())]
    return "\n".join([*(_annotation(finding, lock) for finding in report.findings), *asked])


def _annotation(finding: Finding, lock: PackageLock) -> str:
    kind = KIND[finding.severity]
    title = _property(f"{finding.rule} ({finding.severity})")
    line = f",line={finding.line}" if finding.line else ""
    message = f"{where(finding, lock.name)}: {finding.title}. {finding.consequence} {finding.fix}"
    return f"::{kind} file={_property(visible(lock.name))}{line},title={title}::{_data(visible(message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
