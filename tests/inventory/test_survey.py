"""The survey against a real machine, and its reading of what hosts answer."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess

import msgspec
import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.errors import NothingToDo
from fulldress.inventory import survey as survey_module
from fulldress.inventory.survey import SurveyFailed, config_keys, survey, survey_host
from fulldress.model.estate import HostFacts
from fulldress.model.release import Declared
from fulldress.ports import Completed

SECRETS = ("hunter2secret", "s3cr3t-token-9", "dbpass77", "cronpw55")
CONF = "[hybrid]\nlegacy_mode = on\n[db]\npassword = hunter2secret\nurl = postgres://lims:dbpass77@localhost/lims\n"
DECLARED = Declared(
    hosts=("machine:x",),
    config_files=("/etc/lims/*.conf", "/etc/lims/**/*.env"),
    product="lims",
    version_command="/usr/local/bin/lims-version",
    database="surveyed",
    schema_version_query="SELECT max(version) FROM schema_migrations",
    retired=("old.example",),
)


def lay_out(machine: Machine) -> None:
    machine.write_file("/etc/lims/a.conf", CONF.encode())
    machine.write_file("/etc/lims/deep/x/secrets.env", b"ANYTHING=s3cr3t-token-9\nEMPTY=\n")
    machine.write_file("/usr/local/bin/lims-version", b"#!/bin/sh\necho lims version 4.2 '(build 7)'\n", mode=0o755)
    machine.write_file("/etc/cron.d/lims", b"SHELL=/bin/sh\n30 1 * * * lims /opt/report --password=cronpw55 --all\n")
    machine.write_file("/var/spool/cron/crontabs/root", b"@reboot /bin/true\n", mode=0o600)
    machine.write_file("/etc/cron.daily/lims-clean", b"#!/bin/sh\n", mode=0o755)
    machine.write_file("/etc/systemd/system/lims@.service", b"[Service]\nExecStart=/bin/sleep 1000\n")
    script = (
        "set -e; ln -sf /usr/share/zoneinfo/Europe/Vienna /etc/localtime; systemctl daemon-reload; systemctl start lims@one;"
        "runuser -u postgres -- psql -Xq -c 'CREATE DATABASE surveyed';"
        "runuser -u postgres -- psql -Xq surveyed -c 'CREATE TABLE schema_migrations(version text primary key);"
        'INSERT INTO schema_migrations VALUES (0049), (0050); CREATE TABLE "Odd Name"(a int); '
        'INSERT INTO "Odd Name" SELECT generate_series(1, 500); ANALYZE\''
    )
    done = machine.run(["bash", "-c", script])
    assert done.ok, done.stderr


@pytest.fixture(scope="module")
def surveyed(pg_machine: Machine) -> HostFacts:
    lay_out(pg_machine)
    return survey_host(pg_machine, DECLARED)


@pytest.mark.machine
class TestRealMachine:
    def test_system(self, surveyed: HostFacts) -> None:
        assert (surveyed.os, surveyed.os_version, surveyed.timezone) == ("debian", "12", "Europe/Vienna")
        assert (
            surveyed.arch == subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
        )
        assert {"root", "postgres"} <= set(surveyed.users)

    def test_units_of_every_kind(self, surveyed: HostFacts) -> None:
        units = {u.name: u for u in surveyed.units}
        assert (units["lims@one.service"].active, units["lims@.service"].active) == ("active", "inactive")
        assert units["cron.service"].enabled == "enabled"
        assert units["postgresql@15-main.service"].active == "active"
        assert not [name for name in units if name.startswith("fulldress-")]

    def test_packages_and_commands(self, surveyed: HostFacts) -> None:
        packages = {p.name: p.version for p in surveyed.packages}
        assert packages["postgresql-15"].startswith("15.")
        assert {"bash", "psql", "systemctl", "lims-version"} <= set(surveyed.commands)

    def test_config_keys_of_all_globs(self, surveyed: HostFacts) -> None:
        assert {(k.file, k.key, k.value, k.line) for k in surveyed.config} == {
            ("/etc/lims/a.conf", "hybrid.legacy_mode", "on", 2),
            ("/etc/lims/a.conf", "db.password", "<secret>", 4),
            ("/etc/lims/a.conf", "db.url", "postgres://lims:<secret>@localhost/lims", 5),
            ("/etc/lims/deep/x/secrets.env", "ANYTHING", "<secret>", 1),
            ("/etc/lims/deep/x/secrets.env", "EMPTY", "", 2),
        }

    def test_cron_of_every_form(self, surveyed: HostFacts) -> None:
        jobs = {(j.file, j.schedule, j.user): j.command for j in surveyed.cron}
        assert jobs[("/etc/cron.d/lims", "30 1 * * *", "lims")] == "/opt/report --password=<secret> --all"
        assert jobs[("/var/spool/cron/crontabs/root", "@reboot", "root")] == "/bin/true"
        assert ("/etc/cron.daily/lims-clean", "@daily", "root") in jobs
        assert any(file == "/etc/crontab" for file, _, _ in jobs)

    def test_product_and_database(self, surveyed: HostFacts) -> None:
        assert [(p.name, p.version) for p in surveyed.products] == [("lims", "4.2")]
        (database,) = surveyed.databases
        assert database.server_version.startswith("15.")
        assert (database.schema_version, database.tables["public.Odd Name"]) == ("50", 500)
        assert database.size_bytes > 1_000_000

    def test_trust_store_fingerprints_are_those_of_openssl(self, surveyed: HostFacts, pg_machine: Machine) -> None:
        pem = pg_machine.read_file("/etc/ssl/certs/ca-certificates.crt")
        first = pem[: pem.index(b"-----END CERTIFICATE-----") + 26]
        printed = subprocess.run(
            ["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=first, capture_output=True
        ).stdout
        assert printed.decode().strip().partition("=")[2].replace(":", "").lower() in surveyed.certificate_sha256
        assert len(surveyed.certificate_sha256) == pem.count(b"BEGIN CERTIFICATE")

    def test_nothing_secret_is_kept(self, surveyed: HostFacts) -> None:
        kept = msgspec.json.encode(surveyed).decode()
        assert [secret for secret in SECRETS if secret in kept] == []

    def test_an_estate_of_one_host(self, pg_machine: Machine, surveyed: HostFacts) -> None:
        estate = survey([pg_machine], DECLARED)
        assert [h.hostname for h in estate.hosts] == [surveyed.hostname]
        assert (estate.retired, estate.taken[-1]) == (("old.example",), "Z")

    def test_a_database_elsewhere_is_no_error_but_a_wrong_query_is(self, pg_machine: Machine, surveyed: HostFacts) -> None:
        assert surveyed.hostname
        assert survey_host(pg_machine, Declared(database="elsewhere")).databases == ()
        with pytest.raises(SurveyFailed, match="schema version"):
            survey_host(pg_machine, Declared(database="surveyed", schema_version_query="SELECT nonsense"))

    def test_the_declared_query_cannot_write(self, pg_machine: Machine, surveyed: HostFacts) -> None:
        assert surveyed.hostname
        with pytest.raises(SurveyFailed, match="schema version"):
            survey_host(pg_machine, Declared(database="surveyed", schema_version_query="DELETE FROM schema_migrations"))


NOTHING = Declared()


class Answering:
    """A host that answers the probe with given sections."""

    name = "machine:fake"
    root = None

    def __init__(self, sections: dict[str, str], *, code: int | None = 0, cut: bool = False) -> None:
        self.sections, self.code, self.cut = sections, code, cut

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        boundary = argv[3]
        text = "".join(f"\n{boundary} {name}\n{body}" for name, body in self.sections.items())
        return Completed(
            code=self.code, stdout=(text + ("" if self.cut else f"\n{boundary} end\n")).encode(), stderr=b"why not"
        )

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the survey needs no {name}")


def facts(sections: dict[str, str], declared: Declared = NOTHING, **how: object) -> HostFacts:
    return survey_host(Answering(sections, **how), declared)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{"code": 1}, {"code": None}, {"cut": True}])
def test_a_partial_answer_is_refused(how: dict[str, object]) -> None:
    with pytest.raises(SurveyFailed, match="machine:fake"):
        facts({"hostname": "a\n"}, **how)


def test_no_host_is_nothing_to_do() -> None:
    with pytest.raises(NothingToDo):
        survey([], DECLARED)


def test_a_file_cannot_pretend_to_be_another_section() -> None:
    found = facts({"config /etc/a.conf": "a = 1\n--fulldress-0000 users\nmallory\n", "users": "root\n"})
    assert found.users == ("root",)


def test_a_host_without_anything_has_nothing() -> None:
    found = facts({})
    assert (found.os, found.units, found.packages, found.cron, found.databases) == ("unknown", (), (), (), ())


def test_rpm_and_removed_packages() -> None:
    found = facts({"dpkg": "ii \ta\t1\nrc \tb\t2\nhi \tc\t3\n", "rpm": "d\t0:4-1\ne\t1:5-1\n"})
    assert [(p.name, p.version, p.manager) for p in found.packages] == [
        ("a", "1", "dpkg"), ("c", "3", "dpkg"), ("d", "4-1", "rpm"), ("e", "1:5-1", "rpm"),
    ]  # fmt: skip


def test_masked_units_and_our_own_calls() -> None:
    listed = [
        {"unit": "fulldress-call-1.service"},
        {"unit": "a.service", "load": "loaded", "active": "active", "sub": "running"},
    ]
    files = [{"unit_file": "a.service", "state": "enabled"}, {"unit_file": "b.service", "state": "masked"}]
    found = facts({"units": json.dumps(listed), "unit-files": json.dumps(files)})
    assert [(u.name, u.load, u.active, u.enabled) for u in found.units] == [
        ("a.service", "loaded", "active", "enabled"), ("b.service", "masked", "inactive", "masked"),
    ]  # fmt: skip


def test_anacron_jobs() -> None:
    (job,) = facts({"anacrontab /etc/anacrontab": "SHELL=/bin/sh\n7 10 weekly run-parts /etc/cron.weekly\n"}).cron
    assert (job.schedule, job.command, job.line) == ("anacron 7", "run-parts /etc/cron.weekly", 2)


def test_a_damaged_certificate_has_no_fingerprint() -> None:
    good = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    found = facts({"certificates": good + good.replace("AAAA", "!!")})
    assert found.certificate_sha256 == (hashlib.sha256(b"\0\0\0").hexdigest(),)


def test_a_database_that_cannot_be_read_says_why() -> None:
    with pytest.raises(SurveyFailed, match="lims") as caught:
        facts({"database postgresql lims": "psql: error: connection refused"}, Declared(database="lims"))
    assert "refused" in caught.value.why


def test_secret_values_are_replaced_whatever_their_form() -> None:
    text = "token = abc12345\nurl = http://u:pw123@h/\nlist = PASSWORD=zz9, b\nplain = x\n"
    assert [k.value for k in config_keys(text, "/etc/a.conf")] == [
        "<secret>",
        "http://u:<secret>@h/",
        "PASSWORD=<secret>, b",
        "x",
    ]


def test_the_probe_only_reads() -> None:
    script = (survey_module.resources.files("fulldress.inventory") / "probe.sh").read_text()
    code = [line for line in script.splitlines() if not line.lstrip().startswith("#")]
    assert not [
        line
        for line in code
        if re.search(r"(?<![<0-9&])>(?!&|/dev/null| /dev/null)|\b(rm|mv|cp|tee|mkdir|touch|chmod)\b", line)
    ]
