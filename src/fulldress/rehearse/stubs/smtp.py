"""SMTP: takes every mail, delivers none. Recipients are recorded, the text as a digest."""

from __future__ import annotations

import asyncio

from fulldress.rehearse.stubs.base import IDLE_S, MOST_BODY, Call, hasher

NAME = "smtp"
PORTS = (25, 587)
_HELLO = b"250-rehearsal\r\n250-8BITMIME\r\n%b250-AUTH PLAIN LOGIN\r\n250 SIZE 268435456\r\n"
_IN_THE_CLEAR = b"250-STARTTLS\r\n"
_MOST_COMMANDS = 10_000
_MOST_RECIPIENTS = 100


def speaks(first: bytes) -> bool:
    """Clients of SMTP wait for the server: known by the port alone, or by an eager greeting."""
    return first[:4].upper() in (b"EHLO", b"HELO")


async def serve(call: Call) -> None:
    """Talk until QUIT."""
    reader, writer = await call.streams()
    talk = _Talk(call, reader, writer)
    try:
        writer.write(b"220 rehearsal ESMTP\r\n")
        for _ in range(_MOST_COMMANDS):
            line = await asyncio.wait_for(reader.readline(), IDLE_S)
            if not line or not await talk.command(line.strip().decode("latin-1")):
                break
    except (TimeoutError, OSError, ValueError):
        pass  # the client hung up, fell silent, did not trust us or sent an endless line
    finally:
        writer.close()


class _Talk:
    def __init__(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._call = call
        self._reader = reader
        self._writer = writer
        self._recipients: list[str] = []

    async def command(self, line: str) -> bool:
        """Answer a command; False after QUIT."""
        verb = line[:4].upper()
        if verb == "QUIT":
            await self._say(b"221 bye\r\n")
            return False
        if verb == "EHLO":
            await self._say(_HELLO % (b"" if self._call.encrypted else _IN_THE_CLEAR))
        elif verb == "STAR" and not self._call.encrypted:
            await self._say(b"220 go ahead\r\n")
            await self._call.encrypt()
            self._recipients.clear()
        elif verb == "AUTH":
            await self._auth(line)
        elif verb == "DATA":
            await self._mail()
        else:
            if verb == "RCPT" and len(self._recipients) < _MOST_RECIPIENTS:
                self._recipients.append(line.partition(":")[2].strip().split(" ")[0].strip("<>"))
            elif verb in ("MAIL", "RSET"):
                self._recipients.clear()
            await self._say(b"250 ok\r\n")
        return True

    async def _say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _auth(self, line: str) -> None:
        """Anyone may log in; nothing of the secret is kept."""
        words = line.split()
        prompts = {"PLAIN": 1, "LOGIN": 2}.get(words[1].upper() if len(words) > 1 else "", 1)
        for _ in range(prompts - max(0, len(words) - 2)):
            await self._say(b"334 \r\n")
            await asyncio.wait_for(self._reader.readline(), IDLE_S)
        self._call.record("login", "smtp", detail="logged in (secret not kept)")
        await self._say(b"235 ok\r\n")

    async def _mail(self) -> None:
        await self._say(b"354 go on\r\n")
        size, seen = 0, hasher()
        while (line := await asyncio.wait_for(self._reader.readline(), IDLE_S)) not in (b".\r\n", b".\n", b""):
            text = line[1:] if line.startswith(b"..") else line
            size += len(text)
            seen.update(text)
            if size > MOST_BODY:
                await self._say(b"552 too much\r\n")
                return
        who = ",".join(self._recipients)
        self._call.record("mail", "smtp", method="MAIL", path=who, size=size, body_sha256=seen.hexdigest(), kind="mail")
        self._recipients.clear()
        await self._say(b"250 taken\r\n")
