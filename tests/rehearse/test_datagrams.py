"""Whom datagrams were for, and what a client of NTP is told."""

from __future__ import annotations

import struct

from fulldress.rehearse.stubs.datagrams import meant_for, ntp_answer

TABLE = """\
ipv4     2 udp      17 29 src=10.20.30.40 dst=10.0.0.53 sport=5000 dport=53 src=169.254.99.1 dst=10.20.30.40 sport=5353 dport=5000 mark=0
ipv4     2 udp      17 20 src=10.20.30.40 dst=203.0.113.8 sport=5000 dport=514 [UNREPLIED] src=169.254.99.1 dst=10.20.30.40 sport=9001 dport=5000
ipv4     2 udp      17 28 src=10.20.30.40 dst=203.0.113.9 sport=5000 dport=8125 [UNREPLIED] src=169.254.99.1 dst=10.20.30.40 sport=9001 dport=5000
ipv6     10 udp      17 9 src=fd00:0099:0000:0000:0000:0000:0000:0002 dst=2001:0db8:0000:0000:0000:0000:0000:0007 sport=6000 dport=514 [UNREPLIED] src=fd00:99::1 dst=fd00:99::2 sport=9001 dport=6000
"""  # noqa: E501 - the kernel's own lines


def test_the_flow_that_was_used_last_and_arrived_here_counts() -> None:
    assert meant_for(TABLE, "::ffff:10.20.30.40", 5000, 9001) == ("203.0.113.9", 8125)
    assert meant_for(TABLE, "fd00:99::2", 6000, 9001) == ("2001:db8::7", 514)
    assert meant_for(TABLE, "10.20.30.41", 5000, 9001) is None
    assert meant_for("", "10.20.30.40", 5000, 9001) is None


def test_a_client_of_ntp_is_told_the_time_that_it_has() -> None:
    question = bytes([0x23]) + bytes(39) + b"mytimest"
    answer = ntp_answer(question, 1_795_320_000.5)
    assert answer is not None
    assert (answer[0], len(answer), answer[24:32]) == (0x24, 48, b"mytimest")
    assert struct.unpack("!II", answer[40:48]) == (1_795_320_000 + 2_208_988_800, 1 << 31)
    assert ntp_answer(b"hi", 0) is None
