"""Reading a vendor's channel: the address that was checked, TLS, and nothing that the answer asks for."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.adapters.tls import HOST, Authority, Server, certificate_for, reply
from tests.intake.signing import issue

from fulldress.adapters.https import Allowed, ChannelRefused, Https, _forbidden

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    root = issue("Test Root", ca=True, days=(-30, 800))
    return Authority(root, certificate_for(HOST, root, tmp_path_factory.mktemp("tls") / "server.pem"))


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    made = Server(authority.chain)
    yield made
    made.socket.close()


class Asked(NamedTuple):
    url: str
    allowed: Allowed


def asking(server: Server, authority: Authority, path: str = "/feed.xml", **changed: object) -> Asked:
    name = f"{HOST}:{server.port}"
    allowed = Allowed(frozenset({name}), LOOPBACK, authority.root.pem.decode())._replace(**changed)
    return Asked(f"https://{name}{path}", allowed)


def to(*addresses: str, seconds: float = 5.0) -> Https:
    return Https(lambda *_: addresses, seconds=seconds)


def test_a_body_is_read_from_the_host_on_the_list(server: Server, authority: Authority) -> None:
    server.serve = reply(b"news")
    assert to("127.0.0.1").get(*asking(server, authority, "/a?b=c")) == b"news"
    assert server.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: vendor.example:")
    assert b"gzip" not in server.asked[0]


def test_proxies_of_the_environment_are_not_used(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    server.serve = reply(b"direct")
    assert to("127.0.0.1").get(*asking(server, authority)) == b"direct"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed_wherever_it_leads(server: Server, authority: Authority, status: str) -> None:
    server.serve = reply(b"", status, f"Location: https://127.0.0.1:{server.port}/secret")
    with pytest.raises(ChannelRefused, match="redirects are never followed"):
        to("127.0.0.1").get(*asking(server, authority))
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Partial Content"])
def test_only_a_200_is_an_answer(server: Server, authority: Authority, status: str) -> None:
    server.serve = reply(b"", status)
    with pytest.raises(ChannelRefused, match=f"HTTP {status[:3]}"):
        to("127.0.0.1").get(*asking(server, authority))


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(
    server: Server, authority: Authority
) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    server.serve = reply(b"first")
    assert Https(rebinding, seconds=5).get(*asking(server, authority)) == b"first"
    assert asked == [HOST]
    with pytest.raises(ChannelRefused, match=r"169\.254\.169\.254"):
        Https(rebinding, seconds=5).get(*asking(server, authority))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "::1",
        "fe80::1%eth0",
        "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "224.0.0.1", "255.255.255.255", "fd00:ec2::254",
    ],
)  # fmt: skip
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    with pytest.raises(ChannelRefused, match="leads to"):
        to(address).get(f"https://{HOST}/x", Allowed(frozenset({HOST})))


def test_one_inside_address_among_public_ones_is_enough() -> None:
    with pytest.raises(ChannelRefused, match="leads to 10"):
        to("93.184.216.34", "10.0.0.1").get(f"https://{HOST}/x", Allowed(frozenset({HOST})))


def test_no_record_can_allow_the_metadata_address() -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert _forbidden(ipaddress.ip_address("169.254.169.254"), everything)
    assert _forbidden(ipaddress.ip_address("fe80::1"), everything)
    assert not _forbidden(ipaddress.ip_address("10.1.2.3"), everything)
    assert not _forbidden(ipaddress.ip_address("93.184.216.34"), ())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://vendor.example/x", "only https"),
        ("file:///etc/passwd", "only https"),
        ("https://user:pw@vendor.example/x", "credentials"),
        ("https://other.example/x", "not among the hosts"),
        ("https://vendor.example:8443/x", "not among the hosts"),
        ("https://vendor.example.evil.example/x", "not among the hosts"),
        ("https://vendor.example@evil.example/x", "credentials"),
        ("https://vendor.example/x y", "no address"),
        ("https://[::1", "no address"),
        ("https:///x", "no address"),
    ],
)
def test_addresses_that_are_never_asked(url: str, why: str) -> None:
    with pytest.raises(ChannelRefused, match=why):
        to("93.184.216.34").get(url, Allowed(frozenset({HOST})))


def test_a_body_over_the_limit_is_refused_announced_or_not(server: Server, authority: Authority) -> None:
    server.serve = reply(b"x" * 5000)
    with pytest.raises(ChannelRefused, match="5000 bytes"):
        to("127.0.0.1").get(*asking(server, authority), limit=1000)

    def endless(connection: ssl.SSLSocket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    server.serve = endless
    with pytest.raises(ChannelRefused, match="more than 100,000 bytes"):
        to("127.0.0.1").get(*asking(server, authority), limit=100_000)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"], ids=["header", "body"])
def test_a_server_that_drips_is_cut_off(server: Server, authority: Authority, start: bytes) -> None:
    def drip(connection: ssl.SSLSocket, _: bytes) -> None:
        connection.sendall(start)
        for _ in range(200):
            connection.sendall(b"a")
            time.sleep(0.05)

    server.serve = drip
    began = time.monotonic()
    with pytest.raises(ChannelRefused, match=r"within 0\.5 s"):
        to("127.0.0.1", seconds=0.5).get(*asking(server, authority))
    assert time.monotonic() - began < 8, "all of it would take ten seconds"


def test_a_cut_off_body_is_no_body(server: Server, authority: Authority) -> None:
    server.serve = lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    with pytest.raises(ChannelRefused, match="IncompleteRead"):
        to("127.0.0.1").get(*asking(server, authority))


def test_an_answer_that_is_no_http_or_compressed_is_refused(server: Server, authority: Authority) -> None:
    server.serve = lambda connection, _: connection.sendall(b"220 smtp ready\r\n")
    with pytest.raises(ChannelRefused, match="BadStatusLine"):
        to("127.0.0.1").get(*asking(server, authority))
    server.serve = reply(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip")
    with pytest.raises(ChannelRefused, match="compressed"):
        to("127.0.0.1").get(*asking(server, authority))


def test_a_certificate_of_another_root_or_name_is_refused(server: Server, authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ChannelRefused, match="CERTIFICATE_VERIFY_FAILED"):
        to("127.0.0.1").get(*asking(server, authority, ca=issue("Other", ca=True).pem.decode()))
    other = Server(certificate_for("other.example", authority.root, tmp_path / "other.pem"))
    try:
        with pytest.raises(ChannelRefused, match="CERTIFICATE_VERIFY_FAILED"):
            to("127.0.0.1").get(*asking(other, authority))
        assert other.asked in ([], [b""])
    finally:
        other.socket.close()


def test_nobody_listens_or_the_name_is_unknown(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    allowed = Allowed(frozenset({f"{HOST}:{port}"}), LOOPBACK)
    with pytest.raises(ChannelRefused, match="ConnectionRefused"):
        to("127.0.0.1").get(f"https://{HOST}:{port}/", allowed)

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(ChannelRefused, match="cannot be resolved"):
        Https(unknown).get(f"https://{HOST}/", Allowed(frozenset({HOST})))
