"""A certificate does not fit: no name that clients check, or not the key that lies beside it.

## What it does
Looks at the leaf certificates of the package: a server's certificate without a subject alternative name, one whose names
fit no host that the package's own settings serve (`server_name`), and a private key in the same file or beside it (same
name, another suffix) that does not belong to the certificate.

## Why it matters
Clients have ignored the common name for years: without an alternative name every connection fails. With the wrong key the
server does not start at all.

## Example
```
nginx: [emerg] SSL_CTX_use_PrivateKey("/etc/lims/tls.key") failed (key values mismatch)
```

## Fix
Have the certificate issued anew for the names that are used, and ship certificate and key as a pair (or better: only the
certificate, with the key made on the host).

## References
- RFC 9525, section 6.3; RFC 6125
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.network import certificates
from fulldress.scan.places import is_example, is_test, standing
from fulldress.scan.reading import is_vendored
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="certificate-name-key",
    family="tls",
    title="Certificate that fits neither name nor key",
    severity="high",
    confidence="certain",
)
_KEY = Pattern(r"-----BEGIN ((RSA|EC) )?PRIVATE KEY-----", once=True)
_SERVER = Pattern(r"^\s{0,40}server_name\s{1,9}[^;]{1,300};")
LOOKS_FOR = (_KEY, _SERVER)
_PEM = late(rb"-----BEGIN (?:(?:RSA|EC) )?PRIVATE KEY-----.*?-----END (?:(?:RSA|EC) )?PRIVATE KEY-----", re.DOTALL)
_STEM = late(r"(?i)([._-](key|cert|crt|chain|fullchain|privkey|private|public))*\.(pem|crt|cer|cert|key|der)$")
MAX_KEY = 64 << 10


def check(context: Context) -> Iterator[Finding]:
    """One finding for each certificate that does not fit."""
    keys = list(_keys(context))
    names = _server_names(context)
    for found in _leaves(context):
        place = found.entry.place
        if is_vendored(place) or is_test(place) or is_example(place):
            continue
        beside = [k for k in keys if _together(k[0].place, found.entry.place)]
        if beside and not any(public == _public(found.certificate) for _, public in beside):
            yield _finding(found, f"the key in {beside[0][0].place.rpartition('/')[2]} is not the certificate's", "high")
        covered = _names(found.certificate)
        if not covered and _for_servers(found.certificate):
            yield _finding(found, "no subject alternative name", "high")
        elif (
            covered and names and _for_servers(found.certificate) and not any(_covers(c, n) for c in covered for n in names)
        ):
            yield _finding(found, f"its names ({', '.join(sorted(covered)[:3])}) fit none that the package serves", "medium")


def _leaves(context: Context) -> Iterator[certificates.Found]:
    """The first certificate of each file, unless it is an authority's."""
    seen: set[str] = set()
    for found in certificates.certificates(context):
        if found.entry.place not in seen:
            seen.add(found.entry.place)
            if not certificates.is_ca(found.certificate):
                yield found


def _keys(context: Context) -> Iterator[tuple[Entry, bytes]]:
    """(file, public key) of every private key that is not encrypted."""
    for entry in context.matching(_KEY):
        if entry.size <= MAX_KEY:
            match = _PEM.search(context.read(entry))
            public = _public_of(match[0]) if match is not None else b""
            if public:
                yield entry, public


def _public_of(pem: bytes) -> bytes:
    for load in (load_pem_private_key, load_der_private_key):
        try:
            return load(pem, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    return b""


def _public(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _together(key: str, certificate: str) -> bool:
    """The same file, or the same name in the same folder with another suffix."""
    return key == certificate or _STEM.sub("", key) == _STEM.sub("", certificate)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    addresses = {str(a) for a in found.get_values_for_type(x509.IPAddress)}
    return {n.lower() for n in found.get_values_for_type(x509.DNSName)} | addresses


def _for_servers(certificate: x509.Certificate) -> bool:
    """True when the certificate says that it is for servers, or names a host as its subject."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def _server_names(context: Context) -> set[str]:
    names = set()
    for line in context.lines(_SERVER):
        if standing(line.entry.place) == "acting":
            names |= {n.strip().lower() for n in line.text.partition("server_name")[2].rstrip("; ").split()}
    return {n for n in names if re.fullmatch(r"[\w-]+(\.[\w-]+)+", n)}


def _covers(pattern: str, name: str) -> bool:
    """A wildcard stands for exactly one label, the leftmost."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name


def _finding(found: certificates.Found, fault: str, severity: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity="high" if severity == "high" else "medium",
        confidence=META.confidence,
        title=f"certificate of {certificates.name(found.certificate)}: {fault}",
        place=found.entry.place,
        line=found.line,
        excerpt=f"sha256 {certificates.fingerprint(found.certificate)[:32]}",
        consequence="Clients refuse the connection, or the server does not start with it.",
        fix="Have it issued for the names that are used, and ship it with its own key or with none.",
    )


NAMED = """\
-----BEGIN CERTIFICATE-----
MIIBFzCByqADAgECAgEVMAUGAytlcDAcMRowGAYDVQQDDBFTYW1wbGUgSXNzdWlu
ZyBDQTAeFw0yMDAxMDEwMDAwMDBaFw00OTAxMDEwMDAwMDBaMBoxGDAWBgNVBAMM
D2FwcC5sYWIuZXhhbXBsZTAqMAUGAytlcAMhAAOhB7/zzhC+HXDdGOdLwJln5NYw
m6UNXx3chmQSVTG4ozMwMTATBgNVHSUEDDAKBggrBgEFBQcDATAaBgNVHREEEzAR
gg9hcHAubGFiLmV4YW1wbGUwBQYDK2VwA0EA5eEXXnjCBrLpFJH7jDdDyPtIayFa
VIC5SInoXJ9hhuCJzKE/V3r/wCey3z1FR8P8ZtOm4Jfufr7SFH8Bv+gWAQ==
-----END CERTIFICATE-----
"""
NAMELESS = """\
-----BEGIN CERTIFICATE-----
MIH7MIGuoAMCAQICARUwBQYDK2VwMBwxGjAYBgNVBAMMEVNhbXBsZSBJc3N1aW5n
IENBMB4XDTIwMDEwMTAwMDAwMFoXDTQ5MDEwMTAwMDAwMFowGjEYMBYGA1UEAwwP
YXBwLmxhYi5leGFtcGxlMCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCb
pQ1fHdyGZBJVMbijFzAVMBMGA1UdJQQMMAoGCCsGAQUFBwMBMAUGAytlcANBAEOc
scgyoNBCq66roiT4nLl0CfiWzCB8/k1QwBYJ2i1sr9g+f/1VRFuLWBcSGOcFBHYN
NaKgtXHt4HTogGma5gM=
-----END CERTIFICATE-----
"""


def _key(seed: bytes) -> str:
    """An Ed25519 key from 32 bytes, in PEM."""
    import base64  # noqa: PLC0415 - loaded when needed: only samples are made here

    body = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + seed).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"


_OWN, _OTHER = _key(bytes(range(32))), _key(bytes(range(9, 41)))
BAD = (
    {"tls/app.crt": NAMED, "tls/app.key": _OTHER},
    {"tls/app.pem": NAMED + _OTHER},
    {"tls/app.crt": NAMELESS},
    {"tls/app.crt": NAMED, "etc/nginx/sites/app.conf": "server {\n  server_name other.lab.example;\n}\n"},
)
GOOD = (
    {"tls/app.crt": NAMED, "tls/app.key": _OWN, "tls/other.key": _OTHER},
    {"tls/app.crt": NAMED, "etc/nginx/sites/app.conf": "server {\n  server_name _ app.lab.example;\n}\n"},
    {"site-packages/x/tests/app.crt": NAMELESS},
)
