"""A private key is in the package.

## What it does
Finds private keys in PEM (PKCS#1, PKCS#8, SEC1, DSA), OpenSSH, PuTTY and OpenPGP form, and in DER by their ASN.1 (a file
that is a key, or a key inside a JSON or shell text), also inside nested archives and larger files, and says whether they
are encrypted where the form tells. Test data of third-party libraries is left alone; keys among a package's own tests and
examples are `low`.

## Why it matters
Whoever has the package can pose as the key's owner: a server, a user, or the vendor. Encryption only delays that.

## Example
```
-----BEGIN RSA PRIVATE KEY-----
```

## Fix
Revoke what the key is for and issue a new one on the host that uses it; ask the vendor why it is here. Nothing can be
patched: the key is known.

## References
- CWE-321 Use of Hard-coded Cryptographic Key; RFC 7468
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import keymaterial
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.places import is_example, is_test
from fulldress.scan.reading import is_vendored
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="private-key-in-package",
    family="secret",
    title="Private key in the package",
    severity="critical",
    confidence="certain",
)
_HEAD = Pattern(r"-----BEGIN ([A-Z]+ ){0,2}PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-[23]: ")
_DER = Pattern(
    r"\A\x30([\x20-\x7f]|\x81.|\x82..)(\x02\x01[\x00\x01](\x30|\x04|\x02[\x40-\x7f]|\x02\x81|\x02\x82)|\x30[\x10-\x7f]\x06\x09\x2a\x86\x48"
    r"\x86\xf7\x0d\x01\x05)",
    once=True,
)
LOOKS_FOR = (_HEAD, _DER)
_KEY = late(
    rb"-----BEGIN ((?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY|PGP PRIVATE KEY BLOCK)-----"
    rb"(?P<body>(?:[\s\"'+,;]|\\[nrt]){0,40}(?:[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,120}(?:\n|\\n)\s{0,9}){0,9}"
    rb"(?:[A-Za-z0-9+/=]|[\s\"',;]|\\[nrt\n]){60})|(PuTTY-User-Key-File-[23]): (?P<putty>[^\n]{3,40})"
)
_BEGINS = (late(b"-----BEGIN "), late(b"PuTTY-User-Key-File-"))
"""How every match of ``_KEY`` begins."""
MAX_DER = 64 << 10


def check(context: Context) -> Iterator[Finding]:
    """One finding for each key, or one for a file with many."""
    for entry in context.matching(_HEAD):
        if _weighs(entry):
            yield from _armoured(entry, context.read(entry))
    for entry in context.matching(_DER):
        kind = keymaterial.der_key(context.read(entry)) if entry.size <= MAX_DER and _weighs(entry) else ""
        if kind:
            yield _finding(entry, kind, 0, locked=kind.startswith("encrypted"), shown=f"DER, {entry.size} bytes")


def _weighs(entry: Entry) -> bool:
    return not (is_vendored(entry.place) and (is_test(entry.place) or is_example(entry.place)))


def _armoured(entry: Entry, data: bytes) -> Iterator[Finding]:
    found = [m for m in _keys(data) if not _drawn(m[0])]
    for match in found[:1] if len(found) > 3 else found:
        kind = (match[1] or b"PuTTY private key").decode("ascii").lower()
        body = match["body"] or data[match.start() : match.start() + 300]
        locked = match[1] == b"ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in body or b"Encryption: aes" in body
        many = f" and {len(found) - 1} more" if len(found) > 3 else ""
        line = data.count(b"\n", 0, match.start()) + 1
        yield _finding(entry, kind + many, line, locked=locked, shown=f"-----BEGIN {kind.upper()}----- <redacted>")


def _keys(data: bytes) -> Iterator[re.Match[bytes]]:
    """As ``_KEY.finditer``, which tries every byte where the search for its first letters leaps."""
    at = 0
    for start in sorted(m.start() for begin in _BEGINS for m in begin.finditer(data)):
        if start >= at and (match := _KEY.match(data, start)):
            at = match.end()
            yield match


def _drawn(text: bytes) -> bool:
    """True for a key that is only sketched: ``MIIEpQ...`` or a body of one letter."""
    body = re.sub(rb"[\s\\n]", b"", text.rpartition(b"-----")[2])
    return b"..." in text or (len(body) >= 20 and len(set(body[:60])) < 12 and b"PuTTY" not in text)


def _finding(entry: Entry, kind: str, line: int, *, locked: bool, shown: str) -> Finding:
    aside = is_test(entry.place) or is_example(entry.place) or is_vendored(entry.place)
    severity: Severity = "low" if aside else "high" if locked else "critical"
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{kind} in {entry.place.rpartition('/')[2]}{' (encrypted)' if locked else ''}",
        place=entry.place,
        line=line,
        excerpt=shown,
        consequence="Whoever has the package can pose as the key's owner.",
        fix="Revoke what the key is for, issue a new one on the host, and ask the vendor why it is here.",
    )


_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDu\n"
_DASHES = "-----"
_SEC1 = (
    bytes.fromhex("30770201010420") + bytes(range(32)) + bytes.fromhex("a00a06082a8648ce3d030107a14403420004") + bytes(64)
)
BAD = (
    {"keys/ec.der": _SEC1},
    {"certs/a.pem": f"{_DASHES}BEGIN PRIVATE KEY{_DASHES}\n{_BODY}{_DASHES}END PRIVATE KEY{_DASHES}\n"},
    {"lib/x.jar!/id": f"{_DASHES}BEGIN OPENSSH PRIVATE KEY{_DASHES}\n{_BODY}{_DASHES}END OPENSSH PRIVATE KEY{_DASHES}\n"},
    {"k.ppk": f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n{_BODY}"},
)
GOOD = (
    {"site-packages/tls/tests/key.pem": f"{_DASHES}BEGIN PRIVATE KEY{_DASHES}\n{_BODY}{_DASHES}END PRIVATE KEY{_DASHES}\n"},
    {"x.bin": _SEC1[:-1], "y.der": b"\x30\x06\x02\x01\x00\x02\x01\x07"},
    {"certs/a.pem": f"{_DASHES}BEGIN PUBLIC KEY{_DASHES}\n{_BODY}{_DASHES}END PUBLIC KEY{_DASHES}\n"},
    {"check.sh": f"#!/bin/sh\ngrep -q -- '{_DASHES}BEGIN PRIVATE KEY{_DASHES}' \"$1\" && echo found\n"},
)
