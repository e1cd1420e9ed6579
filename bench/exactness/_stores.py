"""Keystores for the planted package: PKCS#12 by the library, JKS by its published layout."""

from __future__ import annotations

import hashlib
import random
import struct
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


def certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A self-signed certificate, DER."""
    return _certificate(key).public_bytes(serialization.Encoding.DER)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.lab.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    return builder.sign(key, hashes.SHA256())


def p12(key: ec.EllipticCurvePrivateKey, password: str) -> bytes:
    """A PKCS#12 store with the key, locked by the password (none when empty)."""
    lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"app", key, _certificate(key), None, lock)


def jks(numbers: random.Random, der: bytes, password: str) -> bytes:
    """A JKS store, version 2, with one private key entry (its ciphertext is random) and the integrity digest."""
    key = b"\x30\x82" + numbers.randbytes(300)

    def utf(text: str) -> bytes:
        return struct.pack(">H", len(text)) + text.encode()

    body = struct.pack(">III", 0xFEEDFEED, 2, 1) + struct.pack(">I", 1) + utf("app") + struct.pack(">Q", 1790000000000)
    body += struct.pack(">I", len(key)) + key + struct.pack(">I", 1) + utf("X.509") + struct.pack(">I", len(der)) + der
    mixed = password.encode("utf-16-be") + b"Mighty " + b"Aphrodite" + body
    return body + hashlib.sha1(mixed, usedforsecurity=False).digest()
