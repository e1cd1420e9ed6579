"""The vendor's signatures verify with independent libraries, and fail when a byte changes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pysequoia
import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from demo import pki

WHEN = datetime(2026, 11, 12, 10, tzinfo=UTC)


def verify_pgp(data: bytes, signature: str) -> list[str]:
    """Fingerprints of the new release key's valid signatures."""
    certificate = pysequoia.Cert.from_bytes(pki.NEW_RELEASE_KEY.certificate().encode())
    parsed = pysequoia.Sig.from_bytes(signature.encode())
    done = pysequoia.verify(bytes=data, store=lambda _: [certificate], signature=parsed)
    return [found.certificate for found in done.valid_sigs]


def test_openpgp_signature_verifies_with_sequoia() -> None:
    signature = pki.NEW_RELEASE_KEY.sign(b"some text", pki.SIGNED_AT)
    assert verify_pgp(b"some text", signature) == [pki.NEW_RELEASE_KEY.fingerprint]


def test_openpgp_signature_of_other_bytes_is_refused() -> None:
    signature = pki.NEW_RELEASE_KEY.sign(b"some text", pki.SIGNED_AT)
    with pytest.raises(Exception, match=r"(?i)signature|verif|message"):
        verify_pgp(b"some texT", signature)


def test_openpgp_keys_are_self_signed_and_differ() -> None:
    for key in (pki.OLD_RELEASE_KEY, pki.NEW_RELEASE_KEY):
        read = pysequoia.Cert.from_bytes(key.certificate().encode())
        assert read.fingerprint == key.fingerprint
        assert [str(u) for u in read.user_ids] == [key.user_id]
    assert pki.OLD_RELEASE_KEY.fingerprint != pki.NEW_RELEASE_KEY.fingerprint


def test_openpgp_output_is_the_same_every_time() -> None:
    assert pki.NEW_RELEASE_KEY.sign(b"x", 1) == pki.NEW_RELEASE_KEY.sign(b"x", 1)


def _server_chain(intermediates: list[x509.Certificate]) -> int:
    certs = pki.certificates()
    builder = PolicyBuilder().store(Store([certs.root])).time(WHEN)
    verifier = builder.build_server_verifier(x509.DNSName("api.instrument-cloud.example"))
    return len(verifier.verify(certs.tls_leaf, intermediates))


def test_tls_chain_verifies_with_the_intermediate() -> None:
    assert _server_chain([pki.certificates().tls_ca]) == 3


def test_tls_chain_fails_without_the_intermediate() -> None:
    with pytest.raises(VerificationError):
        _server_chain([])


def test_leaves_are_directly_issued_by_their_intermediates() -> None:
    certs = pki.certificates()
    certs.signing_leaf.verify_directly_issued_by(certs.signing_ca)
    certs.signing_ca.verify_directly_issued_by(certs.root)
    assert "Novatrust Issuing CA G7" in certs.signing_leaf.issuer.rfc4514_string()
    assert certs.signing_leaf.not_valid_before_utc.year == 2025 and certs.signing_leaf.not_valid_after_utc.year == 2035


def _cms_verify(der: bytes, data: bytes) -> None:
    content = cms.ContentInfo.load(der)["content"]
    signer = content["signer_infos"][0]
    attributes = {a["type"].native: a["values"][0].native for a in signer["signed_attrs"]}
    assert attributes["message_digest"] == hashlib.sha256(data).digest()
    leaf = x509.load_der_x509_certificate(content["certificates"][0].chosen.dump())
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signed = signer["signed_attrs"].untag().dump(force=True)
    key.verify(signer["signature"].native, signed, ec.ECDSA(SHA256()))


def test_cms_signature_verifies_with_cryptography() -> None:
    leaf = pki.certificates().signing_leaf
    _cms_verify(pki.cms_detached(b"manifest", leaf, "signing", WHEN), b"manifest")


def test_cms_signature_is_detached_and_carries_the_leaf_only() -> None:
    content = cms.ContentInfo.load(pki.cms_detached(b"m", pki.certificates().signing_leaf, "signing", WHEN))["content"]
    assert content["encap_content_info"]["content"].native is None
    assert len(content["certificates"]) == 1


def test_cms_signature_by_another_key_fails() -> None:
    leaf = pki.certificates().signing_leaf
    with pytest.raises(InvalidSignature):
        _cms_verify(pki.cms_detached(b"manifest", leaf, "root", WHEN), b"manifest")


def test_armor_checksum_is_the_known_one() -> None:
    # CRC-24 of "123456789" is 21cf02 (RFC 4880's generator)
    assert "\n=Ic8C\n" in pki.armor("MESSAGE", b"123456789")
