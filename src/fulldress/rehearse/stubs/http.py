"""HTTP/1.1, in the clear or within TLS: reads requests, lets the REST memory answer, records digests."""

from __future__ import annotations

import asyncio
import re
import time
from http import HTTPStatus
from typing import NamedTuple

from fulldress.formats.redact import redacted
from fulldress.rehearse.outside import Fault
from fulldress.rehearse.stubs.base import IDLE_S, MOST_BODY, Call, digest, hasher
from fulldress.rehearse.stubs.faults import Faults
from fulldress.rehearse.stubs.rest import Reply, Rest

NAME = "http"
PORTS: tuple[int, ...] = ()
_METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"PATC", b"OPTI")
_TOKEN = re.compile(r"(?=[^\n]*[a-z])(?=[^\n]*[A-Z])(?=[^\n]*\d)[\w~.+=-]{20,}", re.ASCII)
"""A mix of small and capital letters and digits; identifiers (UUIDs, numbers, names) are not."""
_SILENCE_S = 300.0
_TRICKLE_S = 0.1
_REMEMBERED_BODY = 1024 * 1024
"""Longer bodies are digested as they pass, and not kept."""


class _Request(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    old: bool
    """HTTP/1.0."""


class _Body(NamedTuple):
    data: bytes
    size: int
    sha256: str


class _Malformed(Exception):
    """What came is no HTTP."""


def speaks(first: bytes) -> bool:
    """Whether it begins with a method."""
    return first[:4] in _METHODS


async def serve(call: Call) -> None:
    """Answer requests until the client is done."""
    protocol = "https" if call.encrypted else "http"
    reader, writer = await call.streams()
    rest = call.memory.setdefault(NAME, Rest(call.policy))
    try:
        while await _one(call, rest, protocol, reader, writer):
            pass
    except _Malformed as error:
        call.record("trouble", protocol, detail=str(error))
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        pass  # the client hung up, or fell silent
    finally:
        writer.close()


async def _one(call: Call, rest: Rest, protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request; True when another may follow."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_S)
    except asyncio.LimitOverrunError:
        raise _Malformed("headers too long") from None
    request = _parsed(head)
    if request.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await asyncio.wait_for(_body(request, reader), IDLE_S * 5)
    faults = call.memory.setdefault("faults", Faults(call.policy))
    fault = faults.strike(request.method, request.path, time.monotonic())
    reply = _reply(request, body, rest, fault)
    call.record(
        "request",
        protocol,
        method=request.method,
        path=safe_path(request.path),
        status=reply.status,
        size=body.size,
        body_sha256=body.sha256,
        detail=_detail(request),
        scripted="" if fault is None else str(fault.status) if fault.kind == "status" else fault.kind,
        retry_after_s=fault.retry_after_s if fault is not None and fault.kind == "status" else 0.0,
        **reply.notes,
    )
    await asyncio.sleep(sum(map(faults.seconds, reply.latencies)))
    wish = request.headers.get("connection", "").lower()
    close = wish == "close" or (request.old and wish != "keep-alive") or reply.status == 426
    answer = _rendered(reply, close=close, with_body=request.method != "HEAD")
    if fault is not None and fault.kind != "status":
        await _misbehave(call, fault, answer, writer, faults)
        return False
    writer.write(answer)
    await writer.drain()
    return not close


def _reply(request: _Request, body: _Body, rest: Rest, fault: Fault | None) -> Reply:
    """What is answered; a request that is struck before it is obeyed changes nothing."""
    if fault is not None and fault.kind == "status":
        after = (f"Retry-After: {fault.retry_after_s}",) if fault.retry_after_s else ()
        error = b'{"error":"scripted"}'
        return Reply(status=fault.status, body=error, latencies=(fault.latency_s,), headers=after)
    if fault is not None and fault.kind in ("reset", "timeout"):
        return Reply(status=0, latencies=(fault.latency_s,))
    if "upgrade" in request.headers.get("connection", "").lower() and "upgrade" in request.headers:
        return Reply(status=426, body=b'{"error":"no upgrade here"}', headers=("Upgrade: HTTP/1.1",))
    return rest.ask(request.method, request.path, body.data)


async def _misbehave(call: Call, fault: Fault, answer: bytes, writer: asyncio.StreamWriter, faults: Faults) -> None:
    if fault.kind == "reset":
        call.reset()
    elif fault.kind == "timeout":
        await asyncio.sleep(_SILENCE_S)
    elif fault.kind == "truncate":
        writer.write(answer[: max(1, len(answer) - max(1, len(answer.partition(b"\r\n\r\n")[2]) // 2))])
        await writer.drain()
    else:
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(faults.seconds(fault.latency_s) or _TRICKLE_S)


def _parsed(head: bytes) -> _Request:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[0].isalpha():
        raise _Malformed("not an HTTP/1 request line")
    path, _, query = words[1].partition("?")
    if path.startswith(("http://", "https://")):  # as a proxy is asked
        path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
    named = (line.partition(":") for line in lines[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    return _Request(words[0].upper(), path, query, headers, words[2] == "HTTP/1.0")


async def _body(request: _Request, reader: asyncio.StreamReader) -> _Body:
    if "chunked" in request.headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BODY:
        raise _Malformed("impossible Content-Length")
    collected = _Collected()
    left = int(length)
    while left:
        piece = await reader.read(min(left, 64 * 1024))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        collected.add(piece)
    return collected.body()


async def _chunks(reader: asyncio.StreamReader) -> _Body:
    collected = _Collected()
    while True:
        line = (await reader.readline()).split(b";")[0].strip()
        try:
            length = int(line, 16)
        except ValueError:
            raise _Malformed("broken chunk") from None
        if length < 0 or collected.size + length > MOST_BODY:
            raise _Malformed("impossible chunk")
        if not length:
            break
        collected.add(await reader.readexactly(length))
        await reader.readexactly(2)
    while (await reader.readline()).strip():
        pass  # trailers
    return collected.body()


class _Collected:
    def __init__(self) -> None:
        self.size = 0
        self._data = bytearray()
        self._digest = hasher()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._digest.update(piece)
        if self.size <= _REMEMBERED_BODY:
            self._data += piece

    def body(self) -> _Body:
        return _Body(bytes(self._data), self.size, self._digest.hexdigest() if self.size else "")


def safe_path(path: str) -> str:
    """The path as it may be kept: a part that looks like a token is replaced by a part of its digest."""
    return redacted(
        "/".join(f"<secret:{digest(part.encode())[:8]}>" if _TOKEN.fullmatch(part) else part for part in path.split("/"))
    )


def _detail(request: _Request) -> str:
    """Who asked and how; of secrets and queries only that they were there, by digest."""
    headers = request.headers
    parts = [f"agent {redacted(headers['user-agent'][:200])}"] if "user-agent" in headers else []
    if "authorization" in headers:
        scheme = headers["authorization"].partition(" ")[0]
        parts.append(f"authorization {scheme if scheme.isalpha() else ''} (redacted)")
    if request.query:
        parts.append(f"query sha256:{digest(request.query.encode())}")
    return "; ".join(parts)


def _rendered(reply: Reply, *, close: bool, with_body: bool) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Scripted"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *reply.headers]
    if reply.status not in (204, 304):
        lines += ["Content-Type: application/json", f"Content-Length: {len(reply.body)}"]
    if close:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return head + (reply.body if with_body and reply.status not in (204, 304) else b"")
