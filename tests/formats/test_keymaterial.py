"""Keys in DER and Java keystores."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.keymaterial import der_key, java_keystore, java_password

CURVE = ec.derive_private_key(12345678901234567890, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
HEAD = bytes.fromhex("feedfeed0000000200000001000000010003617070000001a0c5b1d800")
STORE = HEAD + bytes.fromhex("00000008") + b"\x30\x06sealed" + bytes.fromhex("00000000")


def der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, form: s.PrivateFormat) -> bytes:
    return key.private_bytes(s.Encoding.DER, form, s.NoEncryption())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (der(RSA, s.PrivateFormat.TraditionalOpenSSL), "RSA private key (PKCS#1)"),
        (der(RSA, s.PrivateFormat.PKCS8), "RSA private key (PKCS#8)"),
        (der(CURVE, s.PrivateFormat.TraditionalOpenSSL), "EC private key (SEC1)"),
        (der(CURVE, s.PrivateFormat.PKCS8), "EC private key (PKCS#8)"),
        (
            der(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), s.PrivateFormat.PKCS8),
            "Ed25519 private key (PKCS#8)",
        ),
    ],
)
def test_a_key_is_told_by_its_structure(data: bytes, kind: str) -> None:
    assert der_key(data) == kind


def test_an_encrypted_key_says_so() -> None:
    locked = CURVE.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x"))
    assert der_key(locked).startswith("encrypted")


@pytest.mark.parametrize("form", [s.PublicFormat.SubjectPublicKeyInfo])
def test_a_public_key_is_none(form: s.PublicFormat) -> None:
    assert der_key(RSA.public_key().public_bytes(s.Encoding.DER, form)) == ""


def test_a_key_that_is_cut_off_is_none() -> None:
    assert der_key(der(RSA, s.PrivateFormat.PKCS8)[:-9]) == ""


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    der_key(b"\x30" + data)
    java_keystore(b"\xfe\xed\xfe\xed\0\0\0\2" + data)


@pytest.mark.parametrize("password", ["changeit", "", "changeme"])
def test_a_known_password_opens_a_store(password: str) -> None:
    data = STORE + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + STORE).digest()
    store = java_keystore(data)
    assert store is not None
    assert (store.private, store.trusted) == (1, 0)
    assert java_password(data, store) == password


def test_another_password_does_not() -> None:
    data = STORE + hashlib.sha1("Zm8sKw2pQ".encode("utf-16-be") + b"Mighty Aphrodite" + STORE).digest()
    store = java_keystore(data)
    assert store is not None
    assert java_password(data, store) is None
