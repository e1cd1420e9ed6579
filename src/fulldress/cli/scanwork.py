"""What scanning needs from other stages, gathered: the context of a release folder, and of a package on its own.

The one place where unpacking, trust, inventory and matrix meet the rules; ``scan`` and ``adapt`` both use it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fulldress.adapters.cms import X509
from fulldress.adapters.openpgp import OpenPgp
from fulldress.errors import UsageError
from fulldress.intake.trust import Means, judge
from fulldress.intake.unpack import unpack
from fulldress.inventory import matrix
from fulldress.model.estate import Estate, KeyImpact, MatrixRow, UpgradePath
from fulldress.model.finding import StepDraft
from fulldress.model.package import Acceptance, PackageLock, TrustReport, VendorRecord
from fulldress.ports import Progress
from fulldress.scan.rule import Context
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml


def release_context(
    folder: f.ReleaseFolder, lock: PackageLock, blobs: BlobStore, drafted: tuple[StepDraft, ...] = ()
) -> Context:
    """The context of a release folder: the package (vendor's or adapted) and whatever the earlier stages have written."""
    estate = _with_chain(folder, read_json(folder.path(f.ESTATE), Estate)) if folder.path(f.ESTATE).is_file() else None
    trust = read_json(folder.path(f.TRUST), TrustReport) if folder.path(f.TRUST).is_file() else None
    return Context(
        lock,
        blobs.read,
        estate=estate,
        impacts=_impacts(folder, estate),
        matrix=_matrix(folder),
        trust=trust,
        release=folder.release(),
        acceptance=read_toml(folder.path(f.ACCEPTANCE), Acceptance) if folder.path(f.ACCEPTANCE).is_file() else None,
        drafted=drafted,
    )


def _with_chain(folder: f.ReleaseFolder, estate: Estate) -> Estate:
    """The estate with the declared intermediate certificates inlined, because rules open no files."""
    chain = {}
    for name in folder.release().estate.chain:
        try:
            chain[f"certificate {name}"] = folder.path(name).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"release.toml: [estate] chain names {name}, which cannot be read: {error}",
                fix="put the vendor's intermediate certificate there, in PEM form",
            ) from error
    return msgspec.structs.replace(estate, replacements={**estate.replacements, **chain})


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


def package_context(
    package: Path, blobs: BlobStore, *, vendor: Path | None, sandboxed: bool, progress: Progress | None
) -> Context:
    """The context of a package on its own: unpacked, and judged against a vendor record if there is one."""
    lock = unpack(package, blobs, sandboxed=sandboxed, progress=progress)
    record = read_toml(vendor, VendorRecord) if vendor is not None else None
    trust = judge(lock, blobs, record, datetime.now(UTC), means=Means(OpenPgp(), X509()), beside=_beside(package))
    return Context(lock, blobs.read, trust=trust)


def _beside(package: Path) -> dict[str, bytes]:
    """Detached signatures that lie next to the package."""
    candidates = [package.with_name(package.name + suffix) for suffix in (".asc", ".sig", ".p7s")]
    return {path.name: path.read_bytes() for path in candidates if path.is_file() and path.stat().st_size < 1 << 20}
