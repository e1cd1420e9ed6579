"""The probe itself, run in a tree of files that is made for it: this computer's programs, an estate of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import stand_aside

from fulldress.adapters.chroot import ChrootHost
from fulldress.inventory.survey import survey_host
from fulldress.model.estate import HostFacts
from fulldress.model.release import Declared
from fulldress.ports import Completed

pytestmark = pytest.mark.machine

DECLARED = Declared(
    config_files=("/etc/acme/*",),
    product="acme",
    version_command="sleep 100 & echo acme 4.2",
    database="acme",
    more_products={"stuck": "exec sleep 100", "broken": "exit 3", "elsewhere": "no-such-program --version"},
)
FILES = {
    "etc/os-release": "ID=debian\nVERSION_ID=12\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "etc/group": "root:x:0:\n",
    "etc/hostname": "acme1\n",
    "etc/acme/a.ini": "[server]\nport = 8080\n",
    "etc/acme/latin.properties": b"name=caf\xe9\n",
    "etc/acme/wide.ini": "[server]\r\nport = 9\r\n".encode("utf-16"),
    "etc/acme/garbage.conf": b"a = 1\n\x00\x01\x02\xff\n" * 20,
    "etc/acme/big.conf": "x = 1\n" * 200_000,
    "etc/acme/new\nline.conf": "b = 1\n",
    os.fsdecode(b"etc/acme/na\xefve.conf"): "a = 1\n",
    "etc/systemd/system/acme@.timer": "[Timer]\nOnCalendar=daily\n",
    "etc/systemd/system/acme.timer": "[Timer]\nOnCalendar=daily\nOnBootSec=5min\n",
    "etc/systemd/system/acme.timer.d/a.conf": "[Timer]\nOnCalendar=\nOnCalendar=*-*-* 03:00:00\n",
    "etc/systemd/system/acme.service": "[Service]\nExecStart=/bin/true\n",
    "etc/systemd/system/acme.service.d/a.conf": "[Service]\nNice=5\n",
    "etc/cron.d/acme.bak": "5 4 * * * root /dotted\n",
    "etc/cron.d/acme": "CRON_TZ=Asia/Tokyo\n-*/5 * * * * root /opt/acme/poll\n",
    "etc/crontab": "25 6 * * * root cd / && run-parts --report /etc/cron.daily\n",
    "etc/cron.daily/backup": "#!/bin/sh\n",
    "etc/cron.daily/never.sh": "#!/bin/sh\n",
    "etc/sudoers": "root ALL=(ALL) ALL\n@include /etc/more.sudoers\n#includedir /etc/sudo-extra.d\n",
    "etc/more.sudoers": "bob ALL=(ALL) NOPASSWD: ALL\n@include /etc/sudoers\n",
    "etc/sudo-extra.d/acme": "carol ALL=(acme) /opt/acme/x\n",
    "etc/sudo-extra.d/acme.bak": "mallory ALL=(ALL) ALL\n",
    "var/lib/dpkg/status": "Package: cron\nStatus: install ok installed\nVersion: 3\nConffiles:\n /etc/crontab 0\n",
    "var/lib/dpkg/info/cron.list": "/.\n/etc\n/etc/crontab\n",
    "var/lib/dpkg/info/cron.md5sums": "",
    "opt/app/node_modules/@s/one/package.json": '{"name":"@s/one","version":"7.2.0"}',
}


def _lay_out(tree: Path) -> None:
    for name, content in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o755 if "cron.daily" in name else 0o644)
    for name in ("proc", "dev", "tmp", "usr", "opt/acme/lib", "etc/acme/tls"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    shutil.copytree("/etc/alternatives", tree / "etc/alternatives", symlinks=True)
    (tree / "etc/systemd/system/masked.timer").symlink_to("/dev/null")
    (tree / "etc/systemd/system/timers.target.wants").mkdir()
    for name, unit in {"acme.timer": "acme.timer", "acme@blue.timer": "acme@.timer"}.items():
        (tree / f"etc/systemd/system/timers.target.wants/{name}").symlink_to(f"/etc/systemd/system/{unit}")
    os.mkfifo(tree / "etc/acme/pipe.conf")
    (tree / "etc/acme/zero.conf").symlink_to("/dev/zero")
    with zipfile.ZipFile(tree / "opt/acme/lib/core.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nImplementation-Version: 3.4.5\r\n\r\n")
    tls = tree / "etc/acme/tls"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20"]
    subprocess.run(
        [*request, "-subj", "/CN=acme.example", "-keyout", str(tls / "key.pem"), "-out", str(tls / "cert.pem")],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["openssl", "x509", "-in", str(tls / "cert.pem"), "-outform", "DER", "-out", str(tls / "cert.der")], check=True
    )
    (tls / "store.p12").write_bytes(b"0")


class Hurried(ChrootHost):
    """Waits 3 s for a version command instead of 10, which is all that this host has to show."""

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None, **more: Any) -> Completed:
        assert stdin is not None and stdin.count(b"said 10 bash") == 2
        return super().run(argv, stdin=stdin.replace(b"said 10 bash", b"said 3 bash"), **more)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFacts]:
    if os.geteuid() != 0:
        stand_aside("needs root, to look into another root tree")
    tree = tmp_path_factory.mktemp("estate")
    _lay_out(tree)
    subprocess.run(["mount", "--bind", "/usr", str(tree / "usr")], check=True)
    try:
        begun = time.monotonic()
        found = survey_host(Hurried(tree), DECLARED)
        assert time.monotonic() - begun < 45, "commands that hang take their own time only"
        yield found
    finally:
        subprocess.run(["umount", str(tree / "usr")], check=True)


def test_a_version_command_that_hangs_or_leaves_something_running_is_said(facts: HostFacts) -> None:
    assert [(product.name, product.version) for product in facts.products] == [("acme", "4.2")]
    unseen = {part.part: part.why for part in facts.not_seen}
    assert "more than 10 s" in unseen["version of stuck"]
    assert "failed" in unseen["version of broken"]
    assert "version of elsewhere" not in unseen


def test_databases_of_a_tree_cannot_be_asked(facts: HostFacts) -> None:
    assert facts.databases == ()
    assert not [part for part in facts.not_seen if part.part == "database acme"], "that would stop the survey"


def test_configuration_in_any_bytes(facts: HostFacts) -> None:
    found = {(key.file, key.key): key.value for key in facts.config}
    assert found[("/etc/acme/a.ini", "server.port")] == "8080"
    assert found[("/etc/acme/latin.properties", "name")] == "café"
    assert found[("/etc/acme/wide.ini", "server.port")] == "9"
    assert found[("/etc/acme/new\\nline.conf", "b")] == "1"
    assert found[("/etc/acme/na\\xefve.conf", "a")] == "1"


def test_what_is_no_text_or_too_long_is_said(facts: HostFacts) -> None:
    unseen = {(part.part, part.why) for part in facts.not_seen}
    assert ("/etc/acme/garbage.conf", "it is no text") in unseen
    assert ("/etc/acme/big.conf", "only its first MiB was read") in unseen
    assert not [key for key in facts.config if key.file == "/etc/acme/garbage.conf"]
    assert sum(key.file == "/etc/acme/big.conf" for key in facts.config) == 20_000


def test_certificates_in_any_form_and_place(facts: HostFacts) -> None:
    assert {c.file: c.subject for c in facts.certificates if c.file.startswith("/etc/acme")} == {
        "/etc/acme/tls/cert.pem": "CN=acme.example",
        "/etc/acme/tls/cert.der": "CN=acme.example",
    }
    (stores,) = [part.why for part in facts.not_seen if part.part == "certificates in keystores"]
    assert "/etc/acme/tls/store.p12" in stores


def test_timers_with_their_dropins_and_instances(facts: HostFacts) -> None:
    timers = {timer.name: timer for timer in facts.timers}
    assert (timers["acme.timer"].calendar, timers["acme.timer"].monotonic) == (("*-*-* 03:00:00",), ())
    assert timers["acme@blue.timer"].activates == "acme@blue.service"
    assert not {"masked.timer", "acme@.timer"} & set(timers)


def test_dropins_and_instances_of_units(facts: HostFacts) -> None:
    units = {unit.name: unit for unit in facts.units}
    assert units["acme.service"].dropins == ("/etc/systemd/system/acme.service.d/a.conf",)
    assert units["acme@blue.timer"].enabled == "enabled"


def test_cron_as_this_systems_cron_reads_it(facts: HostFacts) -> None:
    assert [(job.file, job.schedule, job.zone) for job in facts.cron] == [
        ("/etc/crontab", "25 6 * * *", ""),
        ("/etc/cron.d/acme", "*/5 * * * *", ""),
        ("/etc/cron.daily/backup", "25 6 * * *", ""),
    ]


def test_sudo_rules_of_included_files(facts: HostFacts) -> None:
    found = [(rule.file, rule.users) for rule in facts.sudo]
    assert {("/etc/more.sudoers", ("bob",)), ("/etc/sudo-extra.d/acme", ("carol",)), ("/etc/sudoers", ("root",))} == set(
        found
    )
    assert len(found) == 3, "a circle of includes is read once"


def test_libraries_by_what_they_say_of_themselves(facts: HostFacts) -> None:
    own = {(p.manager, p.name, p.version) for p in facts.packages if p.place.startswith("/opt")}
    assert own == {("jar", "core", "3.4.5"), ("npm", "@s/one", "7.2.0")}


def test_files_of_no_package(facts: HostFacts) -> None:
    assert "/etc/sudoers" in facts.files.unowned_paths
    assert "/etc/crontab" not in facts.files.unowned_paths
    assert [changed.path for changed in facts.files.changed] == ["/etc/crontab"]
