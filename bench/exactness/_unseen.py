"""Makes the vendor packages of ``material/unseen``: marks come off, ``@[...]`` becomes random material, archives are packed.

``⟦!family|family: why⟧`` at the end of a line is a hazard, ``⟦~family: why⟧`` a trap. ``⟦^-3!...⟧`` on a line of its own
marks the third line above it, and what lies between; that line is no part of the file. On the line of the file's name a
mark is about the file as a whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import string
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from exactness._independent_binaries import elf
from exactness._vendors import WHEN, certificate, packed

MATERIAL = Path(__file__).parent.parent / "material" / "unseen"
MARK = re.compile(r"\s*⟦(?:\^-(\d+))?([!~])([\w|]+): ([^⟧]*)⟧")
MADE = re.compile(r"@\[([^\]]+)\]")
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
NAMES = (("lab", ".zip"), ("parcel", ".zip"), ("shop", ".tar.gz"))


class Truth(NamedTuple):
    """What is known of one place."""

    hazard: bool
    families: frozenset[str]
    place: str
    first: int
    """1-based; 0 when the mark is about the file."""
    last: int
    why: str


class Unseen(NamedTuple):
    """One vendor's package."""

    name: str
    end: str
    data: bytes
    truth: tuple[Truth, ...]


def packages(names: Iterable[tuple[str, str]] = NAMES) -> Iterator[Unseen]:
    """The packages, the same at each call but for keys and certificates."""
    for name, end in names:
        yield _package(name, end)


def _package(name: str, end: str) -> Unseen:
    files: dict[str, bytes] = {}
    truth: list[Truth] = []
    chance = random.Random(name)
    text = (MATERIAL / f"{name}.txt").read_text(encoding="utf-8")
    for part in re.split(r"^=== ", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        place = MARK.sub("", head)
        truth += [_mark(found, place, 0) for found in MARK.finditer(head)]
        kept: list[str] = []
        for line in body.splitlines():
            truth += [_mark(found, place, len(kept) + 1) for found in MARK.finditer(line)]
            bare = MARK.sub("", line)
            if bare == line or bare.strip() not in ("", "#"):
                kept.append(MADE.sub(lambda m: _token(chance, m[1]), bare))
        files[place] = ("\n".join(kept) + "\n").encode()
    made = {place: _object(data, place, files) for place, data in files.items()}
    return Unseen(name, end, packed(name + end, made), tuple(truth))


def _mark(found: re.Match[str], place: str, line: int) -> Truth:
    first = line - int(found[1] or 0)
    last = line - 1 if found[1] and found.string.strip(" #") == found[0].strip(" #") else line
    return Truth(found[2] == "!", frozenset(found[3].split("|")), place, first, max(first, last), found[4])


def _token(chance: random.Random, what: str) -> str:
    kind, _, rest = what.partition(" ")
    plain = {
        "hex": "0123456789abcdef",
        "HEX": "0123456789ABCDEF",
        "b64": BASE62 + "+/",
        "b62": BASE62,
    }
    if kind in plain:
        return "".join(chance.choices(plain[kind], k=int(rest.split()[0])))
    if kind == "b64of":
        return base64.b64encode(rest.encode()).decode()
    if kind.startswith("glpat"):
        return "glpat" + "-" + "".join(chance.choices(BASE62, k=20))
    if kind == "aws":
        return "AK" + "IA" + "".join(chance.choices(string.ascii_uppercase + "234567", k=16))
    if kind == "npm":
        return _summed("".join(chance.choices(BASE62, k=30)))
    if kind == "jwt":
        head, body = (
            _urlsafe(json.dumps(d).encode()) for d in ({"alg": "HS256", "typ": "JWT"}, {"sub": "sync", "iat": 1790000000})
        )
        return f"{head}.{body}.{_urlsafe(chance.randbytes(32))}"
    raise ValueError(what)


def _summed(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return body + digits


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _object(data: bytes, place: str, files: dict[str, bytes]) -> bytes:
    """What stands for a line that begins with ``@`` and is the whole file."""
    if data.startswith(b"@elf\n"):
        return elf(data.partition(b"\n")[2].replace(b"\n", b"\0"))
    if not data.startswith(b"@") or data.count(b"\n") > 1:
        return data
    word, *rest = data.decode().split()
    key = rsa.generate_private_key(65537, int(rest[1]) if word == "@cert" else 2048)
    none = serialization.NoEncryption()
    if word == "@cert":
        return certificate(key, " ".join(rest[3:]), rest[0], int(rest[2]))
    if word == "@authority":
        return certificate(
            key, rest[0].replace("_", " ") if "_" in rest[0] else "ShopBridge CA", rest[0], 400, authority=True
        )
    if word == "@pem":
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, none)
    if word == "@der":
        return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, none)
    if word == "@openssh":
        other = ed25519.Ed25519PrivateKey.generate()
        return other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, none)
    if word == "@p12":
        locked = serialization.BestAvailableEncryption(rest[0].encode())
        return pkcs12.serialize_key_and_certificates(b"lab", key, _own(key), None, locked)
    if word == "@sums":
        return f"{hashlib.sha256(b'another').hexdigest()}  {rest[0]}\n".encode()
    if word in ("@record", "@plainrecord"):
        return _record(place, files, wrong="net.py" if word == "@record" else "\n")
    raise ValueError(word)


def _own(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab.klinikum.de")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 9, WHEN, WHEN + timedelta(days=900))
    return made.sign(key, hashes.SHA256())


def _record(place: str, files: dict[str, bytes], wrong: str) -> bytes:
    """A wheel's RECORD, with a wrong digest for a file whose name ends so."""
    top, _, own = place.partition("!/")
    rows = []
    for inside, data in files.items():
        if inside.startswith(top) and inside != place:
            told = data if not inside.endswith(wrong) else b"as it was"
            rows.append(f"{inside.partition('!/')[2]},sha256={_urlsafe(hashlib.sha256(told).digest())},{len(told)}\n")
    return ("".join(rows) + f"{own},,\n").encode()
