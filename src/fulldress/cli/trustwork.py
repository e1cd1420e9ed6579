"""What ``intake``, ``trust`` and ``vendor`` share: the record in force, the verdict over the package, what people answered.

The one place where the vendor record, the escalation and the package's lock meet. Nothing is decided here.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from fulldress.cli.stagework import JOURNAL, StageWork, stage_work
from fulldress.errors import NothingToDo, Stale, UsageError
from fulldress.intake import lists, vendor
from fulldress.intake.trust import BESIDE, judge
from fulldress.model.package import PackageLock, TrustReport, VendorRecord
from fulldress.model.vendor import Escalation
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, write_json
from fulldress.store.journal import read_journal
from fulldress.store.state import state_dir

MAX_SIGNATURE = 1 << 20
MOST_BESIDE, MOST_LISTS = 10_000, 20
"""Files next to a package whose names are looked at, and lists among them that are read."""


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
        try:
            trust = judged(folder, work, lock, _came_from(folder, lock))
        except FileNotFoundError as error:
            raise Stale(
                "what `fulldress intake` took apart is no longer in the store",
                why=f"{error.filename} is gone, so no signature can be judged",
                fix="fulldress intake",
            ) from error
        write_json(work.path(f.TRUST), trust)
        work.read |= set(receipt.read) if receipt else set()
        work.facts.update(package=lock.name, package_sha256=lock.sha256, trust=trust.verdict, again=True)
    return trust


def _came_from(folder: f.ReleaseFolder, lock: PackageLock) -> Path:
    """Where the package lay when it was taken in: `intake --package` may have named another place than release.toml."""
    taken = [e.data for e in read_journal(folder.path(JOURNAL)) if e.kind == "intake" and e.data.get("path")]
    mine = [d for d in taken if d.get("package_sha256") == lock.sha256]
    return Path(str(mine[-1]["path"])) if mine else folder.path(folder.release().package)


def beside(package: Path) -> dict[str, bytes]:
    """What lies next to the package and speaks of it: signatures, and lists of sums with theirs."""
    names = [package.name + suffix for suffix in BESIDE]
    for name, data in _lists_beside(package):
        if package.name.encode() in data.replace(b"\0", b"") or name.startswith(package.name):
            names += [name, *(name + suffix for suffix in lists.SIGNATURES)]
    found = [package.with_name(name) for name in dict.fromkeys(names)]
    return {p.name: p.read_bytes() for p in found if _is_small(p)}


def _lists_beside(package: Path) -> Iterator[tuple[str, bytes]]:
    """Lists of sums in the folder of the package; a folder that cannot be listed has none."""
    try:
        with os.scandir(package.absolute().parent) as entries:
            names = [e.name for e in itertools.islice(entries, MOST_BESIDE) if lists.is_list(e.name)]
    except OSError:
        return
    for name in sorted(names)[:MOST_LISTS]:
        if _is_small(path := package.with_name(name)):
            yield name, path.read_bytes()


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_SIGNATURE and os.access(path, os.R_OK)


def trust_of(folder: f.ReleaseFolder) -> TrustReport:
    """The verdict as it stands: judged anew when the record or an answer changed since, or the report itself.

    Raises NothingToDo when intake has not run, VendorRecordNotApproved, and Stale when what was taken in was changed.
    """
    trust = read_json(folder.path(f.TRUST), TrustReport)
    vendor_record(folder)
    changed = {c.file for c in folder.changes("intake")}
    if f.PACKAGE_LOCK in changed:
        raise Stale(
            f"{f.PACKAGE_LOCK} was changed since `fulldress intake` wrote it",
            why="a verdict about other files than those of the package says nothing",
            fix="fulldress intake",
        )
    if changed & {folder.release().vendor, f.ESCALATION, f.TRUST}:
        click.echo(f"judged anew: {', '.join(sorted(changed))} changed since `fulldress intake`", err=True)
        return judged_again(folder)
    return trust


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
    first = next((e for e in read_journal(folder.path(JOURNAL)) if e.kind == "intake"), None)
    if first is not None:
        return datetime.fromtimestamp(first.at, UTC)
    package = folder.path(folder.release().package)
    return datetime.fromtimestamp(package.stat().st_mtime, UTC) if package.is_file() else datetime.now(UTC)
