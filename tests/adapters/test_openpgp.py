"""OpenPGP: copies of one key are one key, a weak key is weak, and no bytes of a stranger raise."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pysequoia import Cert
from tests.intake.signing import NOW, Key

from fulldress.adapters.openpgp import OpenPgp

WEAK_KEY = b"""\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mI0EawKT+AEEAOA9gSFuG0alaRc4br3WRkKIz6joYs8BHgRvb21228gCKEUhMeJ1
3zrJ8M3mPjql3BsTNJTt90oiawM4OrnmPyzWKYbo/AxytcW06jG0XJ+z5C4aa78R
6+Dxs8cTf+09/Pxk6U/HC1aHRjM0vOOyI1C8cCFzg0y+v01EJAULdy+JABEBAAG0
FVdlYWsgPHdlYWtAdi5leGFtcGxlPojOBBMBCgA4FiEEZohrUod//7LJa2M3Wx//
uuLbby4FAmsCk/gCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQWx//uuLb
by7dZQQAj70epJiFXBdCm0e9kRvt0utjnVQt9ohUCryYwQtSBtK0Y19nBhUDJHhO
4WwIiRclWw0hsD16TJsRLlUuXfMcxk/Ko95AzC+CmTxZtD+RdaRa6hpDyaQedLtx
gJ3UOjmtzcrw6Nwnn2kR639EPOZ1mB0arM7q3hT84/pWt+YOLBQ=
=17YX
-----END PGP PUBLIC KEY BLOCK-----
"""
WEAK_SIGNATURE = b"""\
-----BEGIN PGP SIGNATURE-----

iMMEAAEKAC0WIQRmiGtSh3//sslrYzdbH/+64ttvLgUCawKVNA8cd2Vha0B2LmV4
YW1wbGUACgkQWx//uuLbby797AQAhG+wyBkOf1q1LapKFpMioG1iWiUWBbzhCZFz
I4UB0w5F13RCunhmtY2X7FoFfsRWKuAzHj5Txwi72OHtw2P8THFv4Vqt6CuhFPHz
cf8sRf4n6ACEnQfl//XqSCDHDCRrhMok/hAQOip5JqubKuT0oXnydLurfmPuA+hd
CrzYsPw=
=Ky7l
-----END PGP SIGNATURE-----
"""
"""Over the one byte ``x``, by an RSA key of 1024 bits, which gpg still makes."""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text").write_bytes(b"x")
    return tmp_path / "text"


def test_a_copy_without_its_revocation_does_not_take_it_back(text: Path) -> None:
    key = Key()
    revoked, signature = key.revoked(), key.detached(b"x")
    for files in ([key.public, revoked], [revoked, key.public], [revoked]):
        [found] = OpenPgp().detached(signature, text, files, NOW)
        assert (found.state, found.reason) == ("weak", "its key was revoked")
    assert OpenPgp().detached(signature, text, [key.public], NOW)[0].state == "intact"


def test_a_key_that_is_too_short_is_weak(text: Path) -> None:
    [found] = OpenPgp().detached(WEAK_SIGNATURE, text, [WEAK_KEY], datetime(2027, 1, 1, tzinfo=UTC))
    assert found.state == "weak"
    assert "RSA1024" in found.reason
    assert "backtrace" not in found.reason
    assert "TOO WEAK" in OpenPgp().describe(WEAK_KEY)[found.fingerprint]


def flipped(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 2, 4))):
        at = dice.randrange(len(changed))
        changed[at : at + dice.randrange(2)] = bytes([dice.randrange(256)])
    return bytes(changed)


def test_no_changed_key_and_no_changed_signature_raises(text: Path) -> None:
    dice, key, means = random.Random(7), Key(), OpenPgp()
    signature, plain = key.packet(b"x"), bytes(key.cert)
    for _ in range(150):
        odd = flipped(plain, dice)
        means.certificates(odd)
        means.describe(odd)
        means.detached(signature, text, [odd, plain], NOW)
        assert all(
            f.state != "intact" or f.fingerprint for f in means.detached(flipped(signature, dice), text, [plain], NOW)
        )
    assert Cert.from_bytes(plain).fingerprint == key.fingerprint
