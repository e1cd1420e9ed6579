"""What ``intake``, ``trust`` and ``vendor`` share: the record in force, the verdict over the package, what people answered.

The one place where the vendor record, the escalation and the package's lock meet. Nothing is decided here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fulldress.cli.stagework import StageWork, stage_work
from fulldress.errors import NothingToDo, UsageError
from fulldress.intake import vendor
from fulldress.intake.trust import BESIDE, judge
from fulldress.model.package import PackageLock, TrustReport, VendorRecord
from fulldress.model.vendor import Escalation
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, write_json
from fulldress.store.journal import read_journal
from fulldress.store.state import state_dir

MAX_SIGNATURE = 1 << 20


def vendor_record(folder: f.ReleaseFolder, work: StageWork | None = None) -> VendorRecord | None:
    """The vendor record in force; None when there is none. Raises VendorRecordNotApproved."""
    name = folder.release().vendor
    if work is not None:
        work.read |= {n for n in (name, _relative(folder, vendor.journal_of(folder.path(name)))) if folder.path(n).is_file()}
    return vendor.in_force(folder.path(name))


def _relative(folder: f.ReleaseFolder, path: Path) -> str:
    return str(path.relative_to(folder.root)) if path.is_relative_to(folder.root) else str(path)


def required_record(folder: f.ReleaseFolder) -> VendorRecord:
    """The vendor record in force; UsageError when there is none."""
    record = vendor_record(folder)
    if record is None:
        raise UsageError(
            f"there is no vendor record in {folder.release().vendor}",
            why="whom to ask, and where the vendor speaks, is taken from what was written down beforehand and nothing else",
            fix="fill it in from your own papers, then: fulldress vendor propose --by NAME --reason TEXT",
        )
    return record


def judged(folder: f.ReleaseFolder, work: StageWork, lock: PackageLock, package: Path) -> TrustReport:
    """The verdict over an unpacked package, with the record in force and what the vendor's contact answered."""
    asked = escalation(folder, lock.sha256)
    if folder.path(f.ESCALATION).is_file():
        work.read.add(f.ESCALATION)
    return judge(
        lock,
        BlobStore(state_dir() / "blobs"),
        vendor_record(folder, work),
        datetime.now(UTC),
        beside=beside(package),
        compromised=asked.compromised if asked else frozenset(),
    )


def judged_again(folder: f.ReleaseFolder) -> TrustReport:
    """Judge what was unpacked already, because the record or an answer changed; writes ``trust.json``."""
    lock = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
    receipt = folder.receipt("intake")
    with stage_work(folder, "intake") as work:
        trust = judged(folder, work, lock, folder.path(folder.release().package))
        write_json(work.path(f.TRUST), trust)
        work.read |= set(receipt.read) if receipt else set()
        work.facts.update(package=lock.name, package_sha256=lock.sha256, trust=trust.verdict, again=True)
    return trust


def beside(package: Path) -> dict[str, bytes]:
    """Detached signatures that lie next to the package."""
    found = [package.with_name(package.name + suffix) for suffix in BESIDE]
    return {p.name: p.read_bytes() for p in found if p.is_file() and p.stat().st_size <= MAX_SIGNATURE}


def trust_of(folder: f.ReleaseFolder) -> TrustReport:
    """``trust.json``; NothingToDo when intake has not run."""
    return read_json(folder.path(f.TRUST), TrustReport)


def escalation(folder: f.ReleaseFolder, package_sha256: str) -> Escalation | None:
    """What was asked about exactly this package, or None."""
    path = folder.path(f.ESCALATION)
    found = read_json(path, Escalation) if path.is_file() else None
    return found if found is not None and found.package_sha256 == package_sha256 else None


def required_escalation(folder: f.ReleaseFolder) -> Escalation:
    """What was asked about this package; NothingToDo when nobody was asked."""
    found = escalation(folder, trust_of(folder).package_sha256)
    if found is None:
        raise NothingToDo("nobody was asked about this package", fix="fulldress trust escalate --by NAME")
    return found


def arrived(folder: f.ReleaseFolder) -> datetime:
    """When this release first saw its package: the first intake in the journal, else the package file's own time."""
    first = next((e for e in read_journal(folder.path("journal.jsonl")) if e.kind == "intake"), None)
    if first is not None:
        return datetime.fromtimestamp(first.at, UTC)
    package = folder.path(folder.release().package)
    return datetime.fromtimestamp(package.stat().st_mtime, UTC) if package.is_file() else datetime.now(UTC)
