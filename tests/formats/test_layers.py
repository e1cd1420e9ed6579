"""Layers of encoding."""

from __future__ import annotations

import base64
import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.layers import HINTS, MAX_DEPTH, MAX_UNPACKED, Budget, decoded, readable, unwrapped

TEXT = "db.user=app and more"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_base64_hex_and_url_encoding_are_taken_off() -> None:
    for wrapped in (b64(TEXT.encode()), TEXT.encode().hex(), TEXT.replace("=", "%3D")):
        assert any(TEXT in found or "db.user=app" in found for found in unwrapped(f'x = "{wrapped}"'))


def test_gzip_inside_base64() -> None:
    assert TEXT in list(unwrapped(b64(gzip.compress(TEXT.encode()))))


def test_utf_16_inside_base64() -> None:
    assert TEXT in list(unwrapped(b64(TEXT.encode("utf-16-le"))))


def test_three_layers_and_no_more() -> None:
    once = TEXT.encode()
    for _ in range(MAX_DEPTH):
        once = b64(once).encode()
    assert TEXT in list(unwrapped(once.decode()))
    assert TEXT not in list(unwrapped(b64(once)))


def test_a_bomb_is_cut_off() -> None:
    assert len(readable(gzip.compress(b"a" * (4 << 20)))) == MAX_UNPACKED


def test_noise_is_no_text() -> None:
    assert readable(bytes(range(256))) == ""
    assert decoded("no base64!") == b""


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    list(unwrapped(text))


def wrapped(data: bytes, how: str) -> bytes:
    """By letters, the innermost last: b for base64, h for hex, g for gzip."""
    for one in reversed(how):
        data = base64.b64encode(data) if one == "b" else data.hex().encode() if one == "h" else gzip.compress(data, mtime=0)
    return data


@pytest.mark.parametrize("how", ["b", "bb", "bbb", "bg", "bbg", "bgb", "bh", "hb", "hh", "hg", "bhb", "hbg", "bbh"])
@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_a_password_under_layers_is_hinted_at(how: str, before: str) -> None:
    text = wrapped(f"{before}db.password=Zx9-Qm42ltTp7".encode(), how).decode()
    assert any(re.search(hint, text) for hint in HINTS)
    assert any("password=Zx9" in found for found in unwrapped(text))


def test_a_budget_is_kept_and_said() -> None:
    budget = Budget(1000)
    found = list(unwrapped(" ".join([b64(gzip.compress(b"a=b " * 200))] * 50), budget=budget))
    assert budget.over and sum(map(len, found)) < 50 * 800


def test_within_its_budget_nothing_is_left_out() -> None:
    budget = Budget(1000)
    assert TEXT in list(unwrapped(b64(TEXT.encode()), budget=budget)) and not budget.over
