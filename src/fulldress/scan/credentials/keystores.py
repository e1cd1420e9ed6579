"""Keystores in PKCS#12: whether one opens with a password from the manuals, and whether it holds a key while it does not.

Each password that is tried costs a tenth of a second of key derivation, so what was found is kept for the next rule. Pure.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs12

from fulldress.formats import keymaterial
from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context

PKCS12 = Pattern(r"\A\x30[\x80-\x84][\x00-\xff]{0,4}\x02\x01\x03\x30", once=True)
MAX_BYTES = 8 << 20
_SHROUDED_KEY = bytes.fromhex("060b2a864886f70d010c0a0102")
"""The object identifier of a bag with an encrypted key, which stands outside what is encrypted."""


def opened(context: Context, entry: Entry) -> tuple[str, int, int] | None:
    """(password, private keys, certificates) of a store that opens with a well-known password."""
    return memo(context, ("pkcs12", entry.sha256), lambda: _opened(context.read(entry)))


def _opened(data: bytes) -> tuple[str, int, int] | None:
    for password in keymaterial.KNOWN:
        try:
            key, certificate, others = pkcs12.load_key_and_certificates(data, password.encode() or None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        return password, int(key is not None), len(others) + (certificate is not None)
    return None


def holds_key(data: bytes) -> bool:
    """True when the store says, without being opened, that an encrypted key is in it."""
    return _SHROUDED_KEY in data
