"""``script``: run a script of the package (or lines of one) inside an unpacked copy of the package.

What it changes is not known from the outside, so it needs ``guards`` (paths that are kept and restored), an undo script,
or a reason why it cannot be undone.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, KEEP, nul_list, word, words
from fulldress.steps._contract import KindInfo, StepContext, bad, paths_param

KIND = KindInfo(
    slug="script",
    summary="run a script of the package",
    optional={
        "place": "the script in the adapted package",
        "content": "lines to run instead",
        "args": "list of arguments",
        "package": "list of places to lay out beside it (default: every file of the package outside archives)",
        "cwd": "directory in the package to run in (default its top)",
        "guards": "list of paths that it changes: kept before with all below them, restored by the undo",
        "touched": "list of paths of which it changes owner, mode or existence only, not the content below them",
        "beside": "place of the script that `content` was cut out of: it runs as if it lay there",
        "undo": "lines that undo it",
        "undo-place": "script of the package that undoes it",
        "verify": "lines that must succeed afterwards",
        "shell": "bash (default) or sh",
    },
)


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """Lay out the package from blobs, then run with its top as working directory."""
    params = step.params
    guards, touched = paths_param(step, "guards"), paths_param(step, "touched")
    shell = str(params.get("shell", "bash"))
    if shell not in ("bash", "sh"):
        raise bad(step, "`shell` must be bash or sh")
    sha = ctx.content(step, params)
    layout, blobs = _layout(step, ctx, params)
    held = f"{{ fd_tree {words(guards)}; {nul_list(touched) if touched else ':'}; }}"
    keep = f"{held} | sort -zu | fd_keep guards\n" if guards or touched else ""
    new = f"{held} | fd_new guards | fd_also_gone guards\n" if guards or touched else ""
    cwd = str(params.get("cwd", ""))
    if cwd.startswith("/") or ".." in cwd.split("/"):
        raise bad(step, "`cwd` must lie inside the package")
    enter = f'cd -- "$dir"/{word(cwd)}\n' if cwd else 'cd -- "$dir"\n'
    args = words(params.get("args", []))
    run = f'{_file(step, sha)}{shell} "$file" {args}\n'
    undo_sha = ctx.content(step, params, "undo-place", "undo") if "undo" in params or "undo-place" in params else ""
    undo = ""
    if undo_sha or keep:
        undo = f'{HEAD}{KEEP}[ -e "$FD_UNDO/started" ] || exit 0\n'
        undo += f'(\n{layout}{enter}{shell} "$FD_BLOBS"/{undo_sha}\n)\n' if undo_sha else ""
        undo += f"{new}fd_restore guards\n" if keep else ""
    return StepScripts(
        id=step.id,
        do=f'{HEAD}{KEEP}{keep}: >"$FD_UNDO/started"\n{layout}{enter}{run}' + (f"cd /\n{new}" if new else ""),
        verify_after=f"{HEAD}{params['verify']}\n" if "verify" in params else "",
        undo=undo,
        blobs=tuple(dict.fromkeys([sha, *([undo_sha] if undo_sha else []), *blobs])),
    )


def _file(step: Step, sha: str) -> str:
    """Bash that puts the script where it thinks it is, as ``$file``."""
    place = str(step.params.get("place", ""))
    beside = PurePosixPath(str(step.params.get("beside", place or ".")))
    if beside.is_absolute() or ".." in beside.parts:
        raise bad(step, "`beside` must lie inside the package")
    name = place or str(beside.parent / f".fd-{step.id}.sh")
    return f'file="$dir"/{word(name)}; install -D -m 0755 -- "$FD_BLOBS"/{sha} "$file"\n'


def _layout(step: Step, ctx: StepContext, params: dict[str, Any]) -> tuple[str, list[str]]:
    """Bash that lays the package's files out below ``$dir``, once a run."""
    wanted = [str(p) for p in params["package"]] if "package" in params else None
    places = sorted(p for p in ctx.places if "!/" not in p and (wanted is None or p in wanted))
    missing = [p for p in wanted or [] if p not in ctx.places]
    if missing:
        raise bad(step, f"there is no {missing[0]!r} in the adapted package")
    lines = ['dir="$FD_BLOBS/../work/$FD_RUN"; mkdir -p -- "$dir"\n']
    for place in places:
        sha, mode = ctx.places[place]
        lines.append(f'install -D -m {mode & 0o777:04o} -- "$FD_BLOBS"/{sha} "$dir"/{word(place)}\n')
    return "".join(lines), [ctx.places[p][0] for p in places]
