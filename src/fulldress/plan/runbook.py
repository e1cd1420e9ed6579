"""``runbook.md``: the exact commands of the plan, usable by hand on the host without this product.

Pure: a lock in, Markdown out. Untrusted text only appears inside fences longer than any fence in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fulldress.formats.hosttext import printable
from fulldress.model.plan import PlanLock, Step, StepScripts

HOME = "/var/lib/fulldress"


def runbook(lock: PlanLock, places: Mapping[str, str], read: Callable[[str], bytes]) -> str:
    """The whole document. ``places`` maps SHA-256 -> place in the adapted package; ``read`` gives inline contents."""
    lines = [
        f"# Runbook: {_line(lock.plan.release)} on {_line(lock.plan.host)}",
        "",
        f"Plan `{lock.digest[:16]}…`, {len(lock.plan.step)} steps. Every command below is what the product itself runs.",
        "Work as root on the host, in one bash session, from top to bottom; to roll back, run the undo of every step that",
        "was begun, from the last one up.",
        "",
        "## Prepare",
        "",
        *_fence(_prepare(lock, places, read)),
        "",
    ]
    scripts = {s.id: s for s in lock.scripts}
    for number, step in enumerate(lock.plan.step, 1):
        lines += _step(number, len(lock.plan.step), step, scripts[step.id])
    return "\n".join(lines)


def _prepare(lock: PlanLock, places: Mapping[str, str], read: Callable[[str], bytes]) -> str:
    lines = [
        f"export FD_RUN=by-hand FD_BLOBS={HOME}/blobs PACKAGE=/root/adapted-package  # where you unpacked it",
        'mkdir -p "$FD_BLOBS"',
        f'step() {{ export FD_STEP=$1 FD_UNDO={HOME}/undo/$FD_RUN/$1; mkdir -p "$FD_UNDO"; }}',
    ]
    for sha in dict.fromkeys(sha for s in lock.scripts for sha in s.blobs):
        if sha in places:
            place = places[sha].replace("'", "'\\''")
            lines.append(f'install -m 600 "$PACKAGE"/\'{place}\' "$FD_BLOBS"/{sha}')
        else:
            lines.append(_inline(sha, read(sha)))
    lines.append('cd "$FD_BLOBS" && for b in *; do echo "$b  $b"; done | sha256sum --check --quiet && cd /')
    return "\n".join(lines)


def _inline(sha: str, data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    mark = "END_OF_CONTENT"
    while mark in text:
        mark += "_"
    exact = text.encode() == data and text.endswith("\n") and "\0" not in text
    if exact:
        return f"cat >\"$FD_BLOBS\"/{sha} <<'{mark}'\n{text}{mark}"
    octal = "".join(f"\\{byte:03o}" for byte in data)
    return f"printf '{octal}' >\"$FD_BLOBS\"/{sha}"


def _step(number: int, total: int, step: Step, scripts: StepScripts) -> list[str]:
    lines = [
        f"## {number}/{total} {_line(step.title)}",
        "",
        f"Kind `{step.kind}`, id `{step.id}`, at most {step.timeout_s:.0f} s.",
    ]
    if step.breaks:
        lines += ["", f"**While it runs:** {_line(step.breaks)}"]
    for title, script in (("Before", scripts.verify_before), ("Do", scripts.do), ("Verify", scripts.verify_after)):
        if script:
            lines += ["", f"{title}:", "", *_fence(_session(step.id, script))]
    if scripts.undo:
        lines += ["", "Undo:", "", *_fence(_session(step.id, scripts.undo))]
    elif step.irreversible_because:
        lines += ["", f"No undo: {_line(step.irreversible_because)}"]
    else:
        lines += ["", "Nothing to undo."]
    return [*lines, ""]


def _session(ident: str, script: str) -> str:
    mark = "END_OF_STEP"
    while mark in script:
        mark += "_"
    return f"step {ident}; bash /dev/fd/3 3<<'{mark}'\n{script.rstrip(chr(10))}\n{mark}"


def _fence(text: str) -> list[str]:
    longest = max((len(m) for m in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * max(3, longest + 1)
    return [f"{ticks}bash", text, ticks]


def _line(text: str) -> str:
    return re.sub(r"([\\`*_<>#\[\]|])", r"\\\1", printable(" ".join(text.split())))
