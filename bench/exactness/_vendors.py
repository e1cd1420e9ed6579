"""Makes the vendor packages of ``material/vendors``: marks come off, files go into archives, archives into packages."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from exactness._rpms import rpm

MATERIAL = Path(__file__).parent.parent / "material" / "vendors"
MARK = re.compile(r"\s*¤([HT]) ([\w-]+) ?(\w*)¤")
WHEN = datetime(2026, 11, 1, tzinfo=UTC)
CONTROL = b"Package: tms-batch\nVersion: 6.2.0-1\nArchitecture: all\nMaintainer: K <k@corvid.example>\nDescription: jobs\n"


class Mark(NamedTuple):
    """What is known of one line."""

    name: str
    severity: str
    """At least; empty for a trap."""
    place: str
    line: int


class House(NamedTuple):
    """One vendor's package."""

    name: str
    data: bytes
    marks: tuple[Mark, ...]


FIRST = (("java", ".zip"), ("python", ".tar.gz"), ("perl", ".tar.gz"))
SECOND = (("archive", ".zip"), ("portal", ".tar.gz"))


def houses(named: tuple[tuple[str, str], ...] = FIRST) -> list[House]:
    """The packages, made anew."""
    keys = [rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024)]
    return [_house(name, end, keys) for name, end in named]


def _house(name: str, end: str, keys: list[rsa.RSAPrivateKey]) -> House:
    files: dict[str, bytes] = {}
    marks: list[Mark] = []
    for part in (MATERIAL / f"{name}.txt").read_text(encoding="utf-8").split("==> ")[1:]:
        place, _, body = part.partition("\n")
        lines = body.splitlines()
        for number, line in enumerate(lines, 1):
            marks += [Mark(m[2], m[3], place, number) for m in MARK.finditer(line)]
        files[place] = "".join(MARK.sub("", line) + "\n" for line in lines).encode()
    filled = {place: _filled(place, data, files, keys) for place, data in files.items()}
    return House(name + end, packed(name + end, filled), tuple(marks))


def _filled(place: str, data: bytes, files: Mapping[str, bytes], keys: list[rsa.RSAPrivateKey]) -> bytes:
    """What stands for ``@word``: material that cannot be written down."""
    word = data.decode(errors="replace").strip()
    if word == "@sums":
        return b"".join(
            b"%s  %s\n" % (hashlib.sha256(b"old").hexdigest().encode(), n.encode()) for n in ("install.sh", "gone.sh")
        )
    if word == "@record":
        top = place.partition("!/")[0]
        inside = {p.partition("!/")[2]: d for p, d in files.items() if p.startswith(top) and not p.endswith("RECORD")}
        rows = [f"{p},sha256={_digest(d)},{len(d)}\n" for p, d in inside.items()]
        return ("".join(rows) + f"{place.partition('!/')[2]},,\n").encode()
    if word == "@leaf":
        return certificate(keys[0], "Marbeck Issuing CA 4", "archive.example.de", 400)
    if word == "@authority":
        return certificate(keys[0], "Dokumenta CA", "archive.example.de", 400, authority=True)
    if word == "@weak":
        return certificate(keys[2], "legacy.example.de", "legacy.example.de", 9000)
    if word == "@key":
        return keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    if word == "@run":
        inner = _tar({"install": b"#!/bin/sh\nrm -rf $X/*\n"})
        return b"#!/bin/sh\n# self-extracting\ntail -n +4 $0 | tar xz\nexit 0\n" + gzip.compress(inner, mtime=0)
    return data


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def certificate(key: rsa.RSAPrivateKey, issuer: str, name: str, days: int, *, authority: bool = False) -> bytes:
    """A certificate of an issuer that is not there; as an authority although it names a host, when asked."""
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        key.public_key(),
        7,
        WHEN,
        WHEN + timedelta(days=days),
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def by_archive(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, dict[str, bytes]]]:
    """The files that lie outermost, and those of each archive ``x`` that lie at ``x!/y``."""
    flat: dict[str, bytes] = {}
    nested: dict[str, dict[str, bytes]] = {}
    for place, data in files.items():
        outer, inside, inner = place.partition("!/")
        if inside:
            nested.setdefault(outer, {})[inner] = data
        else:
            flat[place] = data
    return flat, nested


def packed(name: str, files: Mapping[str, bytes]) -> bytes:
    """An archive of the kind that its name says; what lies in ``x!/y`` goes into an archive x first."""
    flat, nested = by_archive(files)
    flat |= {outer: packed(outer, members) for outer, members in nested.items()}
    if name.endswith((".zip", ".war", ".ear", ".jar", ".whl", ".nupkg", ".mbz")):
        return _zip(flat)
    if name.endswith(".deb"):
        return _deb(flat)
    if name.endswith(".rpm"):
        return rpm(name, flat)
    if name.endswith(".xz"):
        return lzma.compress(_tar(flat), preset=1)
    return gzip.compress(_tar(flat), mtime=0)


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, data in files.items():
            info = zipfile.ZipInfo(place, WHEN.timetuple()[:6])
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(info, data)
    return out.getvalue()


def _tar(files: Mapping[str, bytes], prefix: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for place, data in files.items():
            info = tarfile.TarInfo(prefix + place)
            info.size, info.mtime = len(data), int(WHEN.timestamp())
            info.mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _deb(files: Mapping[str, bytes]) -> bytes:
    """What lies under ``DEBIAN/`` is the control part; without, there is one of no meaning."""
    control = {place.removeprefix("DEBIAN/"): data for place, data in files.items() if place.startswith("DEBIAN/")}
    tree = {place: data for place, data in files.items() if not place.startswith("DEBIAN/")}
    if not control:
        sums = "".join(f"{hashlib.md5(d, usedforsecurity=False).hexdigest()}  {p}\n" for p, d in tree.items()).encode()
        control = {"control": CONTROL, "md5sums": sums}
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(_tar(control, "./"), mtime=0),
        "data.tar.gz": gzip.compress(_tar(tree, "./"), mtime=0),
    }
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:<16}{int(WHEN.timestamp()):<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out
