"""Versions in order: which of two came first. Pure text; knows no product and no package manager.

``compare(a, b, scheme)`` knows the orders of the ecosystems (``version_schemes.py``). Without a scheme it is the order of
what vendors write, and that is Debian's (epoch, upstream, revision; digits by value, ``~`` before everything) with three
differences: a leading ``v`` is dropped, trailing ``.0`` parts do not count (``5`` = ``5.0``), and a
pre-release written with a hyphen or dot (``5.0-rc1``, ``5.0.beta2``) comes before its release, as in semantic versioning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cmp_to_key, partial
from typing import Any

from fulldress.errors import UsageError
from fulldress.formats import version_schemes as schemes
from fulldress.formats.late import late
from fulldress.formats.version_schemes import compare_digits, compare_part

_PRE = late(r"[-._]?(?=(alpha|beta|rc|pre|preview|dev|snapshot|milestone|m)[-.]?\d*([^a-z]|$))", re.IGNORECASE)


def compare(left: str, right: str, scheme: str = "") -> int:
    """-1, 0 or 1 as ``left`` is older than, the same as, or newer than ``right``.

    Raises UsageError for an unknown scheme, and for a version that the scheme's grammar does not allow.
    """
    order = SCHEMES.get(scheme)
    if order is None:
        raise UsageError(
            f"no order of versions is named {scheme!r}",
            fix=f"use one of {', '.join(sorted(name for name in SCHEMES if name))}, or leave `scheme` out",
            slug="version-scheme-unknown",
        )
    try:
        return order(left, right)
    except ValueError as error:
        raise UsageError(
            f"not a version in the order {scheme!r}: {error}",
            why=f"{left!r} and {right!r} cannot be put in order, and a guess could skip a required stop",
            fix="correct the version, or name the scheme that it follows in the matrix file",
            slug="version-invalid",
        ) from error


def key_of(scheme: str) -> Callable[[str], Any]:
    """The sort key of a scheme: ``sorted(versions, key=key_of("rpm"))``, oldest first."""
    return cmp_to_key(partial(compare, scheme=scheme))


def _vendor(left: str, right: str) -> int:
    (epoch_l, up_l, rev_l), (epoch_r, up_r, rev_r) = _split(left), _split(right)
    return compare_digits(epoch_l, epoch_r) or compare_part(up_l, up_r) or compare_part(rev_l, rev_r)


def _calendar(left: str, right: str) -> int:
    return _vendor(schemes.calendar(left), schemes.calendar(right))


SCHEMES: Mapping[str, Callable[[str, str], int]] = {
    "": _vendor,
    "deb": schemes.deb,
    "rpm": schemes.rpm,
    "pep440": schemes.pep440,
    "semver": schemes.semver,
    "maven": schemes.maven,
    "calendar": _calendar,
}
"""Name in the path data -> order. The empty name is the vendors' order described above."""

sort_key = cmp_to_key(_vendor)
"""``sorted(versions, key=sort_key)``: oldest first."""


def _split(version: str) -> tuple[str, str, str]:
    text = version.strip()
    if text[:1] in ("v", "V") and text[1:2].isdecimal():
        text = text[1:]
    epoch = "0"
    head, colon, rest = text.partition(":")
    if colon and head.isascii() and head.isdecimal():
        epoch, text = head, rest
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
