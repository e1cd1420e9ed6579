"""What scanning needs from other stages, gathered: the context of a release folder, and of a package on its own.

The one place where unpacking, trust, inventory and matrix meet the rules; ``scan`` and ``adapt`` both use it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fulldress.adapters import sandbox
from fulldress.cli.scanroom import PACK, room_for
from fulldress.errors import UsageError
from fulldress.formats.patterns import Pattern
from fulldress.intake import vendor as vendors
from fulldress.intake.budgets import Budgets
from fulldress.intake.trust import ARMOUR, BESIDE, judge
from fulldress.intake.unpack import opened, reading
from fulldress.inventory import matrix
from fulldress.model.advisory import AdvisoryReport
from fulldress.model.estate import Estate, KeyImpact, MatrixRow, UpgradePath
from fulldress.model.finding import StepDraft
from fulldress.model.package import Acceptance, PackageLock, TrustReport
from fulldress.ports import Progress
from fulldress.scan.rule import Context, Looked, Search
from fulldress.scan.searcher import WORTH_A_PROCESS, Local, Searcher, Target, feed, in_folder, run, targets_of
from fulldress.scan.sweep import load_rules, patterns_alone
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml
from fulldress.store.pack import PACKAGE, RECORD, Pack, Piece

ALONE = Budgets(lenient=True)
"""A package on its own is only looked at: what is over a limit is a finding."""
ARMOURED = Pattern(ARMOUR.decode(), once=True)
WORTH_SEARCHING_AHEAD = 1 << 20
"""Bytes of a package from which a second process pays."""
PIPE_SIZE = 1 << 20


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
    estate = _with_chain(folder, read_json(folder.path(f.ESTATE), Estate)) if folder.path(f.ESTATE).is_file() else None
    trust = read_json(folder.path(f.TRUST), TrustReport) if folder.path(f.TRUST).is_file() else None
    return Context(
        lock,
        blobs.read,
        search=_folder_search(targets_of(lock), blobs) if memory is None else _remembering(lock, blobs, memory),
        read_part=blobs.read_at,
        estate=estate,
        impacts=_impacts(folder, estate),
        matrix=_matrix(folder),
        trust=trust,
        release=folder.release(),
        acceptance=read_toml(folder.path(f.ACCEPTANCE), Acceptance) if folder.path(f.ACCEPTANCE).is_file() else None,
        advisories=_advisories(folder),
        drafted=drafted,
    )


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


@contextmanager
def package_context(
    package: Path, *, vendor: Path | None, sandboxed: bool, progress: Progress | None, budgets: Budgets = ALONE
) -> Iterator[Context]:
    """The context of a package on its own, as long as the block lasts: unpacked, and judged against a vendor record if any.

    Two confined processes work side by side: one takes the package apart, one searches what the first has brought out.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(opened(package))
        room = stack.enter_context(room_for(stream, budgets))
        mode = "r+b" if room.kept else "w+b"
        handles = (stack.enter_context((room.folder / PACK).open(mode, buffering=0)).fileno(), stream.fileno())
        ahead = sandboxed and os.fstat(stream.fileno()).st_size >= WORTH_SEARCHING_AHEAD
        inlet, outlet = os.pipe() if ahead else (-1, -1)
        if room.kept is not None:
            lock, pack = room.kept.lock, Pack(*handles, room.kept.index, room=room.folder)
            searcher = _ahead(stack, inlet, handles) if ahead else None
            if searcher is not None:
                feed(outlet, [_record(t, pack) for t in targets_of(lock)])
        else:
            begun = reading(
                stream, package.name, handles[0], budgets, sandboxed=sandboxed, listener=outlet, folder=room.folder
            )
            reader = stack.enter_context(begun)
            searcher = _ahead(stack, inlet, handles) if ahead else None
            load_rules()  # while the reader reads
            lock, pack = reader.wait(progress)
            room.save(lock, pack)
        stack.callback(pack.close)
        yield _judged(package, lock, pack, vendor, handles, searcher)


def _record(target: Target, pack: Pack) -> bytes:
    return RECORD.pack(bytes.fromhex(target.sha256), True, *pack.index[target.sha256])


def _ahead(stack: ExitStack, inlet: int, handles: tuple[int, int]) -> Searcher:
    """The searcher of what is being unpacked."""
    with suppress(OSError):  # more room in the pipe, so that the reader need not wait for the searcher's start
        fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    searcher = Searcher([*patterns_alone(), ARMOURED], inlet, handles=handles)
    stack.callback(searcher.close)
    return searcher


def _judged(
    package: Path, lock: PackageLock, pack: Pack, vendor: Path | None, handles: tuple[int, int], searcher: Searcher | None
) -> Context:
    pack.index[lock.sha256] = Piece(PACKAGE, 0, lock.size)
    targets = targets_of(lock)
    if searcher is not None:
        search: Search = _Known(searcher, pack, targets, handles)
    else:
        search = Local(pack.read, targets)
    found = search([ARMOURED])
    armoured = {sha256 for sha256, looked in found.items() if ARMOURED in looked.ends}
    record = vendors.in_force(vendor) if vendor is not None else None
    trust = judge(lock, pack, record, datetime.now(UTC), beside=_beside(package), armoured=armoured)
    _give_back()
    return Context(lock, pack.read, trust=trust, search=search, read_part=pack.read_at)


def _give_back() -> None:
    """Return to the machine what reading has used and no longer needs; not every C library can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class _Known:
    """What was searched ahead is known; what nobody foresaw is searched for now."""

    def __init__(self, searcher: Searcher, pack: Pack, targets: Sequence[Target], handles: tuple[int, int]) -> None:
        self._found = searcher.results(len(targets))
        self._patterns = frozenset(searcher.patterns)
        self._pack, self._targets, self._handles = pack, targets, handles

    def __call__(self, patterns: Sequence[Pattern]) -> Mapping[str, Looked]:
        """Looks at what is missing in a confined process of its own."""
        if missing := [p for p in patterns if p not in self._patterns]:
            more = run([[_record(t, self._pack) for t in self._targets]], missing, handles=self._handles)
            for sha256, new in more.items():
                old = self._found.get(sha256)
                self._found[sha256] = (
                    Looked(new.binary, {**old.ends, **new.ends}, new.encoding, old.dropped + new.dropped) if old else new
                )
            self._patterns |= frozenset(missing)
        return self._found


def _beside(package: Path) -> dict[str, bytes]:
    """Detached signatures that lie next to the package."""
    candidates = [package.with_name(package.name + suffix) for suffix in BESIDE]
    return {path.name: path.read_bytes() for path in candidates if path.is_file() and path.stat().st_size < 1 << 20}
