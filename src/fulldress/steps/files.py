"""``files``: put files from the package (or inline contents) at paths on the host.

Undo puts back what was there, with all metadata, and removes what was not.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, KEEP, nul_list, word
from fulldress.steps._contract import KindInfo, StepContext, bad

_FILE = {
    "path": "absolute path on the host",
    "place": "where the content is in the adapted package",
    "content": "the content itself, as text",
    "mode": 'octal, for example "0644" (default)',
    "owner": '"user:group" (default root:root)',
    "absent": "true: remove the file instead",
}
KIND = KindInfo(
    slug="files",
    summary="put files at paths",
    optional={"files": "list of tables with the same keys as below, for more than one file", **_FILE},
)


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """Install each file by rename; the directories above are made when missing."""
    rows = [_row(step, ctx, raw) for raw in step.params.get("files") or [step.params]]
    do = [KEEP, f"{nul_list(_touched(rows))} | fd_keep files"]
    verify = []
    for path, sha, mode, owner in rows:
        if not sha:
            do.append(f"rm -f -- {word(path)}")
            verify.append(f"[ ! -e {word(path)} ]")
            continue
        new = word(f"{path}.fd-new")
        do += [
            f"mkdir -p -- {word(str(PurePosixPath(path).parent))}",
            f'install -m {mode} -o {word(owner[0])} -g {word(owner[1])} -- "$FD_BLOBS"/{sha} {new}',
            f"sync {new}; mv -T -- {new} {word(path)}",
        ]
        verify.append(f"echo {sha}'  '{word(path)} | sha256sum --check --status -" if _plain(path) else _cmp(path, sha))
    undo = f"{HEAD}{KEEP}fd_restore files\n"
    return StepScripts(
        id=step.id,
        do=HEAD + "\n".join(do) + "\n",
        verify_after=HEAD + "\n".join(verify) + "\n",
        undo=undo,
        blobs=tuple(dict.fromkeys(sha for _, sha, _, _ in rows if sha)),
    )


def _plain(path: str) -> bool:
    return "\\" not in path and "\n" not in path


def _cmp(path: str, sha: str) -> str:
    return f'cmp -s -- "$FD_BLOBS"/{sha} {word(path)}'


def _touched(rows: list[tuple[str, str, str, tuple[str, str]]]) -> list[str]:
    """The paths, and the directories above them (those that do not exist yet are removed by the undo)."""
    paths: dict[str, None] = {}
    for path, _, _, _ in rows:
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            paths[str(parent)] = None
        paths[path] = None
    return list(paths)


def _row(step: Step, ctx: StepContext, raw: dict[str, Any]) -> tuple[str, str, str, tuple[str, str]]:
    unknown = [k for k in raw if k not in _FILE and k != "files"]
    if unknown:
        raise bad(step, f"unknown key {unknown[0]!r} of a file; known are {', '.join(_FILE)}")
    path = str(raw.get("path", ""))
    if not path.startswith("/") or ".." in PurePosixPath(path).parts or path.endswith("/"):
        raise bad(step, f"`path` must be an absolute path of a file, not {path!r}")
    mode = str(raw.get("mode", "0644"))
    if not re.fullmatch(r"[0-7]{3,4}", mode):
        raise bad(step, f"`mode` must be octal, not {mode!r}")
    user, _, group = str(raw.get("owner", "root:root")).partition(":")
    sha = "" if raw.get("absent") else ctx.content(step, raw)
    return path, sha, mode, (user, group or user)
