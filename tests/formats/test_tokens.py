"""Tokens of providers: a form alone is not enough. Values are put together here, so that nothing looks like a token."""

from __future__ import annotations

import base64
import json
import random
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.patterns import Matcher, Pattern
from fulldress.formats.tokens import BASE62, LOOKS_LIKE, is_random, tokens

NUMBERS = random.Random(7)
ALNUM = string.ascii_letters + string.digits


def chars(count: int, alphabet: str = ALNUM) -> str:
    return "".join(NUMBERS.choice(alphabet) for _ in range(count))


def summed(prefix: str, body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return prefix + body + digits


def web_token(head: object) -> str:
    parts = [json.dumps(head).encode(), b'{"sub":"import"}', bytes(range(32))]
    return ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)


REAL = {
    "GitHub token": summed("gh" + "s_", chars(30)),
    "npm token": summed("np" + "m_", chars(30)),
    "JSON web token": web_token({"alg": "HS256"}),
    "AWS access key id": "AK" + "IA" + chars(16, string.ascii_uppercase + "234567"),
    "Stripe key": "rk" + "_live_" + chars(24),
    "Slack token": "xo" + "xp-" + f"{chars(12, string.digits)}-{chars(24)}",
    "GitLab token": "gl" + "pat-" + chars(20),
    "SendGrid key": "S" + "G." + chars(22) + "." + chars(43),
    "Azure storage key": "AccountKey=" + base64.b64encode(NUMBERS.randbytes(64)).decode(),
    "PyPI token": "py" + "pi-AgEIcHlwaS5vcmc" + chars(60),
    "DigitalOcean token": "do" + "p_v1_" + chars(64, "0123456789abcdef"),
    "Telegram bot token": chars(9, "123456789") + ":A" + "A" + chars(33),
    "Anthropic key": "sk-" + "ant-api03-" + chars(95),
    "Vault token": "hv" + "s." + chars(28),
    "Hugging Face token": "h" + "f_" + chars(34, string.ascii_letters),
    "age key": "AGE-SECRET-" + "KEY-1" + chars(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
}


@pytest.mark.parametrize("kind", REAL)
def test_a_token_is_recognised(kind: str) -> None:
    assert [t.kind for t in tokens(f'x = "{REAL[kind]}";')] == [kind]


@pytest.mark.parametrize("kind", REAL)
def test_the_search_of_every_byte_sees_it_too(kind: str) -> None:
    matcher = Matcher([Pattern(regex) for regex in LOOKS_LIKE])
    assert matcher.search(f'x = "{REAL[kind]}";'.encode()).ends


@pytest.mark.parametrize(
    "text",
    [
        "gh" + "p_" + "a1B2" * 9,
        "np" + "m_" + chars(36),
        "AK" + "IA" + "IOSFODNN7EXAMPLE",
        "ey" + "J" + "x" * 20 + ".ey" + "J" + "x" * 20 + "." + "x" * 20,
        "xo" + "xb-" + "x" * 30,
        "gl" + "pat-" + "X" * 20,
        "sk" + "_live_" + "0" * 24,
        "_" + chars(40),
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert list(tokens(text)) == []


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("around", ["({})", '"{}",', " {}\n", "x {}; y"])
def test_a_token_is_recognised_among_others_words(kind: str, around: str) -> None:
    text = around.format(REAL[kind])
    assert [t.kind for t in tokens(f"{text}{text}")] == [t.kind for t in tokens(REAL[kind])] * 2


def test_a_wrong_checksum_is_noticed() -> None:
    good = REAL["GitHub token"]
    assert not list(tokens(good[:-1] + ("0" if good[-1] != "0" else "1")))


def test_a_test_key_says_so() -> None:
    assert next(tokens("sk" + "_test_" + chars(24))).test


@given(st.text(alphabet="abcxyz0189-_.:=ABCXYZ", max_size=300))
def test_no_text_raises(text: str) -> None:
    list(tokens(text))


def test_masks_are_not_random() -> None:
    assert not is_random("xxxxxxxxxxxxxxxx")
    assert not is_random("1234567890abcdef")
    assert is_random("k8Wz41xQp0Lm7Rt2")
