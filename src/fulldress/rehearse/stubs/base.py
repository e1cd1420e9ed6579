"""What every stub is given: the accepted connection, who was asked for, the certificates, and the recorder."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from fulldress.rehearse.outside import Endpoint, Entry

IDLE_S = 60.0
"""A client that says nothing for so long is hung up on."""
_FLUSH_S = 5.0
MOST_BODY = 256 * 1024 * 1024


KEY_VARIABLE = "FULLDRESS_SINK_KEY"
"""Environment variable by which the server's process is given the key of its digests."""
_KEY = bytearray()


def use_key(key: bytes) -> None:
    """From now on digests are keyed: nobody without the key can try out what a short secret was."""
    _KEY[:] = key


def hasher() -> Any:
    """What digests are made with: HMAC-SHA-256 with the key, or SHA-256 when there is none."""
    return hmac.new(_KEY, digestmod=hashlib.sha256) if _KEY else hashlib.sha256()


def digest(data: bytes) -> str:
    """The digest (hex): all that is ever kept of a body or a secret."""
    made = hasher()
    made.update(data)
    return str(made.hexdigest())


class Recorder:
    """Appends entries to the journal, one JSON line each, at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._seq = 0

    def write(self, **fields: Any) -> None:
        """Record an :class:`Entry`; number and time are added."""
        self._seq += 1
        entry = Entry(seq=self._seq, at=time.time(), **fields)
        self._stream.write(msgspec.json.encode(entry) + b"\n")
        self._stream.flush()


class Call:
    """One accepted connection."""

    def __init__(
        self,
        *,
        sock: socket.socket,
        number: int,
        name: str,
        address: str,
        port: int,
        policy: Endpoint,
        recorder: Recorder,
        state: Path,
        memory: dict[str, Any],
        tls: Callable[[str], ssl.SSLContext],
    ) -> None:
        self.sock = sock
        self.number = number
        self.name = name
        self.address = address
        self.port = port
        self.policy = policy
        self.state = state
        """A directory for what has to lie on disk."""
        self.memory = memory
        """What the third party remembers, by stub; shared by all connections to this endpoint."""
        self.encrypted = False
        self._writer: asyncio.StreamWriter | None = None
        self._recorder = recorder
        self._tls = tls

    @property
    def endpoint(self) -> str:
        """``name:port`` as asked for."""
        return f"{self.name}:{self.port}"

    def record(self, what: str, protocol: str, **fields: Any) -> None:
        """Record something about this connection."""
        self._recorder.write(
            what=what,
            protocol=protocol,
            connection=self.number,
            endpoint=self.endpoint,
            address=self.address,
            port=self.port,
            hard_coded=self.name == self.address,
            **fields,
        )

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Reader and writer, after the TLS handshake when the client began one."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=64 * 1024)
        made: list[asyncio.StreamWriter] = []  # the one that the protocol makes: a second one would close it when it goes
        protocol = asyncio.StreamReaderProtocol(reader, lambda _, writer: made.append(writer))
        context = self._tls(self.name) if self.encrypted else None
        await loop.connect_accepted_socket(lambda: protocol, self.sock, ssl=context)
        self._writer = made[0]
        return reader, self._writer

    async def encrypt(self) -> None:
        """Go on within TLS (STARTTLS); the client begins its handshake now."""
        if self._writer is not None:
            await self._writer.start_tls(self._tls(self.name))
            self.encrypted = True

    def reset(self) -> None:
        """End the connection as a crashed peer does; the client sees a reset."""
        sock = self.sock if self._writer is None else self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._writer is not None:
            self._writer.transport.abort()

    async def hang_up(self) -> None:
        """Close the connection once what was written has left, or after a moment."""
        if self._writer is not None:
            self._writer.close()
            try:
                await asyncio.wait_for(self._writer.wait_closed(), _FLUSH_S)
            except (OSError, TimeoutError):
                self._writer.transport.abort()
        else:
            self.sock.close()
