"""What every stage's command does around its work: one writer, receipt, journal event, elapsed time.

Joins the release folder and its journal; knows no stage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from fulldress.flow import STAGES
from fulldress.store.folder import ReleaseFolder
from fulldress.store.journal import Journal

JOURNAL = "journal.jsonl"


class StageWork:
    """One run of one stage: note what it read, wrote and found; all of it is recorded when the work is done."""

    def __init__(self, folder: ReleaseFolder, name: str) -> None:
        self.folder = folder
        self.stage = next(stage for stage in STAGES if stage.name == name)
        self.read: set[str] = {f for f in (*self.stage.needs, *self.stage.uses) if folder.path(f).is_file()}
        self.wrote: set[str] = {f for f in self.stage.gives if not f.endswith("s")}
        self.facts: dict[str, Any] = {}
        """Small figures for the journal and the page: counts, digests, verdicts."""

    def path(self, name: str) -> Path:
        """A file of the folder that this stage writes; it will be in the receipt."""
        self.wrote.add(name)
        return self.folder.path(name)


@contextmanager
def stage_work(folder: ReleaseFolder, name: str) -> Iterator[StageWork]:
    """Hold the folder's lock, time the work, and record receipt and journal event when it succeeds.

    Raises TargetHeld when another command writes in the folder. A failure leaves the old receipt, so that ``status``
    still tells the truth.
    """
    with folder.locked(f"`fulldress {name}`"):
        work = StageWork(folder, name)
        started = time.monotonic()
        yield work
        folder.record(name, read=work.read, wrote=work.wrote)
        seconds = round(time.monotonic() - started, 3)
        Journal(folder.path(JOURNAL)).append(name, seconds=seconds, **work.facts)


def here() -> ReleaseFolder:
    """The release folder of the working directory."""
    return ReleaseFolder.find(Path.cwd())


def next_command(text: str) -> None:
    """The last line of every screen: the command that comes next."""
    click.echo(click.style("next: ", bold=True) + text, err=True)
