"""The context of a package on its own, which needs no release folder: unpacked, judged and searched side by side.

Here unpacking and trust meet the rules; what they then say is their business. Only ``scanroom`` keeps anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from fulldress.cli.scanroom import PACKS, Kept, room_for
from fulldress.formats.keymaterial import ARMOUR
from fulldress.formats.patterns import Pattern
from fulldress.intake import vendor as vendors
from fulldress.intake.budgets import Budgets
from fulldress.intake.heard import NotShared
from fulldress.intake.unpack import divisible, opened, reading
from fulldress.model.package import PackageLock, TrustReport
from fulldress.ports import Progress
from fulldress.scan.crew import give_back
from fulldress.scan.rule import Context, Looked, Search
from fulldress.scan.searcher import WORTH_A_PROCESS, Local, Target, compiled, looked, run, targets_of
from fulldress.scan.sweep import load_rules, patterns_alone
from fulldress.store.pack import PACK, PACKAGE, RECORD, SECOND, Pack, Piece
from fulldress.store.search import Sighting

ALONE = Budgets(lenient=True)
"""A package on its own is only looked at: what is over a limit is a finding."""
ARMOURED = Pattern(ARMOUR.decode(), once=True)


@contextmanager
def package_context(
    package: Path, *, vendor: Path | None, sandboxed: bool, progress: Progress | None, budgets: Budgets = ALONE
) -> Iterator[Context]:
    """The context of a package on its own, as long as the block lasts: unpacked, and judged against a vendor record if any.

    The confined processes that take the package apart search what they bring out, while this one gets the rules ready.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(opened(package))
        room = stack.enter_context(room_for(stream, budgets))
        mode = "r+b" if room.kept else "w+b"
        packs = [stack.enter_context((room.folder / name).open(mode, buffering=0)).fileno() for name in PACKS]
        work = _Work(package, stream, (packs[0], stream.fileno(), packs[1]), room.folder, budgets, sandboxed, progress)
        if room.kept is not None:
            lock, pack, known = work.again(room.kept)
        else:
            lock, pack, known = work.read(stack)
            room.save(lock, pack)
        stack.callback(pack.close)
        yield _judged(package, lock, pack, vendor, work.handles, known)


class _Known:
    """What was found in the objects so far, and for what they were searched."""

    def __init__(self, patterns: Sequence[Pattern] = ()) -> None:
        self.patterns = tuple(patterns)
        self.found: dict[str, Looked] = {}

    def take(self, sightings: list[Sighting]) -> None:
        """What a confined reader says: not to be believed further than its numbers go."""
        self.found |= looked(sightings, self.patterns)


Taken = tuple[PackageLock, Pack, _Known]
"""A package that was taken apart, and what is known of its content."""


class _Work(NamedTuple):
    """Taking one package apart while it is searched."""

    package: Path
    stream: BufferedReader
    handles: tuple[int, int, int]
    """By source, the files in which objects lie: what a first reader fills, the package, what a second one fills."""
    folder: Path
    budgets: Budgets
    sandboxed: bool
    progress: Progress | None

    def again(self, kept: Kept) -> Taken:
        """What an interrupted scan has taken apart is only searched, in a process of its own if it is much."""
        pack = Pack(*self.handles[:2], kept.index, room=self.folder, others=self.handles[2:])
        known = _Known()
        if self.sandboxed and kept.lock.size >= WORTH_A_PROCESS:
            known.patterns = _foreseen()
            records = [_record(target, pack) for target in targets_of(kept.lock)]
            known.found = run([records], known.patterns, handles=self.handles)
        return kept.lock, pack, known

    def read(self, stack: ExitStack) -> Taken:
        """By two readers where that is possible, else by one."""
        if self.sandboxed and divisible(self.stream):
            with suppress(NotShared), ExitStack() as shared:
                taken = self._read(shared, self.handles[SECOND])
                stack.push(shared.pop_all())
                return taken
            for handle in (self.handles[PACK], self.handles[SECOND]):
                os.ftruncate(handle, 0)
        return self._read(stack, -1)

    def _read(self, stack: ExitStack, second: int) -> Taken:
        known = _Known()
        begun = reading(
            *(self.stream, self.package.name, self.handles[PACK], self.budgets),
            sandboxed=self.sandboxed,
            seen=known.take if self.sandboxed else None,
            folder=self.folder,
            second=second,
        )
        reader = stack.enter_context(begun)
        if self.sandboxed:
            known.patterns = _foreseen()
            reader.search(known.patterns, compiled(known.patterns))
        load_rules()  # while the readers read
        _judges()
        lock, pack = reader.wait(self.progress)
        return lock, pack, known


def _foreseen() -> tuple[Pattern, ...]:
    """What the rules will look for, and the judge of signatures."""
    return (*patterns_alone(), ARMOURED)


def _record(target: Target, pack: Pack) -> bytes:
    return RECORD.pack(bytes.fromhex(target.sha256), *pack.index[target.sha256])


def _judged(
    package: Path, lock: PackageLock, pack: Pack, vendor: Path | None, handles: tuple[int, ...], known: _Known
) -> Context:
    pack.index[lock.sha256] = Piece(PACKAGE, 0, lock.size)
    search: Search = _Search(known, pack, lock, handles) if known.patterns else Local(pack.read, targets_of(lock))
    found = search([ARMOURED])
    armoured = {sha256 for sha256, looked in found.items() if ARMOURED in looked.ends}
    record = vendors.in_force(vendor) if vendor is not None else None
    judge, beside = _judges()
    near = beside(package)

    def trust() -> TrustReport:  # when a rule asks for it: by then two processes share the work
        return judge(lock, pack, record, datetime.now(UTC), beside=near, armoured=armoured)

    give_back()
    return Context(lock, pack.read, trust=trust, search=search, read_part=pack.read_at)


def _judges() -> tuple[Callable[..., TrustReport], Callable[[Path], dict[str, bytes]]]:
    """Who judges the signatures, and who finds those that lie beside the package."""
    from fulldress.cli.trustwork import beside  # noqa: PLC0415 - loaded when needed: its libraries delay the readers' start
    from fulldress.intake.trust import judge  # noqa: PLC0415 - loaded when needed: as above

    return judge, beside


class _Search:
    """What was searched by the readers is known; what nobody foresaw is searched for now."""

    def __init__(self, known: _Known, pack: Pack, lock: PackageLock, handles: tuple[int, ...]) -> None:
        self._found, self._patterns = known.found, frozenset(known.patterns)
        self._pack, self._lock, self._handles = pack, lock, handles

    def __call__(self, patterns: Sequence[Pattern]) -> Mapping[str, Looked]:
        """Looks at what is missing: in a confined process of its own, if it is much."""
        if missing := [p for p in patterns if p not in self._patterns]:
            for sha256, new in self._more(missing).items():
                old = self._found.get(sha256)
                self._found[sha256] = (
                    Looked(new.binary, {**old.ends, **new.ends}, new.encoding, old.dropped + new.dropped) if old else new
                )
            self._patterns |= frozenset(missing)
        return self._found

    def _more(self, missing: Sequence[Pattern]) -> Mapping[str, Looked]:
        targets = targets_of(self._lock)
        if sum(target.size for target in targets) < WORTH_A_PROCESS:
            return Local(self._pack.read, targets)(missing)
        return run([[_record(t, self._pack) for t in targets]], missing, handles=self._handles)
