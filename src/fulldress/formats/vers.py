"""Version ranges as advisories write them: ``vers:deb/>=1.2|<2.0``, ``<= 4.1``, "prior to 5.0". Pure.

Three answers: inside, outside, or not understood. The order of versions is that of ``formats.version``.
"""

from __future__ import annotations

import itertools
import re
from functools import cmp_to_key
from typing import NamedTuple
from urllib.parse import unquote

from fulldress.formats.version import compare

MAX_RANGE = 2000
_COMPARED = re.compile(r"(<=|>=|!=|==?|<|>|≤|≥)?\s*([vV]?[0-9][0-9A-Za-z.+~:_-]*)")
_SPOKEN = (
    (re.compile(r"(?i)^(?:all(?: versions?)?|any(?: version)?|vers:[a-z]+/\*|\*)$"), ""),
    (
        re.compile(
            r"(?i)^(?:all )?(?:versions? )?(?:prior to|before|earlier than|older than|lower than|below|less than)\s+(\S+)$"
        ),
        "<",
    ),
    (re.compile(r"(?i)^(?:all )?(?:versions? )?(?:up to(?: and including)?|through|until|to)\s+(\S+)$"), "<="),
    (
        re.compile(
            r"(?i)^(?:version )?(\S+)(?: and|,)? (?:all )?(?:earlier|prior|below|older|lower|before)(?: versions?)?$"
        ),
        "<=",
    ),
    (re.compile(r"(?i)^(?:version )?(\S+)(?: and|,)? (?:all )?(?:later|above|newer|higher|after|up)(?: versions?)?$"), ">="),
    (re.compile(r"(?i)^(?:from|since|starting (?:with|from))\s+(\S+)$"), ">="),
)
_BETWEEN = re.compile(r"(?i)^(?:from |between )?(?:version )?(\S+)\s+(?:-|to|through|up to|and)\s+(?:version )?(\S+)$")


class _Bound(NamedTuple):
    sign: str
    version: str


def contains(text: str, version: str) -> bool | None:
    """True when the range holds the version, False when not, None when the range is not understood."""
    bounds = _bounds(text.strip()[:MAX_RANGE])
    if bounds is None or not version:
        return None
    return _inside(bounds, version)


def _bounds(text: str) -> list[_Bound] | None:
    """The constraints of a range; [] for "all versions", None when it is not understood."""
    for pattern, sign in _SPOKEN:
        if match := pattern.match(text):
            return [_bound(sign, match[1])] if sign and _is_version(match[1]) else [] if not sign else None
    if (match := _BETWEEN.match(text)) and _is_version(match[1]) and _is_version(match[2]):
        return [_bound(">=", match[1]), _bound("<=", match[2])]
    body = text.partition("/")[2] if text.lower().startswith("vers:") else text
    parts = [p.strip() for p in re.split(r"[|,]|&&|\band\b", unquote(body)) if p.strip()]
    found = [_COMPARED.fullmatch(part) for part in parts]
    if not found or None in found:
        return None
    return [_bound({"≤": "<=", "≥": ">=", "==": "=", "": "="}.get(m[1] or "", m[1] or "="), m[2]) for m in found if m]


def _is_version(text: str) -> bool:
    return bool(re.fullmatch(r"[vV]?[0-9][0-9A-Za-z.+~:_-]*", text))


def _bound(sign: str, version: str) -> _Bound:
    return _Bound(sign, version.rstrip(".,;"))


def _older(left: _Bound, right: _Bound) -> int:
    return compare(left.version, right.version)


def _inside(bounds: list[_Bound], version: str) -> bool:
    """The algorithm of the vers specification: equal ones first, then the intervals between neighbours."""
    equal = {b.sign for b in bounds if compare(b.version, version) == 0}
    if equal & {"!="}:
        return False
    if equal & {"=", "<=", ">="} or not bounds:
        return True
    rest = [b for b in bounds if b.sign not in ("=", "!=")]
    edges = sorted(rest, key=cmp_to_key(_older))
    if not edges:
        return all(b.sign == "!=" for b in bounds)
    if edges[0].sign in ("<", "<=") and compare(version, edges[0].version) < 0:
        return True
    if edges[-1].sign in (">", ">=") and compare(version, edges[-1].version) > 0:
        return True
    return any(
        low.sign in (">", ">=")
        and high.sign in ("<", "<=")
        and compare(low.version, version) < 0 < compare(high.version, version)
        for low, high in itertools.pairwise(edges)
    )
