"""A rule's cure, asked for safely: one that raises becomes a finding, and the others go on."""

from __future__ import annotations

from fulldress.model.finding import Cure, Finding, cure_failure
from fulldress.scan.boundary import attempt
from fulldress.scan.rule import Context, Rule, cure_of


def cured(rule: Rule, context: Context, finding: Finding) -> Cure | Finding | None:
    """What the rule writes instead; None when it cannot; the finding that its cure failed. Raises nothing."""
    cure = cure_of(rule)
    if cure is None:
        return None
    answer = attempt(lambda: cure(context, finding))
    return cure_failure(finding, f"{type(answer).__name__}: {answer}") if isinstance(answer, Exception) else answer
