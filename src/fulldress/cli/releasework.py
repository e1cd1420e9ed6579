"""The context of a release folder: what the rules may know of the package, the estate, the matrix and the vendor.

Gathers what the earlier stages have written, for ``scan`` and ``adapt`` alike; runs no stage and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from fulldress.adapters import sandbox
from fulldress.errors import UsageError
from fulldress.formats import localtime
from fulldress.formats.patterns import Pattern
from fulldress.inventory import matrix
from fulldress.model.advisory import AdvisoryReport
from fulldress.model.estate import Estate, KeyImpact, MatrixRow, UpgradePath
from fulldress.model.finding import StepDraft
from fulldress.model.package import Acceptance, PackageLock, TrustReport
from fulldress.model.vendor import Escalation
from fulldress.scan.rule import Context, Looked, Search
from fulldress.scan.searcher import WORTH_A_PROCESS, Local, Target, in_folder, targets_of
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml

Memory = dict[frozenset[Pattern], dict[str, Looked]]
"""Patterns -> what was found in each object: an object never changes, so nothing is searched twice for the same."""


def release_context(
    folder: f.ReleaseFolder,
    lock: PackageLock,
    blobs: BlobStore,
    drafted: tuple[StepDraft, ...] = (),
    memory: Memory | None = None,
) -> Context:
    """The context of a release folder: the package (vendor's or adapted) and whatever the earlier stages have written.

    ``memory``: shared by the contexts of several states of one package, whose contents are nearly all the same.
    """
    estate = read_json(folder.path(f.ESTATE), Estate) if folder.path(f.ESTATE).is_file() else None
    trust = read_json(folder.path(f.TRUST), TrustReport) if folder.path(f.TRUST).is_file() else None
    release = folder.release()
    localtime.window(release, estate)  # said now, where a person can mend it, and not by every rule that asks for it
    return Context(
        lock,
        blobs.read,
        search=_folder_search(targets_of(lock), blobs) if memory is None else _remembering(lock, blobs, memory),
        read_part=blobs.read_at,
        estate=estate,
        impacts=_impacts(folder, estate),
        matrix=_matrix(folder),
        trust=trust,
        release=release,
        acceptance=_acceptance(folder),
        advisories=_advisories(folder),
        drafted=drafted,
        chain=_chain(folder),
    )


def today(folder: f.ReleaseFolder) -> date:
    """The day that it is in the estate's zone, for what counts until the end of a day."""
    estate = read_json(folder.path(f.ESTATE), Estate) if folder.path(f.ESTATE).is_file() else None
    return localtime.today(folder.release(), estate)


def _acceptance(folder: f.ReleaseFolder) -> Acceptance | None:
    """What two people decided; nothing when the vendor's contact said since that the package is not theirs."""
    if not folder.path(f.ACCEPTANCE).is_file():
        return None
    found = read_toml(folder.path(f.ACCEPTANCE), Acceptance)
    asked = read_json(folder.path(f.ESCALATION), Escalation) if folder.path(f.ESCALATION).is_file() else None
    denied = asked is not None and asked.package_sha256 == found.package_sha256 and bool(asked.refused)
    return None if denied else found


def _remembering(lock: PackageLock, blobs: BlobStore, memory: Memory) -> Search:
    """Searches only what was not searched before for the same patterns."""

    def search(patterns: Sequence[Pattern]) -> Mapping[str, Looked]:
        known = memory.setdefault(frozenset(patterns), {})
        targets = targets_of(lock)
        if missing := [t for t in targets if t.sha256 not in known]:
            known.update(_folder_search(missing, blobs)(patterns))
        return {t.sha256: known[t.sha256] for t in targets if t.sha256 in known}

    return search


def _folder_search(targets: Sequence[Target], blobs: BlobStore) -> Search:
    """A large package is searched in confined processes; a small one here, which is over before a process has begun."""
    if sandbox.missing() or sum(t.size for t in targets) < WORTH_A_PROCESS:
        return Local(blobs.read, targets)
    return in_folder(blobs.root, targets)


def _advisories(folder: f.ReleaseFolder) -> AdvisoryReport | None:
    """What the channels say about this package; a report about another package says nothing about it."""
    path, lock = folder.path(f.ADVISORIES), folder.path(f.PACKAGE_LOCK)
    if not path.is_file() or not lock.is_file():
        return None
    found = read_json(path, AdvisoryReport)
    return found if found.package_sha256 == read_json(lock, PackageLock).sha256 else None


def _chain(folder: f.ReleaseFolder) -> tuple[str, ...]:
    """The declared intermediate certificates, because rules open no files."""
    found = []
    for name in folder.release().estate.chain:
        try:
            found.append(folder.path(name).read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"release.toml: [estate] chain names {name}, which cannot be read: {error}",
                fix="put the vendor's intermediate certificate there, in PEM form",
            ) from error
    return tuple(found)


def _impacts(folder: f.ReleaseFolder, estate: Estate | None) -> tuple[KeyImpact, ...] | None:
    rows, way = folder.path(f.MATRIX), folder.path(f.PATH)
    if estate is None or not rows.is_file() or not way.is_file():
        return None
    known = read_json(way, UpgradePath)
    return matrix.impacts(matrix.from_csv(rows.read_text(encoding="utf-8")), estate, known.installed, known.target)


def _matrix(folder: f.ReleaseFolder) -> tuple[MatrixRow, ...]:
    rows, way = folder.path(f.MATRIX), folder.path(f.PATH)
    if not rows.is_file() or not way.is_file():
        return ()
    return matrix.holding(matrix.from_csv(rows.read_text(encoding="utf-8")), read_json(way, UpgradePath).target)
