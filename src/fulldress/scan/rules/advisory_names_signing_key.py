"""A channel of the vendor says something about the very key that signed this package.

## What it does
Looks up the fingerprints that signed the package in everything that `fulldress vendor fetch` read. A sentence that speaks
of revocation, compromise or theft is high; an announcement of a new key is shown with its places and dates, for the two
people who decide.

## Why it matters
AnyDesk (2024) revoked a certificate in a news item; whoever did not read it went on trusting it. An announcement at one
place only, or dated after the package came, is what an attacker would write too.

## Example
```
the key a1b46bd6… that signed this package is said to be revoked: vendor news, 2026-08-21
```

## Fix
Read the sentence where it stands. Ask the recorded contact (`fulldress trust escalate`), and do not run a package whose
key was compromised.

## References
- RFC 9580, section 5.2.3.31 (reason for revocation)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.advisory import AdvisoryReport, KeyMention, Tone
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="advisory-names-signing-key",
    family="provenance",
    title="A channel says something about the key that signed this package",
    severity="high",
    confidence="possible",
    needs=("advisories",),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each key: the warning if there is any, else where it is announced."""
    report = context.advisories
    assert report is not None
    accepted = context.acceptance is not None and context.trust is not None and context.acceptance.covers(context.trust)
    for fingerprint in sorted({m.fingerprint for m in report.keys}):
        said = [m for m in report.keys if m.fingerprint == fingerprint]
        warnings = [m for m in said if m.tone == "warns"]
        if warnings:
            yield _warned(fingerprint, warnings)
        elif not accepted:
            yield _announced(fingerprint, said)


def _warned(fingerprint: str, said: list[KeyMention]) -> Finding:
    return Finding(
        rule=META.slug,
        severity="high",
        confidence="possible",
        title=f"the key {fingerprint[:16]}… that signed this package is warned of at {_places(said)}",
        place="",
        excerpt=said[0].excerpt,
        consequence="Whoever holds a stolen key signs whatever they like in the vendor's name.",
        fix=f"Read it where it stands ({said[0].place}), ask the recorded contact: fulldress trust escalate.",
    )


def _announced(fingerprint: str, said: list[KeyMention]) -> Finding:
    groups = len({m.group for m in said})
    return Finding(
        rule=META.slug,
        severity="info",
        confidence="certain",
        title=f"the key {fingerprint[:16]}… that signed this package is named at {_places(said)}",
        place="",
        excerpt=said[0].excerpt,
        consequence="It is named by one group of channels only." if groups == 1 else f"{groups} independent groups name it.",
        fix="It is evidence for the two people who decide: fulldress trust dossier.",
    )


def _places(said: list[KeyMention]) -> str:
    dates = sorted(m.dated[:10] for m in said if m.dated)
    return f"{', '.join(sorted({m.channel for m in said}))}{f', {dates[0]}' if dates else ''}"


def _report(tone: Tone) -> AdvisoryReport:
    mention = KeyMention(
        fingerprint="ab" * 20,
        channel="news",
        group="web",
        place="https://vendor.example/news",
        dated="2026-08-21T00:00:00Z",
        tone=tone,
        excerpt="The key ABAB was revoked.",
    )
    return AdvisoryReport(package_sha256="0" * 64, read_at="2026-09-01", advisories=0, keys=(mention,))


BAD = (
    Sample(files={"SHA256SUMS.asc": "x"}, advisories=_report("warns")),
    Sample(files={"SHA256SUMS.asc": "x"}, advisories=_report("announces")),
)
GOOD = (
    Sample(
        files={"SHA256SUMS.asc": "x"}, advisories=AdvisoryReport(package_sha256="0" * 64, read_at="2026-09-01", advisories=3)
    ),
)
