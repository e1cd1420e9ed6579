"""Layers of encoding."""

from __future__ import annotations

import base64
import gzip

from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.layers import MAX_DEPTH, MAX_UNPACKED, decoded, readable, unwrapped

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
