"""Only what is new: findings of a package against those of the package before it. Pure.

Versions, dates and folders change with every package, so a finding is compared by its *lineage*: rule, the file's own name
and the content, all without versions, never by place or line number.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection

import msgspec

from fulldress.formats.late import late
from fulldress.model.finding import SEVERITIES, Baseline, Finding, FindingsReport
from fulldress.model.package import PackageLock

_VERSION = late(
    r"(?<![A-Za-z0-9])v?\d+(?:[.:~+-]\d+)+(?:[.~+-]?(?:rc|beta|alpha|deb|ubuntu|el|p|post|dev)[A-Za-z0-9]*)*", re.IGNORECASE
)
FAILED = "rule-raised"
"""A rule that failed is never known: nobody looked."""
HOSTS = "outside-endpoints"
"""The rule whose finding lists the outside hosts of a package."""
_ADDRESS = late(r"\d{1,3}(?:\.\d{1,3}){3}")
_NUMBER = late(r"\d+")


def lineage(finding: Finding, line: str) -> str:
    """Sixteen hex digits: twelve over rule, file name and shown content, four over the line as it really is.

    A secret is hidden in what is shown, so another one on the same line is told by the last four alone.
    """
    name = re.split(r"!/|/", finding.place)[-1]
    shown = (finding.rule, _NUMBER.sub("#", name), unversioned(finding.excerpt or _NUMBER.sub("#", finding.title)))
    return _hex("\0".join(shown), 12) + _hex(unversioned(line), 4)


def unversioned(text: str) -> str:
    """The text with versions and dates as ``#`` and blanks as one; IPv4 addresses stay what they are."""
    return " ".join(_VERSION.sub(lambda m: m[0] if _ADDRESS.fullmatch(m[0].partition(":")[0]) else "#", text).split())


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:digits]


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the previous package: its findings, its entries, or both."""

    name: str
    findings: tuple[Finding, ...] = ()
    rules_run: frozenset[str] = frozenset()
    lock: PackageLock | None = None
    sha256: str = ""

    @property
    def hosts(self) -> frozenset[str] | None:
        """The outside hosts that it names; None when nobody looked."""
        if HOSTS not in self.rules_run:
            return None
        return frozenset(name for finding in self.findings if finding.rule == HOSTS for name in finding.names)

    @property
    def contents(self) -> frozenset[str]:
        """Digests of everything inside it."""
        return frozenset(e.sha256 for e in self.lock.entries if e.sha256) if self.lock is not None else frozenset()


def only_new(report: FindingsReport, lock: PackageLock, before: Before) -> FindingsReport:
    """The report with only what the previous package did not have, and the count of what it had.

    Known is a finding whose lineage the previous package had as often, or that it had in the same bytes under another name;
    when its rule did not look at the previous package, one in a file that lay there byte for byte. A finding that got more
    severe is new.
    """
    had = Counter(_key(f) for f in before.findings)
    worst = {_key(f): SEVERITIES.index(f.severity) for f in sorted(before.findings, key=lambda f: f.rank, reverse=True)}
    same = _unchanged(lock, before)
    renamed = _by_content(before)
    here = {e.place: e.sha256 for e in lock.entries}
    new: list[Finding] = []
    known = 0
    for finding in report.findings:
        earlier = renamed.get((finding.rule, here.get(finding.place, ""), finding.line), "")
        key = _key(finding) if had[_key(finding)] > 0 else earlier
        if finding.rule == FAILED:
            new.append(finding)
        elif had[key] > 0 and worst[key] <= SEVERITIES.index(finding.severity):
            had[key] -= 1
            known += 1
        elif finding.place in same and finding.rule not in before.rules_run:
            known += 1
        else:
            new.append(finding)
    baseline = Baseline(name=before.name, sha256=before.sha256, known=known, gone=sum(had.values()))
    return msgspec.structs.replace(report, findings=tuple(new), baseline=baseline)


def _key(finding: Finding) -> str:
    return finding.lineage or finding.fingerprint


def _by_content(before: Before) -> dict[tuple[str, str, int], str]:
    """(rule, digest of the file, line) -> key of the previous package's finding there."""
    digests = {e.place: e.sha256 for e in before.lock.entries if e.sha256} if before.lock is not None else {}
    return {(f.rule, digests[f.place], f.line): _key(f) for f in before.findings if f.place in digests}


def _unchanged(lock: PackageLock, before: Before) -> Collection[str]:
    contents = before.contents
    return frozenset(e.place for e in lock.entries if e.sha256 in contents)
