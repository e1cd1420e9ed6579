"""The boundary between a rule's cure and everything else: a cure that raises becomes a finding, the others go on."""

from __future__ import annotations

from fulldress.model.finding import Cure, Finding, cure_failure
from fulldress.scan.rule import Context, Rule, cure_of


def cured(rule: Rule, context: Context, finding: Finding) -> Cure | Finding | None:
    """What the rule writes instead; None when it cannot; the finding that its cure failed. Raises nothing."""
    cure = cure_of(rule)
    if cure is None:
        return None
    try:
        return cure(context, finding)
    except Exception as error:  # named boundary: whatever a cure raises ends that cure and nothing else
        return cure_failure(finding, f"{type(error).__name__}: {error}")
