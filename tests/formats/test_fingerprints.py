"""Fingerprints in prose."""

from __future__ import annotations

import base64
import hashlib

import pytest

from fulldress.formats.fingerprints import mentions, of_pin, plain, tone

PRINT = "a1b46bd6" * 5
BLOCKS = " ".join(PRINT.upper()[i : i + 4] for i in range(0, 40, 4))


@pytest.mark.parametrize("written", [PRINT, BLOCKS, BLOCKS.replace(" A1B4 6BD6 A1B4", "  A1B4 6BD6 A1B4"), ":".join(
    PRINT[i : i + 2] for i in range(0, 40, 2))])  # fmt: skip
def test_every_way_of_writing_one_is_read(written: str) -> None:
    assert [m.fingerprint for m in mentions(f"Our new key is {written}.")] == [PRINT]


def test_long_fingerprints_and_digests() -> None:
    assert [len(m.fingerprint) for m in mentions(f"{'ab' * 32} and {'cd' * 64}")] == [64]


def test_the_excerpt_is_the_sentence() -> None:
    [found] = mentions(f"Nothing else. The key {BLOCKS} was rotated last quarter. More text.")
    assert found.excerpt == f"The key {BLOCKS} was rotated last quarter."
    assert found.tone == "announces"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("the old key was compromised", "warns"),
        ("the old key expired, it was not compromised", "names"),
        ("there is no evidence that it was stolen; the new key is", "announces"),
        ("do not trust this key", "warns"),
        ("our key is", "names"),
    ],
)
def test_what_a_sentence_seems_to_say(sentence: str, expected: str) -> None:
    assert tone(sentence) == expected


def test_one_form_for_comparing() -> None:
    assert plain("AB:CD:EF") == plain("abcd ef") == plain("0xABCDEF") == plain("sha256 Fingerprint=AB:CD:EF") == "abcdef"
    assert plain("https://issuer.example me@x.example") == "https://issuer.exampleme@x.example"


def test_a_pin_that_holds_the_whole_key_stands_for_its_digest() -> None:
    key = base64.b64encode(b"Ed" + b"12345678" + b"k" * 32).decode()
    digest = hashlib.sha256(b"k" * 32).hexdigest()
    assert (
        of_pin("minisign", key)
        == of_pin("signify", f"untrusted comment: x\n{key}\n")
        == of_pin("minisign", digest)
        == digest
    )
