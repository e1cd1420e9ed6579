"""The open-loop engine: every request leaves when it is due, whether or not earlier ones were answered.

One epoll, with a timerfd that rings at each due time (an event loop's own timers are late by up to a millisecond and more);
a request's bytes are in the kernel when its time of sending is noted. Latency counts from the due time, so a stalled server
cannot hide what its users would have waited. Memory, time and the number of connections are bounded. It talks to one host
and port, and writes nothing.
"""

from __future__ import annotations

import contextlib
import heapq
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from os import read
from time import monotonic_ns

import msgspec

from fulldress.measure.load import Outcome
from fulldress.rehearse.link import ANSWER, EVENTS, NO_CONNECTION, SIZE, Link, Secure, Tls
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.sessions import Session, Unfilled, followers
from fulldress.rehearse.timerfd import Timer
from fulldress.rehearse.wire import Head, Shot, rendered

_SECOND = 1_000_000_000
_EARLY = 20_000
"""Nanoseconds: what is due within that is sent now, rather than slept for."""
_SWEEP_NS = 20_000_000
_AT_ONCE = 64
"""Requests sent, and events handled, in one turn."""
_RETRIES = 5
"""Of a request that several kept connections in a row took along."""
_NEVER = 1 << 62
TIMED_OUT, UNEXPECTED, UNFILLED = 6, 7, 8
KINDS = ("", "no-connection", "untrusted", "no-answer", "cut", "garbled", "timed-out", "unexpected", "unfilled")
"""Why a request failed, by its number in this module and in :mod:`fulldress.rehearse.link`."""
_HAS_LATENCY = (0, TIMED_OUT, UNEXPECTED)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to send."""

    host: str
    port: int
    host_header: str = ""
    timeout_s: float = 10.0
    """Counted from when the request was due."""
    max_connections: int = 2000
    warm_connections: int = 8
    tls: Tls | None = None


class Engine:
    """Sends one schedule: ``warm_up()``, ``run(zero_ns)``, then read ``outcomes()``; ``stop()`` ends it early.

    ``stop()`` may be called from a signal handler or another thread. Close it when done.
    """

    def __init__(self, planned: Sequence[Planned], options: Options) -> None:
        self.planned = planned
        self.options = options
        self.heads: dict[bytes, Head | None] = {}
        self._most = options.max_connections
        self._host = options.host_header or options.host
        self._shots = rendered(planned, self._host)
        count = len(planned)
        self._due, self._sent, self._done, self._status = ([0] * count for _ in range(4))  # an array costs more per write
        self._failure = bytearray(count)
        self._starts, self._after = followers(planned)
        self._cursor = 0
        """Into ``_starts``: the first that was not sent yet."""
        self._later: list[tuple[int, int]] = []
        """Heap of (due, request) inside sessions."""
        self._sessions: dict[int, Session] = {}
        self._launched: list[int] = []
        self._oldest = 0
        """Into ``_launched``: every request before it is over."""
        self._pending = 0
        self._links: dict[int, Link] = {}
        self._opening: dict[Link, None] = {}
        self._idle: dict[Link, None] = {}
        self._waiting: deque[int] = deque()
        self._retries: Counter[int] = Counter()
        self._watched: dict[int, Callable[[], None]] = {}
        self._stopping = self._hurry = self._over = False
        self._epoll = select.epoll()
        self._timer = Timer()
        self._epoll.register(self._timer.fd, select.EPOLLIN | select.EPOLLET)
        self._place: tuple[int, tuple[object, ...]] | None = None
        self._secure = Secure(options.tls, self._host.rsplit(":", 1)[0].strip("[]")) if options.tls else None
        self._next_sweep = self._zero = 0
        self._next_due = _NEVER
        self.held_back = 0
        """Requests that waited because every connection was in use."""
        self.started = self.ended = 0.0
        """Seconds since the epoch: the schedule's zero, and when all was over."""

    # ---- life -------------------------------------------------------------------------------------------------------

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back when there is something to read, or an end."""
        self._watched[fd] = callback
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

    def warm_up(self, patience_s: float = 2.0) -> None:
        """Find the host and open the first connections; failing to is no error here, the requests will show it."""
        with contextlib.suppress(OSError):
            family, _, _, _, address = socket.getaddrinfo(self.options.host, self.options.port, type=socket.SOCK_STREAM)[0]
            self._place = (family, address)
        for _ in range(min(self.options.warm_connections, self.options.max_connections)):
            self._connect()
        until = time.monotonic() + patience_s
        while self._opening and time.monotonic() < until and not self._stopping:
            self._handle(self._epoll.poll(0.05, _AT_ONCE))

    def run(self, zero_ns: int, started: float) -> None:
        """Send everything; returns when every request that was due is over.

        The schedule's zero by two clocks: the monotonic one, and seconds since the epoch.
        """
        self._zero, self.started = zero_ns, started
        for index, one in enumerate(self.planned):
            self._due[index] = zero_ns + int(one.at_s * _SECOND)
        self._next_due = zero_ns if self._starts else _NEVER
        try:
            self._turns()
        finally:
            self.ended = self.started + (monotonic_ns() - zero_ns) / _SECOND
            self.close()

    def stop(self) -> None:
        """Send nothing more; what is under way still gets its time-out. Called again: end at once."""
        self._hurry = self._stopping
        self._stopping = True
        self._timer.arm(1)

    def close(self) -> None:
        """Close all connections; does nothing the second time."""
        for link in list(self._links.values()):
            link.close()
        self._links.clear()
        self._epoll.close()
        self._timer.close()

    # ---- turns ------------------------------------------------------------------------------------------------------

    def _turns(self) -> None:
        poll = self._epoll.poll
        self._look_if_over()
        while not self._over:
            now = monotonic_ns()
            wait = -1
            if self._stopping:
                self._stop_sending()
            if self._next_due <= now + _EARLY:
                self._dispatch()
                wait = 0
            if now >= self._next_sweep:
                self._sweep(now)
                self._next_sweep = now + _SWEEP_NS
            if wait:
                if self._over:
                    return
                self._timer.ensure(min(self._next_due, self._next_sweep), now)
            self._handle(poll(wait, _AT_ONCE))

    def _stop_sending(self) -> None:
        self._next_due = _NEVER
        if self._hurry:
            self._sweep(_NEVER)
        self._look_if_over()

    def _handle(self, events: list[tuple[int, int]]) -> None:
        """Go on with each connection.

        What nearly every event is happens here in one go, because it is what the generator spends its time on: a whole
        answer, with the head of the one before, on a connection that takes the next waiting request. All else is Link's.
        """
        links, waiting, done = self._links, self._waiting, self._done
        over = 0
        for fd, event in events:
            link = links.get(fd)
            if link is None or event != ANSWER or not link.smooth or link.request < 0:
                self._other(fd, link, event)
                continue
            try:
                data = read(fd, SIZE)
            except OSError:
                link.event(event)
                continue
            if len(data) != link.size or not data.startswith(link.head):
                link.took(data)
                continue
            index, shot, status = link.request, link.shot, link.status
            done[index] = monotonic_ns()
            self._status[index] = status
            if not shot.low <= status < shot.high or (shot.marker and data.find(shot.marker, link.body_at) < 0):
                self._failure[index] = UNEXPECTED
            over += 1
            if shot.session:
                link.whole(data)
                self._learn(index, link)
            link.request = -1
            if waiting:
                self._offer(link)
            else:
                self._idle[link] = None
        if over:
            self._pending -= over
            if not self._pending:
                self._look_if_over()

    def _other(self, fd: int, link: Link | None, event: int) -> None:
        if link is not None:
            link.event(event)
        elif fd in self._watched:
            self._watched[fd]()

    def _dispatch(self) -> None:
        """Launch what is due, at most so many: answers want to be read meanwhile."""
        starts, due, later = self._starts, self._due, self._later
        total, cursor, limit, at = len(starts), self._cursor, monotonic_ns() + _EARLY, _NEVER
        for _ in range(_AT_ONCE):
            if cursor < total:
                first = starts[cursor]
                at = due[first]
            else:
                first, at = -1, _NEVER
            if later and later[0][0] < at:
                at, first = later[0]
                if at > limit:
                    break
                heapq.heappop(later)
            elif at > limit:
                break
            else:
                self._cursor = cursor = cursor + 1
            self._launch(first)
        self._next_due = at

    def _launch(self, index: int) -> None:
        self._launched.append(index)
        self._pending += 1
        shot = self._shots[index] or self._personal(index)
        self._sent[index] = monotonic_ns()
        if shot is None:
            self._fail(index, UNFILLED)
        elif self._idle:
            self._idle.popitem()[0].send(index, shot)
        else:
            self._waiting.append(index)
            if len(self._links) < self._most:
                self._top_up()
            else:
                self.held_back += 1

    def _personal(self, index: int) -> Shot | None:
        """A request of a session is rendered when it is due: it depends on earlier answers."""
        planned = self.planned[index]
        assert planned.session is not None
        session = self._sessions.setdefault(planned.session.id, Session())
        try:
            shot = self._shots[index] = session.shot(planned, self._host)
        except Unfilled:
            return None
        return shot

    # ---- connections (called by Link) -------------------------------------------------------------------------------

    def _top_up(self) -> None:
        """One connection being opened for each request that waits, as far as the bound allows."""
        if len(self._opening) < len(self._waiting) and len(self._links) < self._most:
            self._connect()

    def _connect(self) -> None:
        """An attempt that fails takes one waiting request with it: that is what its user would see."""
        try:
            if self._place is None:
                raise OSError
            link = Link(self, *self._place, self._secure, monotonic_ns())
        except OSError:
            self._fail_first_waiting(NO_CONNECTION)
            return
        self._links[link.fd] = link
        self._opening[link] = None
        self._epoll.register(link.fd, EVENTS)

    def ready(self, link: Link) -> None:
        """A connection is open."""
        del self._opening[link]
        self._offer(link)

    def finished(self, link: Link, status: int, keep: bool) -> None:
        """An answer is complete."""
        index, shot = link.request, link.shot
        self._done[index] = monotonic_ns()
        self._status[index] = status
        if not shot.low <= status < shot.high or (shot.marker and link.answer.find(shot.marker, link.body_at) < 0):
            self._failure[index] = UNEXPECTED
        self._pending -= 1
        link.request = -1
        if shot.session:
            self._learn(index, link)
        if not keep or self._stopping:
            link.close()
            self._forget(link)
            self._top_up()
        elif self._waiting:
            self._offer(link)
        else:
            self._idle[link] = None
        if not self._pending:
            self._look_if_over()

    def lost(self, link: Link, why: int) -> None:
        """A connection is gone. What a kept one took along unanswered is asked again, as clients do."""
        self._forget(link)
        index, link.request = link.request, -1
        if not link.is_open:
            self._fail_first_waiting(why)
        elif index >= 0:
            again = link.answered and not link.heard and self._retries[index] < _RETRIES
            if again and link.shot.repeatable and not self._stopping:
                self._retries[index] += 1
                self._waiting.appendleft(index)  # for a fresh connection: other kept ones may be as dead
            else:
                self._fail(index, why)
        self._top_up()

    def _forget(self, link: Link) -> None:
        if self._links.get(link.fd) is link:
            del self._links[link.fd]
        self._opening.pop(link, None)
        self._idle.pop(link, None)

    def _offer(self, link: Link) -> None:
        waiting = self._waiting
        while waiting:
            index = waiting.popleft()
            shot = self._shots[index]
            if shot is not None and not self._done[index]:
                return link.send(index, shot)
        self._idle[link] = None
        return None

    # ---- ends -------------------------------------------------------------------------------------------------------

    def _learn(self, index: int, link: Link) -> None:
        tie = self.planned[index].session
        assert tie is not None
        self._shots[index] = None  # may be large, and is not needed again
        self._sessions[tie.id].learn(link.headers(), link.answer[link.body_at :], tie.take)
        self._follow(index)

    def _follow(self, index: int) -> None:
        """The next request of a session is due after its user has thought."""
        after = self._after.pop(index, -1)
        tie = self.planned[after].session if after >= 0 else None
        if tie is not None:
            due = self._due[after] = self._done[index] + int(tie.think_s * _SECOND)
            heapq.heappush(self._later, (due, after))
            self._next_due = min(self._next_due, due)
        elif (last := self.planned[index].session) is not None:
            self._sessions.pop(last.id, None)

    def _fail(self, index: int, why: int) -> None:
        self._failure[index] = why
        self._done[index] = monotonic_ns()
        self._pending -= 1
        self._follow(index)
        if not self._pending:
            self._look_if_over()

    def _fail_first_waiting(self, why: int) -> None:
        while self._waiting:
            index = self._waiting.popleft()
            if not self._done[index]:
                return self._fail(index, why)
        return None

    def _sweep(self, now: int) -> None:
        """Time out what has waited long enough: requests in the order they were launched, and connections being opened."""
        patience = int(self.options.timeout_s * _SECOND)
        late: list[int] = []
        while self._oldest < len(self._launched):
            index = self._launched[self._oldest]
            if not self._done[index]:
                if self._due[index] + patience > now:
                    break
                late.append(index)
            self._oldest += 1
        if late:
            self._time_out(late)
        for link in list(self._opening):
            if link.since + patience > now:
                break
            link.close()
            self.lost(link, NO_CONNECTION)

    def _time_out(self, late: list[int]) -> None:
        serving = {link.request: link for link in self._links.values() if link.request >= 0}
        for index in late:
            link = serving.get(index)
            if link is not None:
                link.close()
                self._forget(link)
            self._fail(index, TIMED_OUT)
        still = [index for index in self._waiting if not self._done[index]]
        self._waiting.clear()
        self._waiting.extend(still)
        for _ in late:
            self._top_up()

    def _look_if_over(self) -> None:
        """All that was launched is over, and nothing more will be: then the run is."""
        nothing_left = self._cursor == len(self._starts) and not self._later
        self._over = not self._pending and (self._stopping or nothing_left)

    # ---- results ----------------------------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Outcome]:
        """How each request that was launched went, in the order they were due."""
        base = self.started - self._zero / _SECOND
        for index in sorted(self._launched, key=self._due.__getitem__):
            due = self._due[index]
            since = min(due, self._sent[index])  # sent early by microseconds, it may even be answered before it was due
            failure = self._failure[index]
            yield Outcome(
                base + due / _SECOND,
                (self._done[index] - since) / _SECOND if failure in _HAS_LATENCY else None,
                0 if failure and failure != UNEXPECTED else self._status[index],
                self.planned[index].endpoint,
                max(0, self._sent[index] - due) / _SECOND,
                KINDS[failure],
            )
