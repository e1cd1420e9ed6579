"""``pause``: wait some seconds, or until a file appears on the host (an approval); changes nothing."""

from __future__ import annotations

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="pause",
    summary="wait for some time or for a file",
    optional={"seconds": "how long to wait", "file": "absolute path to wait for", "wait-s": "at most (default 3600)"},
    needs_undo=False,
)


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """Wait; a file that does not come in time fails the step."""
    params = step.params
    if ("seconds" in params) == ("file" in params):
        raise bad(step, "give either `seconds` or `file`")
    if "seconds" in params:
        return StepScripts(id=step.id, do=f"{HEAD}sleep {float(params['seconds']):.3f}\n")
    path = str(params["file"])
    if not path.startswith("/"):
        raise bad(step, "`file` must be an absolute path")
    return StepScripts(
        id=step.id,
        do=(
            f"{HEAD}end=$((SECONDS + {int(params.get('wait-s', 3600))}))\n"
            f"until [ -e {word(path)} ]; do [ $SECONDS -lt $end ] || exit 1; sleep 0.5; done\n"
        ),
    )
