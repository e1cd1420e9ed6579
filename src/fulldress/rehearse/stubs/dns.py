"""Every name resolves to an address of its own, so that what connects later is recorded under the name it meant."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import Callable
from typing import Any, cast

from dnslib import MX, PTR, QTYPE, RCODE, RR, SRV, TXT, A, DNSError, DNSRecord

from fulldress.rehearse.stubs.base import Recorder

_FIRST = int(ipaddress.ip_address("198.18.0.10"))
_LAST = int(ipaddress.ip_address("198.19.255.254"))
_TTL = 1
NXDOMAIN = "NXDOMAIN"
_SERVICE_PORTS = {"ldap": 389, "ldaps": 636, "kerberos": 88, "sip": 5060, "imap": 143, "imaps": 993, "submission": 587}
_SERVICE_PORTS |= {"http": 80, "https": 443, "ntp": 123, "mongodb": 27017, "etcd-client": 2379, "xmpp-client": 5222}


class Names:
    """Names and the addresses given to them, out of 198.18.0.0/15 (reserved for such tests)."""

    def __init__(self) -> None:
        self._address: dict[str, str] = {}
        self._name: dict[str, str] = {}

    def address(self, name: str) -> str | None:
        """The address of a name, given out on first sight; None when there are no more."""
        if name not in self._address:
            number = _FIRST + len(self._address)
            if number > _LAST:
                return None
            self._address[name] = str(ipaddress.ip_address(number))
            self._name[self._address[name]] = name
        return self._address[name]

    def name(self, address: str) -> str:
        """The name that an address was given to, else the address itself (it was hard-coded)."""
        return self._name.get(address, address)


class Resolver:
    """Answers DNS messages and records what was asked."""

    def __init__(self, names: Names, fixed: dict[str, str], recorder: Recorder) -> None:
        self._names = names
        self._fixed = {name.rstrip(".").lower(): answer for name, answer in fixed.items()}
        self._recorder = recorder

    def answer(self, message: bytes) -> bytes | None:
        """The reply; None for bytes that are no question."""
        try:
            question = DNSRecord.parse(message)
            if not question.questions or question.header.qr:
                return None
        except (DNSError, ValueError, IndexError, struct.error, UnicodeError):
            self._recorder.write(what="trouble", protocol="dns", detail="not a DNS question", size=len(message))
            return None
        name = str(question.q.qname).rstrip(".").lower()
        kind = QTYPE.get(question.q.qtype, str(question.q.qtype))
        reply, said = self._reply(question, name, kind)
        self._recorder.write(what="dns", protocol="dns", endpoint=f"{name}:53", method=str(kind), detail=said)
        return bytes(reply.pack())

    def _reply(self, question: Any, name: str, kind: str) -> tuple[Any, str]:
        reply = question.reply()
        if self._fixed.get(name) == NXDOMAIN:
            reply.header.rcode = RCODE.NXDOMAIN
            return reply, NXDOMAIN
        if kind == "A" and (address := self._names.address(name)):
            reply.add_answer(RR(question.q.qname, QTYPE.A, rdata=A(address), ttl=_TTL))
            return reply, address
        record = self._record(kind, name)
        if record is not None:
            reply.add_answer(RR(question.q.qname, getattr(QTYPE, kind), rdata=record, ttl=_TTL))
            return reply, str(record)
        if kind == "PTR" and name.endswith(".in-addr.arpa"):
            address = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
            known = self._names.name(address)
            if known != address:
                reply.add_answer(RR(question.q.qname, QTYPE.PTR, rdata=PTR(known), ttl=_TTL))
                return reply, known
        return reply, "no data"  # AAAA and the like: clients then fall back to A

    def _record(self, kind: str, name: str) -> Any:
        """What is declared (``MX name`` -> text), else for mail and services: the name itself takes them."""
        declared = self._fixed.get(f"{kind.lower()} {name}")
        if kind == "TXT":
            return TXT(declared) if declared else None
        if kind == "MX":
            return MX(declared or name, 10)
        if kind == "SRV" and name.startswith("_"):
            service, _, rest = name.partition(".")
            target, _, port = (declared or "").rpartition(":")
            usual = _SERVICE_PORTS.get(service[1:])
            if port.isdecimal() or usual is not None:
                return SRV(0, 0, int(port) if port.isdecimal() else usual, target or rest.partition(".")[2] or rest)
        return None


class Datagrams(asyncio.DatagramProtocol):
    """DNS over UDP."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Called by the loop."""
        reply = self._answer(data)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


async def over_tcp(
    answer: Callable[[bytes], bytes | None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """DNS over TCP: questions with their length before them, until the client hangs up."""
    try:
        async with asyncio.timeout(30):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = answer(await reader.readexactly(length))
                if reply is None:
                    return
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
    except (asyncio.IncompleteReadError, OSError, TimeoutError):
        return
    finally:
        writer.close()
