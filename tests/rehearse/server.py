"""A small HTTP server in a thread of its own, on a loopback port, for the load engine's tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

Answer = Callable[[str, str], bytes]
Behaviour = Callable[[socket.socket], object]


def plain(body: bytes = b"ok", status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


class Server:
    """``answer(method, path)`` gives raw bytes; empty bytes close the connection; ``stall_at`` freezes the server."""

    def __init__(
        self,
        answer: Answer = lambda *_: plain(),
        port: int = 0,
        idle_s: float = 60.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = tls
        self.answer = answer
        self.port = port
        self.idle_s = idle_s
        self.seen: list[tuple[float, str, str, bytes]] = []
        self.heads: list[str] = []
        self.connections = 0
        self.silent = False
        self.close_after = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(5)

    @property
    def address(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def stall(self, after_s: float, seconds: float) -> None:
        """Do nothing at all for so long, from so many seconds on."""
        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(after_s, time.sleep, seconds))

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=1024, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle_s)).decode()
                self.heads.append(head)
                method, path, _ = head.split("\r\n")[0].split(" ")
                length = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
                body = await reader.readexactly(int(length[0])) if length else b""
                self.seen.append((time.time(), method, path, body))
                if self.silent:
                    await self._end.wait()
                answer = self.answer(method, path)
                for piece in answer.split(b"<pause>"):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.002)
                if not answer or self.close_after:
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, TimeoutError, ssl.SSLError):
            pass
        finally:
            writer.close()


@contextlib.contextmanager
def hostile(behave: Behaviour) -> Iterator[int]:
    """Each connection is read from once, then treated as told, then closed."""

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if connection.recv(65536):
                behave(connection)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        thread = threading.Thread(target=accept, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
