"""Packages of two more worlds: a town's records system, and the head-end that reads a utility's electricity meters.

The first is Python (Flask, Celery, Alembic) behind Apache with OpenLDAP, an exchange over SFTP, wheels and a deb; the second
Perl, Tcl, C++ and shell over TimescaleDB and MQTT with SysV init and systemd, nftables, an rpm and a tar.xz, and a half in
the cloud. How written: by someone who had the catalogue of hazards and had read neither a rule, nor a test of one, nor a
page, nor another set's files; all marks were set and committed before the first scan. Counted as in ``unseen``.

Found at first, with the estate: 104 of 193 and 105 of 213; without it: 89 and 85. Traps alarmed with the estate: 0 of 46 and
1 of 41 (a retired host in the prose of a file ``INSTALL``: a false alarm, left as it is); without it: none. Named: 0 and 2.
Nine marks of these two are found under another family than the one marked, and do not count: no mark was changed.

The third, a museum's catalogue (Groovy, WildFly, MySQL, Solr), was written after most of what the first two taught was
mended, to see how far that carries, by someone who knew the rules by then but wrote from another world: 19 of 41 were found
at first with the estate, 14 without it; no trap of 10 was alarmed or named.
"""

from __future__ import annotations

from exactness import Row
from exactness._unseen import packages
from exactness.unseen import COMMANDS, accounts_of, known_of, measured, units_of
from fulldress.model.estate import DatabaseFacts, HostFacts, InstalledPackage, Listener, MatrixRow

NAMES = (("records", ".tar.gz"), ("meters", ".tar.gz"), ("museum", ".zip"))
RECORDS = HostFacts(
    name="machine:rec1",
    hostname="rec1",
    os="debian",
    os_version="12",
    timezone="Europe/Bucharest",
    units=units_of("apache2 slapd postgresql postgresql@15-main rabbitmq-server redis-server ssh cron rsyslog fail2ban"),
    packages=(
        InstalledPackage(name="apache2", version="2.4.62-1~deb12u1"),
        InstalledPackage(name="slapd", version="2.5.13+dfsg-5"),
        InstalledPackage(name="postgresql-15", version="15.8-0+deb12u1"),
        InstalledPackage(name="python3", version="3.11.2-1+b1"),
    ),
    databases=(
        DatabaseFacts(
            name="registra",
            server_version="15.8",
            tables={
                f"public.{t}": 9_000_000
                for t in ("document", "dossier", "citizen", "audit_event", "inbox_item", "attachment", "setting", "app_user")
            },
            table_bytes={"public.document": 60 << 30},
        ),
    ),
    commands=tuple(
        (COMMANDS + "make psql pg_dump pg_restore ldapadd ldapmodify gpg lftp sshpass a2enmod ufw apt-get").split()
    ),
    users=("root", "www-data", "postgres", "openldap", "registra"),
    accounts=accounts_of("root www-data postgres openldap registra"),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=443, program="apache2"),),
    runtimes={"python3": "3.11.2", "perl": "5.36.0"},
    locales=("C", "C.utf8", "ro_RO.utf8", "POSIX"),
)
METERS = HostFacts(
    name="machine:hes1",
    hostname="hes1",
    os="rhel",
    os_version="9.4",
    timezone="Europe/Berlin",
    units=units_of("postgresql mosquitto sshd crond chronyd nftables snmpd rsyslog"),
    packages=(
        InstalledPackage(name="postgresql-server", version="15.8-1.el9", manager="rpm"),
        InstalledPackage(name="mosquitto", version="2.0.18-1.el9", manager="rpm"),
        InstalledPackage(name="tcl", version="8.6.10-7.el9", manager="rpm"),
    ),
    databases=(
        DatabaseFacts(
            name="hes",
            server_version="15.8",
            tables={
                f"public.{t}": 80_000_000 for t in ("reading", "reading_raw", "meter", "gateway", "feature", "endpoint")
            },
            table_bytes={"public.reading": 900 << 30},
        ),
    ),
    commands=tuple((COMMANDS + "tclsh psql rpm dnf setenforce nft terraform helm kubectl xz mosquitto_pub ksh").split()),
    users=("root", "postgres", "mosquitto", "hes"),
    accounts=accounts_of("root postgres mosquitto hes"),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=8883, program="mosquitto"),),
    runtimes={"perl": "5.32.1", "python3": "3.9.18"},
    locales=("C", "C.utf8", "de_DE.utf8", "POSIX"),
)
MUSEUM = HostFacts(
    name="machine:depot1",
    hostname="depot1",
    os="debian",
    os_version="12",
    timezone="Europe/Vienna",
    units=units_of("wildfly mysql solr nginx ssh cron"),
    packages=(
        InstalledPackage(name="mysql-server", version="8.0.36-1debian12"),
        InstalledPackage(name="openjdk-17-jre-headless", version="17.0.12"),
    ),
    databases=(
        DatabaseFacts(
            name="museon",
            engine="mysql",
            server_version="8.0.36",
            tables=dict.fromkeys(("museon.objekt", "museon.leihgabe", "museon.thumbnail", "museon.benutzer"), 1_500_000),
        ),
    ),
    commands=tuple((COMMANDS + "java groovy mysql mysqldump mount tee").split()),
    users=("root", "wildfly", "mysql", "solr"),
    accounts=accounts_of("root wildfly mysql solr"),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=8080, program="java"),),
    runtimes={"java": "17.0.12"},
    locales=("C", "C.utf8", "de_AT.utf8", "POSIX"),
)
KNOWN = {
    "museum": known_of(
        MUSEUM,
        ("bilder-alt.museum.example",),
        "2027-04-25T21:30",
        90,
        MatrixRow(product="museon", key="museon.alt", change="removed", since="6.0"),
        "/etc/museon.properties",
    ),
    "records": known_of(
        RECORDS,
        (
            "sftp-vechi.primarie.example", "ldap-vechi.primarie.example", "arhiva-vechi.primarie.example",
            "log-vechi.primarie.example", "smtp-vechi.primarie.example", "10.11.9.3",
        ),
        "2027-02-28T21:00",
        120,
        MatrixRow(product="registra", key="FLASK_ENV", change="removed", since="11.0"),
        "/etc/registra/registra.env",
    ),
    "meters": known_of(
        METERS,
        (
            "mq-alt.stadtwerk.example", "nas-alt.stadtwerk.example", "edi-alt.marktpartner.example",
            "nms-alt.stadtwerk.example", "billdb-alt.stadtwerk.example", "172.18.40.9",
        ),
        "2027-03-28T00:30",  # to 03:30 summer time: 02:00 to 03:00 does not exist
        120,
        MatrixRow(
            product="ampernet-hes", key="hes.clock.sync", change="renamed", since="7.4", instead="hes.clock.source",
            consequence="ignored: the meters' clocks are not set", silent_fallback=True,
        ),
        "/etc/ampernet/dlmsd.xml",
    ),
}  # fmt: skip
AT_LEAST = {"records": (136, 150), "meters": (134, 152), "museum": (22, 27)}
"""Hazards found that a change may not fall below: without and with the estate."""
MISTAKEN = {"records": (0, 0), "meters": (0, 1), "museum": (0, 0)}
"""Traps alarmed at most: without and with the estate."""


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    return measured(packages(NAMES), KNOWN, AT_LEAST, MISTAKEN)
