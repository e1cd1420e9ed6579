"""The boundary between a rule's cure and everything else: a cure that raises becomes a finding, the others go on."""

from __future__ import annotations

from fulldress.model.finding import Cure, Finding
from fulldress.scan.rule import Context, Rule, cure_of

RAISED = "cure-raised"
"""Slug of the finding that stands for a cure that failed."""


class CureFailed(Exception):
    """A cure did not give what a cure gives; ``finding`` says so to a person."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.title)
        self.finding = finding


def cured(rule: Rule, context: Context, finding: Finding) -> Cure | None:
    """What the rule writes instead; None when it cannot. Raises CureFailed and nothing else."""
    cure = cure_of(rule)
    if cure is None:
        return None
    try:
        return cure(context, finding)
    except Exception as error:  # named boundary: whatever a cure raises ends that cure and nothing else
        raise CureFailed(failure(finding, f"{type(error).__name__}: {error}")) from error


def failure(finding: Finding, why: str) -> Finding:
    """The finding about a cure that failed on ``finding``."""
    return Finding(
        rule=RAISED,
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
