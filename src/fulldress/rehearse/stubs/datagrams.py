"""Datagrams that are no DNS: whom they were for, by the kernel's table of connections, and NTP's answer. Pure; no I/O."""

from __future__ import annotations

import ipaddress
import re
import struct

NAME = "datagrams"
NTP_PORT = 123
_NTP_BYTES = 48
_SINCE_1900 = 2_208_988_800
_FLOW = re.compile(
    r"\budp\s+17\s+(?P<left>\d+)\s.*?\bsrc=(?P<source>\S+) dst=(?P<meant>\S+) sport=(?P<sport>\d+) dport=(?P<port>\d+)"
    r".*?\bsrc=\S+ dst=\S+ sport=(?P<ours>\d+)"
)


def meant_for(table: str, address: str, port: int, ours: int) -> tuple[str, int] | None:
    """The address and port that a sender's datagrams were for, by ``/proc/net/nf_conntrack``; ``ours``: where they arrived.

    Of several the one that was used last: it has the most seconds left.
    """
    sender, best = _plain(address), (-1, ("", 0))
    for line in table.splitlines():
        flow = _FLOW.search(line)
        if flow and int(flow["ours"]) == ours and int(flow["sport"]) == port and _plain(flow["source"]) == sender:
            best = max(best, (int(flow["left"]), (_plain(flow["meant"]), int(flow["port"]))))
    return best[1] if best[0] >= 0 else None


def _plain(address: str) -> str:
    """One way of writing an address; IPv4 in IPv6's clothes as IPv4."""
    seen = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(seen, "ipv4_mapped", None)
    return str(mapped or seen)


def ntp_answer(question: bytes, now: float) -> bytes | None:
    """A server's answer with the time as it is here, so a client has nothing to correct; None for what is no question."""
    if len(question) < _NTP_BYTES or question[0] & 7 != 3:
        return None
    stamp = struct.pack("!II", int(now) + _SINCE_1900 & 0xFFFFFFFF, int(now % 1 * (1 << 32)))
    head = struct.pack("!BBbb", question[0] & 0x38 | 4, 1, 6, -20)
    return head + struct.pack("!II4s", 0, 0, b"LOCL") + stamp + question[40:48] + stamp + stamp
