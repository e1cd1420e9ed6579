"""The production machine: its files fit together, and it works in 4.2, as it came, and in 5.0 when cured."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import postgast
import pytest
from demo.lims_tree import LIMS, release_files

from demo import estate, net, package
from fulldress.adapters import nspawn
from fulldress.formats.accesslog import LOG_FORMAT

RESULTS = 20_000


def host_text(name: str) -> str:
    """One of the machine's files."""
    return (LIMS / "host" / name).read_text()


def test_nginx_logs_in_the_format_that_the_product_reads() -> None:
    assert host_text("nginx-log.conf").strip() == LOG_FORMAT


def test_units_and_cron_start_programs_that_the_release_has() -> None:
    for name in ("dten-lims.service", "dten-worker.service", "dten-lims.cron"):
        programs = re.findall(r"/opt/dten-lims/current/(bin/\S+)", host_text(name))
        assert programs and set(programs) <= set(release_files("4.2"))


def test_every_host_file_is_placed() -> None:
    beside = {"schema.sql", "fill.sql"}
    assert {p.name for p in (LIMS / "host").iterdir()} - beside == set(estate.HOST_FILES)


def test_schema_parses_and_leaves_the_new_columns_to_5_0() -> None:
    schema = host_text("schema.sql")
    assert len(postgast.parse(schema).stmts) >= 8
    assert not re.search(r"\b(public_id|flag|reviewed)\b", schema)


def test_a_target_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        estate.build_root(tmp_path, tmp_path)


class Booted(NamedTuple):
    """Production, running, with the world beside it."""

    machine: nspawn.Machine
    root: Path
    world: Path

    def http(self, method: str, path: str, body: str = "") -> tuple[int, Any]:
        """A request through nginx; JSON where the answer is JSON."""
        sent = ["-H", "Content-Type: application/json", "-d", body] if body else []
        argv = ["curl", "-sS", "-m", "20", "-X", method, *sent, "-w", "\n%{http_code}", f"http://127.0.0.1{path}"]
        done = self.machine.run(argv)
        text, _, code = done.stdout.decode().rpartition("\n")
        return int(code), json.loads(text) if text.startswith("{") else text

    def checked(self, *argv: str, user: str | None = None) -> str:
        """The output of a command that must succeed."""
        done = self.machine.run(argv, user=user, timeout_s=120)
        assert done.code == 0, (argv, done)
        return done.stdout.decode()


@pytest.fixture
def booted(base_root: Path, scratch: Path) -> Iterator[Booted]:
    """A filled production machine of this test's own."""
    home = Path(tempfile.mkdtemp(prefix="demo-estate-", dir=scratch))
    name = f"demo-t{os.getpid()}"
    network = net.Network(name, f"{name}w")
    machine = world = None
    try:
        root = estate.build_root(base_root, home / "root")
        net.up(network)
        command = [sys.executable, "-m", "demo.world", "--state", str(home / "world.json")]
        world = subprocess.Popen(["ip", "netns", "exec", network.world, *command], cwd=Path(__file__).parents[2])
        machine = nspawn.boot(root, name, netns=network.production)
        estate.fill(machine, RESULTS)
        yield Booted(machine, root, home / "world.json")
    finally:
        if machine is not None:
            machine.kill()
        if world is not None:
            world.kill()
            world.wait()
        net.down(network)
        shutil.rmtree(home)


def unpack(host: Booted) -> None:
    """The vendor's package under /srv/upgrade."""
    path = package.build(host.root.parent / "built")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(host.root / "srv/upgrade")


def state_of(host: Booted) -> Any:
    """What the third parties remember."""
    return json.loads(host.world.read_text())


@pytest.mark.machine
def test_4_2_serves_and_the_upgrade_as_it_came_limps_to_its_end(booted: Booted) -> None:
    assert booted.http("GET", "/healthz") == (200, {"ok": True, "version": "4.2", "schema": "0050", "mode": "normal"})
    code, page = booted.http("GET", "/?status=entered")
    assert code == 200 and "Enter a result" in page and page.count("/approve/") == 25
    code, made = booted.http("POST", "/api/results", '{"analysis_id": 7, "value": "1,5", "person": "huber"}')
    assert code == 201
    assert booted.http("POST", f"/api/results/{made['id']}/approve?person=moser") == (200, {"outcome": "approved"})
    assert booted.http("GET", f"/api/results/{made['id']}")[1]["status"] == "approved"
    assert booted.http("GET", "/api/reference/ph")[1]["source"] == "partner"
    assert booted.http("POST", "/api/results", '{"analysis_id": 99999999, "value": 1, "person": "x"}')[0] == 404
    assert booted.http("GET", "/api/results?status=%00")[0] == 400
    assert booted.checked("/opt/dten-lims/current/bin/dten-version") == "4.2\n"
    assert booted.machine.run(["sudo", "true"]).code == 127
    assert booted.machine.read_file("/etc/dten-lims/tls/partner.pem").count(b"BEGIN CERTIFICATE") == 2
    _until(lambda: state_of(booted)["events"] == 1, "the worker did not deliver the event")

    unpack(booted)
    said = booted.checked("bash", "/srv/upgrade/scripts/upgrade.sh")
    assert said.endswith("Upgrade finished. A reboot is recommended.\n")
    assert booted.http("GET", "/healthz")[1] == {"ok": True, "version": "5.0", "schema": "0053", "mode": "compatibility"}
    assert booted.http("POST", "/api/results?analysis_id=7&value=1&person=x") == (409, {"error": "compatibility mode"})
    assert booted.checked("sh", "-c", "ls /var/cache/dten-lims") == ""
    assert state_of(booted)["flags"]["hybrid-approval"] is True and len(state_of(booted)["webhooks"]) == 2


@pytest.mark.machine
def test_4_2_works_on_the_expanded_schema_and_5_0_when_hybrid_is_enabled(booted: Booted) -> None:
    unpack(booted)
    for name in sorted(p.name for p in (booted.root / "srv/upgrade/migrations").iterdir()):
        booted.checked(
            "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "dten", "-f", f"/srv/upgrade/migrations/{name}", user="postgres"
        )
    assert booted.http("GET", "/healthz")[1]["version"] == "4.2"
    code, made = booted.http("POST", "/api/results?analysis_id=7&value=1.25&person=auto1")
    assert code == 201
    assert booted.http("POST", f"/api/results/{made['id']}/approve")[0] == 200
    assert booted.http("GET", "/")[0] == 200

    config = booted.machine.read_file("/etc/dten-lims/dten.conf").decode().replace("legacy_mode = on", "enable = true")
    booted.machine.write_file("/etc/dten-lims/dten.conf", config.encode())
    booted.checked("dpkg", "-i", "/srv/upgrade/packages/dten-lims_5.0_all.deb")
    booted.checked("systemctl", "restart", "dten-lims", "dten-worker")
    assert booted.http("GET", "/healthz")[1] == {"ok": True, "version": "5.0", "schema": "0053", "mode": "normal"}
    found = booted.http("GET", f"/api/results/{made['id']}")[1]
    assert found["public_id"] and found["reviewed"] is False
    assert booted.http("POST", "/api/results?analysis_id=8&value=2&person=auto1")[0] == 201
    assert booted.http("GET", "/")[0] == 200
    booted.checked(
        "runuser",
        "-u",
        "dten",
        "--",
        "sh",
        "-c",
        "set -a; . /etc/dten-lims/secrets.env; /opt/dten-lims/current/bin/dten-report",
    )


def _until(holds: Any, complaint: str, seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, complaint
        time.sleep(0.1)
