"""A certificate is weak, expired, or expires soon after the upgrade.

## What it does
Looks at every certificate of the package: signatures by SHA-1 or MD5, RSA keys under 2048 bits, DSA keys, elliptic curves
under 224 bits; certificates that are expired in the window of the upgrade or expire within 90 days of it. A server's
certificate (it names hosts, and a setting or a key beside it says that a server uses it) that may issue others (`CA:TRUE`),
that is not for servers by its extended key usage, or that lives for more than 825 days, is `medium` or `low`.

## Why it matters
Clients refuse weak certificates at once, and expired ones from one second to the next: an outage with a date.

## Example
```
notAfter=Dec 15 00:00:00 2026 GMT     # the window is on 29 November
```

## Fix
Ask the vendor for a new certificate before the window.

## References
- RFC 8446, section 4.2.3; CA/Browser Forum Baseline Requirements
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from fulldress.formats import localtime
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.release import Release, Window
from fulldress.scan.network import certificates
from fulldress.scan.places import is_example, is_test
from fulldress.scan.reading import acting_lines, is_vendored
from fulldress.scan.rule import Context, RuleMeta, Sample

SOON = timedelta(days=90)
_SERVER = Pattern(
    r"(?i)(ssl_?certificate|SSLCertificateFile|ssl_cert_file|cert_?file|certificate-?file|tls_?cert|server_?cert)[\w.-]{0,20}"
    r"[\s=:\"']"
)
LOOKS_FOR = (_SERVER,)

META = RuleMeta(
    slug="certificate-weak",
    family="tls",
    title="Weak or expiring certificate",
    severity="high",
    confidence="certain",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each certificate, with everything that is wrong with it."""
    moment = _window(context)
    for found in certificates.certificates(context):
        if is_vendored(found.entry.place) or is_test(found.entry.place) or is_example(found.entry.place):
            continue
        hard = [*_weak(found.certificate), *_expiry(found.certificate, moment)]
        soft = list(_leaf(context, found))
        faults = [*hard, *(fault for fault, _ in soft)]
        if not faults:
            continue
        late = any("expires within" in fault for fault in hard) and len(hard) == 1
        mild: Severity = "low" if all(minor for _, minor in soft) else "medium"
        severity: Severity = mild if not hard else "medium" if late else META.severity
        yield Finding(
            rule=META.slug,
            severity=severity,
            confidence=META.confidence,
            title=f"certificate of {certificates.name(found.certificate)}: {'; '.join(faults)}",
            place=found.entry.place,
            line=found.line,
            excerpt=f"sha256 {certificates.fingerprint(found.certificate)[:32]}",
            consequence="Clients refuse the connection: at once, or on the day that it expires.",
            fix="Ask the vendor for a new certificate before the window.",
        )


def _window(context: Context) -> datetime | None:
    """When the upgrade is to run: the declared window, else the day of the inventory."""
    declared = localtime.window(context.release, context.estate)
    if declared is not None or context.estate is None:
        return declared[0] if declared is not None else None
    try:
        moment = datetime.fromisoformat(context.estate.taken.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _weak(certificate: x509.Certificate) -> Iterator[str]:
    try:
        key = certificate.public_key()
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        yield "its key or signature algorithm is not known here"
        return
    if isinstance(algorithm, SHA1 | MD5) and not certificates.self_signed(certificate):
        yield f"signed by {algorithm.name.upper()}"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield f"RSA key of {key.key_size} bits"
    if isinstance(key, dsa.DSAPublicKey):
        yield "DSA key"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 224:
        yield f"elliptic curve of {key.key_size} bits"


def _expiry(certificate: x509.Certificate, moment: datetime | None) -> Iterator[str]:
    if moment is None:
        return
    end = certificate.not_valid_after_utc
    if end < moment:
        yield f"expired on {end:%Y-%m-%d}, before the window"
    elif end < moment + SOON:
        yield f"expires within 90 days of the window, on {end:%Y-%m-%d}"
    if certificate.not_valid_before_utc > moment:
        yield f"not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"


_LIFE = timedelta(days=825)
"""Longer lives of server certificates are refused by Apple's clients whoever issued them."""
_ANY_USE = ObjectIdentifier("2.5.29.37.0")


def _leaf(context: Context, found: certificates.Found) -> Iterator[tuple[str, bool]]:
    """(what is wrong, whether it is minor) with a certificate that a server of this package uses."""
    certificate = found.certificate
    names = _extension(certificate, x509.SubjectAlternativeName)
    if not isinstance(names, x509.SubjectAlternativeName) or not names.get_values_for_type(x509.DNSName):
        return
    if not _served(context, found):
        return
    if certificates.is_ca(certificate):
        yield "CA:TRUE, but a server's certificate: whoever has its key can issue others", False
    uses = _extension(certificate, x509.ExtendedKeyUsage)
    if not isinstance(uses, x509.ExtendedKeyUsage):
        yield "no extended key usage (serverAuth)", True
    elif ExtendedKeyUsageOID.SERVER_AUTH not in uses and _ANY_USE not in uses:
        yield "its extended key usage is not for servers (no serverAuth)", False
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if life > _LIFE:
        yield f"valid for {life.days} days (clients of Apple take 825)", True


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _served(context: Context, found: certificates.Found) -> bool:
    """True for the first certificate of a file that a setting gives to a server, or that a private key lies beside."""
    name = re.escape(found.entry.place.rpartition("/")[2])
    named = re.compile(rf"(?<![\w.-]){name}(?![\w-])")
    if any(named.search(line) for _, _, line in acting_lines(context, _SERVER)):
        return _first(context, found)
    stem = re.sub(r"([._-](cert|crt|chain|fullchain))?\.\w+$", "", found.entry.place)
    keys = (f"{stem}{end}" for end in (".key", "-key.pem", "_key.pem", ".key.pem", ".privkey.pem"))
    return any(context.entry(key) is not None for key in keys) and _first(context, found)


def _first(context: Context, found: certificates.Found) -> bool:
    """The leaf stands first in its file; its issuers follow."""
    return next(c for c in certificates.certificates(context) if c.entry.place == found.entry.place).line == found.line


EXPIRING = """\
-----BEGIN CERTIFICATE-----
MIHwMIGjoAMCAQICAQswBQYDK2VwMBwxGjAYBgNVBAMMEVNhbXBsZSBJc3N1aW5n
IENBMB4XDTIwMDEwMTAwMDAwMFoXDTI2MTIxNTAwMDAwMFowFjEUMBIGA1UEAwwL
b2xkLmV4YW1wbGUwKjAFBgMrZXADIQAfFvzWsVwlB3IrozZ2Z17k94uNYB1BjPCk
oA0Q+OHMO6MQMA4wDAYDVR0TAQH/BAIwADAFBgMrZXADQQAP6gYp8Jd2BVak4dFq
xoeditXy3cR8bxySTD38lavgipWmMc9SIoXuZOgucfIff1ynNB1W1mcIEA4JSL9e
goML
-----END CERTIFICATE-----
"""
SHORT_RSA = """\
-----BEGIN CERTIFICATE-----
MIIBtDCCAR2gAwIBAgIBDDANBgkqhkiG9w0BAQsFADAXMRUwEwYDVQQDDAx3ZWFr
LmV4YW1wbGUwHhcNMjAwMTAxMDAwMDAwWhcNNDkwMTAxMDAwMDAwWjAXMRUwEwYD
VQQDDAx3ZWFrLmV4YW1wbGUwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBAKP8
hPePBuf+tnkvLM5dvDZpJrdNGg2iVgrTqWTi/l58suo0kUfJ+CvZjEKqF2ejc0ns
mT3lwfPxEpYR2InULnDiHJusUNCbgooVFNx+HjVOig+nHbjLKnCeke8ncS+i/yix
o/+XOJXi1WetPpVrM20l/PCF/ucKTE35Yp3y+Gx9AgMBAAGjEDAOMAwGA1UdEwEB
/wQCMAAwDQYJKoZIhvcNAQELBQADgYEAk8Dw2xe+fdF0DKjGTbtF6WE5d2vwIQiv
FhpsgjDw8tUz1g8JWstlnBKWgv+OFtcxHaZF2P+BHZMn45ehagb8mhca9uRzKBms
Zwm/tMwet+t0FGDiOGQA68c6y7P0bwN/MpWQY0+tn7KgrfknZvYGJy8UqaGp38SH
WLJczbAHcoc=
-----END CERTIFICATE-----
"""
LEAF_CA = """\
-----BEGIN CERTIFICATE-----
MIIBBTCBuKADAgECAgEHMAUGAytlcDANMQswCQYDVQQDDAJDQTAeFw0yNjAxMDEw
MDAwMDBaFw0yODAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAWEwKjAFBgMrZXADIQAr
A008HofDYGKu833T/YjlvmLIegDwxFxdCgR72FoQD6M+MDwwFAYDVR0RBA0wC4IJ
YS5leGFtcGxlMA8GA1UdEwEB/wQFMAMBAf8wEwYDVR0lBAwwCgYIKwYBBQUHAwEw
BQYDK2VwA0EAM/vm/7CDxPjh89lx3HeZQU9zbV5oAmt0+OsI6gNB6M3fTrmrsHqe
OzTcD3wdImyXq/GsEwI77oRzXYbhETQDBg==
-----END CERTIFICATE-----
"""
LEAF_CLIENT = """\
-----BEGIN CERTIFICATE-----
MIIBAjCBtaADAgECAgEHMAUGAytlcDANMQswCQYDVQQDDAJDQTAeFw0yNjAxMDEw
MDAwMDBaFw0yODAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAWEwKjAFBgMrZXADIQCl
ev0BXDUcPUlgTa9QqXvDjmBAOov8hS7IOdPevGDKmKM7MDkwFAYDVR0RBA0wC4IJ
YS5leGFtcGxlMAwGA1UdEwEB/wQCMAAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwBQYD
K2VwA0EARfzkuwqXRcGCeKOsjlOaX/5lNRMLeuhnOtlIaeKVrLuXNlKWFXEpBxWs
3xxseGU36GfTyf+cMQHyrTAczC5BAw==
-----END CERTIFICATE-----
"""
LEAF_LONG = """\
-----BEGIN CERTIFICATE-----
MIHtMIGgoAMCAQICAQcwBQYDK2VwMA0xCzAJBgNVBAMMAkNBMB4XDTI2MDEwMTAw
MDAwMFoXDTM1MDEwMTAwMDAwMFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAHxn
wGHltYIgkaxdxhbl+1PokfukamjFDrgA7wTWA141oyYwJDAUBgNVHREEDTALgglh
LmV4YW1wbGUwDAYDVR0TAQH/BAIwADAFBgMrZXADQQA6btwcGav99LI+2eE4QbKR
FPXJvVJqSOHj5bMYYcwdj0ELE2fTyr8qIdk73bAqVmsxeg2SXKNm+f/sMGIAYmwP
-----END CERTIFICATE-----
"""
LEAF_GOOD = """\
-----BEGIN CERTIFICATE-----
MIIBAjCBtaADAgECAgEHMAUGAytlcDANMQswCQYDVQQDDAJDQTAeFw0yNjAxMDEw
MDAwMDBaFw0yODAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAWEwKjAFBgMrZXADIQDo
d1a3xxaFaqhHCO/7Qi98r4Gs2ATpkGIltrf7sYPyJKM7MDkwFAYDVR0RBA0wC4IJ
YS5leGFtcGxlMAwGA1UdEwEB/wQCMAAwEwYDVR0lBAwwCgYIKwYBBQUHAwEwBQYD
K2VwA0EAJML2Hph7pEAZjHYzBfxepuMShOITvZg13co6E+vxUNYIlA0ZGjSgiZbz
C8tZh0FM3P21dCsO2wJ8FdO/J6oKDQ==
-----END CERTIFICATE-----
"""


def _release(start: str) -> Release:
    return Release(name="sample", window=Window(start=start))


_NGINX = "server {\n  ssl_certificate /etc/ssl/a.pem;\n}\n"
BAD = (
    {"certs/a.pem": LEAF_CA, "etc/nginx/a.conf": _NGINX},
    {"certs/a.pem": LEAF_CLIENT, "etc/nginx/a.conf": _NGINX},
    {"certs/a.pem": LEAF_LONG, "certs/a.key": "-----BEGIN PRIVATE KEY-----\n"},
    {"certs/weak.pem": SHORT_RSA},
    Sample(files={"certs/old.pem": EXPIRING}, release=_release("2026-11-29T02:30")),
    Sample(files={"certs/old.pem": EXPIRING}, release=_release("2027-01-10T02:30")),
)
GOOD = (
    {"certs/a.pem": LEAF_GOOD, "etc/nginx/a.conf": _NGINX},
    {"certs/a.pem": LEAF_CA},
    {"certs/b.pem": LEAF_GOOD + LEAF_CA, "certs/b.key": "-----BEGIN PRIVATE KEY-----\n"},
    {"certs/old.pem": EXPIRING},
    Sample(files={"certs/old.pem": EXPIRING}, release=_release("2026-03-01T02:30")),
)
