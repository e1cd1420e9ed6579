"""The survey against a real machine, and its reading of what hosts answer."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.errors import NothingToDo
from fulldress.inventory import software, system
from fulldress.inventory import survey as survey_module
from fulldress.inventory.sections import Section, Sections
from fulldress.inventory.survey import SurveyFailed, assembled, config_keys, survey, survey_host
from fulldress.model.estate import HostFacts
from fulldress.model.release import Declared
from fulldress.ports import Completed

DECLARED_WITHOUT_DATABASE = Declared(config_files=("/etc/lims/*.conf",))
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


SQL = """
CREATE TABLE schema_migrations(version text primary key);
INSERT INTO schema_migrations VALUES (0049), (0050);
CREATE TABLE "Odd Name"(a int);
INSERT INTO "Odd Name" SELECT generate_series(1, 500);
CREATE TABLE flyway_schema_history(installed_rank int, version text, description text, success bool);
INSERT INTO flyway_schema_history VALUES (1, '1', 'a', true), (2, '1.1', 'b', false);
CREATE TABLE databasechangelog(id text, orderexecuted int);
INSERT INTO databasechangelog VALUES ('x-1', 1);
CREATE TABLE databasechangeloglock(id int, locked bool, lockedby text);
INSERT INTO databasechangeloglock VALUES (1, true, 'web1');
CREATE TABLE alembic_version(version_num text);
INSERT INTO alembic_version VALUES ('ae10');
CREATE TABLE django_migrations(app text, name text);
INSERT INTO django_migrations VALUES ('auth', '0001_initial'), ('auth', '0002_more'), ('shop', '0007_x');
CREATE SCHEMA other;
CREATE TABLE other.schema_migrations(version bigint, dirty bool);
INSERT INTO other.schema_migrations VALUES (7, true);
CREATE TABLE goose_db_version(id int, version_id bigint, is_applied bool);
INSERT INTO goose_db_version VALUES (1, 0, true), (2, 3, true);
CREATE TABLE _sqlx_migrations(version bigint, description text, success bool);
INSERT INTO _sqlx_migrations VALUES (20240101, 'a', true);
CREATE TABLE knex_migrations(id int, name text);
INSERT INTO knex_migrations VALUES (1, '01_a.js'), (2, '02_b.js');
CREATE TABLE knex_migrations_lock(index int, is_locked int);
INSERT INTO knex_migrations_lock VALUES (1, 1);
CREATE TABLE _prisma_migrations(migration_name text, finished_at timestamptz, rolled_back_at timestamptz);
INSERT INTO _prisma_migrations VALUES ('1_a', now(), NULL), ('2_b', NULL, NULL);
CREATE VIEW v AS SELECT 1 AS a;
CREATE TABLE schema_version(version text, applied_on date);
INSERT INTO schema_version VALUES ('4.9', now()), ('4.10', now());
CREATE TABLE product_versions(version text);
CREATE TABLE orders(id int NOT NULL, amount numeric(10,2));
CREATE TABLE dup(a int); INSERT INTO dup VALUES (1), (1);
"""


def lay_out(machine: Machine) -> None:
    machine.write_file("/etc/lims/a.conf", CONF.encode())
    machine.write_file("/etc/lims/deep/x/secrets.env", b"ANYTHING=s3cr3t-token-9\nEMPTY=\n")
    machine.write_file("/usr/local/bin/lims-version", b"#!/bin/sh\necho lims version 4.2 '(build 7)'\n", mode=0o755)
    machine.write_file("/etc/cron.d/lims", b"SHELL=/bin/sh\n30 1 * * * lims /opt/report --password=cronpw55 --all\n")
    machine.write_file("/var/spool/cron/crontabs/root", b"@reboot /bin/true\n", mode=0o600)
    machine.write_file("/etc/cron.daily/lims-clean", b"#!/bin/sh\n", mode=0o755)
    machine.write_file("/etc/systemd/system/lims@.service", b"[Service]\nExecStart=/bin/sleep 1000\n")
    machine.write_file("/etc/sudoers.d/lims", b"lims ALL=(postgres) NOPASSWD: /usr/bin/psql\n", mode=0o440)
    machine.write_file("/etc/systemd/system/tick.timer", b"[Timer]\nOnCalendar=*-*-* 03:10:00\nPersistent=true\n")
    machine.write_file("/etc/systemd/system/tick.service", b"[Service]\nExecStart=/bin/true\n")
    machine.write_file("/opt/lims/lib/log4j-core-2.17.1.jar", b"PK")
    machine.write_file("/etc/lims/web.yaml", b"server:\n  port: 8080\n")
    script = (
        "set -e; echo '# changed here' >> /etc/logrotate.conf;"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /etc/lims/tls.pem -out /tmp/c.pem"
        " -days 30 -subj /CN=lims.example -addext subjectAltName=DNS:lims.example 2>/dev/null;"
        "cat /tmp/c.pem >> /etc/lims/tls.pem;"
        "ln -sf /usr/share/zoneinfo/Europe/Vienna /etc/localtime; systemctl daemon-reload;"
        "systemctl start lims@one tick.timer;"
        "runuser -u postgres -- psql -Xq -c 'CREATE DATABASE surveyed'"
    )
    done = machine.run(["bash", "-c", script])
    assert done.ok, done.stderr
    done = machine.run(["psql", "-Xqd", "surveyed", "-v", "ON_ERROR_STOP=1"], stdin=SQL.encode(), user="postgres")
    assert done.ok, done.stderr
    assert machine.run(["psql", "-Xqd", "surveyed", "-c", "ANALYZE"], user="postgres").ok


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
        assert ("/etc/cron.daily/lims-clean", "25 6 * * *", "root") in jobs
        assert any(file == "/etc/crontab" for file, _, _ in jobs)

    def test_product_and_database(self, surveyed: HostFacts) -> None:
        assert [(p.name, p.version) for p in surveyed.products] == [("lims", "4.2")]
        (database,) = surveyed.databases
        assert database.server_version.startswith("15.")
        assert (database.schema_version, database.tables["public.Odd Name"]) == ("50", 500)
        assert database.size_bytes > 1_000_000

    def test_migration_tools_and_their_troubles(self, surveyed: HostFacts) -> None:
        states = {m.tool: (m.version, m.applied, m.trouble) for m in surveyed.databases[0].migrations}
        assert states == {
            "rails": ("50", 2, ""),
            "golang-migrate": ("7", 1, "dirty"),
            "flyway": ("1", 1, "failed: 1.1"),
            "liquibase": ("x-1", 1, "locked by web1"),
            "alembic": ("ae10", 1, ""),
            "django": ("auth.0002_more,shop.0007_x", 3, ""),
            "goose": ("3", 2, ""),
            "sqlx": ("20240101", 1, ""),
            "knex": ("02_b.js", 2, "locked"),
            "prisma": ("1_a", 1, "not finished: 2_b"),
            "hand-made": ("4.10", 2, ""),
        }
        assert surveyed.databases[0].objects["view"] == 1
        assert "plpgsql" in surveyed.databases[0].extensions

    def test_schema_encoding_and_what_a_failed_index_left(self, surveyed: HostFacts, pg_machine: Machine) -> None:
        broken = ["psql", "-Xqd", "surveyed", "-c", "CREATE UNIQUE INDEX CONCURRENTLY bad_one ON dup(a)"]
        assert not pg_machine.run(broken, user="postgres").ok
        (database,) = survey_host(pg_machine, DECLARED).databases
        assert database.columns["public.orders"] == {"id": "integer not null", "amount": "numeric(10,2)"}
        assert (database.encoding, database.collation, database.collation_drift) == ("UTF8", "C.UTF-8", "")
        assert database.invalid_indexes == ("bad_one",)

    def test_timers_with_their_next_moment(self, surveyed: HostFacts) -> None:
        tick = next(timer for timer in surveyed.timers if timer.name == "tick.timer")
        assert (tick.activates, tick.calendar, tick.persistent) == ("tick.service", ("*-*-* 03:10:00",), True)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT0[12]:10:00Z", tick.next)

    def test_listeners_belong_to_programs_and_units(self, surveyed: HostFacts) -> None:
        postgres = next(x for x in surveyed.listeners if x.port == 5432)
        assert (postgres.protocol, postgres.program, postgres.unit) == ("tcp", "postgres", "postgresql@15-main.service")

    def test_certificates_and_never_their_keys(self, surveyed: HostFacts, pg_machine: Machine) -> None:
        (found,) = [c for c in surveyed.certificates if c.file == "/etc/lims/tls.pem"]
        assert (found.subject, found.names) == ("CN=lims.example", ("lims.example",))
        assert not [s for s in survey_module.ask(pg_machine, NOTHING) if "PRIVATE KEY" in s.text]

    def test_sudo_rules_and_accounts(self, surveyed: HostFacts) -> None:
        (rule,) = [r for r in surveyed.sudo if r.users == ("lims",)]
        assert (rule.runas, rule.nopasswd, rule.commands) == (("postgres",), True, ("/usr/bin/psql",))
        assert "ssl-cert" in next(a for a in surveyed.accounts if a.name == "postgres").groups

    def test_files_against_their_packages(self, surveyed: HostFacts) -> None:
        changed = {c.path: c for c in surveyed.files.changed}
        assert (changed["/etc/logrotate.conf"].package, changed["/etc/logrotate.conf"].conffile) == ("logrotate", True)
        assert "/etc/lims/a.conf" in surveyed.files.unowned_paths
        assert surveyed.files.checked > 300

    def test_libraries_and_other_formats(self, surveyed: HostFacts) -> None:
        assert ("jar", "log4j-core", "2.17.1") in {(p.manager, p.name, p.version) for p in surveyed.packages}

    def test_root_sees_everything(self, surveyed: HostFacts) -> None:
        assert surveyed.not_seen == ()

    def test_without_root_what_is_missing_is_said(self, pg_machine: Machine, surveyed: HostFacts) -> None:
        class AsNobody:
            name = "machine:nobody"

            def run(self, argv: list[str], **how: Any) -> Completed:
                return pg_machine.run(argv, user="nobody", **how)

        found = survey_host(AsNobody(), DECLARED_WITHOUT_DATABASE)  # type: ignore[arg-type]
        missing = {part.part: part.why for part in found.not_seen}
        assert {"users' crontabs", "what only root sees", "programs behind listeners"} <= set(missing)
        assert "permission denied for nobody" in missing["users' crontabs"]
        assert found.packages == surveyed.packages

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
    closed = Answering({"database postgresql lims": "psql: error: connection refused"})
    with pytest.raises(SurveyFailed, match="lims") as caught:
        survey([closed], Declared(database="lims"))  # type: ignore[list-item]
    assert "refused" in caught.value.why


def test_a_client_without_a_server_is_not_the_databases_host() -> None:
    closed = Answering({"database postgresql lims": "psql: error: No such file"})
    server = Answering(
        {"database postgresql lims": 'WARNING:  other collation\n{"server": "15.4", "size": 1, "tables": {}}'}
    )
    estate = survey([closed, server], Declared(database="lims"))  # type: ignore[list-item]
    assert [[d.name for d in host.databases] for host in estate.hosts] == [[], ["lims"]]
    assert [part.part for part in estate.hosts[0].not_seen] == ["database lims"]


def test_every_host_that_did_not_answer_is_named() -> None:
    mute = [Answering({}, code=1), Answering({}), Answering({}, code=None)]
    mute[2].name = "ssh:other"
    with pytest.raises(SurveyFailed, match="2 of 3 hosts") as caught:
        survey(mute, NOTHING)  # type: ignore[arg-type]
    assert "machine:fake" in caught.value.why and "ssh:other" in caught.value.why


def test_the_latest_of_a_hand_made_table_is_the_highest_version() -> None:
    states = '{"tool": "hand-made", "table": "public.dbver", "applied": 3, "version": "4.9|4.10|4.2"}\n'
    answer = '{"server": "15.4", "size": 1, "tables": {}}'
    found = facts({"database postgresql lims": answer, "migrations postgresql lims": states}, Declared(database="lims"))
    assert found.databases[0].migrations[0].version == "4.10"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("nginx version: nginx/1.22.1\n", "1.22.1"),
        ("Server version: Apache/2.4.62 (Debian)\nServer built: 2024\n", "2.4.62"),
        ("psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
        ("Docker version 20.10.24+dfsg1, build 297e128", "20.10.24+dfsg1"),
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", "7.0.15"),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17.0.15" 2025-04-15', "17.0.15"),
        ("GNU bash, version 5.2.15(1)-release", "5.2.15"),
        ("1:2.36-9+deb12u10", "1:2.36-9+deb12u10"),
        ("v20.20.2", "v20.20.2"),
        ("lims 50", "50"),
        ("unknown", "unknown"),
    ],
)
def test_the_version_in_what_a_command_says(said: str, version: str) -> None:
    (product,) = facts({"version x": said}, Declared(more_products={"x": "x -v"})).products
    assert product.version == version


def test_secret_values_are_replaced_whatever_their_form() -> None:
    text = "token = abc12345\nurl = http://u:pw123@h/\nlist = PASSWORD=zz9, b\nplain = x\n"
    assert [k.value for k in config_keys(text, "/etc/a.conf")] == [
        "<secret>",
        "http://u:<secret>@h/",
        "PASSWORD=<secret>, b",
        "x",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.yaml", "db:\n  password: hunter2secret\ntokens:\n  - hunter2secret\n"),
        ("a.yaml", "env:\n  - name: DB_PASSWORD\n    value: hunter2secret\n"),
        ("a.json", '{"api_key": "hunter2secret", "list": [{"secret": ["hunter2secret"]}]}'),
        ("a.xml", '<a><property name="db.password" value="hunter2secret"/><password>hunter2secret</password></a>'),
        ("a.xml", '<a secret="hunter2secret"><property name="password">hunter2secret</property></a>'),
        ("/etc/nginx/nginx.conf", 'proxy_set_header Authorization "Bearer hunter2secret";\n'),
        ("postgresql.conf", "primary_conninfo = 'host=a password=hunter2secret'\n"),
        ("secrets.yaml", "anything: hunter2secret\n"),
    ],
)
def test_no_format_lets_a_secret_through(file: str, text: str) -> None:
    found = config_keys(text, file)
    assert found and not [key for key in found if "hunter2secret" in key.value]


def test_timers_as_systemd_shows_them() -> None:
    shown = (
        "Id=a.timer\nUnit=a.service\nTimersCalendar={ OnCalendar=*-*-* 06:00:00 ; "
        "next_elapse=Sun 2026-11-22 06:00:00 UTC }\n"
        "TimersMonotonic={ OnBootUSec=15min ; next_elapse=15min }\nNextElapseUSecRealtime=Sun 2026-11-22 06:12:30 UTC\n"
        "Persistent=yes\n"
        "\nId=b.timer\nUnit=b.service\nNextElapseUSecRealtime=\nPersistent=no\n"
    )
    first, second = facts({"timers": shown}).timers
    assert (first.activates, first.calendar, first.monotonic) == ("a.service", ("*-*-* 06:00:00",), ("OnBootUSec=15min",))
    assert (first.next, first.persistent) == ("2026-11-22T06:12:30Z", True)
    assert (second.next, second.persistent) == ("", False)


def test_timers_from_their_files() -> None:
    text = "[Timer]\nOnCalendar=daily\nOnBootSec=5min\nPersistent=true\n"
    (timer,) = facts({"timer-file /etc/systemd/system/x.timer": text}).timers
    assert (timer.name, timer.activates, timer.calendar, timer.monotonic) == (
        "x.timer",
        "x.service",
        ("daily",),
        ("OnBootSec=5min",),
    )


def test_listeners_with_program_and_unit() -> None:
    ss = (
        'tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))\n'
        "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*\ntcp LISTEN 0 1 [::1]:5432 [::]:*\n"
    )
    found = facts({"listeners": ss, "cgroups": "7 0::/system.slice/nginx.service\n"}).listeners
    assert [(x.protocol, x.address, x.port, x.program, x.unit) for x in found] == [
        ("udp", "127.0.0.53", 53, "", ""),
        ("tcp", "0.0.0.0", 80, "nginx", "nginx.service"),
        ("tcp", "::1", 5432, "", ""),
    ]


def test_listeners_from_proc_without_ss() -> None:
    head = "  sl  local_address rem_address   st\n"
    tcp = head + "   0: 0100007F:1538 00000000:0000 0A 00\n   1: 0100007F:1539 0100007F:9999 01 00\n"
    tcp6 = head + "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A\n"
    found = facts({"sockets tcp": tcp, "sockets tcp6": tcp6}).listeners
    assert [(x.address, x.port) for x in found] == [("::1", 80), ("127.0.0.1", 0x1538)]


def test_accounts_with_their_groups() -> None:
    found = facts(
        {"accounts": "root:0:0:/root:/bin/bash\nlims:999:998:/opt/lims:\n", "groups": "root:0:\nlims:998:\nsudo:27:lims,x\n"}
    )
    assert [(a.name, a.uid, a.groups) for a in found.accounts] == [("root", 0, ("root",)), ("lims", 999, ("lims", "sudo"))]


def test_the_at_queue() -> None:
    saved = "#!/bin/sh\n# atrun uid=0 gid=0\numask 22\nA=b; export A\ncd /root || {\n\t exit 1\n}\n"
    body = saved + "/opt/import --token abc123def\n"
    (job,) = facts({"at-job lims /var/spool/cron/atjobs/a0000c01c5d3a4": body}).cron
    assert (job.user, job.schedule, job.command) == ("lims", "at 2026-07-20T03:48Z", "/opt/import --token <secret>")


def test_changed_missing_and_obsolete_conffiles() -> None:
    told = (
        f"a\t/etc/a\t{'0' * 32}\t\nb\t/etc/b\t{'1' * 32}\t\nc\t/etc/gone\t{'2' * 32}\t\nd\t/etc/old\t{'3' * 32}\tobsolete\n"
    )
    sums = f"{'f' * 32}  /etc/a\n{'1' * 32}  /etc/b\n"
    changed = facts({"conffiles": told, "conffile-sums": sums, "checked": "10\n"}).files
    assert [(c.path, c.package, c.found[:1], c.conffile) for c in changed.changed] == [
        ("/etc/a", "a", "f", True),
        ("/etc/gone", "c", "", True),
    ]
    assert changed.checked == 14


def test_a_file_that_cannot_be_read_is_not_called_missing() -> None:
    told = f"a\t/etc/shut\t{'0' * 32}\t\n"
    found = facts({"conffiles": told, "not-seen changed configuration files": "not readable for x: /etc/shut \n"})
    assert found.files.changed == ()
    assert found.not_seen[0].part == "changed configuration files"


def test_unowned_files_are_counted_by_area() -> None:
    found = facts({"unowned": "/etc/x\n/etc/lims/y\n/usr/local/bin/z\n/opt/lims/bin/a\n"}).files
    assert found.unowned == {"/etc": 2, "/opt/lims": 1, "/usr/local": 1}
    assert found.unowned_paths[-1] == "/usr/local/bin/z"


def test_libraries_of_every_kind() -> None:
    libraries = (
        "/usr/lib/python3/dist-packages/PyJWT-2.6.0.egg-info\n/opt/x/lib/requests-2.31.0.dist-info\n"
        "/opt/lims/lib/log4j-core-2.17.1.jar\n/opt/lims/lims.war\n"
    )
    file = "/opt/w/node_modules/@s/t/package.json"
    npm = f'{file}\t{{ "author": {{"name": "x"}}, "version": "1.2.3", "name": "@s/t"}}\n'
    npm += '/opt/w/node_modules/cut/package.json\t{  "name": "cut",  "version": "2.0.0", "description": "be'
    npm += '\n/opt/w/node_modules/x/cjs/package.json\t{"type": "commonjs"}\n'
    found = facts({"libraries": libraries, "npm": npm}).packages
    assert [(p.manager, p.name, p.version) for p in found] == [
        ("jar", "lims", ""),
        ("jar", "log4j-core", "2.17.1"),
        ("npm", "@s/t", "1.2.3"),
        ("npm", "cut", "2.0.0"),
        ("pip", "PyJWT", "2.6.0"),
        ("pip", "requests", "2.31.0"),
    ]


def test_migration_tools_with_their_locks() -> None:
    states = (
        '{"tool": "liquibase", "table": "public.databasechangelog", "applied": 3, "version": "c", "trouble": ""}\n'
        '{"tool": "liquibase lock", "table": "public.databasechangeloglock", "applied": 0, "version": "", '
        '"trouble": "locked by web1"}\n'
    )
    answer = '{"server": "15.4", "size": 1, "tables": {}}'
    found = facts({"database postgresql lims": answer, "migrations postgresql lims": states}, Declared(database="lims"))
    assert [(m.tool, m.version, m.trouble) for m in found.databases[0].migrations] == [("liquibase", "c", "locked by web1")]


def test_mysql() -> None:
    declared = Declared(more_databases=("mysql:shop", "mysql:absent", "oracle:x"))
    answer = (
        "server\t10.11.6-MariaDB\ntable\torders\t12\t16384\tlatin1_swedish_ci\ntable\titems\t3\t16384\tutf8mb4_bin\n"
        "object\tview\t1\nobject\ttrigger\t0\ncharset\tlatin1\tlatin1_swedish_ci\ncolumn\titems\tid\tint(11) not null\n"
    )
    states = "flyway\tflyway_schema_history\t4\t1.4\tfailed: 1.5\nERROR 1146 (42S02)\n"
    absent = "ERROR 1049 (42000): Unknown database 'absent'\n"
    sections = {"database mysql shop": answer, "migrations mysql shop": states, "database mysql absent": absent}
    (database,) = facts(sections, declared).databases
    assert (database.engine, database.server_version, database.size_bytes) == ("mysql", "10.11.6-MariaDB", 32768)
    assert (database.tables, database.objects) == ({"orders": 12, "items": 3}, {"view": 1})
    assert (database.encoding, database.collation) == ("latin1", "latin1_swedish_ci")
    assert (database.table_collations, database.columns) == ({"items": "utf8mb4_bin"}, {"items": {"id": "int(11) not null"}})
    assert [(m.tool, m.applied, m.version, m.trouble) for m in database.migrations] == [("flyway", 4, "1.4", "failed: 1.5")]


def test_several_products_the_main_one_first() -> None:
    declared = Declared(product="lims", version_command="lims -v", more_products={"agent": "agent --version"})
    found = facts({"version agent": "agent 1.2\n", "version lims": "4.2\n"}, declared).products
    assert [(p.name, p.version) for p in found] == [("lims", "4.2"), ("agent", "1.2")]


def test_the_probe_only_reads() -> None:
    script = (survey_module.resources.files("fulldress.inventory") / "probe.sh").read_text()
    code = [line for line in script.splitlines() if not line.lstrip().startswith("#")]
    assert not [
        line
        for line in code
        if re.search(r"(?<![<0-9&])>(?!&|/dev/null| /dev/null)|\b(rm|mv|cp|tee|mkdir|touch|chmod)\b", line)
    ]


def test_held_packages_and_what_depends_on_what() -> None:
    text = "ii \tapp\t1\tlibc6 (>= 2.36), nginx | apache2 (>= 2)\thttpd (= 1), app-abi\nhi \tlibfoo:amd64\t2\t\t\n"
    app, held = software.packages(Sections([Section("dpkg", "", text)]))
    assert (app.depends, app.provides, app.held) == (("libc6", "nginx|apache2"), ("httpd", "app-abi"), False)
    assert (held.name, held.held) == ("libfoo:amd64", True)


def test_what_the_probe_asks_dpkg(tmp_path: Path) -> None:
    script = resources.files("fulldress.inventory").joinpath("probe.sh").read_text()
    program = script.partition("| awk '")[2].partition("END { out() }'")[0] + "END { out() }"
    status = "Package: a\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 1\nProvides: x\nPre-Depends: p\n"
    status += "Depends: d (>= 1), e\n"
    done = subprocess.run(["awk", program], input=status, capture_output=True, text=True, check=True)
    assert done.stdout == "hi \ta\t1\tp, d (>= 1), e\tx\n"


def test_edges_of_units() -> None:
    units = '[{"unit": "a.service", "load": "loaded", "active": "active", "sub": "running", "description": ""}]'
    edges = "Id=a.service\nRequires=system.slice b.service\nBindsTo=c.mount\nWants=d.service\nAfter=b.service -.slice\n"
    edges += "\nId=z.path\n"
    (found,) = system.units(Sections([Section("units", "", units), Section("unit-edges", "", edges)]))
    assert (found.after, found.requires, found.wants) == (("b.service",), ("b.service", "c.mount"), ("d.service",))


def test_directories_of_one_file_system_are_one_volume() -> None:
    text = "1 100 4096 200 /\n1 100 4096 200 /usr\n2 5 1024 10 /var/lib\nbad line\n"
    root, data = system.volumes(Sections([Section("volumes", "", text)]))
    assert (root.path, root.also, root.free_bytes, root.size_bytes) == ("/", ("/usr",), 409600, 819200)
    assert (data.path, data.free_bytes) == ("/var/lib", 5120)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "17.0.15"),
        ("This is perl 5, version 36, subversion 0 (v5.36.0) built", "5.36.0"),
        ('openjdk version "21" 2023-09-19', "21"),
    ],
)
def test_versions_of_runtimes(said: str, version: str) -> None:
    assert system.runtimes(Sections([Section("runtime", "x", said)])) == {"x": version}


def test_an_alias_of_a_retired_server_is_retired_with_it() -> None:
    declared = Declared(
        retired=("sftp-old.example",),
        replacements={"sftp-old.example": "sftp2.example"},
        aliases={
            "Files.example.": "in.example",
            "in.example": "sftp-old.example.",
            "a.example": "b.example",
            "b.example": "a.example",
        },
    )
    estate = assembled([], declared)
    assert estate.retired == ("sftp-old.example", "Files.example.", "in.example")
    assert estate.replacements == {
        "sftp-old.example": "sftp2.example",
        "Files.example.": "sftp2.example",
        "in.example": "sftp2.example",
    }


def test_what_nginx_passes_requests_to_is_no_secret() -> None:
    text = "location / { proxy_pass http://10.0.0.1:8080; }\nlocation /x { proxy_pass http://u:pw1@h; }\n"
    assert [key.value for key in config_keys(text, "/etc/nginx/nginx.conf")] == [
        "http://10.0.0.1:8080",
        "http://u:<secret>@h",
    ]


def test_sockets_in_the_file_system() -> None:
    ss = (
        'u_str LISTEN 0 244 /run/postgresql/.s.PGSQL.5432 12345 * 0 users:(("postgres",pid=9,fd=6))\n'
        "u_seq LISTEN 0 4096 @abstract 5 * 0\nu_str LISTEN 0 1 * 77 * 0\n"
    )
    found = facts({"listeners": ss, "cgroups": "9 0::/system.slice/postgresql@15-main.service\n"}).listeners
    assert [(x.protocol, x.address, x.port, x.program, x.unit) for x in found] == [
        ("unix", "/run/postgresql/.s.PGSQL.5432", 0, "postgres", "postgresql@15-main.service"),
        ("unix", "@abstract", 0, "", ""),
    ]


def test_sockets_in_the_file_system_without_ss() -> None:
    text = (
        "Num RefCount Protocol Flags Type St Inode Path\n0: 00000002 00000000 00010000 0001 01 1 /run/a.sock\n"
        "0: 00000003 00000000 00000000 0001 03 2 /run/b.sock\n0: 00000002 00000000 00010000 0001 01 3\n"
    )
    assert [x.address for x in facts({"sockets unix": text}).listeners] == ["/run/a.sock"]


def test_a_timer_that_is_loaded_and_does_not_run_fires_never() -> None:
    assert facts({"timers": "Id=a.timer\nUnit=a.service\nActiveState=inactive\n"}).timers == ()


def test_cron_of_the_red_hats_knows_zones_dots_and_moments_by_chance() -> None:
    text = "0 1 * * * root /before\nCRON_TZ=Asia/Tokyo\n0~59 4 * * * root /random\n"
    found = facts({"cron-system /etc/cron.d/a.b": text, "rpm": "cronie\t0:1-1\n"}).cron
    assert [(job.schedule, job.zone, job.command) for job in found] == [
        ("0 1 * * *", "", "/before"),
        ("0~59 4 * * *", "Asia/Tokyo", "/random"),
    ]


def test_scripts_of_a_period_fire_when_the_table_says() -> None:
    found = facts(
        {
            "cron-system /etc/crontab": "25 6 * * * root cd / && run-parts --report /etc/cron.daily\n",
            "anacrontab /etc/anacrontab": "7 10 weekly run-parts /etc/cron.weekly\n",
            "cron-parts daily /etc/cron.daily/a": "",
            "cron-parts weekly /etc/cron.weekly/b": "",
            "cron-parts monthly /etc/cron.monthly/c": "",
        }
    ).cron
    assert {job.file: job.schedule for job in found if not job.line} == {
        "/etc/cron.daily/a": "25 6 * * *",
        "/etc/cron.weekly/b": "anacron 7",
        "/etc/cron.monthly/c": "@monthly",
    }


@pytest.mark.parametrize(("code", "says"), [(None, "within 60 s"), (127, "needs bash")])
def test_why_a_host_did_not_answer(code: int | None, says: str) -> None:
    with pytest.raises(SurveyFailed) as caught:
        facts({"hostname": "a\n"}, code=code)
    assert says in f"{caught.value.why} {caught.value.fix}"


def test_ctrl_c_ends_what_other_threads_wait_for() -> None:
    begun = time.monotonic()
    code = (
        "import os, signal, threading\n"
        "from fulldress.adapters.local import LocalHost\n"
        "from fulldress.inventory.survey import survey\n"
        "from fulldress.model.release import Declared\n"
        "class Slow(LocalHost):\n"
        "    def run(self, argv, **how):\n"
        "        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "        return super().run(['sleep', '30'])\n"
        "survey([Slow()], Declared())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert "KeyboardInterrupt" in done.stderr
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("end", ["-----END RSA PRIVATE KEY-----\n", ""])
def test_no_part_of_a_private_key_becomes_the_name_of_a_setting(end: str) -> None:
    block = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIEabc' * 8}\nuyjxA6BTzBvE+Pa6fnjalAw==\n{end}"
    assert config_keys(block, "/etc/ssh/ssh_host_rsa_key") == []
    found = config_keys(f"a = 1\n{block}" + ("b = 2\n" if end else ""), "/etc/x.conf")
    assert [(key.key, key.line) for key in found] == ([("a", 1), ("b", 6)] if end else [("a", 1)])
