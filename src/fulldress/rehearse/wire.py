"""HTTP/1.1 as bytes: requests rendered, answers understood. No sockets, no clock.

An answer that arrives in one piece with a Content-Length is understood from its head alone, and a head seen before from
memory; everything else (chunks, several segments, answers that end with the connection) goes through a real parser.
Redirects are answers like any other. What an answer may make us keep is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import httptools

from fulldress.rehearse.model_traffic import Expect, Planned

MOST_HEAD = 256 << 10
"""Bytes of an answer's head; a longer one is no HTTP that anybody would wait for."""
MOST_BODY = 1 << 20
"""Bytes of a body that are kept to look for what was declared."""
_NO_BODY = (204, 304)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?\Z")
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}
_UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_TARGET = re.compile(r"[\x21-\x7e]+\Z")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class Shot:
    """A request ready to be sent, and what its answer must be. Many requests share one."""

    __slots__ = ("bodiless", "careful", "data", "high", "low", "marker", "repeatable", "session")

    def __init__(self, data: bytes, planned: Planned) -> None:
        expect = planned.expect or Expect()
        self.data = data
        self.low, self.high, self.marker = expect.low, expect.high, expect.marker
        self.bodiless = planned.method == "HEAD"
        self.session = planned.session is not None
        self.careful = bool(self.marker) or self.session
        """Head and body of its answer are wanted."""
        self.repeatable = planned.body is None


def render(planned: Planned, host: str, extra: Iterable[tuple[str, str]] = ()) -> bytes:
    """The request as bytes. A target of the log is sent as it was seen there: printable ASCII only."""
    lines = [f"{planned.method} {planned.path} HTTP/1.1", f"Host: {host}"]
    own = {name.lower() for name, _ in planned.headers}
    if "user-agent" not in own:
        lines.append("User-Agent: fulldress-rehearsal")
    if "accept" not in own:
        lines.append("Accept: */*")
    lines += [f"{name}: {value}" for name, value in (*planned.headers, *extra)]
    if planned.body is None:
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if "content-type" not in own:
        lines.append("Content-Type: application/json")
    lines.append(f"Content-Length: {len(planned.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + planned.body


def rendered(planned: Sequence[Planned], host: str) -> list[Shot | None]:
    """Bytes of every request that stands alone; the many that are alike share theirs."""
    shared: dict[tuple[object, ...], Shot] = {}
    out: list[Shot | None] = []
    for one in planned:
        if one.session is not None:
            out.append(None)
            continue
        key = (one.method, one.path, one.body, one.headers, one.expect)
        shot = shared.get(key)
        if shot is None:
            shot = shared[key] = Shot(render(one, host), one)
        out.append(shot)
    return out


def unsendable_target(path: str) -> bool:
    """Whether a target would break the request line."""
    return not _TARGET.match(path)


def unsendable(headers: Iterable[tuple[str, str]]) -> str:
    """The first header that cannot be sent as declared, or an empty string."""
    for name, value in headers:
        if not _TOKEN.match(name) or name.lower() in _OWN_HEADERS or _UNSENDABLE.search(value):
            return f"{name}: {value}"
    return ""


class Head(NamedTuple):
    """What the head of an answer says of the whole of it."""

    status: int
    size: int
    """Bytes of the whole answer."""
    keep: bool
    """Whether the connection may be used again."""


def understood(head: bytes) -> Head | None:
    """A head (without its empty line) that frames its answer by a Content-Length; None for all others."""
    first, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.match(first)
    length, keep = -1, True
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if not colon or not name or name != name.strip() or name == b"transfer-encoding":
            return None
        if name == b"content-length":
            if length >= 0 or not value.isdigit() or len(value) > 18:
                return None
            length = int(value)
        elif name in (b"connection", b"proxy-connection") and b"close" in value.lower():
            keep = False
    status = int(match[1]) if match else 0
    if status < 200 or status in _NO_BODY or length < 0:
        return None
    return Head(status, len(head) + 4 + length, keep)


def header_lines(head: bytes) -> list[tuple[str, str]]:
    """Headers of a head as the fast path cuts it: names in lower case."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return [(name.decode("latin-1").lower(), value.strip().decode("latin-1")) for name, _, value in pairs]


class Reader:
    """Parses one answer, skipping interim ones (1xx). ``wanted`` keeps headers and the beginning of the body."""

    def __init__(self, bodiless: bool, wanted: bool) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.bodiless = bodiless
        self.wanted = wanted
        self.status = 0
        self.complete = False
        self.framed = False
        self.headers_done = False
        self.reusable = True
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self._head_bytes = 0

    @property
    def ends_with_connection(self) -> bool:
        """An answer without a length ends with its connection."""
        return self.headers_done and not self.framed

    def feed(self, data: bytes) -> bool:
        """Take bytes; False when they are no HTTP."""
        if not self.headers_done:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD:
                return False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return False
        except httptools.HttpParserError:
            self.reusable = False
            return self.complete  # what follows a complete answer is not looked at, but the connection is done for
        return True

    def close(self) -> None:
        """Let go of the parser, which holds on to this: while load is sent, nothing collects such circles."""
        del self.parser

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if self.complete:
            return
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.framed = True
        if self.wanted:
            self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self.complete:
            return
        self.status = self.parser.get_status_code()
        if self.status < 200:
            self.framed = False
            self.headers.clear()
            return
        self.headers_done = True
        self.reusable = bool(self.parser.should_keep_alive())
        if self.bodiless or self.status in _NO_BODY:
            self.complete = True

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        if self.wanted and not self.complete and len(self.body) < MOST_BODY:
            self.body += data[: MOST_BODY - len(self.body)]

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self.status >= 200:
            self.complete = True
