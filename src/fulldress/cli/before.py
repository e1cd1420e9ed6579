"""Reads what ``--baseline`` names: the previous package, its findings, its lock, or its whole release folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fulldress.cli.scanwork import package_context
from fulldress.errors import UsageError
from fulldress.model.finding import FindingsReport
from fulldress.model.package import PackageLock
from fulldress.scan.lineage import Before
from fulldress.scan.sweep import sweep
from fulldress.store import folder as f

_MOST_JSON = 1 << 30


def read_before(path: Path, *, sandboxed: bool = True) -> Before:
    """The previous package, scanned now when it is a package. Raises UsageError for what is none of the four."""
    if path.is_dir() and (path / f.PACKAGE_LOCK).is_file():
        known = _json((path / f.PACKAGE_LOCK), path.name)
        findings = path / f.FINDINGS
        return msgspec.structs.replace(_json(findings, path.name), lock=known.lock) if findings.is_file() else known
    if path.is_file() and path.stat().st_size < _MOST_JSON:
        with path.open("rb") as stream:
            if stream.read(64).lstrip()[:1] == b"{":
                return _json(path, path.name)
    return _scanned(path, sandboxed)


def _json(path: Path, name: str) -> Before:
    data = path.read_bytes()
    try:
        return _of(name, msgspec.json.decode(data, type=FindingsReport))
    except msgspec.MsgspecError:
        pass
    try:
        lock = msgspec.json.decode(data, type=PackageLock)
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{path} is neither findings nor the lock of a package: {error}",
            fix="name the previous package itself, its findings.json, its package.lock.json or its release folder",
        ) from error
    return Before(name=lock.name, lock=lock, sha256=lock.sha256)


def _scanned(path: Path, sandboxed: bool) -> Before:
    """The rules see the previous package alone, as they see a package without a release folder."""
    with package_context(path, vendor=None, sandboxed=sandboxed, progress=None) as context:
        return msgspec.structs.replace(_of(context.package.name, sweep(context)), lock=context.package)


def _of(name: str, report: FindingsReport) -> Before:
    findings = report.findings
    return Before(name=name, findings=findings, rules_run=frozenset(report.rules_run), sha256=report.package_sha256)
