"""Three packages of other worlds: RHEL with Oracle and leftovers of Windows, Django on Kubernetes, a PHP and Node shop.

How written: by someone who had the list of hazards and had read neither a rule, a test of one, its page, nor an older set;
all marks were set and committed before the first scan. A hazard counts as found when a finding of a family that fits lies on
its line or names the line; a trap is alarmed when one of high or critical severity stands on it, and named when one above
info does.

Found at first, with the estate: 59 of 106, 56 of 105, 63 of 135; without it: 53, 50, 53. Traps alarmed with the estate: 1,
1, 0 of 44, 40, 45; named: 2, 2, 1. (The very first count, with narrower families and two marks beside the line on which a
command begins, was 56, 54 and 60; the lines of four marks were put right afterwards, no mark was added or taken back.)

Mistaken or debatable marks, left as they are: a default in ``${PREFIX:-...}`` cannot be empty; CRON_TZ means nothing to
Debian's cron, so that the trap of ``cron/shopbridge`` is none; a port opened in the firewall is what most upgrades need;
unpickling and a shell called with a variable are for reviewers of the program, not of the release.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from exactness import Row
from exactness._unseen import Truth, Unseen, packages
from fulldress.intake.unpack import unpack
from fulldress.model.estate import (
    Account,
    ConfigKey,
    DatabaseFacts,
    Estate,
    HostFacts,
    InstalledPackage,
    KeyImpact,
    Listener,
    MatrixRow,
    Unit,
    Volume,
)
from fulldress.model.finding import SEVERITIES, Finding
from fulldress.model.release import Declared, Release, Window
from fulldress.scan.rule import Context
from fulldress.scan.sweep import load_rules, sweep
from fulldress.store.blobs import BlobStore

TARGETS = ("network.target", "network-online.target", "multi-user.target", "timers.target", "basic.target", "sysinit.target")
COMMANDS = (
    "bash sh perl curl wget sftp ssh scp rsync python3 systemctl flock rm useradd sed cat cp mv ln mkdir chmod chown "
    "dirname mktemp id find install sleep ls tar gzip unzip date grep awk dd su sysctl at crontab sudo getent "
)


class Known(NamedTuple):
    """The estate of one package, and the night of its upgrade."""

    estate: Estate
    release: Release
    matrix: tuple[MatrixRow, ...]
    impacts: tuple[KeyImpact, ...]


def units_of(names: str) -> tuple[Unit, ...]:
    """Running services, by their bare names, and the usual targets."""
    own = tuple(f"{n}.service" for n in names.split())
    return tuple(Unit(name=n, load="loaded", active="active", sub="running") for n in (*own, *TARGETS))


def accounts_of(names: str) -> tuple[Account, ...]:
    """Accounts, with numbers as they come."""
    return tuple(Account(name=n, uid=u, groups=(n,)) for u, n in enumerate(names.split()))


def known_of(host: HostFacts, retired: tuple[str, ...], start: str, minutes: int, row: MatrixRow, file: str) -> Known:
    """An estate of one host, its window, and one key that changed and is in use."""
    estate = Estate(taken="2026-11-20T09:00:00Z", hosts=(host,), retired=retired)
    release = Release(name="unseen", estate=Declared(timezone=host.timezone), window=Window(start=start, minutes=minutes))
    use = ConfigKey(file=file, key=row.key, value="1", line=3)
    return Known(estate, release, (row,), (KeyImpact(row=row, uses=(use,), cure=row.instead),))


LAB = HostFacts(
    name="machine:lab-app01",
    hostname="lab-app01",
    os="rhel",
    os_version="9.4",
    timezone="Europe/Berlin",
    units=units_of("tomcat postgresql firewalld sshd crond chronyd"),
    packages=(
        InstalledPackage(name="java-17-openjdk-headless", version="17.0.12-1.el9", manager="rpm"),
        InstalledPackage(name="tomcat", version="9.0.87-1.el9", manager="rpm"),
        InstalledPackage(name="postgresql-server", version="15.8-1.el9", manager="rpm"),
    ),
    databases=(
        DatabaseFacts(
            name="lab",
            server_version="15.8",
            tables={f"public.{t}": 9_000_000 for t in ("result", "lab_order", "result_flag", "audit_2019")},
            table_bytes={"public.result": 40 << 30},
        ),
    ),
    commands=tuple((COMMANDS + "java psql rpm dnf semanage setenforce firewall-cmd chpasswd").split()),
    users=("root", "tomcat", "postgres"),
    accounts=accounts_of("root tomcat postgres"),
    runtimes={"java": "17.0.12", "python3": "3.9.18"},
    locales=("C", "C.utf8", "de_DE.utf8", "POSIX"),
    volumes=(Volume(path="/", also=("/opt", "/var"), free_bytes=30 << 30, size_bytes=80 << 30),),
)
PARCEL = HostFacts(
    name="machine:app01",
    hostname="app01",
    os="ubuntu",
    os_version="22.04",
    timezone="Europe/Vienna",
    units=units_of("docker nginx rabbitmq-server postgresql ssh cron"),
    packages=(
        InstalledPackage(name="docker-ce", version="5:26.1"),
        InstalledPackage(name="rabbitmq-server", version="3.9.13"),
    ),
    databases=(
        DatabaseFacts(
            name="parcel",
            server_version="15.6",
            tables={
                f"public.{t}": 12_000_000
                for t in ("parcels_parcel", "parcels_stop", "invoice", "invoice_line", "tax", "invoice_log")
            },
        ),
    ),
    commands=tuple((COMMANDS + "docker kubectl helm redis-cli pip nginx python").split()),
    users=("root", "parcel", "www-data"),
    accounts=accounts_of("root parcel www-data"),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=5432, program="postgres"),),
    runtimes={"python3": "3.10.12"},
)
SHOP = HostFacts(
    name="machine:web1",
    hostname="web1",
    os="debian",
    os_version="12",
    timezone="America/New_York",
    units=units_of("apache2 mariadb php8.2-fpm redis-server ssh cron"),
    packages=(
        InstalledPackage(name="mariadb-server", version="1:10.11.6"),
        InstalledPackage(name="php8.2-fpm", version="8.2.20"),
        InstalledPackage(name="nodejs", version="18.19.0"),
    ),
    databases=(
        DatabaseFacts(
            name="shop",
            engine="mysql",
            server_version="8.0.36",
            tables=dict.fromkeys(("shop.orders", "shop.order_items", "shop.customers", "shop.stock"), 6_000_000),
        ),
    ),
    commands=tuple((COMMANDS + "mysql mysqldump php node npm redis-cli openssl gpg git apache2 adduser dpkg").split()),
    users=("root", "www-data", "mysql", "redis"),
    accounts=accounts_of("root www-data mysql redis"),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=8080, program="java"),),
    runtimes={"php": "8.2.20", "node": "18.19.0", "perl": "5.36.0"},
    locales=("C", "C.utf8", "en_US.utf8", "POSIX"),
)
KNOWN = {
    "lab": known_of(
        LAB,
        ("hl7-old.klinikum.example", "10.44.7.21"),
        "2026-11-29T02:00",
        90,
        MatrixRow(
            product="labbridge", key="hl7.ack.mode", change="renamed", since="7.4", instead="hl7.acknowledge",
            consequence="ignored: messages are not acknowledged", silent_fallback=True,
        ),
        "/etc/labbridge/labbridge.properties",
    ),
    "parcel": known_of(
        PARCEL,
        ("edi-old.spedition.example", "10.60.3.9"),
        "2026-11-29T03:00",
        90,
        MatrixRow(
            product="parcelwise", key="tracking.poll_seconds", change="removed", since="9.0", instead="tracking.interval"
        ),
        "/etc/parcelwise/appcfg.toml",
    ),
    "shop": known_of(
        SHOP,
        ("edi-alt.shop.example", "172.20.8.14"),
        "2026-11-28T23:30",
        120,
        MatrixRow(product="shopbridge", key="order.legacy_export", change="removed", since="5.2"),
        "/etc/shopbridge/default.json",
    ),
}  # fmt: skip


def scanned(unseen: Unseen, folder: Path, known: Known | None) -> tuple[Finding, ...]:
    """What a scan says about the package."""
    package = folder / (unseen.name + unseen.end)
    package.write_bytes(unseen.data)
    blobs = BlobStore(folder / f"blobs-{unseen.name}")
    lock = unpack(package, blobs)
    if known is None:
        return sweep(Context(lock, blobs.read)).findings
    context = Context(
        lock, blobs.read, estate=known.estate, release=known.release, matrix=known.matrix, impacts=known.impacts
    )
    return sweep(context).findings


FITS = {"tls": ("endpoint",), "systemd": ("privilege",), "provenance": ("privilege",)}
"""Families whose rules speak of the same: protocols, accounts of units, code that is fetched and run."""


def told(truth: Truth, finding: Finding, families: dict[str, str]) -> bool:
    """Whether the finding is about that place and of a family that fits."""
    family = families.get(finding.rule, "")
    if family not in truth.families and not any(family in FITS.get(own, ()) for own in truth.families):
        return False
    lines = range(truth.first, truth.last + 1)
    here = finding.place == truth.place or finding.place.endswith("!/" + truth.place)
    if here and (finding.line in lines or truth.first == 0):
        return True
    name = re.escape(truth.place.rpartition("/")[2])
    said = f"{finding.title} {finding.excerpt} {finding.consequence} {finding.fix}"
    for line in lines:
        if re.search(rf"{name}:{line}(?!\d)|{name}:\d[^;]*\(lines? (?:\d+, )*{line}\b", said):
            return True
        if here and any(re.search(rf"\(lines? (?:\d+, )*{line}\b", part) for part in _own(finding)):
            return True
    return False


def _own(finding: Finding) -> list[str]:
    """What a finding says of further lines of its own file."""
    return [part for part in finding.consequence.split(";") if not re.search(r"[\w-]\.\w+:\d", part)]


def families() -> dict[str, str]:
    """Rule -> family."""
    return {rule.META.slug: rule.META.family for rule in load_rules()}


def loud(finding: Finding) -> bool:
    """High or critical."""
    return SEVERITIES.index(finding.severity) <= SEVERITIES.index("high")


Limits = Mapping[str, tuple[int, int]]
"""By package, a number without and one with the estate."""
AT_LEAST: Limits = {"lab": (91, 102), "parcel": (85, 95), "shop": (108, 127)}
"""Hazards found that a change may not fall below."""
MISTAKEN: Limits = {"lab": (0, 0), "parcel": (0, 0), "shop": (0, 1)}
"""Traps alarmed at most: those that are none."""


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    return measured(packages(), KNOWN, AT_LEAST, MISTAKEN)


def measured(worlds: Iterable[Unseen], estates: Mapping[str, Known], least: Limits, most: Limits) -> list[Row]:
    """The rows of packages, each scanned alone and with its estate."""
    rows: list[Row] = []
    kinds = families()
    with tempfile.TemporaryDirectory() as folder:
        for world in worlds:
            for known in (None, estates[world.name]):
                limits = (least[world.name][known is not None], most[world.name][known is not None])
                rows += rows_of(world, scanned(world, Path(folder), known), kinds, known=known is not None, limits=limits)
    return rows


def rows_of(
    unseen: Unseen,
    found: tuple[Finding, ...],
    kinds: dict[str, str],
    *,
    known: bool,
    limits: tuple[int, int],
) -> list[Row]:
    """What was found of a package's hazards, and which traps were named; limits: at least found, at most alarmed."""
    hazards = [t for t in unseen.truth if t.hazard]
    traps = [t for t in unseen.truth if not t.hazard]
    missed = [t for t in hazards if not any(told(t, f, kinds) for f in found)]
    named = {t: [f for f in found if f.line and told(t, f, kinds) and _stands(t, f)] for t in traps}
    heard = [t for t in traps if named[t]]
    alarmed = [t for t in traps if any(loud(f) for f in named[t])]
    top = f"{unseen.name} {'estate' if known else 'alone'}: "
    least, most = limits
    got = len(hazards) - len(missed)
    return [
        Row(top + "hazards found", got, len(hazards), got >= least, f"at least {least}", _names(missed)),
        Row(top + "traps alarmed", len(alarmed), len(traps), len(alarmed) <= most, f"at most {most}", _names(alarmed)),
        Row(top + "traps named at all", len(heard), len(traps), True, "-", _names(heard)),
    ]


def _stands(truth: Truth, finding: Finding) -> bool:
    """A trap is named by a finding that stands on it and is more than a note."""
    return truth.first <= finding.line <= truth.last and finding.severity != "info"


def _names(places: list[Truth]) -> str:
    return ", ".join(f"{t.place.rpartition('/')[2]}:{t.first}" for t in places)
