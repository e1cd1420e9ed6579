"""Where a release stands: which stages are done, which are stale and through which file, what comes next.

Reads receipts and compares digests; writes nothing. (Faces call it; it knows no stage's content.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from fulldress.flow import STAGES, Stage
from fulldress.intake.escalate import overdue
from fulldress.intake.vendor import journal_of, standing
from fulldress.model.vendor import Escalation
from fulldress.store.codec import read_json
from fulldress.store.folder import ESCALATION, PACKAGE_LOCK, REHEARSALS, RUNS, Change, ReleaseFolder

State = Literal["done", "stale", "open", "waiting"]
"""``open``: can run now. ``waiting``: a file that it needs does not exist yet."""


class _Digest(msgspec.Struct):
    """The one field of a package's lock that is needed here."""

    sha256: str


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
    reminders: tuple[str, ...] = ()
    """What waits for people: an answer of the vendor, an approval."""


def status(folder: ReleaseFolder, now: datetime | None = None) -> Status:
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
        reminders=tuple(_reminders(folder, now or datetime.now(UTC))),
    )


def _reminders(folder: ReleaseFolder, now: datetime) -> Iterator[str]:
    record = folder.path(folder.release().vendor)
    if record.is_file() and journal_of(record).is_file() and not (known := standing(record)).approved:
        who = known.proposal["by"] if known.proposal else "nobody"
        yield f"the vendor record is not in force: proposed by {who}, another person has to approve it"
    path = folder.path(ESCALATION)
    case = read_json(path, Escalation) if path.is_file() else None
    if case is not None and not case.answers and _is_about(folder, case):
        late = "OVERDUE since" if overdue(case, now) else "due"
        yield f"the answer of {case.contact} about this package is {late} {case.due} (fulldress trust answer)"


def _is_about(folder: ReleaseFolder, case: Escalation) -> bool:
    """False for what was asked about a package that lay here before."""
    lock = folder.path(PACKAGE_LOCK)
    return not lock.is_file() or read_json(lock, _Digest).sha256 == case.package_sha256


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
