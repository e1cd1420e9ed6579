"""OpenPGP packets taken apart: over which bytes a signature was made, whatever its key is worth."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from pysequoia.packet import PacketPile
from tests.adapters import gpgmade
from tests.intake.signing import Key

from fulldress.formats.pgpsignature import curve, made_over, signature


def body(armoured: bytes, tag: str = "Tag.Signature") -> bytes:
    return next(bytes(p.body) for p in PacketPile.from_bytes(armoured) if str(p.tag) == tag)


def over(armoured: bytes, *chunks: bytes) -> bool:
    made = signature(body(armoured))
    assert made is not None
    return made_over(made, chunks)


@pytest.mark.parametrize("made", [gpgmade.BY_SUBKEY, gpgmade.BY_BRAINPOOL, gpgmade.IN_THE_GAP, gpgmade.OLDER])
def test_a_signature_says_over_which_bytes_it_was_made(made: bytes) -> None:
    assert over(made, b"x")
    assert not over(made, b"y")


def test_also_one_that_sequoia_made() -> None:
    signed = Key().detached(b"abc")
    assert over(signed, b"a", b"bc")
    assert not over(signed, b"abd")


@pytest.mark.parametrize("chunks", [[b"a\rb\n"], [b"a\r", b"b\n"], [b"a\rb\r", b"\n"], [b"a\rb\r\r\n"]])
def test_a_text_has_the_line_ends_that_gpg_reads(chunks: Iterable[bytes]) -> None:
    assert over(gpgmade.OF_A_TEXT, *chunks)
    assert not over(gpgmade.OF_A_TEXT, b"a\nb\n")


def test_what_must_be_understood_is_named() -> None:
    made = signature(body(gpgmade.DEMANDING))
    assert made is not None and made.notations == ("odd@vendor.example",)


def test_curves() -> None:
    assert curve(body(gpgmade.BRAINPOOL, "Tag.PublicKey")) == ("brainpoolP256r1", False)
    assert curve(body(gpgmade.PROLONGED, "Tag.PublicKey")) == ("Ed25519", True)
    assert curve(b"\4\0\0\0\0\1\0\0\0") == ("", True), "RSA has none"


def test_no_bytes_raise() -> None:
    dice, whole = random.Random(3), body(gpgmade.DEMANDING)
    for _ in range(2000):
        odd = bytearray(whole[: dice.randrange(len(whole))])
        for _ in range(dice.randrange(4)):
            if odd:
                odd[dice.randrange(len(odd))] = dice.randrange(256)
        if (made := signature(bytes(odd))) is not None:
            made_over(made, [b"x"])
        curve(bytes(odd))
