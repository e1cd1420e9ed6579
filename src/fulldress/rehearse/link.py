"""One client connection of the load generator: opened, perhaps with TLS, carrying one request at a time.

Sockets never block; what cannot go on waits for the next event. Whatever a server does ends in one of the calls of
:class:`Pool`, never in an exception. It decides nothing: which request goes where, and what becomes of a failed one, is the
pool's.
"""

from __future__ import annotations

import errno
import hashlib
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from os import read, write
from typing import Protocol

import msgspec

from fulldress.errors import UsageError
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.wire import Head, Reader, Shot, header_lines, understood

EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
ANSWER = int(select.EPOLLIN | select.EPOLLOUT)
"""The event of an answer, or a piece of it, while the connection stays."""
_READABLE = select.EPOLLIN | _GONE
SIZE = 16384
"""Bytes that are read at once."""
_MOST_HEADS = 512
_UNSEEN = Head(0, 0, False)
NO_CONNECTION, UNTRUSTED, NO_ANSWER, CUT, GARBLED = 1, 2, 3, 4, 5
_NOTHING = Shot(b"", Planned(0.0, "", ""))
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_OLDEST_TLS = ssl.TLSVersion.TLSv1_2


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """How an https target is trusted: by the machine's authorities, by ``ca_file``, or as exactly one certificate."""

    ca_file: str = ""
    pin_sha256: str = ""
    """SHA-256 of the server's certificate (DER) in hex: then neither its names nor its issuer matter."""
    server_name: str = ""
    """Sent as SNI and checked; empty: the Host header's."""


class Pool(Protocol):
    """Who is told what became of a connection."""

    heads: dict[bytes, Head | None]

    def ready(self, link: Link) -> None:
        """It is open and idle for the first time."""
        ...

    def finished(self, link: Link, status: int, keep: bool) -> None:
        """The answer to its request is complete; the link may be used again when ``keep``."""
        ...

    def lost(self, link: Link, why: int) -> None:
        """It is closed; ``link.request`` is what it was doing, or -1."""
        ...


class Secure:
    """TLS of all links to one server; sessions are resumed as browsers do."""

    def __init__(self, tls: Tls, server_name: str) -> None:
        self.name = tls.server_name or server_name
        self.pin = tls.pin_sha256.lower().replace(":", "")
        self.session: ssl.SSLSession | None = None
        try:
            self._context = ssl.create_default_context(cafile=tls.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"{tls.ca_file!r} holds no certificate authorities: {error}") from error
        self._context.minimum_version = _OLDEST_TLS
        self._context.set_alpn_protocols(["http/1.1"])
        try:
            self._context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=self.name)
        except ValueError as error:
            raise UsageError(f"{self.name!r} is no server's name: {error}") from error
        if self.pin:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE  # the digest of the certificate says more than who signed it

    def wrap(self, plain: socket.socket) -> ssl.SSLSocket:
        """The same descriptor, about to shake hands."""
        return self._context.wrap_socket(
            plain, server_hostname=self.name, do_handshake_on_connect=False, session=self.session
        )

    def trusts(self, wrapped: ssl.SSLSocket) -> bool:
        """After the handshake, which checked all but the pin."""
        if not self.pin:
            return True
        return hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest() == self.pin


class Link:
    """Carries one request at a time. ``event`` is called for every event of its descriptor."""

    __slots__ = (
        "_headers",
        "_heads",
        "_pool",
        "_reader",
        "_receive",
        "_secure",
        "_socket",
        "_transmit",
        "_unsent",
        "answer",
        "answered",
        "body_at",
        "closed",
        "fd",
        "head",
        "heard",
        "is_open",
        "request",
        "shot",
        "since",
        "size",
        "smooth",
        "status",
    )

    def __init__(self, pool: Pool, family: int, address: tuple[object, ...], secure: Secure | None, since: int) -> None:
        """Starts connecting; raises OSError when that fails at once."""
        self._pool, self._secure, self.since = pool, secure, since
        self._heads = pool.heads
        self.smooth = False
        """Open, without TLS, all of the request sent, nothing of an answer read yet, which will have a body."""
        self.request = -1
        self.shot = _NOTHING
        self.answered = False
        self.heard = self.is_open = self.closed = False
        """``heard``: whether any byte of the present answer has come."""
        self.answer, self.body_at = b"", 0
        """The latest answer, or the part of it that was kept, and where its body begins."""
        self._headers: list[tuple[str, str]] | None = None
        self.head, self.size, self.status = b"", -1, 0
        """Of the latest answer that was understood from its head: what the next one is compared with first."""
        self._reader: Reader | None = None
        self._unsent: memoryview | None = None
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.fd = self._socket.fileno()
        self._receive: Callable[[int], bytes] = partial(read, self.fd)  # a third cheaper than the socket's methods
        self._transmit: Callable[[bytes | memoryview], int] = partial(write, self.fd)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = self._socket.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "cannot connect")
        except OSError:
            self._socket.close()
            raise

    def event(self, events: int) -> None:
        """Go on."""
        if self.closed:
            return
        if not self.is_open:
            self._open(events)
            return
        if self._unsent is not None:
            self._push()
        if events & _READABLE and not self.closed:
            self._drain(events)

    def took(self, data: bytes) -> None:
        """The pool read this itself."""
        if not data:
            return self._ended()
        self._take(data)
        return None if self.closed or len(data) < SIZE else self._drain(0)

    def whole(self, data: bytes) -> None:
        """The pool read a whole answer itself, with the head of the one before."""
        self.answer = data
        self._headers = None

    def headers(self) -> list[tuple[str, str]]:
        """Of the latest answer; names in lower case."""
        return header_lines(self.answer[: self.body_at - 4]) if self._headers is None else self._headers

    def send(self, index: int, shot: Shot) -> None:
        """Start a request; the link must be idle."""
        self.request = index
        self.shot = shot
        self.heard = False
        data = shot.data
        if shot.bodiless:
            self.smooth = False
        try:
            sent = self._transmit(data) if self._secure is not None else write(self.fd, data)
        except _AGAIN:
            sent = 0
        except OSError:
            self._lose(NO_ANSWER)
            return
        if sent < len(data):
            self.smooth = False
            self._unsent = memoryview(data)[sent:]

    def close(self) -> None:
        """Drop the connection at once, without telling anybody."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self.closed = True
        self._socket.close()

    # ---- opening ----------------------------------------------------------------------------------------------------

    def _open(self, events: int) -> None:
        try:
            if not isinstance(self._socket, ssl.SSLSocket):
                if not events & (select.EPOLLOUT | _GONE):
                    return None
                if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return self._lose(NO_CONNECTION)
                if not self._connected():
                    return None  # an event of an earlier connection that had the same descriptor
                if self._secure is not None:
                    self._socket = self._secure.wrap(self._socket)
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.do_handshake()
                assert self._secure is not None
                if not self._secure.trusts(self._socket):
                    return self._lose(UNTRUSTED)
                self._receive, self._transmit = self._socket.recv, self._socket.send
        except _AGAIN:
            return None
        except ssl.SSLError:
            return self._lose(UNTRUSTED)
        except OSError:
            return self._lose(NO_CONNECTION)
        self.is_open = True
        self.smooth = self._secure is None
        self._pool.ready(self)
        return None

    def _connected(self) -> bool:
        try:
            self._socket.getpeername()
        except OSError:
            return False
        return True

    # ---- bytes ------------------------------------------------------------------------------------------------------

    def _push(self) -> None:
        while self._unsent:
            try:
                sent = self._transmit(self._unsent)
            except _AGAIN:
                return
            except OSError:
                self._drain(_GONE)  # an answer may have come before the server hung up
                return
            self._unsent = self._unsent[sent:]
        self._unsent = None
        self.smooth = self._secure is None and self._reader is None and not self.shot.bodiless

    def _drain(self, events: int) -> None:
        """Edge-triggered: read until there is nothing left, or until that is certain without asking."""
        while True:
            try:
                data = self._receive(SIZE)
            except _AGAIN:
                return None
            except OSError:
                return self._lose(CUT if self.heard else NO_ANSWER)
            if not data:
                return self._ended()
            self._take(data)
            if self.closed or (len(data) < SIZE and self._secure is None and not events & _GONE):
                return None

    def _take(self, data: bytes) -> None:
        shot = self.shot
        if self.request < 0:
            return self._lose(NO_ANSWER)  # an answer nobody asked for
        self.heard = True
        if self._reader is None and not shot.bodiless:
            at = data.find(b"\r\n\r\n")
            cut = data[:at]
            known = self._heads.get(cut, _UNSEEN)
            if known is _UNSEEN:
                known = self._learn(cut) if at > 0 else None
            if known is not None and len(data) == known.size:
                self.answer, self.body_at, self._headers = data, at + 4, None
                if known.keep:
                    self.head, self.size, self.status = data[: at + 4], known.size, known.status
                return self._finish(known.status, known.keep)
        return self._parse(data, shot)

    def _learn(self, head: bytes) -> Head | None:
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        found = self._heads[head] = understood(head)
        return found

    def _parse(self, data: bytes, shot: Shot) -> None:
        reader = self._reader
        if reader is None:
            reader = self._reader = Reader(shot.bodiless, shot.careful)
            self.smooth = False
        if not reader.feed(data):
            return self._lose(GARBLED)
        if reader.complete:
            self._from(reader, reader.reusable)
        return None

    def _from(self, reader: Reader, keep: bool) -> None:
        self.answer, self.body_at, self._headers = bytes(reader.body), 0, reader.headers
        self.size = -1  # "body_at" is no longer that of the remembered head
        self._reader = None
        reader.close()
        self.smooth = self._secure is None and self._unsent is None
        self._finish(reader.status, keep)

    def _finish(self, status: int, keep: bool) -> None:
        if self._secure is not None and not self.answered and isinstance(self._socket, ssl.SSLSocket):
            self._secure.session = self._socket.session
        self.answered = True
        self._pool.finished(self, status, keep and self._unsent is None)

    def _ended(self) -> None:
        """The server hung up. An answer without a length ends so, in peace."""
        reader = self._reader
        if self.request >= 0 and reader is not None and reader.ends_with_connection:
            self._from(reader, False)
        else:
            self._lose(CUT if self.heard else NO_ANSWER)

    def _lose(self, why: int) -> None:
        self.close()
        self._pool.lost(self, why)
