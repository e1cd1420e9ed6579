"""Where a release stands: which stages are done, which are stale and through which file, what comes next.

Reads receipts and compares digests; writes nothing. (Faces call it; it knows no stage's content.)
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fulldress.flow import STAGES, Stage
from fulldress.store.folder import REHEARSALS, RUNS, Change, ReleaseFolder

State = Literal["done", "stale", "open", "waiting"]
"""``open``: can run now. ``waiting``: a file that it needs does not exist yet."""


class StageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``fulldress status``."""

    stage: str
    state: State
    why: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    schema_version: int = 1
    release: str
    stages: tuple[StageStatus, ...]
    next: str


def status(folder: ReleaseFolder) -> Status:
    """Compare every receipt with the files as they are now."""
    rows: list[StageStatus] = []
    stale_from = ""
    for stage in STAGES:
        row = _row(folder, stage, stale_from)
        if row.state == "stale" and not stale_from:
            stale_from = stage.name
        rows.append(row)
    due = next((r for r in rows if r.state in ("stale", "open")), None)
    return Status(
        release=folder.release().name,
        stages=tuple(rows),
        next=f"fulldress {due.stage}" if due else "nothing is due",
    )


def _row(folder: ReleaseFolder, stage: Stage, stale_from: str) -> StageStatus:
    if folder.receipt(stage.name) is None:
        missing = [n for n in stage.needs if not _exists(folder, n)]
        if missing:
            return StageStatus(stage=stage.name, state="waiting", why=f"needs {', '.join(missing)}")
        return StageStatus(stage=stage.name, state="open")
    changes = folder.changes(stage.name)
    if changes:
        return StageStatus(stage=stage.name, state="stale", why=_say(changes))
    if stale_from:
        return StageStatus(stage=stage.name, state="stale", why=f"`{stale_from}` is stale")
    return StageStatus(stage=stage.name, state="done")


def _exists(folder: ReleaseFolder, name: str) -> bool:
    path = folder.path(name)
    if name in (REHEARSALS, RUNS):
        return path.is_dir() and any(path.iterdir())
    return path.is_file()


def _say(changes: list[Change]) -> str:
    return ", ".join(f"{c.file} {c.what}" for c in changes)
