"""The sink as a process, also in real namespaces with the kernel's own count beside it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fulldress.errors import CapabilityMissing, UsageError
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.outside import Listen, Outside
from fulldress.rehearse.sink import Sink, read_counters, start_sink
from fulldress.rehearse.sinkserver import main
from fulldress.rehearse.traffic import child_environment, start_load
from fulldress.store.codec import read_toml

from ..conftest import stand_aside

LOOPBACK = Listen(address="127.0.0.1", tcp=0, udp=0, dns=0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Sink]:
    sink = start_sink(None, tmp_path, Outside(), listen=LOOPBACK)
    yield sink
    sink.stop()


def test_it_starts_answers_records_and_stops(here: Sink) -> None:
    assert here.running
    assert here.authority.read_text().startswith("-----BEGIN CERTIFICATE")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", here.listen.udp))
        time.sleep(0.2)
    assert [one.protocol for one in here.calls()] == ["udp"]
    assert here.calls(since=time.time()) == []
    assert here.tally().reconciled
    here.stop()
    assert not here.running
    assert len(here.calls()) == 1, "the journal stays"
    here.stop()


def test_it_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "fulldress.rehearse.sinkserver", "--journal", str(tmp_path / "j")),
            *("--state", str(tmp_path / "s"), "--config", str(tmp_path / "c.json")),
            *("--listen", '{"address":"127.0.0.1","tcp":0,"udp":0,"dns":0}'),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert b"ready" in child.stdout.readline()
    child.stdin.close()
    assert child.wait(5) == 0
    child.stdout.close()


def test_a_sink_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CapabilityMissing) as caught:
        listen = Listen(address="127.0.0.1", tcp=taken.getsockname()[1], udp=0, dns=0)
        start_sink(None, tmp_path, Outside(), listen=listen)
    assert "in use" in caught.value.why


def test_a_wrong_description_of_the_outside_names_its_key(tmp_path: Path) -> None:
    path = tmp_path / "outside.toml"
    for text, key in (('[endpoint.a]\nmode = "explode"\n', "mode"), ("[endpoints]\n", "endpoints")):
        path.write_text(text)
        with pytest.raises(UsageError, match=key):
            read_toml(path, Outside)


def test_a_kind_that_no_stub_speaks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gopher"):
        start_sink(None, tmp_path, msgspec.convert({"endpoint": {"a": {"kind": "gopher"}}}, Outside), listen=LOOPBACK)


def test_the_command_line_needs_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "--journal" in capsys.readouterr().err


def test_counters_of_the_kernel_are_read() -> None:
    listing = (
        b'{"nftables":[{"metainfo":{}},{"set":{"name":"seen4","elem":[{"elem":{"val":{"concat":'
        b'["198.18.0.10","tcp",80]},"counter":{"packets":3,"bytes":180}}}]}}]}'
    )
    assert read_counters(listing) == {"198.18.0.10:80/tcp": 3}
    assert read_counters(b'{"nftables":[{"set":{"name":"seen4"}}]}') == {}


RULES = """
table inet sink {
  set seen4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; counter; }
  chain tally { type filter hook prerouting priority mangle; policy accept;
    iifname s0 ct state new meta l4proto {tcp,udp} update @seen4 { ip daddr . meta l4proto . th dport }
  }
  chain pre { type nat hook prerouting priority dstnat;
    iifname s0 udp dport 53 redirect to :5353
    iifname s0 tcp dport 53 redirect to :5353
    iifname s0 meta l4proto tcp redirect to :9000
    iifname s0 meta l4proto udp redirect to :9001
  }
}
"""


def sh(*argv: str, stdin: str = "") -> None:
    subprocess.run(argv, input=stdin.encode(), check=True, capture_output=True, timeout=20)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """A clone's namespace and a sink's, joined by one veth, with no way out."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"):
        stand_aside("network namespaces need root, ip and nft")
    name = f"traffic-{uuid.uuid4().hex[:6]}"
    clone, sink = name, f"{name}-s"
    try:
        sh("ip", "netns", "add", clone)
        sh("ip", "netns", "add", sink)
        sh("ip", "-n", sink, "link", "add", "s0", "type", "veth", "peer", "name", "host0", "netns", clone)
        for ns, device, address in ((clone, "host0", "10.20.30.40/24"), (sink, "s0", "169.254.99.1/32")):
            sh("ip", "-n", ns, "link", "set", "lo", "up")
            sh("ip", "-n", ns, "addr", "add", address, "dev", device)
            sh("ip", "-n", ns, "link", "set", device, "up")
        sh("ip", "-n", clone, "route", "add", "default", "via", "10.20.30.1", "dev", "host0", "onlink")
        sh("ip", "-n", sink, "route", "add", "10.20.30.0/24", "dev", "s0")
        sh("ip", "-n", sink, "rule", "add", "iif", "s0", "lookup", "100")
        sh("ip", "-n", sink, "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100")
        sh("ip", "netns", "exec", sink, "nft", "-f", "-", stdin=RULES)
        yield clone, sink
    finally:
        for ns in (clone, sink):
            subprocess.run(["ip", "netns", "del", ns], check=False, capture_output=True)


CLIENT = """
import http.client, json, socket, sys
sys.path.insert(0, sys.argv[1])
from dnslib import DNSRecord
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.sendto(DNSRecord.question("hooks.example").pack(), ("10.0.0.53", 53))
address = str(DNSRecord.parse(s.recv(512)).short())
c = http.client.HTTPConnection(address, 80, timeout=5)
c.request("POST", "/v1/webhooks", json.dumps({"url": "http://me"})); print(c.getresponse().status)
c = http.client.HTTPConnection("203.0.113.9", 8080, timeout=5)
c.request("GET", "/"); print(c.getresponse().status)
s.sendto(b"x", ("203.0.113.9", 8125))
"""


@pytest.mark.machine
def test_whatever_leaves_a_namespace_is_answered_recorded_and_reconciled(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    clone, netns = namespaces
    sink = start_sink(netns, tmp_path, Outside())
    try:
        path = os.pathsep.join(sys.path)
        done = subprocess.run(
            ["ip", "netns", "exec", clone, sys.executable, "-c", CLIENT, path.split(os.pathsep)[-1]],
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.stdout.split() == [b"201", b"404"], done.stderr.decode()
        time.sleep(0.2)
        (effect,) = sink.effects()
        assert effect.undo.startswith("DELETE http://hooks.example/v1/webhooks/")
        endpoints = {(one.protocol, one.endpoint) for one in sink.calls()}
        assert ("http", "hooks.example:80") in endpoints
        assert ("http", "203.0.113.9:8080") in endpoints
        assert {("udp", ""), ("udp", "203.0.113.9:8125")} & endpoints  # by its address where the kernel shows its table
        found = sink.tally()
        assert found.kernel["203.0.113.9:8080/tcp"] >= 1
        assert found.reconciled, found.unaccounted
    finally:
        sink.stop()
    assert sink.tally().kernel == found.kernel, "the counters are kept when the namespace is gone"


@pytest.mark.machine
def test_load_is_sent_from_inside_a_namespace(namespaces: tuple[str, str], tmp_path: Path) -> None:
    clone, netns = namespaces
    sink = start_sink(netns, tmp_path / "sink", Outside())
    try:
        planned = [Planned(n / 50, "GET", "/x", None, "GET /x") for n in range(50)]
        report = start_load("http://203.0.113.9", planned, directory=tmp_path / "load", netns=clone).wait()
    finally:
        sink.stop()
    assert (report.completed, report.failed) == (50, 0)
    assert {one.endpoint for one in sink.calls()} == {"203.0.113.9:80"}


def test_a_namespace_that_does_not_exist_is_said(tmp_path: Path) -> None:
    if not shutil.which("ip"):
        stand_aside("ip is missing")
    with pytest.raises(CapabilityMissing):
        start_sink("traffic-no-such-namespace", tmp_path, Outside())


def test_a_connection_that_was_not_redirected_is_recorded_as_trouble(here: Sink) -> None:
    with socket.create_connection(("127.0.0.1", here.listen.tcp), timeout=5) as sock:
        assert sock.recv(10) == b""
    (entry,) = here.entries()
    assert (entry.what, entry.detail.startswith("meant for nobody")) == ("trouble", True)
    assert here.running
