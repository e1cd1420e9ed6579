"""The release folder: plain files under known names, each written by exactly one stage.

Finds, names and locks; what is in the files is the stages' business. After a stage has written, :meth:`record` notes the
digests of what it read, so that ``status`` can say what is stale and which input changed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from fulldress.errors import TargetHeld, UsageError
from fulldress.model.release import Release
from fulldress.store.codec import file_digest, read_json, read_toml, write_json

RELEASE = "release.toml"
PACKAGE_LOCK = "01-package/package.lock.json"
TRUST = "01-package/trust.json"
ACCEPTANCE = "01-package/acceptance.toml"
ESCALATION = "01-package/escalation.json"
CHANNELS = "01-package/channels.json"
ADVISORIES = "01-package/advisories.json"
KEY_CHANGE = "01-package/key-change.json"
ESTATE = "02-inventory/estate.json"
MATRIX = "02-inventory/matrix.csv"
PATH = "02-inventory/path.json"
FINDINGS = "03-findings/findings.json"
WAIVERS = "03-findings/waivers.toml"
ADAPTATIONS = "04-adaptations"
ADAPTED_LOCK = "04-adaptations/adapted.lock.json"
RESCAN = "04-adaptations/rescan.json"
PLAN = "05-plan/plan.toml"
PLAN_LOCK = "05-plan/plan.lock.json"
RUNBOOK = "05-plan/runbook.md"
REHEARSALS = "06-rehearsals"
RUNS = "08-runs"
RECEIPTS = ".receipts"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage read and wrote when it last ran: release-folder path -> SHA-256."""

    stage: str
    read: dict[str, str]
    wrote: dict[str, str]


class Change(NamedTuple):
    """A file that is not what a stage read or wrote."""

    stage: str
    file: str
    what: str
    """``changed``, ``missing``."""


class ReleaseFolder:
    """One release, as plain files."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @classmethod
    def find(cls, start: Path) -> ReleaseFolder:
        """The nearest folder with a ``release.toml``, from ``start`` upwards; UsageError when there is none."""
        for candidate in (start.absolute(), *start.absolute().parents):
            if (candidate / RELEASE).is_file():
                return cls(candidate)
        raise UsageError(
            f"no {RELEASE} in {start.absolute()} or above it",
            why="this command works on a release folder",
            fix="cd into the release folder, or make one: fulldress new NAME --package FILE.zip; "
            "to look at a package on its own: fulldress scan FILE.zip",
        )

    def path(self, name: str) -> Path:
        """A file of the folder by its release-folder path."""
        return self.root / name

    def release(self) -> Release:
        """``release.toml`` as a noun."""
        return read_toml(self.path(RELEASE), Release)

    def record(self, stage: str, *, read: Iterable[str], wrote: Iterable[str]) -> None:
        """Note the digests of what a stage read and wrote."""
        receipt = Receipt(stage=stage, read=self._digests(read), wrote=self._digests(wrote))
        write_json(self.path(f"{RECEIPTS}/{stage}.json"), receipt)

    def receipt(self, stage: str) -> Receipt | None:
        """What a stage noted when it last ran, or None."""
        path = self.path(f"{RECEIPTS}/{stage}.json")
        return read_json(path, Receipt) if path.exists() else None

    def changes(self, stage: str) -> list[Change]:
        """Inputs and outputs of a stage that differ from its receipt; [] when fresh or never run."""
        receipt = self.receipt(stage)
        if receipt is None:
            return []
        return list(self._compare(stage, {**receipt.read, **receipt.wrote}))

    def _digests(self, names: Iterable[str]) -> dict[str, str]:
        return {name: file_digest(self.path(name)) for name in names if self.path(name).is_file()}

    def _compare(self, stage: str, known: dict[str, str]) -> Iterator[Change]:
        for name, was in known.items():
            path = self.path(name)
            if not path.is_file():
                yield Change(stage, name, "missing")
            elif file_digest(path) != was:
                yield Change(stage, name, "changed")

    @contextmanager
    def locked(self, purpose: str) -> Iterator[None]:
        """One writer in this folder at a time; TargetHeld names the holder."""
        path = self.path(".lock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
                raise TargetHeld(
                    f"the release folder is in use by {holder}",
                    why="two writers in one folder would overwrite each other's files",
                    fix="wait for it to end",
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{purpose}, pid {os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)
