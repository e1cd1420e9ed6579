"""The sink's server process: answers whatever leaves a clone, lets nothing through, records everything.

``python -m fulldress.rehearse.sinkserver --journal FILE --state DIR --config FILE`` inside the sink's network namespace. Its
rules redirect all TCP to one port, all UDP to another and DNS to a third; which address the clone meant is asked from the
kernel. It says ``{"ready": ..., "authority": PATH}`` on standard output, and ends on SIGTERM or when standard input, if that
is a pipe, ends: so it cannot outlive whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fulldress.rehearse.outside import Listen, Outside
from fulldress.rehearse.stubs import all_stubs, datagrams
from fulldress.rehearse.stubs.base import KEY_VARIABLE, Call, Recorder, digest, use_key
from fulldress.rehearse.stubs.certificates import Certificates
from fulldress.rehearse.stubs.dns import Datagrams, Names, Resolver, over_tcp

Origin = Callable[[socket.socket], tuple[str, int]]
"""Which address and port a redirected connection was meant for."""

_MOST_CONNECTIONS = 1000
_LONGEST_CALL_S = 900.0
_BLACKHOLE_S = 300.0
_PEEK_S = 3.0
_PEEK_STEP_S = 0.02
_SO_ORIGINAL_DST = 80


def meant_for(sock: socket.socket) -> tuple[str, int]:
    """What the kernel's connection tracking says the client asked for before it was redirected."""
    try:
        packed = sock.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
        return socket.inet_ntop(socket.AF_INET, packed[4:8]), int(struct.unpack("!H", packed[2:4])[0])
    except OSError:
        packed = sock.getsockopt(socket.IPPROTO_IPV6, _SO_ORIGINAL_DST, 28)
        return socket.inet_ntop(socket.AF_INET6, packed[8:24]), int(struct.unpack("!H", packed[2:4])[0])


class SinkServer:
    """Listens, finds out who was meant and which protocol is spoken, and hands over to a stub."""

    def __init__(
        self, outside: Outside, recorder: Recorder, state: Path, *, listen: Listen, origin: Origin = meant_for
    ) -> None:
        self.outside = outside
        self.names = Names()
        self.certificates = Certificates(state / "certificates")
        self.listen = listen
        self._recorder = recorder
        self._state = state
        self._origin = origin
        self._resolver = Resolver(self.names, outside.dns, recorder)
        self._memories: dict[str, dict[str, Any]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._number = 0
        self._closing: list[Callable[[], object]] = []

    async def start(self) -> Listen:
        """Begin to listen; returns where (a port of 0 became a real one)."""
        loop = asyncio.get_running_loop()
        tcp = _socket(self.listen.address, self.listen.tcp, socket.SOCK_STREAM)
        udp = _socket(self.listen.address, self.listen.udp, socket.SOCK_DGRAM)
        stream = _socket(self.listen.address, self.listen.dns, socket.SOCK_STREAM)
        dns_port = stream.getsockname()[1]
        dns = _socket(self.listen.address, dns_port, socket.SOCK_DGRAM)
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(self._resolver.answer), sock=dns)
        server = await asyncio.start_server(lambda r, w: over_tcp(self._resolver.answer, r, w), sock=stream)
        loop.add_reader(udp, self._datagram, udp)
        accepting = asyncio.create_task(self._accept(tcp))
        self._closing = [
            transport.close,
            server.close,
            lambda: loop.remove_reader(udp),
            udp.close,
            accepting.cancel,
            tcp.close,
        ]
        return msgspec.structs.replace(self.listen, tcp=tcp.getsockname()[1], udp=udp.getsockname()[1], dns=dns_port)

    async def stop(self) -> None:
        """Hang up on everyone."""
        for close in self._closing:
            close()
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError as error:
                self._recorder.write(what="trouble", protocol="tcp", detail=f"accept: {error.strerror}")
                await asyncio.sleep(0.1)
                continue
            task = asyncio.create_task(self._answer(sock))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    def _datagram(self, sock: socket.socket) -> None:
        try:
            data, sender = sock.recvfrom(65536)
        except OSError:
            return
        whom = datagrams.meant_for(_flows(), sender[0], sender[1], sock.getsockname()[1])
        if whom is None:
            self._recorder.write(what="udp", protocol="udp", size=len(data), body_sha256=digest(data))
            return
        address, port = whom
        name = self.names.name(address)
        answer = datagrams.ntp_answer(data, time.time()) if port == datagrams.NTP_PORT else None
        if answer is not None:
            with contextlib.suppress(OSError):  # the sender is gone
                sock.sendto(answer, sender)
        self._recorder.write(
            what="udp",
            protocol="udp",
            endpoint=f"{name}:{port}",
            address=address,
            port=port,
            hard_coded=name == address,
            size=len(data),
            body_sha256=digest(data),
            detail="" if answer is None else "asked for the time, got this computer's",
        )

    async def _answer(self, sock: socket.socket) -> None:
        """One connection, whatever happens in it: the boundary at which a stub's failure becomes a line of the journal."""
        self._number += 1
        try:
            address, port = self._origin(sock)
        except OSError as error:
            self._recorder.write(what="trouble", protocol="tcp", detail=f"meant for nobody: {error.strerror}")
            sock.close()
            return
        call = self._call(sock, self._number, address, port)
        mode = self._mode(call)
        call.record("connect", "tcp", detail="" if mode == "ok" else mode, scripted="" if mode == "ok" else mode)
        try:
            async with asyncio.timeout(_LONGEST_CALL_S):
                await self._by_mode(call, mode)
        except Exception as error:
            call.record("trouble", "tcp", detail=f"{type(error).__name__}: {error}"[:300])
        finally:
            await call.hang_up()

    def _mode(self, call: Call) -> str:
        """How this connection is met; a service that is still starting refuses the first ones."""
        if len(self._calls) > _MOST_CONNECTIONS:
            return "refuse"
        refused = call.memory.get("refused", 0)
        if refused < call.policy.refuse_first:
            call.memory["refused"] = refused + 1
            return "refuse"
        return call.policy.mode

    def _call(self, sock: socket.socket, number: int, address: str, port: int) -> Call:
        name = self.names.name(address)
        return Call(
            sock=sock,
            number=number,
            name=name,
            address=address,
            port=port,
            policy=self.outside.of(name, port),
            recorder=self._recorder,
            state=self._state,
            memory=self._memories.setdefault(f"{name}:{port}", {}),
            tls=self.certificates.context,
        )

    async def _by_mode(self, call: Call, mode: str) -> None:
        if mode == "refuse":
            call.reset()
            return
        if mode == "blackhole":
            await asyncio.sleep(_BLACKHOLE_S)
            return
        stubs = all_stubs()
        kind = call.policy.kind or next((name for name, stub in stubs.items() if call.port in stub.PORTS), "")
        if kind not in ("sftp", "smtp"):
            first = await _peek(call.sock)
            call.encrypted = first[:1] == b"\x16"
            guessed = next((name for name, stub in stubs.items() if stub.speaks(first)), "http" if call.encrypted else "raw")
            kind = kind or guessed
        await stubs.get(kind, stubs["raw"]).serve(call)


async def _peek(sock: socket.socket) -> bytes:
    """What the client says first, without taking it; empty when it waits for the server to speak."""
    sock.setblocking(False)
    for _ in range(int(_PEEK_S / _PEEK_STEP_S)):
        try:
            return sock.recv(8, socket.MSG_PEEK)
        except BlockingIOError:
            await asyncio.sleep(_PEEK_STEP_S)
    return b""


def _flows() -> str:
    """The kernel's table of connections in this namespace; empty where the kernel does not show it."""
    try:
        return Path("/proc/net/nf_conntrack").read_text()
    except OSError:
        return ""


def _socket(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((address, port))
    sock.setblocking(False)
    if kind == socket.SOCK_STREAM:
        sock.listen(1024)
    return sock


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="sinkserver", description="Answers and records what leaves a clone.")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--listen", default="{}", help="JSON of where to listen")
    chosen = parser.parse_args(arguments)
    use_key(os.environ.pop(KEY_VARIABLE, "").encode())
    outside = msgspec.json.decode(chosen.config.read_bytes(), type=Outside)
    listen = msgspec.json.decode(chosen.listen, type=Listen)
    chosen.state.mkdir(parents=True, exist_ok=True)
    with chosen.journal.open("ab") as stream:
        asyncio.run(_serve(outside, Recorder(stream), chosen.state, listen))
    return 0


async def _serve(outside: Outside, recorder: Recorder, state: Path, listen: Listen) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        await loop.connect_read_pipe(lambda: _Lifeline(over.set), sys.stdin)
    server = SinkServer(outside, recorder, state, listen=listen)
    where = await server.start()
    ready = {"ready": msgspec.to_builtins(where), "authority": str(server.certificates.authority)}
    sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
    sys.stdout.flush()
    await over.wait()
    await server.stop()


class _Lifeline(asyncio.Protocol):
    """Standard input's end means that whoever started this process is gone."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._ended()


if __name__ == "__main__":
    raise SystemExit(main())
