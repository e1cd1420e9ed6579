"""Packages of worlds that the other sets leave out: machine control, a bank's middleware, a hospital's image archive.

How written: by someone who had the catalogue of hazards and had read neither a rule, nor its tests and pages, nor another
set's files; all marks were set and committed before the first scan, and only then were rules changed.
``material/plant_and_bank/*.txt`` holds the files. ``¤H name severity¤`` ends a line that must be reported at least so
severely; the same name on further lines of one statement is one hazard, found on any of them. ``¤T name¤`` is a line on
which a finding of high or critical severity is a false alarm. A finding of a whole file counts on its first line only.

Found before any fix, with the estate: 67 of 111 and 57 of 121; without it: 57 and 45. Traps alarmed, with the estate: one in
each package (one mistaken: the job that is not in the window starts one that reaches a retired host). Eight hazards on an
inner line of a statement were found then on its first line, which had no mark yet and did not count. Mistaken, and not
taken back: pg_cron's clock is UTC, so that its job at 02:30 comes after the window. The hospital's was written
after what those two taught was mended, to see how far that carries: 13 of 33 were found, 12 without the estate.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from exactness import Row
from exactness._vendors import MARK, WHEN, Mark, by_archive, certificate
from exactness.vendor_packages import told as named_at
from fulldress.intake.unpack import unpack
from fulldress.model.estate import Account, DatabaseFacts, Estate, HostFacts, InstalledPackage, Unit
from fulldress.model.finding import SEVERITIES, Finding
from fulldress.model.release import Declared, Release, Window
from fulldress.scan.rule import Context
from fulldress.scan.sweep import sweep
from fulldress.store.blobs import BlobStore

MATERIAL = Path(__file__).parent.parent / "material" / "plant_and_bank"
TARGETS = "network.target network-online.target network-pre.target multi-user.target timers.target sockets.target"
TARGETS += " sysinit.target local-fs.target basic.target"
COMMANDS = (
    "bash sh psql curl wget sftp ssh scp rsync systemctl nginx crontab flock rm useradd sed cat cp mv ln mkdir chmod chown"
)
COMMANDS += (
    " dirname readlink mktemp id find install sleep ls tar gzip date grep awk dd sudo mount nft sysctl dpkg apt-get getent"
)
COMMANDS += (
    " pg_ctlcluster mosquitto_pub java chpasswd update-alternatives iptables migrate swapoff keytool env touch printf"
)


class World(NamedTuple):
    """A package and the estate that it is meant for."""

    file: str
    estate: Estate
    release: Release


def _units(names: str) -> tuple[Unit, ...]:
    full = (n if "." in n else f"{n}.service" for n in (names + " " + TARGETS).split())
    return tuple(Unit(name=n, load="loaded", active="active", sub="running") for n in full)


def _host(name: str, zone: str, units: str, packages: dict[str, str], people: dict[str, int], tables: str) -> HostFacts:
    return HostFacts(
        name=f"machine:{name}",
        hostname=name,
        os="debian",
        os_version="12",
        timezone=zone,
        units=_units(units),
        packages=tuple(InstalledPackage(name=n, version=v) for n, v in packages.items()),
        databases=(
            DatabaseFacts(
                name="app",
                server_version="15.18",
                tables={f"public.{t}": 6_000_000 for t in tables.split()},
            ),
        ),
        commands=tuple(COMMANDS.split()),
        users=tuple(people),
        accounts=tuple(Account(name=n, uid=u, groups=(n,)) for n, u in people.items()),
        runtimes={"java": "17.0.12", "python3": "3.11.2"} if "openjdk-17-jre" in packages else {"python3": "3.11.2"},
    )


SYSTEM = {
    "systemd": "252.31-1~deb12u1",
    "cron": "3.0pl1-162",
    "openssl": "3.0.15-1~deb12u1",
    "postgresql-15": "15.18-0+deb12u1",
}
BROKER = {"nginx": "1.26.2-1", "haproxy": "2.6.12-1", "mosquitto": "2.0.18-1", "nftables": "1.0.6-2"}
PLANT = World(
    "plant.tar.zst",
    Estate(
        taken="2027-02-05T09:00:00Z",
        hosts=(
            _host(
                "edge1",
                "Europe/Prague",
                "nginx haproxy mosquitto cron ssh postgresql postgresql@15-main nftables systemd-timesyncd logrotate",
                SYSTEM | BROKER,
                {"root": 0, "www-data": 33, "postgres": 109, "mosquitto": 110, "haproxy": 111},
                "reading device alarm trend tag telemetry",
            ),
        ),
        retired=("mqtt-old.plant.internal", "historian1.plant.internal", "10.20.0.17"),
        replacements={"historian1.plant.internal": "historian2.plant.internal"},
    ),
    Release(
        name="plant",
        estate=Declared(timezone="Europe/Prague", database="app"),
        window=Window(start="2027-02-09T02:00", minutes=60),
    ),
)
WARD = World(
    "ward.tar.gz",
    Estate(
        taken="2027-02-05T09:00:00Z",
        hosts=(_host("pacs1", "Europe/Berlin", "nginx cron ssh mariadb", SYSTEM, {"root": 0, "www-data": 33}, "image"),),
        retired=("pacs-old.klinik.internal",),
    ),
    Release(
        name="ward",
        estate=Declared(timezone="Europe/Berlin", database="app"),
        window=Window(start="2027-02-09T02:00", minutes=60),
    ),
)
BANK = World(
    "bank.zip",
    Estate(
        taken="2027-10-29T09:00:00Z",
        hosts=(
            _host(
                "bridge1",
                "Europe/Zurich",
                "nginx cron anacron ssh postgresql postgresql@15-main systemd-timesyncd kontor-bridge",
                SYSTEM | {"openjdk-17-jre": "17.0.12", "anacron": "2.3-36"},
                {"root": 0, "www-data": 33, "postgres": 109, "kontor": 991, "mqm": 992},
                "payment payment_archive booking booking_2016 account balance_daily",
            ),
        ),
        retired=("mq-old.bank.internal", "ldap-old.bank.internal", "sftp-alt.bank.internal", "log-old.bank.internal"),
        replacements={"mq-old.bank.internal": "mq1.bank.internal"},
    ),
    Release(
        name="bank",
        estate=Declared(timezone="Europe/Zurich", database="app"),
        window=Window(start="2027-10-31T01:30", minutes=90),  # to 02:00 the second time: 02:00 to 03:00 comes twice
    ),
)


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    rows = []
    keys = [rsa.generate_private_key(65537, bits) for bits in (2048, 1024)]
    with tempfile.TemporaryDirectory() as folder:
        for world in (PLANT, BANK, WARD):
            data, marks = package(world.file, keys)
            for known in (False, True):
                findings = scanned(world, data, Path(folder), known=known)
                rows += rows_of(world.file, marks, findings, "estate" if known else "alone")
    return rows


def scanned(world: World, data: bytes, folder: Path, *, known: bool) -> tuple[Finding, ...]:
    """What a scan says about the package."""
    path = folder / world.file
    path.write_bytes(data)
    blobs = BlobStore(folder / f"blobs-{world.file}")
    lock = unpack(path, blobs)
    context = Context(lock, blobs.read, estate=world.estate, release=world.release) if known else Context(lock, blobs.read)
    return sweep(context).findings


def told(mark: Mark, findings: tuple[Finding, ...]) -> list[Finding]:
    """The findings that name the marked line; of a whole file only for its first line."""
    number = re.compile(rf"\b{mark.line}\b")
    return [
        f
        for f in named_at(mark, findings)
        if f.line or mark.line == 1 or number.search(f"{f.title} {f.excerpt} {f.consequence}")
    ]


def rows_of(file: str, marks: tuple[Mark, ...], findings: tuple[Finding, ...], how: str) -> list[Row]:
    """What was found of a package's hazards, how severe, and which traps were alarmed."""
    least = AT_LEAST.get((file, how), (0, 0))
    worst: dict[str, int] = {}
    asked = {m.name: SEVERITIES.index(m.severity) for m in marks if m.severity}
    for mark in (m for m in marks if m.severity):
        for finding in told(mark, findings):
            worst[mark.name] = min(worst.get(mark.name, 9), SEVERITIES.index(finding.severity))
    loud = [name for name, rank in worst.items() if rank <= asked[name]]
    traps = {m.name for m in marks if not m.severity}
    false = {
        m.name
        for m in marks
        if not m.severity
        for f in told(m, findings)
        if f.place.endswith(m.place) and f.line == m.line and f.severity in SEVERITIES[:2]
    }
    missed = [name for name in asked if name not in worst]
    families = Counter(name[0] for name in missed)
    note = f"{dict(families)}: {', '.join(missed)}" if missed else ""
    return [
        Row(f"{file} {how}: hazards found", len(worst), len(asked), len(worst) >= least[0], f"at least {least[0]}", note),
        Row(f"{file} {how}: as severe", len(loud), len(asked), True, "-", ", ".join(sorted(worst.keys() - set(loud)))),
        Row(
            f"{file} {how}: traps alarmed",
            len(false),
            len(traps),
            len(false) <= least[1],
            f"at most {least[1]}",
            ", ".join(false),
        ),
    ]


AT_LEAST: dict[tuple[str, str], tuple[int, int]] = {
    ("plant.tar.zst", "alone"): (94, 0),
    ("plant.tar.zst", "estate"): (106, 1),
    ("bank.zip", "alone"): (96, 0),
    ("bank.zip", "estate"): (110, 0),
    ("ward.tar.gz", "alone"): (24, 0),
    ("ward.tar.gz", "estate"): (25, 0),
}
"""Hazards found that a change may not fall below, and traps that may be alarmed."""


def package(name: str, keys: list[rsa.RSAPrivateKey]) -> tuple[bytes, tuple[Mark, ...]]:
    """The package, made anew, and what is known of its lines."""
    files: dict[str, bytes] = {}
    modes: dict[str, int] = {}
    marks: list[Mark] = []
    for part in (MATERIAL / f"{name.partition('.')[0]}.txt").read_text(encoding="utf-8").split("==> ")[1:]:
        head, _, body = part.partition("\n")
        place, _, mode = head.partition(" |")
        lines = body.splitlines()
        marks += [Mark(m[2], m[3], place, n) for n, line in enumerate(lines, 1) for m in MARK.finditer(line)]
        text = "".join(MARK.sub("", line) + "\n" for line in lines).replace("@@glpat@@", "glpat-" + "xT4kQ9vB2nR7mZ1pW6sJ")
        files[place] = _filled(text, keys)
        modes[place] = int(mode, 8) if mode else 0o755 if text.startswith("#!") else 0o644
    return _packed(name, files, modes), tuple(marks)


def _filled(text: str, keys: list[rsa.RSAPrivateKey]) -> bytes:
    """What stands for ``@word``: material that cannot be written down."""
    match text.strip():
        case "@sums":
            return b"".join(
                b"%064x  %s\n" % (n, p) for n, p in enumerate((b"opt/gantry/setup/install.sh", b"etc/nftables.conf"), 7)
            )
        case "@leaf":
            return certificate(keys[0], "Werk Ost Issuing CA 2", "edge1.plant.internal", 400)
        case "@authority":
            return certificate(keys[0], "Werk Ost Root CA", "Werk Ost Root CA", 4000, authority=True)
        case "@weak":
            return certificate(keys[1], "line1.plant.internal", "line1.plant.internal", 9000)
        case "@key":
            kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            return keys[0].private_bytes(*kinds)
        case "@p12":
            cert = x509.load_pem_x509_certificate(certificate(keys[0], "Issuer", "store.internal", 400))
            locked = serialization.BestAvailableEncryption(b"changeit")
            return pkcs12.serialize_key_and_certificates(b"key", keys[0], cert, None, locked)
        case "@keytab":
            return _keytab()
    return text.encode()


def _keytab() -> bytes:
    """One AES-256 key of a service, as ktutil writes it."""
    text = b"".join(struct.pack(">H", len(t)) + t for t in (b"BANK.INTERNAL", b"HTTP", b"bridge1.bank.internal"))
    entry = struct.pack(">H", 2) + text + struct.pack(">IIBHH", 1, 1_790_000_000, 3, 18, 32) + bytes(range(32))
    return b"\x05\x02" + struct.pack(">i", len(entry)) + entry


def _packed(name: str, files: Mapping[str, bytes], modes: Mapping[str, int]) -> bytes:
    """An archive of the kind that its name says; what lies in ``x!/y`` goes into an archive x first."""
    flat, nested = by_archive(files)
    for outer, members in nested.items():
        flat[outer] = _packed(
            outer, members, {p.partition("!/")[2]: m for p, m in modes.items() if p.startswith(outer + "!/")}
        )
    if name.endswith((".zip", ".war", ".ear", ".jar", ".nupkg")):
        return _zip(flat)
    if name.endswith(".deb"):
        return _deb(flat, modes)
    if name.endswith(".zst"):
        return zstandard.compress(_tar(flat, modes), 9)
    return gzip.compress(_tar(flat, modes), mtime=0)


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, data in files.items():
            info = zipfile.ZipInfo(place, WHEN.timetuple()[:6])
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(info, data)
    return out.getvalue()


def _tar(files: Mapping[str, bytes], modes: Mapping[str, int], prefix: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for place, data in files.items():
            info = tarfile.TarInfo(prefix + place)
            info.size, info.mtime, info.mode = len(data), int(WHEN.timestamp()), modes.get(place, 0o644)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _deb(files: Mapping[str, bytes], modes: Mapping[str, int]) -> bytes:
    control = {p.removeprefix("DEBIAN/"): d for p, d in files.items() if p.startswith("DEBIAN/")}
    rest = {p: d for p, d in files.items() if not p.startswith("DEBIAN/")}
    scripts = {p: 0o755 if d.startswith(b"#!") else 0o644 for p, d in control.items()}
    out = b"!<arch>\n"
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(_tar(control, scripts, "./"), mtime=0),
        "data.tar.gz": gzip.compress(_tar(rest, modes, "./"), mtime=0),
    }
    for name, data in parts.items():
        out += f"{name:<16}{int(WHEN.timestamp()):<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out
