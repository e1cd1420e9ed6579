"""A sink in a thread of its own, on loopback ports, that is told whom each connection was meant for."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec
from dnslib import DNSRecord

from fulldress.rehearse.outside import Entry, Listen, Outside
from fulldress.rehearse.sinkserver import SinkServer
from fulldress.rehearse.stubs.base import Recorder


class ThreadedSink:
    def __init__(self, directory: Path, outside: Mapping[str, object] | None = None) -> None:
        self.directory = directory
        self.outside = msgspec.convert(outside or {}, Outside)
        self.meant = ("198.18.0.1", 80)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> ThreadedSink:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        with (self.directory / "sink.jsonl").open("ab") as stream:
            listen = Listen(address="127.0.0.1", tcp=0, udp=0, dns=0)
            self.server = SinkServer(
                self.outside, Recorder(stream), self.directory, listen=listen, origin=lambda _: self.meant
            )
            self.listen = await self.server.start()
            self._ready.set()
            await self._end.wait()
            await self.server.stop()

    def resolve(self, name: str, kind: str = "A") -> DNSRecord:
        question = DNSRecord.question(name, kind)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(question.pack(), ("127.0.0.1", self.listen.dns))
            return DNSRecord.parse(sock.recv(4096))

    def aim(self, name: str, port: int) -> None:
        """The next connections are meant for this name, as if the client had resolved it."""
        self.meant = (str(self.resolve(name).short()), port)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.listen.tcp), timeout=10)

    def entries(self, what: str = "") -> list[Entry]:
        lines = (self.directory / "sink.jsonl").read_bytes().splitlines()
        every = [msgspec.json.decode(line, type=Entry) for line in lines]
        return [one for one in every if not what or one.what == what]

    def journal_text(self) -> str:
        return (self.directory / "sink.jsonl").read_text()
