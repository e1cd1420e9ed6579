"""Runs the rules of one sweep in two processes when the package is large: rules are pure, so it matters not who runs them.

A fork shares all that was read and searched. Rules of one family stay together, because they share what they have parsed;
what nearly all of them need is made first, each part by one of the two, and exchanged.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from fulldress.model.finding import Finding

Done = dict[int, list[Finding]]
"""Number of a rule -> what it found."""
WORTH_IT = 24 << 20
"""Bytes of content from which a second process pays."""
TOO_MUCH = 2 << 30
"""Bytes of content from which two processes would need more memory than a scan may take."""


class First(NamedTuple):
    """Work whose whole outcome both processes need, in parts."""

    parts: int
    make: Callable[[Iterator[int]], bytes]
    """Does the parts with these numbers, which come one by one, and says what came out."""
    take: Callable[[bytes], None]
    """Takes what the other process says; what is missing then is made by whoever asks for it."""


MOST_PARTS = 30_000
"""Parts that fit into a pipe; those behind are left to whoever asks."""


def shared_out(groups: Sequence[Sequence[int]], run: Callable[[int], list[Finding]], first: First | None = None) -> Done:
    """Run every rule once, group by group, in this process and in one more; each takes the next group when it is free.

    Should the other process fail, this one does its part as well. ``first`` is done before, in the same manner.
    """
    exchange = _Exchange(first) if first is not None else None
    queue, inlet = os.pipe()
    os.write(inlet, bytes(range(len(groups))))
    os.close(inlet)
    answers, answering = os.pipe()
    collecting = gc.isenabled()
    gc.freeze()  # a collection would write to every object, and so end their being shared
    gc.disable()  # rules leave next to no cycles behind
    helper = os.fork()
    if not helper:
        _helper(groups, run, queue, answering, exchange)
    os.close(answering)
    try:
        if exchange is not None:
            exchange.run(0)
        done = _work(groups, run, queue)
        theirs = _answer(answers)
        helper = _ended(helper)
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
        for handle in (queue, answers):
            os.close(handle)
        if exchange is not None:
            exchange.close()
        if helper:
            with suppress(ProcessLookupError):
                os.kill(helper, signal.SIGKILL)
            _ended(helper)
    done.update(theirs)
    for number in (n for group in groups for n in group if n not in done):
        done[number] = run(number)
    return done


def give_back() -> None:
    """Return to the machine what was used and is no longer needed; not every C library can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _work(groups: Sequence[Sequence[int]], run: Callable[[int], list[Finding]], queue: int) -> Done:
    done: Done = {}
    while taken := os.read(queue, 1):
        done.update({number: run(number) for number in groups[taken[0]]})
    return done


class _Exchange:
    """Both processes do parts of ``First``, and each leaves what came out in a file of memory that the other reads."""

    def __init__(self, first: First) -> None:
        """Made before the fork."""
        self._first = first
        self._queue, inlet = os.pipe()
        os.write(inlet, b"".join(n.to_bytes(2, "little") for n in range(min(first.parts, MOST_PARTS))))
        os.close(inlet)
        self._rooms = [os.memfd_create("made") for _ in range(2)]
        self._bells = [os.pipe() for _ in range(2)]

    def run(self, me: int) -> None:
        """Do parts as long as there are some; take what the other one did, when it has done so."""
        mine, other = self._bells[me], self._bells[1 - me]
        os.close(mine[0])
        os.close(other[1])
        with suppress(OSError):  # no memory left, or the other one is gone: then each does what it needs
            data = memoryview(self._first.make(self._parts()))
            size = len(data)
            while data:
                data = data[os.write(self._rooms[me], data) :]
            os.write(mine[1], size.to_bytes(8, "little"))
        os.close(mine[1])
        if said := os.read(other[0], 8):
            self._first.take(os.pread(self._rooms[1 - me], int.from_bytes(said, "little"), 0))
        os.close(other[0])

    def _parts(self) -> Iterator[int]:
        while number := os.read(self._queue, 2):
            yield int.from_bytes(number, "little")

    def close(self) -> None:
        for handle in (self._queue, *self._rooms):
            os.close(handle)


def _helper(
    groups: Sequence[Sequence[int]],
    run: Callable[[int], list[Finding]],
    queue: int,
    answering: int,
    exchange: _Exchange | None,
) -> None:
    """The other process: never returns."""
    code = 1
    try:
        if exchange is not None:
            exchange.run(1)
        data = msgspec.msgpack.encode(_work(groups, run, queue))
        with os.fdopen(answering, "wb") as out:
            out.write(data)
        code = 0
    finally:
        os._exit(code)  # whatever was raised: nothing of the parent's may be tidied up here


def _answer(answers: int) -> Done:
    parts = []
    while piece := os.read(answers, 1 << 20):
        parts.append(piece)
    try:
        return msgspec.msgpack.decode(b"".join(parts), type=Done)
    except msgspec.MsgspecError:
        return {}


def _ended(helper: int) -> int:
    os.waitpid(helper, 0)
    return 0
