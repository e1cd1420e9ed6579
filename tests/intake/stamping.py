"""Time-stamp tokens made for one test run, and signatures that carry them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from asn1crypto import algos, cms, tsp
from asn1crypto import x509 as asn1
from asn1crypto.parser import emit
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.intake.signing import Issued


def token(
    authority: Issued, over: bytes, when: datetime, *, algorithm: str = "sha256", named: Issued | None = None
) -> bytes:
    """A token of the authority (P-256) over a signature value; ``named``: the certificate that it says has signed it."""
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "1.2.3.4",
            "message_imprint": {
                "hash_algorithm": {"algorithm": algorithm},
                "hashed_message": hashlib.new(algorithm, over).digest(),
            },
            "serial_number": 7,
            "gen_time": when.replace(microsecond=0),
        }
    )
    der = authority.cert.public_bytes(serialization.Encoding.DER)
    said = (named or authority).cert.public_bytes(serialization.Encoding.DER)
    ess = tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(said).digest()})]})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(info.dump()).digest()]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [ess]}),
        ]
    )
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)
    loaded = asn1.Certificate.load(der)
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                cms.IssuerAndSerialNumber({"issuer": loaded.issuer, "serial_number": loaded.serial_number}),
            ),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": authority.key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256())),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
            "encap_content_info": {"content_type": "tst_info", "content": cms.ParsableOctetString(info.dump())},
            "certificates": [cms.CertificateChoices("certificate", loaded)],
            "signer_infos": [signer],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def value(signature: bytes) -> bytes:
    """The signature value of a CMS signature with one signer."""
    return bytes(cms.ContentInfo.load(signature)["content"]["signer_infos"][0]["signature"].native)


def stamped(signature: bytes, stamp: bytes, *, extra: Sequence[x509.Certificate] = ()) -> bytes:
    """The CMS signature with a token, and certificates, put in; by hand, as asn1crypto takes minutes to write it anew."""
    signed = cms.ContentInfo.load(signature)["content"]
    attribute = _sequence(cms.CMSAttributeType("signature_time_stamp_token").dump() + emit(0, 1, 17, stamp))
    signer = _sequence(signed["signer_infos"][0].contents + emit(2, 1, 1, attribute))
    more = b"".join(c.public_bytes(serialization.Encoding.DER) for c in extra)
    parts = [signed[name].dump() for name in ("version", "digest_algorithms", "encap_content_info")]
    parts += [emit(2, 1, 0, signed["certificates"].contents + more), emit(0, 1, 17, signer)]
    return _sequence(cms.ContentType("signed_data").dump() + emit(2, 1, 0, _sequence(b"".join(parts))))


def _sequence(contents: bytes) -> bytes:
    return emit(0, 1, 16, contents)
