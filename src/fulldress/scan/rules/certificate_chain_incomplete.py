"""A certificate comes without the one that issued it.

## What it does
Takes every end-entity certificate of the package and looks for its issuer: in the package, and among what the estate's
trust store already holds.

## Why it matters
A server that sends only its own certificate is refused by every client that has not met the intermediate by chance: the
connection works on one machine and fails on the next. A signature by such a certificate cannot be checked at all.

## Example
```
-----BEGIN CERTIFICATE-----      # api.example, issued by "Example TLS CA": and nobody has that one
```

## Fix
Get the intermediate from the vendor through a channel that is not this package. Put it into the release folder as a PEM
file and declare it in `release.toml`: `chain = ["intermediate.pem"]` under `[estate]`. `fulldress adapt` checks that it
really signed the certificate and puts the chain beside it. The trust store is not touched.

## References
- RFC 8446, section 4.4.2
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fulldress.model.estate import Estate
from fulldress.model.finding import Cure, Finding
from fulldress.scan import certificates
from fulldress.scan.certificates import Found, issued_by, self_signed
from fulldress.scan.reading import current_text, encode, scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="certificate-chain-incomplete",
    family="tls",
    title="Certificate without its issuer",
    severity="high",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each end-entity certificate whose issuer is nowhere."""
    for found in certificates.certificates(context):
        if _incomplete(context, found):
            yield _finding(context, found)


def _incomplete(context: Context, found: Found) -> bool:
    certificate = found.certificate
    if (
        certificates.is_ca(certificate)
        or self_signed(certificate)
        or certificates.fingerprint(certificate) in _trusted(context)
    ):
        return False
    return issued_by(certificate, (other.certificate for other in certificates.certificates(context))) is None


def _trusted(context: Context) -> set[str]:
    hosts = context.estate.hosts if context.estate is not None else ()
    return {fingerprint.lower().replace(":", "") for host in hosts for fingerprint in host.certificate_sha256}


def _finding(context: Context, found: Found) -> Finding:
    issuer = certificates.issuer(found.certificate)
    used = _installed(context, found)
    return Finding(
        rule=META.slug,
        severity=META.severity if used else "medium",
        confidence=META.confidence,
        title=f"certificate of {certificates.name(found.certificate)}: its issuer “{issuer}” is missing",
        place=found.entry.place,
        line=found.line,
        excerpt=f"sha256 {certificates.fingerprint(found.certificate)[:32]}",
        consequence=f"Whoever has not met the issuer by chance refuses the connection; {used} uses it as it is."
        if used
        else "Nothing that it signs or serves can be checked by whoever has not met the issuer by chance.",
        fix=f"Get the certificate of “{issuer}” through another channel than this package; then `chain` of release.toml.",
        curable=bool(_chain(context, found.certificate)),
    )


def _installed(context: Context, found: Found) -> str:
    """The script that names the file, or ""."""
    name = found.entry.place.rpartition("/")[2]
    return next((script.entry.place for script in scripts(context) if name in script.text), "")


def _chain(context: Context, leaf: x509.Certificate) -> list[x509.Certificate]:
    """Declared intermediates from the leaf upwards, without the root (which clients must have themselves)."""
    values = (*context.chain, *(context.estate.replacements.values() if context.estate is not None else ()))
    declared = [certificate for value in values for certificate in certificates.load(value)]
    chain: list[x509.Certificate] = []
    current: x509.Certificate | None = leaf
    while current is not None and len(chain) < 8:
        current = issued_by(current, declared)
        if current is None or self_signed(current):
            break
        chain.append(current)
    return chain


def cure(context: Context, finding: Finding) -> Cure | None:
    """The chain behind the certificate in its file where a script installs it, else in a file beside it."""
    found = next(
        (f for f in certificates.certificates(context) if (f.entry.place, f.line) == (finding.place, finding.line)), None
    )
    text = current_text(context, finding.place)
    chain = _chain(context, found.certificate) if found is not None else []
    if found is None or text is None or not chain:
        return None
    pem = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in chain)
    names = ", ".join(certificates.name(certificate) for certificate in chain)
    if _installed(context, found):
        return Cure(edits={finding.place: encode(text.rstrip("\n") + "\n" + pem)}, note=f"chain completed: {names}")
    stem = finding.place.rpartition(".")[0]
    return Cure(edits={f"{stem}.chain.pem": encode(pem)}, note=f"chain put beside the certificate: {names}")


LEAF = """\
-----BEGIN CERTIFICATE-----
MIHzMIGmoAMCAQICAQ4wBQYDK2VwMBwxGjAYBgNVBAMMEVNhbXBsZSBJc3N1aW5n
IENBMB4XDTIwMDEwMTAwMDAwMFoXDTQ5MDEwMTAwMDAwMFowGTEXMBUGA1UEAwwO
c2FtcGxlLmV4YW1wbGUwKjAFBgMrZXADIQAfFvzWsVwlB3IrozZ2Z17k94uNYB1B
jPCkoA0Q+OHMO6MQMA4wDAYDVR0TAQH/BAIwADAFBgMrZXADQQAUUt+thky1+yIK
sCyBHQe36Wz8ploHyfN4tHWEEK8Nr1ag1hWpJD2v7xYOshGc4OzU/pKZaBUDySDY
sms0V10L
-----END CERTIFICATE-----
"""
INTERMEDIATE = """\
-----BEGIN CERTIFICATE-----
MIHzMIGmoAMCAQICAREwBQYDK2VwMBYxFDASBgNVBAMMC1NhbXBsZSBSb290MB4X
DTIwMDEwMTAwMDAwMFoXDTQ5MDEwMTAwMDAwMFowHDEaMBgGA1UEAwwRU2FtcGxl
IElzc3VpbmcgQ0EwKjAFBgMrZXADIQDQ/riUgvjmmfJLnfVCaTZ2ClNA+OhSDoyg
U6bk3byFp6MTMBEwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQDUPbhyFvwwpH6u
IcStpTjj/X35Rb9KgbqBJ9I79KjUBatNLSPeHEjnNrWd/YX7PV9u5FIuDVXcnZeN
SSmVUa4F
-----END CERTIFICATE-----
"""

INSTALL = "#!/bin/sh\ninstall -m 0644 certs/api.pem /etc/app/api.pem\n"
DECLARED = Estate(taken="2026-10-01T00:00:00Z", hosts=(), replacements={"Sample Issuing CA": INTERMEDIATE})

BAD = (
    {"certs/api.pem": LEAF},
    Sample(files={"certs/api.pem": LEAF, "install.sh": INSTALL}, estate=DECLARED),
    Sample(files={"certs/signing.pem": LEAF}, estate=DECLARED),
)
GOOD = (
    {"certs/api.pem": LEAF + INTERMEDIATE},
    {"certs/api.pem": LEAF, "certs/ca.pem": INTERMEDIATE},
    {"certs/ca.pem": INTERMEDIATE},
)
