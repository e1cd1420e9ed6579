"""OpenPGP: copies of one key are one key, a weak key is weak, and no bytes of a stranger raise."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pysequoia import Cert
from pysequoia.packet import PacketPile, Tag
from tests.adapters import gpgmade as gpg
from tests.intake.signing import NOW, Key

from fulldress.adapters.openpgp import OpenPgp
from fulldress.scan.rules.signature_verdict import SINCE

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


def test_a_key_that_has_ended_since_is_said_as_the_rule_of_the_verdict_looks_for_it(text: Path) -> None:
    [found] = OpenPgp().detached(gpg.BY_ENDED, text, [gpg.ENDED], NOW)
    assert (found.state, SINCE in found.reason) == ("intact", True)


def test_a_key_that_is_too_short_is_weak(text: Path) -> None:
    [found] = OpenPgp().detached(WEAK_SIGNATURE, text, [WEAK_KEY], datetime(2027, 1, 1, tzinfo=UTC))
    assert found.state == "weak"
    assert "RSA1024" in found.reason
    assert "backtrace" not in found.reason
    assert "TOO WEAK" in OpenPgp().describe(WEAK_KEY)[found.fingerprint]


REFUSED = {
    "expired then, prolonged later": (gpg.PROLONGED, gpg.IN_THE_GAP, "weak", "its key did not count then"),
    "older than its key": (gpg.PROLONGED, gpg.OLDER, "weak", "older than its key"),
    "a critical notation": (gpg.PROLONGED, gpg.DEMANDING, "weak", "odd@vendor.example"),
    "a subkey that does not agree": (gpg.VENDOR_WITHOUT_BACK, gpg.BY_SUBKEY, "weak", "no back signature"),
    "another's subkey": (gpg.MALLORY, gpg.BY_SUBKEY, "weak", "anybody could claim it"),
    "a curve that is not known": (gpg.BRAINPOOL, gpg.BY_BRAINPOOL, "keyless", "brainpoolP256r1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bytes_that_were_signed_are_not_called_changed(what: str, text: Path) -> None:
    key, signature, state, reason = REFUSED[what]
    [found] = OpenPgp().detached(signature, text, [key], NOW)
    assert (found.state, reason in found.reason) == (state, True), found
    (text.parent / "other").write_bytes(b"y")
    if state == "weak":
        assert OpenPgp().detached(signature, text.parent / "other", [key], NOW)[0].state == "altered"


def test_a_text_whose_line_ends_are_read_differently_is_said_to_be_one(text: Path) -> None:
    text.write_bytes(b"a\rb\n")
    [found] = OpenPgp().detached(gpg.OF_A_TEXT, text, [gpg.PROLONGED], NOW)
    assert (found.state, "line ends" in found.reason) == ("weak", True)


def test_who_claims_anothers_subkey_does_not_spoil_its_signatures(text: Path) -> None:
    for keys in ([gpg.VENDOR, gpg.MALLORY], [gpg.MALLORY, gpg.VENDOR]):
        [found] = OpenPgp().detached(gpg.BY_SUBKEY, text, keys, NOW)
        assert (found.state, found.signer) == ("intact", "vendor")


def test_a_key_without_what_binds_a_use_to_it_is_not_at_hand(text: Path) -> None:
    bare = bytes(next(p for p in PacketPile.from_bytes(gpg.PROLONGED) if p.tag == Tag.PublicKey))
    [found] = OpenPgp().detached(gpg.GOOD, text, [bare], NOW)
    assert (found.state, "gpg --armor --export" in found.reason) == ("keyless", True)
    assert OpenPgp().detached(gpg.GOOD, text, [bare, gpg.PROLONGED], NOW)[0].state == "intact"


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


def test_more_signatures_than_anybody_makes_are_not_read_one_by_one(text: Path) -> None:
    key = Key()
    [found] = OpenPgp().detached(key.packet(b"x") * 65, text, [key.public], NOW)
    assert (found.state, found.reason) == ("unreadable", "it holds 65 signatures")
    assert len(OpenPgp().detached(key.packet(b"x") * 3, text, [key.public], NOW)) == 3


def test_keys_are_read_once_for_many_signatures(text: Path) -> None:
    key = Key()
    files = [key.public + b"\n" * n for n in range(400)]
    signature = key.detached(b"x")
    OpenPgp().detached(signature, text, files, NOW)
    began = time.process_time()
    for _ in range(100):
        OpenPgp().detached(signature, text, list(files), NOW)
    assert time.process_time() - began < 1  # 0.1 s; each time anew it takes several
