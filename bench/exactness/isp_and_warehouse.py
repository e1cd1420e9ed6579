"""Two packages of further worlds: an Internet provider's billing (Spring, RADIUS, Kafka) and a warehouse (Go, .NET, Docker).

How written: by someone who had the catalogue of hazards and had read neither a rule, a test of one, its page nor the files
of another set (but for the first lines of one, for the form); all marks were set and committed before the first scan.
``material/isp_and_warehouse/*.txt`` holds the files in the form of ``_unseen``; counted as ``unseen`` counts.

Found at first, with the estate: 120 of 197 and 122 of 214; without it: 105 and 108. Traps alarmed, with the estate: 1 of 47
and 1 of 40 (a job of pg_cron was said to reach the server that another statement of its file names; ``@@NAME@@`` was taken
for a password); without it: 0 and 1. Some of the marks stand on an inner line of a statement, or beside its first, where the
finding stands (a task's module, a command's first line): they are left as they were set, and count as missed.
"""

from __future__ import annotations

from collections.abc import Iterator

from exactness import Row
from exactness._unseen import Unseen
from exactness._worlds import package
from exactness.unseen import accounts_of, known_of, measured, units_of
from fulldress.model.estate import (
    DatabaseFacts,
    HostFacts,
    InstalledPackage,
    Listener,
    MatrixRow,
    Volume,
)

NAMES = (("isp", ".tar.gz"), ("warehouse", ".zip"))
COMMANDS = (
    "bash sh perl curl wget sftp ssh scp rsync python3 systemctl service flock rm useradd userdel usermod groupadd sed cat "
    "cp mv ln mkdir chmod chown dirname mktemp id find install sleep ls tar gzip date grep awk sysctl crontab sudo getent "
    "tee ss df killall timedatectl at pgrep psql pg_dump setenforce touch printf env"
)


ISP = HostFacts(
    name="machine:bill1",
    hostname="bill1",
    os="rhel",
    os_version="9.5",
    timezone="Europe/Madrid",
    units=units_of(
        "postgresql-15 radiusd kafka firewalld sshd crond chronyd nginx netbill-web netbill-rating netbill-mediation"
    ),
    packages=(
        InstalledPackage(name="java-17-openjdk-headless", version="17.0.13-1.el9", manager="rpm"),
        InstalledPackage(name="freeradius", version="3.0.21-40.el9", manager="rpm"),
        InstalledPackage(name="postgresql15-server", version="15.8-1.el9", manager="rpm"),
    ),
    databases=(
        DatabaseFacts(
            name="netbill",
            server_version="15.8",
            tables={
                f"public.{t}": 20_000_000 for t in ("subscriber", "cdr", "radacct", "invoice", "invoice_item", "session_log")
            },
            table_bytes={"public.cdr": 300 << 30, "public.radacct": 120 << 30},
        ),
    ),
    commands=tuple((COMMANDS + " java rpm yum dnf firewall-cmd flyway ansible-playbook").split()),
    users=("root", "netbill", "postgres", "radiusd", "kafka"),
    accounts=accounts_of("root netbill postgres radiusd kafka"),
    listeners=(Listener(protocol="tcp", address="127.0.0.1", port=8080, program="java"),),
    runtimes={"java": "17.0.13", "python3": "3.9.18", "perl": "5.32.1"},
    volumes=(Volume(path="/", also=("/opt", "/var", "/tmp"), free_bytes=18 << 30, size_bytes=60 << 30),),
)
WAREHOUSE = HostFacts(
    name="machine:wh-app1",
    hostname="wh-app1",
    os="debian",
    os_version="12",
    timezone="Europe/Berlin",
    units=units_of("docker nginx postgresql postgresql@15-main redis-server ssh cron chrony"),
    packages=(
        InstalledPackage(name="docker-ce", version="5:26.1"),
        InstalledPackage(name="nginx", version="1.22.1-9"),
        InstalledPackage(name="postgresql-15", version="15.8-0+deb12u1"),
        InstalledPackage(name="redis-server", version="5:7.0.15-1"),
    ),
    databases=(
        DatabaseFacts(
            name="stock",
            server_version="15.8",
            tables={f"public.{t}": 15_000_000 for t in ("stock_item", "stock_move", "scan_event", "pick_list")},
        ),
    ),
    commands=tuple((COMMANDS + " docker redis-cli dpkg apt-get adduser openssl").split()),
    users=("root", "www-data", "postgres", "redis"),
    accounts=accounts_of("root www-data postgres redis"),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=6379, program="redis-server"),),
    runtimes={"python3": "3.11.2", "perl": "5.36.0"},
    volumes=(Volume(path="/", also=("/opt", "/var", "/backup"), free_bytes=40 << 30, size_bytes=100 << 30),),
)


KNOWN = {
    "isp": known_of(
        ISP,
        (
            "crm-old.vega.internal", "smsc-old.vega.internal", "pg-old.bss.vega.internal", "zk-old.bss.vega.internal",
            "tap-old.roamhub.net",
        ),
        "2026-12-06T01:00",
        120,
        MatrixRow(
            product="netbill", key="netbill.cdr.legacy-format", change="renamed", since="8.3", instead="netbill.cdr.format",
            consequence="ignored: call records are read in the new format", silent_fallback=True,
        ),
        "/etc/netbill/netbill.properties",
    ),
    "warehouse": known_of(
        WAREHOUSE,
        (
            "erp-alt.wh.local", "10.30.8.4", "mail-alt.wh.local", "dc-alt.wh.local", "backup-alt.wh.local",
            "files-alt.wh.local", "edi-alt.wh.local", "print-alt.wh.local",
        ),
        "2026-11-28T22:00",
        180,
        MatrixRow(product="stockpilot", key="scanner.wms_mode", change="removed", since="12.0"),
        "/etc/stockpilot/config.toml",
    ),
}  # fmt: skip
AT_LEAST = {"isp": (155, 171), "warehouse": (168, 188)}
"""Hazards found that a change may not fall below: without and with the estate."""
MISTAKEN = {"isp": (0, 0), "warehouse": (0, 0)}
"""Traps alarmed at most: without and with the estate."""


def packages() -> Iterator[Unseen]:
    """The packages, the same at each call but for keys and certificates."""
    for name, end in NAMES:
        yield package("isp_and_warehouse", name, end)


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    return measured(packages(), KNOWN, AT_LEAST, MISTAKEN)
