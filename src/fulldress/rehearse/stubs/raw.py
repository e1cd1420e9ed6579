"""Anything else over TCP: its first bytes are recorded as a digest, then it is hung up on."""

from __future__ import annotations

import asyncio

from fulldress.rehearse.stubs.base import Call, digest

NAME = "raw"
PORTS: tuple[int, ...] = ()
_WAIT_S = 3.0
_MOST = 64 * 1024


def speaks(_: bytes) -> bool:
    """Never chosen for its bytes: it is what is left."""
    return False


async def serve(call: Call) -> None:
    """Read what there is, say nothing, hang up."""
    reader, writer = await call.streams()
    data = b""
    try:
        data = await asyncio.wait_for(reader.read(_MOST), _WAIT_S)
    except (TimeoutError, ConnectionError):
        pass
    finally:
        call.record("data", "tcp", size=len(data), body_sha256=digest(data) if data else "")
        writer.close()
