"""The reader's lookout: patterns may come late, early or in pieces; every content is looked at once, or the reader fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fulldress.formats.patterns import Matcher, Pattern
from fulldress.intake import lookout as module
from fulldress.intake.lookout import Lookout, order
from fulldress.store.pack import PACK, Region

SECRET = Pattern("hunter[0-9]")
ORDER = order([SECRET], Matcher([SECRET]).dump())


def held(data: bytes) -> Region:
    return Region(-1, PACK, 0, len(data), data)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    inlet, outlet = os.pipe()
    yield inlet, outlet
    for handle in (inlet, outlet):
        with suppress(OSError):  # the test has closed it
            os.close(handle)


def found(lookout: Lookout) -> dict[str, list[int]]:
    return {seen.sha256: seen.ends[0] for seen in lookout.seen}


def test_what_came_before_the_patterns_is_looked_at_when_they_have_come(pipe: tuple[int, int]) -> None:
    lookout = Lookout(pipe[0])
    lookout("a", held(b"hunter2"))
    assert (lookout.count, lookout.seen) == (0, [])
    os.write(pipe[1], ORDER[:20])
    lookout("b", held(b"nothing"))
    os.write(pipe[1], ORDER[20:])
    lookout("c", held(b"is hunter3"))
    assert (lookout.count, found(lookout)) == (3, {"a": [7], "c": [10]})
    lookout("d", held(b"hunter4"))
    assert found(lookout)["d"] == [7]


def test_one_content_is_looked_at_once(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], ORDER)
    lookout = Lookout(pipe[0])
    for _ in range(2):
        lookout("a", held(b"hunter2"))
    assert (lookout.count, len(lookout.seen)) == (1, 1)


def test_the_end_of_the_walk_waits_for_the_patterns(pipe: tuple[int, int]) -> None:
    lookout = Lookout(pipe[0])
    lookout("a", held(b"hunter2"))
    late = threading.Timer(0.2, os.write, (pipe[1], ORDER))
    late.start()
    lookout.finish()
    late.join()
    assert found(lookout) == {"a": [7]}


def test_no_more_than_a_measure_waits_in_memory(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 10)
    lookout = Lookout(pipe[0])
    late = threading.Timer(0.2, os.write, (pipe[1], ORDER))
    late.start()
    lookout("a", held(b"12345678"))
    assert lookout.count == 0
    lookout("b", held(b"123"))
    late.join()
    assert lookout.count == 2


def test_a_parent_that_is_gone_ends_the_reader(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], ORDER[:20])
    os.close(pipe[1])
    lookout = Lookout(pipe[0])
    lookout("a", held(b"x"))
    with pytest.raises(EOFError):
        lookout.finish()
