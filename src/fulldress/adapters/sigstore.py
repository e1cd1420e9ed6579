"""Sigstore bundles (``X.sigstore.json`` beside ``X``), checked offline with the trust root that the library brings along.

Needs the extra ``sigstore``; without it a bundle is named as not checked. Who signed is an identity of an issuer (a
workflow, a mail address), not a key: it is pinned as ``ISSUER IDENTITY``. Bundles with a key of their own
are not checked. The embedded root ages: a bundle of a log that is younger than the library does not verify.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ObjectIdentifier

from fulldress.adapters.sigview import Offered, View, without
from fulldress.formats.members import shown
from fulldress.model.package import Entry
from fulldress.model.signed import SignedBy

SUFFIXES = (".sigstore.json", ".sigstore")
_ISSUER, _OLD_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_STORE, _ROOT = "sigstore._store", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
MISSING = "the extra `sigstore` is not installed (pip install 'fulldress[sigstore]'), so it was not checked"

ELSEWHERE = (
    "its certificate comes from another sigstore than the public one, so it was not checked: have it verified with "
    "that one's trust root (cosign verify-blob --trusted-root)"
)


class Sigstore:
    """Verifies bundles; ``root`` is a ``trusted_root.json`` of another instance than the public one."""

    def __init__(self, root: bytes = b"") -> None:
        self.root = root
        self._verifier: Any = None

    def look(self, view: View) -> Iterator[Offered]:
        """Every bundle over the file of its name."""
        for place, data in view.small.items():
            if target := without(place, SUFFIXES):
                entry = view.files.get(target)
                yield Offered(place, target, _lost(target) if entry is None else self.judge(data, entry))
        for name, data in view.beside.items():
            if without(name, SUFFIXES):
                yield Offered(name, "", self.judge(data, view.package))

    def judge(self, bundle: bytes, entry: Entry) -> SignedBy:
        """One bundle over one object, which is known by its SHA-256."""
        if importlib.util.find_spec("sigstore") is None:
            return SignedBy(format="sigstore", state="keyless", reason=MISSING)
        from sigstore.errors import Error  # noqa: PLC0415 - loaded when needed: 1.3 s
        from sigstore.models import Bundle, InvalidBundle  # noqa: PLC0415 - loaded when needed: 1.3 s

        try:
            parsed = Bundle.from_json(bundle)
        except (InvalidBundle, Error, ValueError, TypeError, KeyError, AttributeError) as error:
            if b'"publicKey"' in bundle:
                reason = "it is signed with a key of its own instead of an identity, which is not checked"
                return SignedBy(format="sigstore", state="keyless", reason=reason)
            return SignedBy(format="sigstore", state="unreadable", reason=f"it is no sigstore bundle: {_first(error)}")
        who, issuer = identity(parsed.signing_certificate)
        try:
            self._verify(parsed, entry)
        except (Error, ValueError, TypeError, KeyError) as error:
            if not self._issued_here(parsed.signing_certificate):
                return SignedBy(format="sigstore", state="keyless", fingerprint=f"{issuer} {who}".strip(), reason=ELSEWHERE)
            return _facts(parsed, who, issuer, f"it does not verify: {_first(error)}", ok=False)
        return _facts(parsed, who, issuer, "", ok=True)

    def _verify(self, parsed: Any, entry: Entry) -> None:
        from sigstore.errors import VerificationError  # noqa: PLC0415 - loaded when needed: 1.3 s
        from sigstore.hashes import Hashed  # noqa: PLC0415 - loaded when needed: 1.3 s
        from sigstore_models.common.v1 import HashAlgorithm  # noqa: PLC0415 - loaded when needed: 1.3 s

        verifier = self._ready()
        if parsed._dsse_envelope is None:
            digest = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(entry.sha256))
            verifier.verify_artifact(digest, parsed, _AnyIdentity())
            return
        _, payload = verifier.verify_dsse(parsed, _AnyIdentity())
        subjects = json.loads(payload).get("subject", [])
        if not any(s.get("digest", {}).get("sha256") == entry.sha256 for s in subjects):
            raise VerificationError("its statement is about other files")

    def _issued_here(self, certificate: x509.Certificate) -> bool:
        """Whether an authority of the trust root issued it; one of another instance says nothing about the bytes."""
        try:
            authorities = self._ready()._trusted_root.get_fulcio_certs()
        except ValueError:  # a trust root that cannot be read is what is wrong, wherever the bundle comes from
            return True
        for authority in authorities:
            try:
                certificate.verify_directly_issued_by(authority)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return True
        return False

    def _ready(self) -> Any:
        if self._verifier is None:
            from importlib import resources  # noqa: PLC0415 - loaded when needed: only here

            from sigstore.models import TrustedRoot  # noqa: PLC0415 - loaded when needed: 1.3 s
            from sigstore.verify import Verifier  # noqa: PLC0415 - loaded when needed: 1.3 s
            from sigstore_models.trustroot.v1 import TrustedRoot as Raw  # noqa: PLC0415 - loaded when needed: 1.3 s

            raw = self.root or resources.files(_STORE).joinpath(_ROOT, "trusted_root.json").read_bytes()
            self._verifier = Verifier(trusted_root=TrustedRoot(Raw.from_json(raw)))
        return self._verifier


class _AnyIdentity:
    """The library's policy: whose identity it is, is asked of the vendor record afterwards."""

    def verify(self, cert: x509.Certificate) -> None:
        """Every identity may sign."""


def identity(certificate: x509.Certificate) -> tuple[str, str]:
    """(identity, issuer) of a signing certificate; empty where it names none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "", ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    who = (uris or names.get_values_for_type(x509.RFC822Name) or [""])[0]
    for oid, skip in ((_ISSUER, 2), (_OLD_ISSUER, 0)):
        try:
            value = certificate.extensions.get_extension_for_oid(oid).value
        except (x509.ExtensionNotFound, ValueError):
            continue
        if isinstance(value, x509.UnrecognizedExtension):
            return who, value.value[skip:].decode("utf-8", "replace")
    return who, ""


def _facts(parsed: Any, who: str, issuer: str, reason: str, *, ok: bool) -> SignedBy:
    return SignedBy(
        format="sigstore",
        state="intact" if ok else "altered",
        fingerprint=f"{issuer} {who}".strip(),
        signer=who,
        issuer=issuer,
        created=_when(parsed),
        reason=reason,
    )


def _when(parsed: Any) -> str:
    seconds = getattr(getattr(parsed.log_entry, "_inner", None), "integrated_time", 0) or 0
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def _lost(target: str) -> SignedBy:
    return SignedBy(format="sigstore", state="unreadable", reason=f"what it signs ({shown(target)}) is not in the package")


def _first(error: Exception) -> str:
    return shown(str(error).strip().split("\n")[0] or type(error).__name__, 200)
