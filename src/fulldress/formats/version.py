"""Versions in order: which of two came first. Pure text; knows no product and no package manager.

The order is Debian's (epoch, upstream, revision; digits by value, ``~`` before everything), with three differences that
vendors' numbers need: a leading ``v`` is dropped, trailing ``.0`` parts do not count (``5`` = ``5.0``), and a
pre-release written with a hyphen or dot (``5.0-rc1``, ``5.0.beta2``) comes before its release, as in semantic versioning.
"""

from __future__ import annotations

import re
from functools import cmp_to_key

_PRE = re.compile(r"[-._]?(?=(alpha|beta|rc|pre|preview|dev|snapshot|milestone|m)[-.]?\d*([^a-z]|$))", re.IGNORECASE)


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 as ``left`` is older than, the same as, or newer than ``right``."""
    (epoch_l, up_l, rev_l), (epoch_r, up_r, rev_r) = _split(left), _split(right)
    return _sign(epoch_l - epoch_r) or _compare_part(up_l, up_r) or _compare_part(rev_l, rev_r)


sort_key = cmp_to_key(compare)
"""``sorted(versions, key=sort_key)``: oldest first."""


def _split(version: str) -> tuple[int, str, str]:
    text = version.strip()
    if text[:1] in ("v", "V") and text[1:2].isdecimal():
        text = text[1:]
    epoch = 0
    head, colon, rest = text.partition(":")
    if colon and head.isascii() and head.isdecimal():
        epoch, text = int(head[:18]), rest
    text = _PRE.sub("~", text, count=1) if text[:1].isdecimal() else text
    upstream, hyphen, revision = text.rpartition("-")
    if not hyphen:
        upstream, revision = text, ""
    return epoch, _without_zeroes(upstream), revision


def _without_zeroes(upstream: str) -> str:
    numeric = re.match(r"[0-9]+(\.[0-9]+)*", upstream)
    if numeric is None:
        return upstream
    return re.sub(r"(\.0+)+$", "", numeric[0]) + upstream[numeric.end() :]


def _compare_part(left: str, right: str) -> int:
    """Debian's verrevcmp: runs of non-digits by weight, runs of digits by value, in turn."""
    while left or right:
        text_l, text_r = re.match(r"[^0-9]*", left), re.match(r"[^0-9]*", right)
        assert text_l and text_r
        if text_l[0] != text_r[0]:
            weights_l, weights_r = [_weight(c) for c in text_l[0]] + [0], [_weight(c) for c in text_r[0]] + [0]
            if weights_l != weights_r:
                return -1 if weights_l < weights_r else 1
        left, right = left[text_l.end() :], right[text_r.end() :]
        digits_l, digits_r = re.match(r"[0-9]*", left), re.match(r"[0-9]*", right)
        assert digits_l and digits_r
        number = _compare_digits(digits_l[0].lstrip("0"), digits_r[0].lstrip("0"))
        if number:
            return number
        left, right = left[digits_l.end() :], right[digits_r.end() :]
    return 0


def _compare_digits(left: str, right: str) -> int:
    """By value, without ever making a number of digits that a stranger chose."""
    return _sign(len(left) - len(right)) or (left > right) - (left < right)


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isascii() and character.isalpha() else ord(character) + 0x200000


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
