"""One HTTP/1.1 client connection of the load generator: bytes out, the end of an answer in. No clock, no pool.

The fast path is an answer that arrives in one piece with a Content-Length; everything else (chunks, several segments,
answers that end with the connection) goes through a real parser. Redirects are answers like any other.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from fulldress.rehearse.model_traffic import Planned

_NO_BODY = (204, 304)
_SHORTEST_STATUS_LINE = 12


class Pool(Protocol):
    """Who is told what became of a connection."""

    def ready(self, connection: Connection) -> None:
        """It is open and idle for the first time."""
        ...

    def finished(self, connection: Connection, status: int, reusable: bool) -> None:
        """The answer to its request is complete."""
        ...

    def lost(self, connection: Connection) -> None:
        """It is gone; ``connection.request`` is what it was doing, or None."""
        ...


def render(planned: Planned, host: str) -> bytes:
    """The request as bytes. A target of the log is sent as it was seen there: printable ASCII only."""
    head = f"{planned.method} {planned.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fulldress-rehearsal\r\nAccept: */*\r\n"
    if planned.body is None:
        return f"{head}\r\n".encode("ascii")
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(planned.body)}\r\n\r\n".encode("ascii") + planned.body
    )


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    __slots__ = ("answered", "bodiless", "heard", "pool", "reader", "request", "transport")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.request: int | None = None
        self.bodiless = False
        self.answered = 0
        self.heard = False
        """Whether any byte of the answer has come."""
        self.reader: _Reader | None = None
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self.transport = cast(asyncio.WriteTransport, transport)
        self.pool.ready(self)

    def send(self, request: int, data: bytes) -> None:
        """Start a request; the connection must be idle."""
        self.request = request
        self.heard = False
        self.bodiless = data.startswith(b"HEAD ")
        assert self.transport is not None
        self.transport.write(data)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self.request is None:
            return self.abort()  # an answer nobody asked for
        self.heard = True
        if self.reader is None:
            status = 0 if self.bodiless else _whole_answer(data)
            if status:
                return self._finish(status, data.find(b"onnection: close", 0, data.find(b"\r\n\r\n")) < 0)
            self.reader = _Reader(self.bodiless)
        self._parse(data)
        return None

    def _parse(self, data: bytes) -> None:
        reader = self.reader
        assert reader is not None
        try:
            reader.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return self.abort()
        if reader.complete:
            self._finish(reader.status, reader.reusable)
        return None

    def _finish(self, status: int, reusable: bool) -> None:
        self.reader = None
        self.answered += 1
        self.pool.finished(self, status, reusable)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop. An answer without a length ends with its connection, when that ended in peace."""
        reader = self.reader
        if self.request is not None and error is None and reader is not None and reader.ends_with_connection:
            self._finish(reader.status, False)
        self.pool.lost(self)


def _whole_answer(data: bytes) -> int:
    """The status, if this is one complete answer with a Content-Length; else 0."""
    end = data.find(b"\r\n\r\n")
    length = data.find(b"ontent-Length: ", 0, end) if end > 0 else -1
    if length < 0 or not data.startswith(b"HTTP/1.1 ") or end < _SHORTEST_STATUS_LINE:
        return 0
    number, status = data[length + 15 : data.find(b"\r", length)], data[9:12]
    if not number.isdigit() or not status.isdigit() or len(data) != end + 4 + int(number):
        return 0
    code = int(status)
    return code if code >= 200 and code not in _NO_BODY else 0


class _Reader:
    """Parses one answer, skipping interim ones (1xx)."""

    def __init__(self, bodiless: bool) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.bodiless = bodiless
        self.status = 0
        self.complete = False
        self.framed = False
        self.headers_done = False
        self.reusable = True

    @property
    def ends_with_connection(self) -> bool:
        return self.headers_done and not self.framed

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.framed = True

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        if self.status < 200:
            self.framed = False
            return
        self.headers_done = True
        self.reusable = bool(self.parser.should_keep_alive())
        if self.bodiless or self.status in _NO_BODY:
            self.complete = True

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self.complete = True
