"""``04-adaptations/review.md``: every adaptation as a reviewer reads it, by kind, safe ones first. Makes text only.

Everything that comes from a package is escaped: it cannot end a code fence, start a heading or hide behind a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from fulldress.adapt.manifest import RepackManifest
from fulldress.model.finding import Adaptation, Finding
from fulldress.report.sanitise import visible

KINDS = {
    "schedule": "Scheduled jobs: disabled or moved",
    "endpoint": "Endpoints: redirected",
    "secret": "Secrets: referenced, not written down",
    "migration": "Migrations: rewritten to run online, guarded",
    "configuration": "Configuration keys: renamed, added, removed",
    "tls": "Certificates: completed",
    "systemd": "Units: put right",
    "privilege": "Scripts: guarded",
    "archive": "Archives: repacked",
    "provenance": "Origin",
}
MAX_LINES = 400
"""Lines of a diff shown here; the patch file has them all."""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is made of."""

    package: str
    manifest: RepackManifest
    adaptations: Sequence[Adaptation]
    families: Mapping[str, str]
    """Rule -> family."""
    cured: Mapping[str, Finding]
    patches: Mapping[str, str]
    failures: Sequence[Finding]
    left_out: Mapping[str, int]
    """Rules that a person left out -> number."""
    left: Sequence[Finding]


def review(about: Review) -> str:
    """The page."""
    return "\n".join(_lines(about)) + "\n"


def _lines(about: Review) -> Iterator[str]:
    safe = [a for a in about.adaptations if a.safety == "safe"]
    rest = [a for a in about.adaptations if a.safety != "safe"]
    yield f"# Adaptations of {code(about.package)}\n"
    yield f"Written by `fulldress adapt`. {len(safe)} are marked safe, {len(rest)} are to be reviewed.\n"
    yield f"- vendor's package: `{about.manifest.package_before}` (never touched)"
    yield f"- adapted package: `{about.manifest.package_after}`"
    yield "- leave some out: `fulldress adapt --skip 3,7`; take only some: `--only 1-2`; only the safe ones: `--accept-safe`"
    yield "- write the adapted package as one file: `fulldress adapt --output adapted.zip`\n"
    yield from _part("Safe: they take nothing away that works", safe, about)
    yield from _part("To be reviewed: a person reads each", rest, about)
    if about.left_out:
        yield "## Left out by choice\n"
        yield from (f"- {number:04} {slug}" for slug, number in sorted(about.left_out.items(), key=lambda x: x[1]))
        yield ""
    yield from _findings("Cures that failed", about.failures)
    yield from _findings("What no patch answers", [x for x in about.left if x not in about.failures])
    yield from _repacked(about.manifest)


def _part(title: str, adaptations: Sequence[Adaptation], about: Review) -> Iterator[str]:
    if not adaptations:
        return
    yield f"## {title}\n"
    for family, heading in KINDS.items():
        of_kind = [a for a in adaptations if about.families.get(a.rule, "provenance") == family]
        if of_kind:
            yield f"### {heading}\n"
        for adaptation in of_kind:
            yield from _adaptation(adaptation, about)


def _adaptation(adaptation: Adaptation, about: Review) -> Iterator[str]:
    yield f"#### {adaptation.number:04} {adaptation.slug}\n"
    yield f"{prose(adaptation.note)}\n"
    for fingerprint in adaptation.findings:
        finding = about.cured.get(fingerprint)
        if finding is not None:
            yield _finding(finding)
    for step in adaptation.steps:
        yield f"- plan step, {step.when} the vendor's own: {prose(step.title)}"
    yield ""
    if adaptation.patch:
        yield from _diff(adaptation.patch, about.patches[adaptation.patch])


def _diff(name: str, text: str) -> Iterator[str]:
    lines = [line[:1] + visible(line[1:]) for line in text.rstrip("\n").split("\n")]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    yield f"[{name}]({name})\n\n{fence}diff"
    yield from lines[:MAX_LINES]
    yield fence
    if len(lines) > MAX_LINES:
        yield f"\n… {len(lines) - MAX_LINES} more lines in {name}"
    yield ""


def _findings(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    if findings:
        yield f"## {title}\n"
        yield from (_finding(finding) for finding in findings)
        yield ""


def _finding(finding: Finding) -> str:
    place = f"{finding.place}:{finding.line}" if finding.line else finding.place
    return f"- {finding.severity}: {prose(finding.title)} {'at ' + code(place) if place else ''}".rstrip()


def _repacked(manifest: RepackManifest) -> Iterator[str]:
    if not manifest.repacked:
        return
    yield "## Archives that were packed anew\n"
    yield f"{manifest.untouched} archives are the vendor's byte for byte. A signature over one of these covers it no more:\n"
    yield "| archive | members | the vendor's byte for byte | SHA-256 before | after |\n|---|---|---|---|---|"
    for archive in manifest.repacked:
        before, after = archive.sha256_before[:12], archive.sha256_after[:12]
        yield f"| {code(archive.place, cell=True)} | {archive.members} | {archive.identical} | `{before}…` | `{after}…` |"


def prose(text: str) -> str:
    """Text of strangers inside a paragraph: nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", visible(" ".join(text.split())))


def code(text: str, *, cell: bool = False) -> str:
    """Text of strangers as code, on one line; ``cell``: inside a table, where a bar needs an escape even so."""
    safe = visible(text).replace("|", "\\|") if cell else visible(text)
    longest = max((len(run) for run in re.findall("`+", safe)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{safe}{pad}{fence}"
