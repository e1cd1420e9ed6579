"""The sink's stubs, each by a real client."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import smtplib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import asyncssh
import pytest
from dnslib import DNSRecord

from fulldress.rehearse.stubs import all_stubs

from .sinking import ThreadedSink

Make = Callable[..., ThreadedSink]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[ThreadedSink] = []

    def made(outside: Mapping[str, object] | None = None) -> ThreadedSink:
        opened.append(ThreadedSink(tmp_path, outside).__enter__())
        return opened[-1]

    yield made
    for one in opened:
        one.__exit__()


def ask(
    sink: ThreadedSink, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> tuple[int, object]:
    client = http.client.HTTPConnection("127.0.0.1", sink.listen.tcp, timeout=10)
    try:
        client.request(method, path, None if body is None else json.dumps(body), dict(headers or {}))
        answer = client.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None
    finally:
        client.close()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen within 5 s"
        time.sleep(0.02)


def test_stubs_are_found_by_their_folder() -> None:
    assert set(all_stubs()) == {"http", "raw", "sftp", "smtp"}


class TestDns:
    def test_every_name_gets_an_address_of_its_own(self, make: Make) -> None:
        sink = make()
        first, second = sink.resolve("a.example").short(), sink.resolve("b.example").short()
        assert first.startswith("198.18.")
        assert first != second
        assert sink.resolve("A.example.").short() == first
        assert [one.endpoint for one in sink.entries("dns")] == ["a.example:53", "b.example:53", "a.example:53"]

    def test_a_name_may_not_exist(self, make: Make) -> None:
        sink = make({"dns": {"gone.example": "NXDOMAIN"}})
        assert sink.resolve("gone.example").header.rcode == 3

    def test_other_types_have_no_data_so_that_clients_use_ipv4(self, make: Make) -> None:
        reply = make().resolve("a.example", "AAAA")
        assert (reply.header.rcode, reply.rr) == (0, [])

    def test_an_address_leads_back_to_its_name(self, make: Make) -> None:
        sink = make()
        backwards = ".".join(reversed(sink.resolve("a.example").short().split(".")))
        assert sink.resolve(f"{backwards}.in-addr.arpa", "PTR").short() == "a.example."

    def test_it_answers_over_tcp_too(self, make: Make) -> None:
        sink = make()
        question = DNSRecord.question("a.example").pack()
        with socket.create_connection(("127.0.0.1", sink.listen.dns), timeout=5) as sock:
            sock.sendall(struct.pack("!H", len(question)) + question)
            (length,) = struct.unpack("!H", sock.recv(2))
            assert DNSRecord.parse(sock.recv(length)).short().startswith("198.18.")

    def test_garbage_is_recorded_and_the_next_question_answered(self, make: Make) -> None:
        sink = make()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"\x00\x01garbage", ("127.0.0.1", sink.listen.dns))
        assert sink.resolve("a.example").short().startswith("198.18.")
        assert len(sink.entries("trouble")) == 1


class TestHttp:
    def test_a_collection_remembers_what_was_posted(self, make: Make) -> None:
        sink = make({"endpoint": {"hooks.example": {"id-prefix": "wh_"}}})
        sink.aim("hooks.example", 80)
        status, made = ask(sink, "POST", "/v1/webhooks", {"url": "http://me/"})
        assert status == 201
        assert isinstance(made, dict)
        assert made["id"].startswith("wh_")
        place = f"/v1/webhooks/{made['id']}"
        assert ask(sink, "GET", place) == (200, made)
        assert ask(sink, "GET", "/v1/webhooks") == (200, [made])
        assert ask(sink, "DELETE", place) == (204, None)
        assert ask(sink, "GET", place)[0] == 404
        assert ask(sink, "DELETE", place)[0] == 404
        assert ask(sink, "GET", "/v1/webhooks") == (200, []), "an empty collection is still one"

    def test_a_value_put_is_the_value_got(self, make: Make) -> None:
        sink = make({"endpoint": {"flags.example": {"initial": {"/v1/flags/x": {"enabled": False}}}}})
        sink.aim("flags.example", 80)
        assert ask(sink, "GET", "/v1/flags/x") == (200, {"enabled": False})
        assert ask(sink, "PUT", "/v1/flags/x", {"enabled": True}) == (200, {"enabled": True})
        assert ask(sink, "GET", "/v1/flags/x") == (200, {"enabled": True})
        assert ask(sink, "PATCH", "/v1/flags/x", {"note": 1}) == (200, {"enabled": True, "note": 1})
        assert ask(sink, "GET", "/v1/flags/unknown")[0] == 404
        assert ask(sink, "PUT", "/v1/flags/new", {"a": 1})[0] == 201

    def test_third_parties_do_not_share_memory(self, make: Make) -> None:
        sink = make()
        sink.aim("a.example", 80)
        ask(sink, "PUT", "/x", {"a": 1})
        sink.aim("b.example", 80)
        assert ask(sink, "GET", "/x")[0] == 404

    def test_answers_may_be_scripted(self, make: Make) -> None:
        answers = [
            {"method": "GET", "path": "/v2/reference/*", "body": {"factor": 2}, "latency-s": 0.2},
            {"path": "/down", "status": 503},
        ]
        sink = make({"endpoint": {"api.example:80": {"answer": answers}}})
        sink.aim("api.example", 80)
        begun = time.monotonic()
        assert ask(sink, "GET", "/v2/reference/iso?x=1") == (200, {"factor": 2})
        assert time.monotonic() - begun >= 0.2
        assert ask(sink, "POST", "/down") == (503, None)

    def test_declared_events_create_nothing(self, make: Make) -> None:
        sink = make({"endpoint": {"hooks.example": {"events": ["/v1/events"]}}})
        sink.aim("hooks.example", 80)
        assert ask(sink, "POST", "/v1/events", {"a": 1}) == (202, {"accepted": True})
        (entry,) = sink.entries("request")
        assert (entry.event, entry.created) == (True, "")

    def test_only_digests_of_contents_and_no_secret_reach_the_journal(self, make: Make) -> None:
        sink = make()
        sink.aim("a.example", 80)
        ask(sink, "POST", "/v1/x?apikey=hunter2", {"password": "hunter3"}, {"Authorization": "Bearer hunter4"})
        (entry,) = sink.entries("request")
        assert entry.body_sha256 == hashlib.sha256(b'{"password": "hunter3"}').hexdigest()
        assert entry.path == "/v1/x"
        assert "authorization Bearer (redacted)" in entry.detail
        assert "hunter" not in sink.journal_text()

    def test_a_connection_is_kept_for_several_requests(self, make: Make) -> None:
        sink = make()
        client = http.client.HTTPConnection("127.0.0.1", sink.listen.tcp, timeout=10)
        for number in range(3):
            client.request("PUT", f"/x/{number}", "{}")
            client.getresponse().read()
        client.close()
        assert len(sink.entries("connect")) == 1
        assert len(sink.entries("request")) == 3

    def test_chunked_bodies_are_read(self, make: Make) -> None:
        sink = make()
        client = http.client.HTTPConnection("127.0.0.1", sink.listen.tcp, timeout=10)
        client.request("PUT", "/x", iter([b'{"a"', b": 1}"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        assert client.getresponse().status == 201
        client.close()
        assert sink.entries("request")[0].size == 8

    def test_curl_may_wait_to_be_told_to_continue(self, make: Make) -> None:
        sink = make()
        with sink.connect() as sock:
            sock.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 100")
            sock.sendall(b"{}")
            assert sock.recv(100).startswith(b"HTTP/1.1 201")

    def test_head_says_what_get_would_without_saying_it(self, make: Make) -> None:
        sink = make({"endpoint": {"198.18.0.1": {"initial": {"/x": {"a": 1}}}}})
        assert ask(sink, "HEAD", "/x") == (200, None)

    @pytest.mark.parametrize("bad", [b"GET / HTTP/1.1 x y\r\n\r\n", b"PUT / HTTP/1.1\r\nContent-Length: -5\r\n\r\n"])
    def test_broken_requests_are_refused_and_recorded(self, make: Make, bad: bytes) -> None:
        sink = make()
        with sink.connect() as sock:
            sock.sendall(bad)
            assert sock.recv(100).startswith(b"HTTP/1.1 400")
        assert len(sink.entries("trouble")) == 1

    def test_a_hard_coded_address_is_told_from_a_name(self, make: Make) -> None:
        sink = make()
        ask(sink, "GET", "/")
        sink.aim("a.example", 80)
        ask(sink, "GET", "/")
        assert [(one.endpoint, one.hard_coded) for one in sink.entries("request")] == [
            ("198.18.0.1:80", True),
            ("a.example:80", False),
        ]


class TestTls:
    def handshake(self, sink: ThreadedSink, name: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(sink.server.certificates.authority))
        return context.wrap_socket(sink.connect(), server_hostname=name)

    def test_a_clone_that_trusts_the_authority_sees_a_good_certificate(self, make: Make) -> None:
        sink = make()
        sink.aim("api.example", 443)
        with self.handshake(sink, "api.example") as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 404")
        (entry,) = sink.entries("request")
        assert (entry.protocol, entry.endpoint) == ("https", "api.example:443")

    def test_the_certificate_is_for_the_name_in_the_handshake(self, make: Make) -> None:
        sink = make()
        with self.handshake(sink, "other.example") as sock:
            certificate = sock.getpeercert()
        assert certificate is not None
        assert certificate["subjectAltName"] == (("DNS", "other.example"),)

    def test_a_clone_that_does_not_trust_it_is_recorded(self, make: Make) -> None:
        sink = make()
        with pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(sink.connect(), server_hostname="api.example")
        wait_for(lambda: sink.entries("trouble"))

    def test_no_private_key_is_left_on_disk(self, make: Make, tmp_path: Path) -> None:
        sink = make()
        self.handshake(sink, "api.example").close()
        for path in (tmp_path / "certificates").iterdir():
            assert "PRIVATE" not in path.read_text()


class TestSftp:
    def run(self, sink: ThreadedSink, password: str, script: Callable[[asyncssh.SFTPClient], object]) -> None:
        async def talk() -> None:
            connection = asyncssh.connect(
                "127.0.0.1",
                sink.listen.tcp,
                username="me",
                password=password,
                known_hosts=None,
                client_keys=None,
                config=None,
            )
            async with connection as client, client.start_sftp_client() as sftp:
                await script(sftp)  # type: ignore[misc]

        asyncio.run(asyncio.wait_for(talk(), 20))

    def test_uploads_are_recorded_by_digest_and_can_be_removed(self, make: Make, tmp_path: Path) -> None:
        sink = make()
        sink.aim("sftp.example", 22)

        async def script(sftp: asyncssh.SFTPClient) -> None:
            async with sftp.open("/out.csv.tmp", "wb") as file:
                await file.write(b"a;b\n")
            await sftp.rename("/out.csv.tmp", "/out.csv")
            assert "out.csv" in await sftp.listdir("/")
            await sftp.remove("/out.csv")

        self.run(sink, "hunter2", script)
        put, moved, removed = [one for one in sink.entries("file") if one.method in ("PUT", "RENAME", "REMOVE")]
        assert (put.endpoint, put.path, put.size) == ("sftp.example:22", "/out.csv.tmp", 4)
        assert put.body_sha256 == hashlib.sha256(b"a;b\n").hexdigest()
        assert (moved.path, moved.detail, removed.path) == ("/out.csv.tmp", "/out.csv", "/out.csv")
        assert "hunter" not in sink.journal_text()

    def test_nothing_outside_its_folder_can_be_reached(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "precious").write_text("x")
        sink = make()
        sink.aim("sftp.example", 22)

        async def script(sftp: asyncssh.SFTPClient) -> None:
            for target in (str(tmp_path / "precious"), "../../precious"):
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.symlink(target, "/link")
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.link(target, "/link")
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.stat(target)
            async with sftp.open("/../../precious", "wb") as file:
                await file.write(b"mine")

        self.run(sink, "p", script)
        assert (tmp_path / "precious").read_text() == "x"

    def test_an_upload_that_is_removed_before_it_is_complete_does_no_harm(self, make: Make) -> None:
        sink = make()
        sink.aim("sftp.example", 22)

        async def script(sftp: asyncssh.SFTPClient) -> None:
            async with sftp.open("/x", "wb") as file:
                await file.write(b"a")
                await sftp.remove("/x")
            assert "x" not in await sftp.listdir("/")

        self.run(sink, "p", script)
        assert "REMOVE" in {one.method for one in sink.entries("file")}

    def test_it_is_known_by_its_greeting_on_any_port(self, make: Make) -> None:
        sink = make()
        sink.aim("sftp.example", 8022)

        async def script(sftp: asyncssh.SFTPClient) -> None:
            await sftp.mkdir("/x")

        self.run(sink, "p", script)
        assert {one.protocol for one in sink.entries("login")} == {"sftp"}


class TestSmtp:
    def test_a_mail_is_taken_and_only_its_digest_kept(self, make: Make) -> None:
        sink = make()
        sink.aim("mail.example", 25)
        with smtplib.SMTP("127.0.0.1", sink.listen.tcp, timeout=10) as client:
            client.login("me", "hunter2")
            client.sendmail("a@x.example", ["b@y.example"], "Subject: quarterly\r\n\r\n.hello\r\n")
        (mail,) = sink.entries("mail")
        assert (mail.endpoint, mail.path) == ("mail.example:25", "b@y.example")
        assert mail.body_sha256 == hashlib.sha256(b"Subject: quarterly\r\n\r\n.hello\r\n").hexdigest()
        assert "hunter" not in sink.journal_text()
        assert "quarterly" not in sink.journal_text()


class TestOther:
    def test_raw_tcp_is_recorded_and_hung_up_on(self, make: Make) -> None:
        sink = make()
        sink.aim("odd.example", 9999)
        with sink.connect() as sock:
            sock.sendall(b"\x00\x01hello")
            assert sock.recv(10) == b""
        (data,) = sink.entries("data")
        assert (data.endpoint, data.size, data.body_sha256) == (
            "odd.example:9999",
            7,
            hashlib.sha256(b"\x00\x01hello").hexdigest(),
        )

    def test_datagrams_are_recorded(self, make: Make) -> None:
        sink = make()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"metric:1|c", ("127.0.0.1", sink.listen.udp))
        wait_for(lambda: sink.entries("udp"))
        assert sink.entries("udp")[0].size == 10

    def test_a_retired_server_refuses(self, make: Make) -> None:
        sink = make({"endpoint": {"old.example:22": {"mode": "refuse"}}})
        sink.aim("old.example", 22)
        with pytest.raises(ConnectionResetError), sink.connect() as sock:
            sock.recv(10)
        assert sink.entries("connect")[0].detail == "refuse"

    def test_a_black_hole_says_nothing(self, make: Make) -> None:
        sink = make({"endpoint": {"old.example": {"mode": "blackhole"}}})
        sink.aim("old.example", 80)
        with sink.connect() as sock:
            sock.settimeout(0.5)
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(TimeoutError):
                sock.recv(10)

    def test_many_at_once_are_all_answered(self, make: Make) -> None:
        sink = make()
        opened = [sink.connect() for _ in range(100)]
        for sock in opened:
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert all(sock.recv(100).startswith(b"HTTP/1.1 404") for sock in opened)
        for sock in opened:
            sock.close()
        assert len(sink.entries("request")) == 100


def test_mail_within_starttls_and_no_secret_in_any_file(make: Make, tmp_path: Path) -> None:
    sink = make()
    sink.aim("mail.example", 587)
    trusting = ssl.create_default_context(cafile=str(sink.server.certificates.authority))
    trusting.check_hostname = False  # it is reached by its address here
    with smtplib.SMTP("127.0.0.1", sink.listen.tcp, timeout=10) as client:
        client.starttls(context=trusting)
        client.login("bob", "smtp-Secret-5")
        client.sendmail("a@example", ["b@example"], "Subject: x\n\nthe password is mail-Secret-6\n")
    sink.aim("api.example", 80)
    ask(
        sink,
        "POST",
        "/v1/Zq81xLmP0aYwe7TbnQk3/x?token=query-Secret-1",
        {"password": "json-Secret-2"},
        {"X-Key": "head-Secret-3"},
    )
    (mail,), (call,) = sink.entries("mail"), sink.entries("request")
    assert mail.path == "b@example"
    assert call.path.startswith("/v1/<secret:")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"-Secret-" not in kept
    assert b"Zq81xLmP0aYwe7TbnQk3" not in kept


def test_mail_servers_texts_and_services_are_found_by_name(make: Make) -> None:
    sink = make({"dns": {"TXT a.example": "v=spf1", "SRV _own._tcp.a.example": "b.example:99"}})
    assert str(sink.resolve("a.example", "MX").short()) == "10 a.example."
    assert str(sink.resolve("a.example", "TXT").short()) == '"v=spf1"'
    assert str(sink.resolve("_own._tcp.a.example", "SRV").short()) == "0 0 99 b.example."
    assert str(sink.resolve("_ldap._tcp.a.example", "SRV").short()) == "0 0 389 a.example."
