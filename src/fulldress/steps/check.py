"""``check``: a command that must succeed; changes nothing, so there is nothing to undo."""

from __future__ import annotations

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="check",
    summary="something that must hold",
    required={"command": "bash that must exit 0"},
    optional={"retry-s": "keep trying for so many seconds (default 0)", "hint": "what to do when it does not hold"},
    needs_undo=False,
)


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """The command, tried again until it holds or the time is over."""
    command = str(step.params["command"])
    if not command.strip():
        raise bad(step, "`command` is empty")
    hint = f"echo {word(step.params['hint'])}\n" if "hint" in step.params else ""
    return StepScripts(
        id=step.id,
        do=(
            f"{HEAD}end=$((SECONDS + {int(step.params.get('retry-s', 0))}))\n"
            f"until bash -euo pipefail -c {word(command)}; do\n"
            f"  if [ $SECONDS -ge $end ]; then\n{hint}exit 1\nfi\n  sleep 0.5\ndone\n"
        ),
    )
