"""A certificate is weak, expired, or expires soon after the upgrade.

## What it does
Looks at every certificate of the package: signatures by SHA-1 or MD5, RSA keys under 2048 bits, DSA keys, elliptic curves
under 224 bits; and certificates that are expired in the window of the upgrade or expire within 90 days of it.

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

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from fulldress.model.finding import Finding, Severity
from fulldress.model.release import Release, Window
from fulldress.scan import certificates
from fulldress.scan.places import is_example, is_test
from fulldress.scan.reading import is_vendored
from fulldress.scan.rule import Context, RuleMeta, Sample

SOON = timedelta(days=90)

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
        faults = [*_weak(found.certificate), *_expiry(found.certificate, moment)]
        if not faults:
            continue
        late = any("expires within" in fault for fault in faults) and len(faults) == 1
        severity: Severity = "medium" if late else META.severity
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
    """When the upgrade is to run: the declared window, else the day of the inventory. A zone makes no difference here."""
    stamps = [
        context.release.window.start if context.release is not None else "",
        context.estate.taken if context.estate else "",
    ]
    for stamp in stamps:
        try:
            moment = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


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


def _release(start: str) -> Release:
    return Release(name="sample", window=Window(start=start))


BAD = (
    {"certs/weak.pem": SHORT_RSA},
    Sample(files={"certs/old.pem": EXPIRING}, release=_release("2026-11-29T02:30")),
    Sample(files={"certs/old.pem": EXPIRING}, release=_release("2027-01-10T02:30")),
)
GOOD = (
    {"certs/old.pem": EXPIRING},
    Sample(files={"certs/old.pem": EXPIRING}, release=_release("2026-03-01T02:30")),
)
