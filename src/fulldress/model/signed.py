"""What mathematics says of one signature, before anybody asks whether its key is the vendor's. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

SignatureFormat = Literal["openpgp", "cms", "x509", "minisign", "signify", "jar", "sigstore", "tuf"]

SignatureState = Literal["intact", "altered", "weak", "keyless", "unreadable"]
"""intact: it signs exactly these bytes; altered: it does not; weak: revoked, expired, or an algorithm that can be forged;
keyless: the key that would check it is not at hand; unreadable: it is no signature of its format."""


class SignedBy(msgspec.Struct, frozen=True, kw_only=True):
    """One signature, or one certificate, as an adapter found it."""

    format: SignatureFormat
    state: SignatureState
    fingerprint: str = ""
    """Of the primary key (OpenPGP) or of the certificate (SHA-256), lower-case hex; a key id when that is all there is.

    Of the 32 bytes of the key (minisign, signify); issuer and identity, a blank between them (sigstore);
    SHA-256 of the root file that it began with (tuf).
    """
    subkey: str = ""
    """OpenPGP: fingerprint of the key that signed, lower-case hex, where it is not the primary one."""
    signer: str = ""
    issuer: str = ""
    created: str = ""
    reason: str = ""
    rooted: bool = False
    """X.509: its chain was built and ends at a root recorded for this vendor."""
