"""Plans for the tests of the crash sweep."""

from __future__ import annotations

from fulldress.model.plan import Plan, PlanLock, Step, StepScripts


def plan(*steps: str) -> PlanLock:
    """A lock by words: ``name`` can be undone and verified; ``name?`` cannot be verified, ``name!`` not undone; ``name=``
    is a check."""
    made, scripts = [], []
    for word in steps:
        name = word.rstrip("?!=")
        kind = "check" if word.endswith("=") else "script"
        made.append(Step(id=name, kind=kind, title=name))
        scripts.append(
            StepScripts(
                id=name,
                do="true",
                verify_after="" if word.endswith(("?", "=")) else "true",
                undo="" if word.endswith(("!", "=")) else "true",
            )
        )
    return PlanLock(
        digest="0" * 64,
        plan=Plan(release="r", host="machine:m", step=tuple(made)),
        scripts=tuple(scripts),
        inputs={},
        package_sha256="",
        adapted_sha256="",
    )
