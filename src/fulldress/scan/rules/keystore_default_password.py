"""A keystore in the package opens with a password that everybody knows.

## What it does
Tries a fixed list of passwords from manuals (`changeit`, none at all, ...) on every PKCS#12, JKS and JCEKS store. For Java
stores the store's own integrity digest says whether the password is right; nothing is decrypted. A store with nothing but
trusted certificates is `info`: its password protects nothing secret.

## Why it matters
The private key in the store is as good as in clear: whoever has the package poses as the server.

## Example
```
keytool -list -keystore server.jks -storepass changeit
```

## Fix
Replace the certificate and revoke the old one; create the new key on the host, with a password from outside the package.

## References
- CWE-1393 Use of Default Password; CWE-321
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import keymaterial
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import keystores
from fulldress.scan.credentials.keystores import MAX_BYTES, PKCS12
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="keystore-default-password",
    family="secret",
    title="Keystore with a well-known password",
    severity="high",
    confidence="certain",
)
_JAVA = Pattern(r"\A(\xfe\xed\xfe\xed|\xce\xce\xce\xce)\x00\x00\x00[\x01\x02]", once=True)
LOOKS_FOR = (_JAVA, PKCS12)
MAX_STORES = 200
"""Each password that is tried on a PKCS#12 store costs up to a tenth of a second of key derivation."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each store that opens."""
    java = {e.place for e in context.matching(_JAVA)}
    stores = [e for e in context.matching(*LOOKS_FOR) if standing(e.place) not in ("silent", "library")]
    fit = [e for e in stores if e.size <= MAX_BYTES]
    if left := [e for e in stores if e.size > MAX_BYTES] + fit[MAX_STORES:]:
        yield _not_tried(left)
    for entry in fit[:MAX_STORES]:
        opened = _java(context.read(entry)) if entry.place in java else keystores.opened(context, entry)
        if opened is not None:
            yield _finding(entry, *opened)


def _not_tried(left: list[Entry]) -> Finding:
    return Finding(
        rule=META.slug,
        severity="low",
        confidence=META.confidence,
        title=f"{len(left)} keystore{'s' * (len(left) > 1)} on which no password was tried",
        place=left[0].place,
        excerpt="; ".join(e.place for e in left[:6]),
        consequence=f"More than {MAX_STORES} stores, or larger than {MAX_BYTES >> 20} MiB: whether they open is not known.",
        fix="Try the passwords of the manuals by hand (`keytool -list`), or ask why the package brings so many stores.",
    )


def _java(data: bytes) -> tuple[str, int, int] | None:
    store = keymaterial.java_keystore(data)
    password = keymaterial.java_password(data, store) if store is not None else None
    return (password, store.private + store.secret, store.trusted) if store is not None and password is not None else None


def _finding(entry: Entry, password: str, keys: int, trusted: int) -> Finding:
    example = standing(entry.place) == "example"
    severity: Severity = "info" if not keys else "low" if example else META.severity
    name = entry.place.rpartition("/")[2]
    how = "without a password" if not password else "with a password from the manuals"
    holds = f"{keys} private key{'s' * (keys > 1)}" if keys else f"{trusted} trusted certificates and no key"
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"keystore {name} opens {how}: {holds}",
        place=entry.place,
        excerpt=f"{entry.size} bytes, sha256 {entry.sha256[:32]}",
        consequence="Whoever has the package can pose as the key's owner." if keys else "Nothing secret is in it.",
        fix="Replace key and certificate, and create the new one on the host with a password of its own.",
    )


_STORE = bytes.fromhex("feedfeed0000000200000001000000010003617070000001a0c5b1d800")
_SEALED = _STORE + bytes.fromhex("00000008") + b"\x30\x06sealed" + bytes.fromhex("00000000")


def _signed(body: bytes, password: str) -> bytes:
    import hashlib  # noqa: PLC0415 - loaded when needed: only samples are made here

    return body + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False).digest()


BAD = ({"tls/app.jks": _signed(_SEALED, "changeit")}, {"conf/keystore": _signed(_SEALED, "")})
GOOD = (
    {"tls/app.jks": _signed(_SEALED, "Zm8sKw2pQ")},
    {"tls/app.jks": _SEALED, "x.bin": b"\x30\x82\x01\x00\x02\x01\x03\x30\x00\x00"},
)
