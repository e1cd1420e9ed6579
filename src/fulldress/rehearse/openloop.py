"""The open-loop engine: every request leaves when it is due, whether or not earlier ones were answered.

A timerfd wakes the loop for each due time (an event loop's own timers are late by up to a millisecond and more). Latency
counts from the due time, so a stalled server cannot hide what its users would have waited. Memory, time and the number
of connections are bounded. It talks to one host and port, and writes nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from fulldress.measure.load import Outcome
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.wire import Connection, render

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_SECOND = 1_000_000_000
_EARLY = 20_000
"""Nanoseconds: what is due within that is sent now, rather than slept for."""
_SWEEP_S = 0.02
_AT_ONCE = 256
"""Requests sent in one turn of the loop before answers are looked at again."""
_RETRIES = 5
"""Of a request that several kept connections in a row took along."""
NO_CONNECTION, NO_ANSWER, TIMED_OUT = 1, 2, 3


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to send."""

    host: str
    port: int
    host_header: str = ""
    timeout_s: float = 10.0
    """Counted from when the request was due."""
    max_connections: int = 2000
    warm_connections: int = 8


class Engine:
    """Sends one schedule. ``await run(start)``, then read ``outcomes()``; ``stop()`` ends it early."""

    def __init__(self, planned: Sequence[Planned], options: Options) -> None:
        self.planned = planned
        self.options = options
        header = options.host_header or options.host
        self._bytes = _rendered(planned, header)
        count = len(planned)
        self._due = array("q", bytes(8 * count))
        self._sent = array("q", bytes(8 * count))
        self._done = array("q", bytes(8 * count))
        self._status = array("H", bytes(2 * count))
        self._failure = array("B", bytes(count))
        self._next = 0
        """The first request that was not dispatched yet."""
        self._oldest = 0
        """Every request before this one is over."""
        self._open = 0
        self._opening = 0
        self._idle: list[Connection] = []
        self._busy: dict[int, Connection] = {}
        self._waiting: deque[int] = deque()
        self._retries: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._over: asyncio.Event = asyncio.Event()
        self.started = 0.0
        """Seconds since the epoch at which the schedule's zero was."""
        self.ended = 0.0

    # ---- life -------------------------------------------------------------------------------------------------------

    async def warm_up(self) -> None:
        """Open the first connections; failing to is no error here, the requests will show it."""
        for _ in range(min(self.options.warm_connections, self.options.max_connections)):
            self._connect()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=2)

    async def run(self, delay_s: float = 0.2) -> None:
        """Send everything, ``delay_s`` from now; returns when every request that was due is over."""
        zero = time.monotonic_ns() + int(delay_s * _SECOND)
        self.started = time.time() + delay_s
        for index, one in enumerate(self.planned):
            self._due[index] = zero + int(one.at_s * _SECOND)
        sweep = asyncio.create_task(self._sweep())
        try:
            with _Timer(asyncio.get_running_loop(), self._dispatch) as timer:
                self._timer = timer
                self._dispatch()
                last = self.planned[-1].at_s if self.planned else 0.0
                await asyncio.wait_for(self._over.wait(), delay_s + last + self.options.timeout_s + 5)
        except TimeoutError:
            self._expire(time.monotonic_ns() + (1 << 60))  # the sweep is bounded anyway: this is the net below it
        finally:
            sweep.cancel()
            self.ended = self.started + (time.monotonic_ns() - zero) / _SECOND
            await self._close()

    def stop(self) -> None:
        """Send nothing more; what is under way still gets its time-out. Called again: end at once."""
        if self._stopping:
            self._expire(time.monotonic_ns() + (1 << 60))
        self._stopping = True
        self._look_if_over()

    async def _close(self) -> None:
        for connection in [*self._idle, *self._busy.values()]:
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- dispatch ---------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        now = time.monotonic_ns()
        total = 0 if self._stopping else len(self.planned)
        budget = _AT_ONCE
        while self._next < total and self._due[self._next] <= now + _EARLY and budget:
            index = self._next
            self._next += 1
            budget -= 1
            self._sent[index] = now
            self._place(index)
            now = time.monotonic_ns()
        if self._next < total:
            self._timer.arm(max(self._due[self._next], now + 1))
        else:
            self._look_if_over()

    def _place(self, index: int) -> None:
        if self._idle:
            self._give(self._idle.pop(), index)
            return
        self._waiting.append(index)
        self._top_up()

    def _top_up(self) -> None:
        """One connection being opened for each request that waits, as far as the bound allows."""
        if self._opening < len(self._waiting) and self._open < self.options.max_connections:
            self._connect()

    def _give(self, connection: Connection, index: int) -> None:
        self._busy[index] = connection
        connection.send(index, self._bytes[index])

    # ---- connections (called by wire.Connection) ----------------------------------------------------------------------

    def _connect(self) -> None:
        self._open += 1
        self._opening += 1
        task = asyncio.create_task(self._opened())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _opened(self) -> None:
        """An attempt that fails takes one waiting request with it: that is what its user would see."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.options.timeout_s):
                await loop.create_connection(lambda: Connection(self), self.options.host, self.options.port)
        except (OSError, TimeoutError):
            self._open -= 1
            self._opening -= 1
            if (first := self._first_waiting()) is not None:
                self._fail(first, NO_CONNECTION)
            self._top_up()

    def ready(self, connection: Connection) -> None:
        """A connection is open."""
        self._opening -= 1
        self._offer(connection)

    def finished(self, connection: Connection, status: int, reusable: bool) -> None:
        """An answer is complete."""
        index = connection.request
        connection.request = None
        if index is not None and self._busy.pop(index, None) is not None:
            self._done[index] = time.monotonic_ns()
            self._status[index] = status
        if reusable and not self._stopping:
            self._offer(connection)
        else:
            connection.abort()
        if self._stopping or self._next == len(self.planned):
            self._look_if_over()

    def lost(self, connection: Connection) -> None:
        """A connection is gone. What a kept one took along unanswered is asked again, as clients do."""
        self._open -= 1
        index, connection.request = connection.request, None
        if connection in self._idle:
            self._idle.remove(connection)
        if index is not None and self._busy.pop(index, None) is not None:
            again = connection.answered and not connection.heard and self._retries[index] < _RETRIES
            if again and self.planned[index].body is None:
                self._retries[index] += 1
                self._waiting.appendleft(index)  # for a fresh connection: other kept ones may be as dead
            else:
                self._fail(index, NO_ANSWER)
        self._top_up()

    def _offer(self, connection: Connection) -> None:
        index = self._first_waiting()
        if index is None:
            self._idle.append(connection)
        else:
            self._give(connection, index)

    def _first_waiting(self) -> int | None:
        while self._waiting:
            index = self._waiting.popleft()
            if not self._is_over(index):
                return index
        return None

    # ---- ends ---------------------------------------------------------------------------------------------------------

    def _is_over(self, index: int) -> bool:
        return bool(self._done[index] or self._failure[index])

    def _fail(self, index: int, failure: int) -> None:
        self._failure[index] = failure
        self._done[index] = time.monotonic_ns()
        self._look_if_over()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._expire(time.monotonic_ns())

    def _expire(self, now: int) -> None:
        patience = int(self.options.timeout_s * _SECOND)
        while self._oldest < self._next:
            index = self._oldest
            if not self._is_over(index):
                if self._due[index] + patience > now:
                    return
                connection = self._busy.pop(index, None)
                self._fail(index, TIMED_OUT)
                if connection is not None:
                    connection.abort()
            self._oldest += 1
        self._look_if_over()

    def _look_if_over(self) -> None:
        """All that was dispatched is over, and nothing more will be: then the run is."""
        if not self._stopping and self._next < len(self.planned):
            return
        while self._oldest < self._next and self._is_over(self._oldest):
            self._oldest += 1
        if self._oldest == self._next:
            self._over.set()

    # ---- results ------------------------------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Outcome]:
        """How each request that was due went, in the order of the schedule."""
        for index in range(self._next):
            due = self._due[index]
            since = min(due, self._sent[index])  # sent early by microseconds, it may even be answered before it was due
            failure = self._failure[index]
            yield Outcome(
                due=self.started + self.planned[index].at_s,
                latency=None if failure in (NO_CONNECTION, NO_ANSWER) else (self._done[index] - since) / _SECOND,
                status=0 if failure else self._status[index],
                endpoint=self.planned[index].endpoint,
                lag=max(0, self._sent[index] - due) / _SECOND,
            )

    def failure(self, index: int) -> Literal["", "no-connection", "no-answer", "timed-out"]:
        """Why a request has no status."""
        return (("", "no-connection", "no-answer", "timed-out"))[self._failure[index]]


def _rendered(planned: Sequence[Planned], host: str) -> list[bytes]:
    """Bytes of every request; the many that are alike share theirs."""
    shared: dict[tuple[str, str], bytes] = {}
    out: list[bytes] = []
    for one in planned:
        if one.body is not None:
            out.append(render(one, host))
            continue
        key = (one.method, one.path)
        if key not in shared:
            shared[key] = render(one, host)
        out.append(shared[key])
    return out


class _Spec(ctypes.Structure):
    _fields_ = (("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Timer:
    """A timerfd that calls back at an absolute monotonic time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._loop = loop
        self._callback = callback
        self._spec = _Spec()
        self._fd = -1

    def __enter__(self) -> _Timer:
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop.add_reader(self._fd, self._rang)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def arm(self, at: int) -> None:
        """Ring at this many nanoseconds of the monotonic clock; at once when that is past."""
        self._spec.s, self._spec.ns = divmod(at, _SECOND)
        self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None)

    def _rang(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._callback()
