"""A certificate comes without the one that issued it.

## What it does
Takes every end-entity certificate of the package and looks for its issuer: in the package, and among what the estate's
trust store already holds. A file with a server's certificate and its issuers must hold them in order, the server's first.

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
really signed the certificate and puts the chain beside it. The trust store is not touched. A chain out of order is put in
order.

## References
- RFC 8446, section 4.4.2
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from fulldress.formats.late import late
from fulldress.model.estate import Estate
from fulldress.model.finding import Cure, Finding
from fulldress.scan.network import certificates
from fulldress.scan.network.certificates import Found, issued_by, self_signed
from fulldress.scan.reading import current_text, encode, scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

_BLOCK = late(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
META = RuleMeta(
    slug="certificate-chain-incomplete",
    family="tls",
    title="Certificate without its issuer",
    severity="high",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each end-entity certificate whose issuer is nowhere."""
    files: dict[str, list[Found]] = {}
    for found in certificates.certificates(context):
        if _incomplete(context, found):
            yield _finding(context, found)
        files.setdefault(found.entry.place, []).append(found)
    for listed in files.values():
        right = _in_order(listed)
        if right is not None and [f.line for f in right] != [f.line for f in listed]:
            yield _disorder(listed)


def _in_order(listed: list[Found]) -> list[Found] | None:
    """A server's chain as it must be sent: the leaf, then each one's issuer; what belongs to nobody follows as it was.

    None where the file is no chain: without exactly one leaf, or without its issuer.
    """
    leaves = [f for f in listed if not certificates.is_ca(f.certificate)]
    if len(listed) < 2 or len(leaves) != 1:
        return None
    right, rest = leaves, [f for f in listed if f is not leaves[0]]
    while (above := issued_by(right[-1].certificate, (f.certificate for f in rest))) is not None:
        following = next(f for f in rest if f.certificate is above)
        right, rest = [*right, following], [f for f in rest if f is not following]
    return [*right, *rest] if len(right) > 1 else None


def _disorder(listed: list[Found]) -> Finding:
    first = listed[0]
    leaf = next(f for f in listed if not certificates.is_ca(f.certificate))
    return Finding(
        rule=META.slug,
        severity="medium",
        confidence="certain",
        title=f"certificate of {certificates.name(leaf.certificate)}: its chain is not in order",
        place=first.entry.place,
        line=first.line,
        excerpt=", ".join(certificates.name(f.certificate) for f in listed[:6]),
        consequence="A server sends them as they stand: strict clients refuse the connection, and nginx does not start when"
        " the first one is not the certificate of its key.",
        fix="Put the server's own first, and behind each one the one that issued it.",
        curable=True,
    )


def _ordered(context: Context, finding: Finding, text: str) -> Cure | None:
    """The blocks of the file in order, everything between them where it was."""
    listed = [f for f in certificates.certificates(context) if f.entry.place == finding.place]
    right = _in_order(listed)
    blocks = list(_BLOCK.finditer(text))
    if right is None or len(blocks) != len(listed):
        return None
    by_line = {f.line: block.group() for f, block in zip(listed, blocks, strict=True)}
    parts, done = [], 0
    for block, wanted in zip(blocks, right, strict=True):
        parts += [text[done : block.start()], by_line[wanted.line]]
        done = block.end()
    made = "".join([*parts, text[done:]])
    return Cure(edits={finding.place: encode(made)}, note="chain in order: each certificate before the one that issued it")


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
    if text is not None and finding.title.endswith("not in order"):
        return _ordered(context, finding, text)
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
    {"certs/api.pem": "# issuer\n" + INTERMEDIATE + "# own\n" + LEAF},
    {"certs/api.cer": load_pem_x509_certificate(LEAF.encode()).public_bytes(Encoding.DER)},
    {"certs/api.pem": LEAF},
    Sample(files={"certs/api.pem": LEAF, "install.sh": INSTALL}, estate=DECLARED),
    Sample(files={"certs/signing.pem": LEAF}, estate=DECLARED),
)
GOOD = (
    {"certs/store.pem": INTERMEDIATE + INTERMEDIATE},
    {"certs/api.pem": LEAF + INTERMEDIATE},
    {"certs/api.pem": LEAF, "certs/ca.pem": INTERMEDIATE},
    {"certs/ca.pem": INTERMEDIATE},
)
