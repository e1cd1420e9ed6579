"""Nouns of the scan: a finding, its cure, and an adaptation made of cures. No I/O."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Severity = Literal["critical", "high", "medium", "low", "info"]
Confidence = Literal["certain", "likely", "possible"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "possible")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person must know before the package runs."""

    rule: str
    severity: Severity
    confidence: Confidence
    title: str
    """One line: what was found. Untrusted text inside is escaped by each sink, not here."""
    place: str
    """Through nested archives: ``lims.deb!/etc/cron.d/import``; ``""`` for the package as a whole."""
    line: int = 0
    """1-based; 0 when the finding has no line."""
    excerpt: str = ""
    """The offending text (secrets already redacted by the rule)."""
    consequence: str
    """What happens in production when nobody acts."""
    fix: str
    """What to do, in words."""
    curable: bool = False
    """True when ``fulldress adapt`` can write the patch."""
    fingerprint: str = ""
    """rule + normalised content, never a line number; filled in by the sweep."""
    lineage: str = ""
    """As ``fingerprint``, but the same in another version of the package: without folders, versions and numbers in names."""
    names: tuple[str, ...] = ()
    """What the finding lists, whole, where a list is what it is about: hosts."""
    confirmed_by: tuple[str, ...] = ()
    """What other programs say of the same line: ``shellcheck SC2115``."""

    @property
    def rank(self) -> tuple[int, int, str, int]:
        """Sort key: the most dangerous and most certain first."""
        return (SEVERITIES.index(self.severity), CONFIDENCES.index(self.confidence), self.place, self.line)


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The previous package that a report was compared with."""

    name: str
    sha256: str
    known: int
    """Findings of this package that the previous one had too; they are not listed."""
    gone: int
    """Findings of the previous package that are not in this one any more."""


class FindingsReport(msgspec.Struct, frozen=True, kw_only=True):
    """``03-findings/findings.json``."""

    schema_version: int = 1
    package_sha256: str
    """Digest of the package or, after ``adapt``, of the adapted package."""
    rules_run: tuple[str, ...]
    rules_stood_aside: dict[str, str] = {}
    """Rules that could not run, with the reason (for example: no inventory)."""
    waived: dict[str, str] = {}
    """Fingerprints of findings that a waiver in force takes off the list -> who accepted it, why, until when."""
    waivers_ended: tuple[str, ...] = ()
    """Waivers past their last day, in words."""
    waivers_idle: tuple[str, ...] = ()
    """Waivers in force that nothing matches, or that do not count, in words."""
    baseline: Baseline | None = None
    """When given, ``findings`` are only those that the previous package did not have."""
    peers: dict[str, str] = {}
    """Other programs that were asked -> version and count, or why they did not answer."""
    findings: tuple[Finding, ...]


class StepDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A plan step that a cure asks for (preinstall a chain, set a key, ...); the planner places it."""

    kind: str
    title: str
    when: Literal["before", "after"] = "before"
    """Before or after the vendor's own steps."""
    params: dict[str, Any] = {}


class Cure(msgspec.Struct, frozen=True, kw_only=True):
    """How one finding is cured: new contents of files in the package, and plan steps."""

    edits: dict[str, bytes | None] = {}
    """place -> new content; None deletes the entry. A place that is not in the package is added to it."""
    steps: tuple[StepDraft, ...] = ()
    note: str
    """One line for the reviewer: what was changed and why."""
    safety: Literal["safe", "review"] = "review"


class Adaptation(msgspec.Struct, frozen=True, kw_only=True):
    """``04-adaptations/NNNN-slug.toml``: one reviewable patch over the untouched package, in order of application."""

    schema_version: int = 1
    number: int
    slug: str
    rule: str
    findings: tuple[str, ...]
    """Fingerprints of the findings that it answers."""
    places: tuple[str, ...]
    note: str
    safety: Literal["safe", "review"]
    patch: str = ""
    """File name of the unified diff; empty when the cure is plan steps only."""
    steps: tuple[StepDraft, ...] = ()


CURE_RAISED = "cure-raised"
"""Slug of the finding that stands for a cure that failed."""


def cure_failure(finding: Finding, why: str) -> Finding:
    """The finding that says that the cure of ``finding`` failed."""
    return Finding(
        rule=CURE_RAISED,
        severity="medium",
        confidence="certain",
        title=f"the cure of {finding.rule} failed: {why}"[:300],
        place=finding.place,
        line=finding.line,
        excerpt=finding.excerpt,
        consequence=f"The package stays as it is there: {finding.title}",
        fix=f"{finding.fix} Report the failure with the package's digest.",
        fingerprint=finding.fingerprint,
    )
