"""Keys, certificates and signatures made for one test run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pysequoia import Sig, SignatureMode, Tsk, sign

NOW = datetime.now(UTC) + timedelta(hours=2)
"""A little after every signature that a test makes."""


class Key:
    """An OpenPGP key."""

    def __init__(self, name: str = "Vendor <release@vendor.example>") -> None:
        self.secret = Tsk.generate(name)
        self.cert = self.secret.extract_certificate()
        self.fingerprint: str = self.cert.fingerprint
        self.public = str(self.cert).encode()

    def detached(self, data: bytes) -> bytes:
        return sign(self.secret.signer(), data, mode=SignatureMode.DETACHED)

    def packet(self, data: bytes) -> bytes:
        """A detached signature without armour, as RPM keeps it."""
        return bytes(Sig.from_bytes(self.detached(data)))

    def clear(self, data: bytes) -> bytes:
        return sign(self.secret.signer(), data, mode=SignatureMode.CLEAR)

    def revoked(self) -> bytes:
        revocation: Sig = self.cert.revoke(self.secret.certifier())
        from pysequoia import Cert

        return str(Cert.from_bytes(bytes(self.cert) + bytes(revocation))).encode()


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Issued(NamedTuple):
    key: PrivateKey
    cert: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        return self.cert.fingerprint(hashes.SHA256()).hex()

    def cms(self, data: bytes, *, extra: Sequence[x509.Certificate] = (), attributes: bool = True) -> bytes:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(self.cert, self.key, hashes.SHA256())
        for certificate in extra:
            builder = builder.add_certificate(certificate)
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        if not attributes:
            options.append(pkcs7.PKCS7Options.NoAttributes)
        return builder.sign(serialization.Encoding.DER, options)


def issue(
    name: str,
    by: Issued | None = None,
    *,
    ca: bool = False,
    days: tuple[int, int] = (-30, 300),
    bits: int = 0,
    use: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING,
) -> Issued:
    """A certificate, self-signed when ``by`` is None; ``bits`` for RSA, else P-256."""
    key: PrivateKey = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.cert.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if use is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return Issued(key, builder.sign(by.key if by else key, hashes.SHA256()))
