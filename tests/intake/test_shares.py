"""Two readers of one package say together what one alone would have said, whoever took which part, or it is read by one."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec
import pytest
from tests.intake.poison import POISON, M, build, good, link, many, nested, stdlib_zip, tar

from fulldress.cli import scanwork
from fulldress.errors import FulldressError, PackageRefused
from fulldress.intake import unpack
from fulldress.intake.budgets import Budgets
from fulldress.intake.exchange import Report
from fulldress.intake.heard import Heard
from fulldress.intake.shares import PARTS, Share, Shares, Tally, far_from, whole
from fulldress.intake.walk import walk
from fulldress.model.package import Entry, PackageLock
from fulldress.scan.rule import Context
from fulldress.store.pack import PACK, PACKAGE, SECOND, Pack, Piece
from fulldress.store.search import Sighting

SPLITS = {
    "in turn": [bytes(range(0, PARTS, 2)), bytes(range(1, PARTS, 2))],
    "in halves": [bytes(range(PARTS // 2)), bytes(range(PARTS // 2, PARTS))],
    "the first has nothing": [b"", bytes(range(PARTS))],
    "the second has nothing": [bytes(range(PARTS)), b""],
}
UNKNOWN = struct.pack("<HH", 0x4242, 3) + b"odd"
LARGE = stdlib_zip(
    **{"big": os.urandom(3 << 20), "deep.zip": nested(4), "zeros.gz": gzip.compress(bytes(9 << 20)), "small": b"s"}
)
EVEN = stdlib_zip(a=bytes(900_000), b=bytes(800_000), c=bytes(700_000), d=bytes(600_000))
HONEST = {
    "good": good(),
    "members of every kind": build(
        M(b"d/", b"", attributes=(stat.S_IFDIR | 0o755) << 16),
        M(b"d/a", b"1" * 900),
        link(b"l", b"d/a"),
        M(b"b", b"2", extra=UNKNOWN),
    ),
    "nested, and one content twice": stdlib_zip(
        **{"1.jar": stdlib_zip(x=b"same", y=b"1" * 5000), "2.tgz": gzip.compress(tar(("x", b"same", {}))), "z": b"same"}
    ),
    "closed inside": stdlib_zip(
        **{"a": b"7z\xbc\xaf\x27\x1c" + bytes(90), "b": b"7z\xbc\xaf\x27\x1c", "c": b"text", "d/e": b"f"}
    ),
    "hundreds": many(700),
}


def one(data: bytes, budgets: Budgets) -> PackageLock:
    """What a single reader says, with entries."""
    return _walked(data, budgets, [None])[0][0]


def both(data: bytes, budgets: Budgets, split: Sequence[bytes]) -> PackageLock | None:
    """What two readers say together; None when they are not believed."""
    try:
        walked = _walked(data, budgets, [_queue(numbers) for numbers in split])
    except FulldressError:
        return None
    lock = whole([lock for lock, _ in walked], [share for _, share in walked])
    if lock is None or not far_from([share.tally for _, share in walked], budgets, len(data)):
        return None
    entries = sorted((e for lock, _ in walked for e in lock.entries), key=lambda e: e.place)
    return msgspec.structs.replace(lock, entries=tuple(entries))


def _queue(numbers: bytes) -> int:
    queue, inlet = os.pipe()
    os.write(inlet, numbers)
    os.close(inlet)
    return queue


def _walked(data: bytes, budgets: Budgets, queues: Sequence[int | None]) -> list[tuple[PackageLock, Share]]:
    found: list[tuple[PackageLock, Share]] = []
    try:
        for number, queue in enumerate(queues):
            with tempfile.TemporaryFile() as room, tempfile.TemporaryFile() as package:
                package.write(data)
                package.flush()
                entries: list[Entry] = []
                pack = Pack(room.fileno(), package.fileno(), own=SECOND if number else PACK)
                shares = Shares(queue, first=not number) if queue is not None else None
                lock, share = walk(pack, "p", budgets, entries.append, shares=shares)
                assert {p.source for p in pack.index.values()} <= {SECOND if number else PACK, PACKAGE}
                ordered = tuple(sorted(entries, key=lambda e: e.place))
                found.append((msgspec.structs.replace(lock, entries=ordered), share))
    finally:
        for queue in queues:
            if queue is not None:
                os.close(queue)
    return found


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", HONEST)
def test_both_say_what_one_says(name: str, split: str) -> None:
    assert both(HONEST[name], Budgets(lenient=True), SPLITS[split]) == one(HONEST[name], Budgets(lenient=True))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("limits", [{"depth": 3}, {"entry_bytes": 2 << 20, "ratio": 9999}])
def test_limits_of_single_members_hold_in_any_split(limits: dict[str, int], split: str) -> None:
    budgets = Budgets(lenient=True, **limits)  # type: ignore[arg-type]
    alone = one(LARGE, budgets)
    assert any(item.reason.startswith("limit reached") for item in alone.not_inspected)
    assert both(LARGE, budgets, SPLITS[split]) == alone


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    "limits", [{"total_bytes": 2 << 20}, {"entries": 3}, {"ratio_floor": 1 << 20}, {"total_bytes": 2_999_999}]
)
def test_limits_of_the_whole_are_left_to_one(limits: dict[str, int], split: str) -> None:
    budgets = Budgets(lenient=True, **limits)  # type: ignore[arg-type]
    assert any(item.reason.startswith("limit reached") for item in one(EVEN, budgets).not_inspected)
    assert both(EVEN, budgets, SPLITS[split]) is None
    assert both(EVEN, Budgets(lenient=True), SPLITS[split]) is not None


@pytest.mark.parametrize("split", SPLITS)
def test_no_hostile_package_is_taken_in_by_two(split: str) -> None:
    believed = []
    for label, slug, make in POISON:
        data = make()
        if data[:4] != b"PK\3\4":
            continue
        try:
            alone = one(data, Budgets())
        except PackageRefused as error:
            assert error.slug == slug
            alone = None
        if both(data, Budgets(), SPLITS[split]) != alone:
            believed.append(label)
    assert believed == []


def test_every_part_is_needed_once() -> None:
    data = HONEST["hundreds"]
    assert both(data, Budgets(), [bytes(range(0, PARTS, 2)), b""]) is None
    assert both(data, Budgets(), [bytes(range(PARTS)), bytes([5])]) is None


def test_readers_that_contradict_each_other_are_not_believed() -> None:
    lock = PackageLock(name="p", sha256="", size=9, format="zip", entries=(), bytes_inspected=1)
    share = [Share(tally=Tally(), parts=dict.fromkeys(range(PARTS), ())), Share(tally=Tally())]
    assert whole([lock, lock], share) == msgspec.structs.replace(lock, bytes_inspected=2)
    for other in ({"size": 8}, {"format": "apk"}, {"name": "q"}):
        assert whole([lock, msgspec.structs.replace(lock, **other)], share) is None


# ---- with real processes


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Small packages are shared too; the list says of each reading whether it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(unpack, "WORTH_SHARING", 0)
    monkeypatch.setattr(unpack.os, "cpu_count", lambda: 2)
    readings: list[bool] = []
    read = scanwork._Work._read

    def counted(self: scanwork._Work, stack: object, second: int) -> object:
        readings.append(second >= 0)
        return read(self, stack, second)  # type: ignore[arg-type]

    monkeypatch.setattr(scanwork._Work, "_read", counted)
    yield readings


def scanned(package: Path, budgets: Budgets) -> tuple[PackageLock, dict[str, bytes]]:
    def contents(context: Context) -> dict[str, bytes]:
        return {e.place: context.read(e) for e in context.files if e.sha256}

    with scanwork.package_context(package, vendor=None, sandboxed=True, progress=None, budgets=budgets) as context:
        return context.package, contents(context)


PASSWORD = b"password = hunter2-really\n"
SEARCHED = {"a.conf": PASSWORD, "large": os.urandom(2 << 20), "b.jar": stdlib_zip(c=PASSWORD, d=b"d"), "e": os.urandom(9000)}
SMALL = {**SEARCHED, "large": b"not worth a searcher of its own"}


@pytest.mark.usefixtures("confined")
def test_two_processes_bring_out_what_one_does(shared: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "p.zip"
    package.write_bytes(stdlib_zip(**SEARCHED))
    found = scanned(package, scanwork.ALONE)
    assert shared == [True]
    monkeypatch.setattr(unpack, "WORTH_SHARING", 1 << 40)
    assert scanned(package, scanwork.ALONE) == found
    assert found[1]["a.conf"] == found[1]["b.jar!/c"] == PASSWORD


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(("content", "limits"), [(SEARCHED, {"total_bytes": (2 << 20) + 2000}), (SMALL, {"entries": 3})])
def test_where_a_limit_of_the_whole_is_met_one_reads_again(
    content: dict[str, bytes],
    limits: dict[str, int],
    shared: list[bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = tmp_path / "p.zip"
    package.write_bytes(stdlib_zip(**content))
    budgets = Budgets(lenient=True, **limits)  # type: ignore[arg-type]
    found = scanned(package, budgets)
    assert shared == [True, False]
    monkeypatch.setattr(unpack, "WORTH_SHARING", 1 << 40)
    assert scanned(package, budgets) == found
    assert any(item.reason.startswith("limit reached") for item in found[0].not_inspected)


@pytest.mark.usefixtures("confined")
def test_a_refusal_is_that_of_one_reader(shared: list[bool], tmp_path: Path) -> None:
    data = bytearray(stdlib_zip(**SMALL))
    data[60] ^= 0xFF
    package = tmp_path / "p.zip"
    package.write_bytes(data)
    with pytest.raises(PackageRefused, match=r"^p.zip: 'a.conf'"):
        scanned(package, scanwork.ALONE)
    assert shared == [True, False]


def test_what_no_two_can_share_is_left_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "WORTH_SHARING", 500)
    monkeypatch.setattr(unpack.os, "cpu_count", lambda: 2)
    package = tmp_path / "p"
    for data, answer in ((many(9), True), (good()[:100], False), (gzip.compress(os.urandom(900)), False)):
        package.write_bytes(data)
        with package.open("rb") as stream:
            assert unpack.divisible(stream) is answer
    monkeypatch.setattr(unpack, "TOO_MUCH", 501)
    package.write_bytes(many(9))
    with package.open("rb") as stream:
        assert not unpack.divisible(stream)


def test_two_readers_are_stopped_when_they_bring_too_many_members() -> None:
    heard = Heard(None, 2)
    with pytest.raises(PackageRefused, match="more than 2 members"):
        heard._take(Report(entries=[Entry(place=p, kind="directory") for p in "abc"]), 0)


def test_a_reader_may_not_speak_of_the_others_pack() -> None:
    heard = Heard(None, 9)
    entry = Entry(place="a", kind="file", size=1, sha256="0" * 64)
    for source, reader in ((SECOND, 0), (PACK, 1)):
        with pytest.raises(PackageRefused, match="impossible object"):
            heard._take(_report(entry, Piece(source, 0, 1)), reader)
        heard = Heard(None, 9)
    heard._take(_report(entry, Piece(SECOND, 0, 1)), 1)
    with pytest.raises(PackageRefused, match="impossible place"):
        heard._take(_report(entry, Piece(PACK, 0, 1)), 0)


@pytest.mark.parametrize(("searched", "believed"), [(1, True), (0, False), (2, False)])
def test_a_reader_has_looked_through_each_content_once_or_is_not_believed(searched: int, believed: bool) -> None:
    seen: list[Sighting] = []
    files = [Entry(place=p, kind="file", size=1, sha256="0" * 64) for p in "ab"]
    box = Entry(place="c", kind="container", size=1, sha256="1" * 64)
    entries = Report(entries=[*files, box], pieces=[Piece(PACK, 0, 1)] * 3, sightings=[Sighting("0" * 64, True)])
    lock = PackageLock(name="p", sha256="", size=1, format="zip", entries=(), bytes_inspected=1)
    last = Report(lock=lock, share=Share(tally=Tally()), searched=searched)
    heard = Heard(None, 9, seen.extend)
    heard.listen(0, _speaking(entries, last))
    assert seen == [Sighting("0" * 64, True)]
    assert (heard.silent(1), [e.slug for e in heard.failed]) == (([], []) if believed else ([0], ["reader-died"]))


def _speaking(*reports: Report) -> IO[bytes]:
    return io.BytesIO(b"".join(msgspec.json.encode(report) + b"\n" for report in reports))


def _report(entry: Entry, piece: Piece) -> Report:
    return Report(entries=[entry], pieces=[piece])
