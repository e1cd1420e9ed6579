"""The journal: a chain that shows every change but a cut tail, and loses nothing that was acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.errors import FulldressError, StateDiskFull
from fulldress.store.journal import GENESIS, Journal, read_journal


def filled(path: Path, events: int = 5) -> Journal:
    journal = Journal(path)
    for number in range(events):
        journal.append("step", number=number)
    return journal


def test_events_follow_each_other(tmp_path: Path) -> None:
    journal = filled(tmp_path / "j.jsonl")
    events = read_journal(journal.path)
    assert [e.seq for e in events] == [1, 2, 3, 4, 5]
    assert events[0].prev == GENESIS
    assert [e.prev for e in events[1:]] == [e.hash for e in events[:-1]]
    assert journal.head == events[-1].hash


def test_a_second_writer_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    filled(tmp_path / "j.jsonl", 2)
    event = Journal(tmp_path / "j.jsonl").append("more")
    assert event.seq == 3
    assert len(read_journal(tmp_path / "j.jsonl")) == 3


def test_an_absent_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.jsonl") == []


def test_a_torn_last_line_is_dropped_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    filled(path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":4,"at":1')
    Journal(path).append("after")
    assert [e.kind for e in read_journal(path)] == ["step", "step", "step", "after"]


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_removed_line_is_found_unless_it_is_the_tail(tmp_path: Path, number: int) -> None:
    path = tmp_path / "j.jsonl"
    head = filled(path).head
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[number]
    path.write_bytes(b"".join(lines))
    if number == 4:
        assert read_journal(path)[-1].hash != head
    else:
        with pytest.raises(FulldressError, match="broken at line"):
            read_journal(path)


def test_swapped_lines_are_found(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    filled(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    path.write_bytes(b"".join(lines))
    with pytest.raises(FulldressError) as caught:
        read_journal(path)
    assert caught.value.slug == "journal-broken"


@pytest.mark.parametrize(
    ("honest", "changed"),
    [(b'"at":0.25', b'"at":0.250'), (b'"at":0.25', b'"at":25e-2'), (b',"prev"', b', "prev"'), (b"}\n", b"}\r\n")],
)
def test_another_spelling_of_the_same_content_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, honest: bytes, changed: bytes
) -> None:
    monkeypatch.setattr("fulldress.store.journal.time.time", lambda: 0.25)
    path = tmp_path / "j.jsonl"
    filled(path, 2)
    raw = path.read_bytes()
    assert honest in raw
    path.write_bytes(raw.replace(honest, changed, 1))
    with pytest.raises(FulldressError, match="broken at line 1"):
        read_journal(path)


@settings(max_examples=200, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(tmp_path_factory: pytest.TempPathFactory, where: float, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "j.jsonl"
    filled(path, 3)
    raw = bytearray(path.read_bytes())
    raw[int(where * len(raw))] ^= 1 << bit
    path.write_bytes(bytes(raw))
    with pytest.raises(FulldressError):
        read_journal(path)


def test_a_full_disk_appends_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(tmp_path / "j.jsonl", 2)

    def no_room(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fulldress.store.journal.os.write", no_room)
        with pytest.raises(StateDiskFull, match="no room left"):
            journal.append("lost")
    assert len(read_journal(journal.path)) == 2
    assert journal.append("found").seq == 3
