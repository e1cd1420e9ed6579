"""The vendor's keys: OpenPGP v4 keys and signatures, X.509 chains and a CMS signature, the same bytes on every run.

Every private key comes from a public, fixed seed below: these are demo keys and protect nothing.
Signatures are deterministic (Ed25519; ECDSA by RFC 6979), and so are all dates and serial numbers. Pure, no I/O.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from datetime import UTC, datetime
from typing import NamedTuple

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_OID_ED25519 = bytes.fromhex("2b06010401da470f01")
_EDDSA, _SHA512 = 22, 10
VALID_FROM, VALID_TO = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


def _secret(seed: str) -> bytes:
    return hashlib.sha256(f"demo key, protects nothing: {seed}".encode()).digest()


def pgp_key(seed: str) -> Ed25519PrivateKey:
    """A demo key: its secret is the SHA-256 of a text that anybody can read."""
    return Ed25519PrivateKey.from_private_bytes(_secret(seed))


def private_key(seed: str) -> ec.EllipticCurvePrivateKey:
    """A demo key on P-256, which every TLS library takes, from a text that anybody can read."""
    return ec.derive_private_key(int.from_bytes(_secret(seed)) >> 1, ec.SECP256R1())  # halved: below the curve's order


def raw_public(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public key."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


# --- OpenPGP (RFC 4880 packets, EdDSA as GnuPG writes it) -----------------------------------------------------------


class PgpKey(NamedTuple):
    """An OpenPGP signing key; ``created`` in seconds since the epoch."""

    key: Ed25519PrivateKey
    created: int
    user_id: str

    @property
    def body(self) -> bytes:
        """The public-key packet's body."""
        return (
            struct.pack(">BIB", 4, self.created, _EDDSA) + bytes([9]) + _OID_ED25519 + _mpi(b"\x40" + raw_public(self.key))
        )

    @property
    def fingerprint(self) -> str:
        """Version 4 fingerprint in lower-case hex."""
        return hashlib.sha1(self._hashed_form()).hexdigest()

    def _hashed_form(self) -> bytes:
        return b"\x99" + struct.pack(">H", len(self.body)) + self.body

    def certificate(self) -> str:
        """The armored public key with its self-signature."""
        uid = self.user_id.encode()
        covered = self._hashed_form() + b"\xb4" + struct.pack(">I", len(uid)) + uid
        extra = [(27, b"\x03"), (11, b"\x09\x08\x07"), (21, b"\x0a\x09\x08"), (22, b"\x02"), (30, b"\x01"), (25, b"\x01")]
        signature = self._signature(0x13, covered, self.created, extra)
        packets = _packet(6, self.body) + _packet(13, uid) + _packet(2, signature)
        return armor("PUBLIC KEY BLOCK", packets)

    def sign(self, data: bytes, when: int) -> str:
        """An armored detached signature over binary data."""
        return armor("SIGNATURE", _packet(2, self._signature(0x00, data, when, [])))

    def _signature(self, kind: int, covered: bytes, when: int, extra: list[tuple[int, bytes]]) -> bytes:
        fingerprint = bytes.fromhex(self.fingerprint)
        subpackets = [(33, b"\x04" + fingerprint), (2, struct.pack(">I", when)), *extra]
        hashed = b"".join(bytes([len(d) + 1, t]) + d for t, d in subpackets)
        head = struct.pack(">BBBBH", 4, kind, _EDDSA, _SHA512, len(hashed)) + hashed
        digest = hashlib.sha512(covered + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        signed = self.key.sign(digest)
        unhashed = bytes([9, 16]) + fingerprint[-8:]
        tail = struct.pack(">H", len(unhashed)) + unhashed + digest[:2]
        return head + tail + _mpi(signed[:32]) + _mpi(signed[32:])


def _mpi(data: bytes) -> bytes:
    number = int.from_bytes(data, "big")
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _packet(tag: int, body: bytes) -> bytes:
    length = bytes([len(body)]) if len(body) < 192 else bytes([((len(body) - 192) >> 8) + 192, (len(body) - 192) & 0xFF])
    return bytes([0xC0 | tag]) + length + body


def armor(label: str, data: bytes) -> str:
    """ASCII armor with its CRC-24."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    check = base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
    return "\n".join([f"-----BEGIN PGP {label}-----", "", *lines, f"={check}", f"-----END PGP {label}-----", ""])


# The release key of three product cycles ago: what the customer pinned. And the one that nobody has seen before.
OLD_RELEASE_KEY = PgpKey(pgp_key("release 2023"), 1676370000, "DTEN Release 2023 <release@dten.example>")
NEW_RELEASE_KEY = PgpKey(pgp_key("release 2026"), 1787216400, "DTEN Release 2026 <release@dten.example>")
SIGNED_AT = 1794477600


# --- X.509 and CMS --------------------------------------------------------------------------------------------------


class Certificates(NamedTuple):
    """The vendor's certificates; of these only the signing leaf and the TLS leaf are in the package."""

    root: x509.Certificate
    signing_ca: x509.Certificate
    tls_ca: x509.Certificate
    signing_leaf: x509.Certificate
    tls_leaf: x509.Certificate
    tls_leaf_before: x509.Certificate
    """What production holds until the upgrade."""


def pem(*certificates: x509.Certificate) -> bytes:
    """PEM text of certificates, one after the other."""
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


def _name(common: str, organisation: str, country: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _issue(
    subject: x509.Name, seed: str, issuer: x509.Name, issuer_seed: str, serial: int, *extra: x509.ExtensionType
) -> x509.Certificate:
    key, issuer_key = private_key(seed), private_key(issuer_seed)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(VALID_FROM).not_valid_after(VALID_TO)
    critical = (x509.BasicConstraints, x509.KeyUsage)
    for extension in extra:
        builder = builder.add_extension(extension, critical=isinstance(extension, critical))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(authority, critical=False).sign(issuer_key, SHA256(), ecdsa_deterministic=True)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)


def certificates() -> Certificates:
    """The vendor's chains under an issuer that the customer has never met."""
    root_name = _name("Novatrust Root CA R3", "Novatrust Services Ltd", "IE")
    signing_name = _name("Novatrust Issuing CA G7", "Novatrust Services Ltd", "IE")
    tls_name = _name("Novatrust TLS CA T2", "Novatrust Services Ltd", "IE")
    ca, sub_ca, leaf = x509.BasicConstraints(True, None), x509.BasicConstraints(True, 0), x509.BasicConstraints(False, None)
    root = _issue(root_name, "root", root_name, "root", 0x1A01, ca, _usage(ca=True))
    signing_ca = _issue(signing_name, "g7", root_name, "root", 0x1A07, sub_ca, _usage(ca=True))
    tls_ca = _issue(tls_name, "t2", root_name, "root", 0x1A02, sub_ca, _usage(ca=True))
    code = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    vendor = _name("DTEN Software GmbH", "DTEN Software GmbH", "AT")
    signing_leaf = _issue(vendor, "signing", signing_name, "g7", 0x7C41, leaf, _usage(ca=False), code)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    host = "api.instrument-cloud.example"
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    api = _name(host, "Instrument Cloud BV", "NL")
    tls_leaf = _issue(api, "tls", tls_name, "t2", 0x7C42, leaf, _usage(ca=False), server, names)
    before = _issue(api, "tls before", tls_name, "t2", 0x5B17, leaf, _usage(ca=False), server, names)
    return Certificates(root, signing_ca, tls_ca, signing_leaf, tls_leaf, before)


def cms_detached(data: bytes, leaf: x509.Certificate, seed: str, when: datetime) -> bytes:
    """DER of a detached CMS signature (RFC 5652) that carries the leaf and nothing above it."""
    certificate = asn1_x509.Certificate.load(leaf.public_bytes(Encoding.DER))
    digest = algos.DigestAlgorithm({"algorithm": "sha256"})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": when})]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(data).digest()]}),
        ]
    )
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                    )
                }
            ),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": core.OctetString(
                private_key(seed).sign(attributes.dump(), ec.ECDSA(SHA256(), deterministic_signing=True))
            ),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [digest],
            "encap_content_info": {"content_type": "data"},
            "certificates": [certificate],
            "signer_infos": [signer],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())
