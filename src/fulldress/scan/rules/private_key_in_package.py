"""A private key is in the package.

## What it does
Finds private keys in PEM (PKCS#1, PKCS#8, SEC1, DSA), OpenSSH, PuTTY and OpenPGP form, also inside nested archives
and larger files, and says whether they are encrypted where the form tells.

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

from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="private-key-in-package",
    family="secret",
    title="Private key in the package",
    severity="critical",
    confidence="certain",
)
_HEAD = Pattern(r"-----BEGIN ([A-Z]+ ){0,2}PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-[23]: ")
LOOKS_FOR = (_HEAD,)
_KEY = re.compile(
    rb"-----BEGIN ((?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY|PGP PRIVATE KEY BLOCK)-----"
    rb"(?P<body>[\s\S]{0,200}?[A-Za-z0-9+/=\\n\r\s]{40})|(PuTTY-User-Key-File-[23]): (?P<putty>[^\n]{3,40})"
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each key."""
    for entry in context.matching(_HEAD):
        data = context.read(entry)
        for match in _KEY.finditer(data):
            kind = (match[1] or b"PuTTY private key").decode("ascii").lower()
            locked = match[1] == b"ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in (match["body"] or b"")
            yield Finding(
                rule=META.slug,
                severity="high" if locked else "critical",
                confidence=META.confidence,
                title=f"{kind} in {entry.place.rpartition('/')[2]}",
                place=entry.place,
                line=data.count(b"\n", 0, match.start()) + 1,
                excerpt=f"-----BEGIN {kind.upper()}----- <redacted>",
                consequence="Whoever has the package can pose as the key's owner.",
                fix="Revoke what the key is for, issue a new one on the host, and ask the vendor why it is here.",
            )


_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDu\n"
_DASHES = "-----"
BAD = (
    {"certs/a.pem": f"{_DASHES}BEGIN PRIVATE KEY{_DASHES}\n{_BODY}{_DASHES}END PRIVATE KEY{_DASHES}\n"},
    {"lib/x.jar!/id": f"{_DASHES}BEGIN OPENSSH PRIVATE KEY{_DASHES}\n{_BODY}{_DASHES}END OPENSSH PRIVATE KEY{_DASHES}\n"},
    {"k.ppk": f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n{_BODY}"},
)
GOOD = (
    {"certs/a.pem": f"{_DASHES}BEGIN PUBLIC KEY{_DASHES}\n{_BODY}{_DASHES}END PUBLIC KEY{_DASHES}\n"},
    {"check.sh": f"#!/bin/sh\ngrep -q -- '{_DASHES}BEGIN PRIVATE KEY{_DASHES}' \"$1\" && echo found\n"},
)
