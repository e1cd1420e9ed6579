"""A keystore in the package that could not be opened, or that holds a private key.

## What it does
Names keystores whose password is none of those in manuals: JKS, JCEKS and PKCS#12 with private keys in them, Bouncy Castle's
BKS (its entries stand in clear around the sealed keys) and BCFKS (which says nothing without its password). Stores with
nothing but trusted certificates are not named.

## Why it matters
Every installation has the same private key, and the password lies in the package too, or the product could not open it.

## Example
```
conf/device.bks: 1 private key, password not known
```

## Fix
Ask the vendor whose key it is; create one on the host, and give the product that store.

## References
- CWE-321 Use of Hard-coded Cryptographic Key
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from fulldress.formats import keymaterial
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import keystores
from fulldress.scan.credentials.keystores import MAX_BYTES, PKCS12
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="keystore-closed",
    family="secret",
    title="Keystore with a key, or that stays closed",
    severity="medium",
    confidence="likely",
)
_JAVA = Pattern(r"\A(\xfe\xed\xfe\xed|\xce\xce\xce\xce)\x00\x00\x00[\x01\x02]", once=True)
_BKS = Pattern(r"\A\x00\x00\x00[\x01\x02]\x00\x00\x00\x14", once=True)
_BCFKS = Pattern(r"\A\x30\x82[\x00-\xff]{2}\x30\x82[\x00-\xff]{2}\x30", once=True)
LOOKS_FOR = (_JAVA, _BKS, _BCFKS, PKCS12)
MAX_STORES = 50


def check(context: Context) -> Iterator[Finding]:
    """One finding for each store."""
    for entry in context.matching(_JAVA, _BKS, among=_counts):
        data = context.read(entry)
        java = keymaterial.java_keystore(data)
        if java is not None and keymaterial.java_password(data, java) is not None:
            continue  # it opens: another rule says so
        store = java or keymaterial.bouncy_keystore(data)
        keys = store.private + store.secret if store is not None else 0
        if keys:
            yield _finding(entry, f"holds {keys} key{'s' * (keys > 1)} under a password that is in no manual")
    for entry in context.matching(PKCS12, among=_counts)[:MAX_STORES]:
        if keystores.holds_key(context.read(entry)) and keystores.opened(context, entry) is None:
            yield _finding(entry, "holds a key under a password that is in no manual")
    for entry in context.matching(_BCFKS, among=lambda e: _counts(e) and e.place.lower().endswith((".bcfks", ".bcf"))):
        yield _finding(entry, "(BCFKS) says nothing of what it holds without its password")


def _counts(entry: Entry) -> bool:
    return entry.size <= MAX_BYTES and standing(entry.place) == "acting"


def _finding(entry: Entry, what: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"keystore {entry.place.rpartition('/')[2]} {what}",
        place=entry.place,
        excerpt=f"{entry.size} bytes, sha256 {entry.sha256[:32]}",
        consequence="All installations share the key, and the password must be in the package for the product to open it.",
        fix="Ask whose key it is; create one on the host, and give the product that store.",
    )


_HEAD = bytes.fromhex("0000000200000014") + bytes(20) + bytes.fromhex("00000400")
_CERTIFICATE = b"\0\x05X.509\0\0\0\x03abc"
_SEALED = b"\x04\0\x03app" + bytes(8) + b"\0\0\0\x01" + _CERTIFICATE + b"\0\0\0\x06sealed"
_TRUSTED = b"\x01\0\x02ca" + bytes(8) + b"\0\0\0\0" + _CERTIFICATE
_JKS = bytes.fromhex("feedfeed0000000200000001000000010003617070000001a0c5b1d800") + b"\0\0\0\x08\x30\x06sealed\0\0\0\0"
_PKCS12 = base64.b64decode(
    "MIIBeQIBAzCCATMGCSqGSIb3DQEHAaCCASQEggEgMIIBHDCCARgGCSqGSIb3DQEHAaCCAQkEggEFMIIBATCB/gYLKoZIhvcNAQwKAQKgge4wge"
    "swVgYJKoZIhvcNAQUNMEkwKAYJKoZIhvcNAQUMMBsECDpDICj/P+UAAgEBMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBD3eMns2IXzKlkj"
    "a0lF4kYyBIGQrjHe3MfFb0jeCOLROHESsmvqPWZEoJxhpqLVE4UsWb1JqCieMirNCkFclDGb6zHoVwwstFRKpzp0PmvW2f8RUvr1tpKH7CgtCe"
    "y35GXlMes9lVDFduMZzZxDegecOjNxMeiGW3UwKZbGOirf/OGf1T+DRflByOwa+xd1clq72O4CLpAbHWjwtDuanhzKAqZ9MD0wMTANBglghkgB"
    "ZQMEAgEFAAQgJDpZfArK1ABDOuXlMxyI6sneuf2AU9wTMEGJ5Sbtz6sECD1nBcuvYzxS"
)
"""An EC key that was made for this sample, under a password that was forgotten."""
BAD = (
    {"conf/portal.p12": _PKCS12},
    {"conf/device.bks": _HEAD + _SEALED + _TRUSTED + b"\0" + bytes(20)},
    {"conf/app.jks": _JKS + b"z" * 20},
    {"conf/fips.bcfks": b"\x30\x82\x01\x00\x30\x82\x00\xc0\x30" + bytes(300)},
)
GOOD = (
    {"conf/portal.p12": _PKCS12.replace(bytes.fromhex("0c0a0102"), bytes.fromhex("0c0a0103"))},
    {"conf/trust.bks": _HEAD + _TRUSTED + b"\0" + bytes(20)},
    {"conf/x.bin": _HEAD + b"\x09nothing of the kind"},
    {"tests/device.bks": _HEAD + _SEALED + b"\0" + bytes(20)},
)
