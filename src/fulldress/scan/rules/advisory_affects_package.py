"""A published advisory says that the package, or something inside it, is vulnerable.

## What it does
Reads what `fulldress vendor fetch` wrote: statements of CSAF advisories that match the release's product, or a jar, wheel,
Debian package, npm package or SBOM entry inside it, or the digest of a file. One finding for each vulnerability and part.

## Why it matters
A release that brings a known hole is worse than the one it replaces, and the vendor has written it down already.

## Example
```
CVE-2021-44228 affects log4j-core 2.14.1 in lib/app.war (score 10)
```

## Fix
Do what the advisory's remedy says, or ask the vendor for a release in which it is fixed. Whoever goes on accepts it, by
name and until a day, as a waiver.

## References
- CSAF 2.0, section 3.2.3.9 (product status); VEX
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.advisory import AdvisoryReport, Match, Status
from fulldress.model.finding import Finding, Severity
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="advisory-affects-package",
    family="provenance",
    title="A published advisory is about this package",
    severity="high",
    confidence="certain",
    needs=("advisories",),
)
UNSCORED = 5.0
"""Base score that counts where the advisory gives none."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each statement that is not "fixed" or "not affected"; what is fixed is one line in all."""
    report = context.advisories
    assert report is not None
    for match in report.matches:
        if match.status in ("affected", "under-investigation"):
            yield _finding(match)
    fixed = [m for m in report.matches if m.status == "fixed" and m.component]
    if fixed:
        names = sorted({m.vulnerability or m.advisory for m in fixed})
        yield Finding(
            rule=META.slug,
            severity="info",
            confidence="certain" if all(m.sure and m.believed for m in fixed) else "likely",
            title=f"{len(names)} vulnerabilities are fixed in this package, say its advisories",
            place="",
            excerpt=", ".join(names[:12]),
            consequence="Until it is installed, production has them.",
            fix="Weigh it when the window is chosen.",
        )


def _severity(match: Match) -> Severity:
    score = match.score if match.score >= 0 else UNSCORED
    if match.status == "under-investigation":
        return "medium" if score >= 7 else "low"
    if not match.sure:
        return "medium" if score >= 4 else "low"
    return "critical" if score >= 9 else "high" if score >= 7 else "medium" if score >= 4 else "low"


def _finding(match: Match) -> Finding:
    name = match.vulnerability or match.advisory
    part = f"{match.component} {match.version}".strip()
    verb = "affects" if match.status == "affected" else "may affect"
    score = f" (score {match.score:g})" if match.score >= 0 else ""
    unsure = "" if match.sure else f"; matched by {match.by}, the versions could not be compared"
    return Finding(
        rule=META.slug,
        severity=_severity(match),
        confidence="certain" if match.sure and match.by in ("digest", "purl") else "likely" if match.sure else "possible",
        title=f"{name} {verb} {part}{score}",
        place=match.place,
        excerpt=f"{match.advisory}: {match.product}{unsure}",
        consequence=match.title or "A hole that is known to everybody goes into production.",
        fix=match.remedy or "Ask the vendor for a release in which it is fixed.",
    )


def _report(status: Status, score: float, *, sure: bool = True) -> AdvisoryReport:
    match = Match(
        advisory="V-1",
        title="Remote code execution",
        channel="csaf",
        document="v-1.json",
        dated="2026-01-01T00:00:00Z",
        vulnerability="CVE-2026-0001",
        status=status,
        product="Thing 1.0",
        place="lib/thing.jar",
        component="thing",
        version="1.0",
        by="purl",
        sure=sure,
        score=score,
        vector="",
        remedy="",
        believed=False,
    )
    return AdvisoryReport(package_sha256="0" * 64, read_at="2026-01-02T00:00:00Z", advisories=1, matches=(match,))


BAD = (
    Sample(files={"lib/thing.jar": "x"}, advisories=_report("affected", 9.8)),
    Sample(files={"lib/thing.jar": "x"}, advisories=_report("affected", -1.0, sure=False)),
    Sample(files={"lib/thing.jar": "x"}, advisories=_report("under-investigation", 7.0)),
)
GOOD = (
    Sample(files={"lib/thing.jar": "x"}, advisories=_report("not-affected", 9.8)),
    Sample(
        files={"lib/thing.jar": "x"}, advisories=AdvisoryReport(package_sha256="0" * 64, read_at="2026-01-02", advisories=9)
    ),
)
