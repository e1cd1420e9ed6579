"""Orders of versions by ecosystem: Debian, RPM, PEP 440, semantic, Maven, calendar. Pure text; knows no product.

Each function gives -1, 0 or 1. Debian's, RPM's and Maven's orders accept any text, as their tools do; PEP 440, semantic and
calendar versions have a grammar, and ``ValueError`` says what is outside it. Digits are never made into unbounded numbers.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from fulldress.formats.late import late


def sign(number: int) -> int:
    """-1, 0 or 1."""
    return (number > 0) - (number < 0)


def compare_digits(left: str, right: str) -> int:
    """Runs of digits by value, without ever making a number of digits that a stranger chose."""
    left, right = left.lstrip("0"), right.lstrip("0")
    return sign(len(left) - len(right)) or (left > right) - (left < right)


# --- Debian: deb-version(7)


def compare_part(left: str, right: str) -> int:
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
        number = compare_digits(digits_l[0], digits_r[0])
        if number:
            return number
        left, right = left[digits_l.end() :], right[digits_r.end() :]
    return 0


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isascii() and character.isalpha() else ord(character) + 0x200000


def deb(left: str, right: str) -> int:
    """``[epoch:]upstream[-revision]``; an absent epoch is 0, an absent revision counts as 0."""
    (epoch_l, up_l, rev_l), (epoch_r, up_r, rev_r) = _deb_parts(left), _deb_parts(right)
    return compare_digits(epoch_l, epoch_r) or compare_part(up_l, up_r) or compare_part(rev_l, rev_r)


def _deb_parts(version: str) -> tuple[str, str, str]:
    head, colon, rest = version.strip().partition(":")
    epoch, rest = (head, rest) if colon and re.fullmatch("[0-9]+", head) else ("0", version.strip())
    upstream, hyphen, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if hyphen else (epoch, revision, "")


# --- RPM: rpmvercmp with tilde and caret


def rpm(left: str, right: str) -> int:
    """``[epoch:]version[-release]``; a version without a release is older than the same with one."""
    (epoch_l, ver_l, rel_l), (epoch_r, ver_r, rel_r) = _rpm_parts(left), _rpm_parts(right)
    order = compare_digits(epoch_l, epoch_r) or _rpm_segments(ver_l, ver_r)
    if order or rel_l is None or rel_r is None:
        return order or (rel_l is not None) - (rel_r is not None)
    return _rpm_segments(rel_l, rel_r)


def _rpm_parts(version: str) -> tuple[str, str, str | None]:
    head, colon, rest = version.strip().partition(":")
    epoch, rest = (head, rest) if colon and re.fullmatch("[0-9]+", head) else ("0", version.strip())
    name, hyphen, release = rest.rpartition("-")
    return (epoch, name, release) if hyphen else (epoch, rest, None)


def _rpm_segments(left: str, right: str) -> int:
    """Segments of digits or letters in turn; ``~`` before the end, ``^`` behind the end but before anything else."""
    pieces = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
    for mine, theirs in zip_longest(pieces.findall(left), pieces.findall(right), fillvalue=""):
        if mine == theirs:
            continue
        rank_l, rank_r = _rpm_rank(mine), _rpm_rank(theirs)
        if rank_l != rank_r:
            return sign(rank_l - rank_r)
        order = compare_digits(mine, theirs) if mine[0].isdecimal() else sign((mine > theirs) - (mine < theirs))
        if order:
            return order
    return 0


def _rpm_rank(piece: str) -> int:
    """``~`` < end < ``^`` < letters < digits."""
    if piece in ("~", "", "^"):
        return ("~", "", "^").index(piece)
    return 4 if piece[0].isdecimal() else 3


# --- Python: PEP 440


def pep440(left: str, right: str) -> int:
    """By the ``packaging`` library; ValueError for what PEP 440 does not allow."""
    from packaging.version import Version  # noqa: PLC0415 - loaded when needed: start-up stays cheap

    mine, theirs = Version(left.strip()[:500]), Version(right.strip()[:500])
    return (mine > theirs) - (mine < theirs)


# --- Semantic versioning 2.0.0

_SEMVER = late(
    r"[vV]?(?P<core>\d+(?:\.\d+){0,2})(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)


def semver(left: str, right: str) -> int:
    """Core, then pre-release; build metadata does not count. ``v1``, ``1.2`` are taken as ``1.0.0``, ``1.2.0``."""
    (core_l, pre_l), (core_r, pre_r) = _semver_parts(left), _semver_parts(right)
    for mine, theirs in zip_longest(core_l, core_r, fillvalue="0"):
        if order := compare_digits(mine, theirs):
            return order
    if not pre_l or not pre_r:
        return (not pre_l) - (not pre_r)
    for one, other in zip_longest(pre_l, pre_r):
        if one is None or other is None:
            return -1 if one is None else 1
        if order := _identifier(one, other):
            return order
    return 0


def _semver_parts(version: str) -> tuple[list[str], list[str]]:
    match = _SEMVER.fullmatch(version.strip())
    if match is None:
        raise ValueError(f"{version!r} is no semantic version")
    return match["core"].split("."), match["pre"].split(".") if match["pre"] else []


def _identifier(left: str, right: str) -> int:
    """Numbers by value and before words; words by ASCII."""
    if left.isdecimal() and right.isdecimal():
        return compare_digits(left, right)
    if left.isdecimal() != right.isdecimal():
        return -1 if left.isdecimal() else 1
    return (left > right) - (left < right)


# --- Maven: the order of ComparableVersion

_QUALIFIERS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_ALIASES = {"ga": "", "final": "", "release": "", "cr": "rc"}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}

Item = str | int | list["Item"]
"""A number is kept as ``int`` only up to 18 digits; longer ones as a string of digits."""


def maven(left: str, right: str) -> int:
    """Numbers, then qualifiers: alpha < beta < milestone < rc < snapshot < release < sp < others; ``1`` = ``1.0``."""
    return _maven_lists(_maven_parse(left), _maven_parse(right))


class _Word(str):
    """A qualifier (a plain ``str`` is a number of many digits)."""

    __slots__ = ()


def _maven_parse(version: str) -> list[Item]:
    items: list[Item] = []
    here, stack = items, [items]

    def deeper() -> None:
        nonlocal here
        fresh: list[Item] = []
        here.append(fresh)
        here = fresh
        stack.append(fresh)

    before = ""
    pieces = re.findall(r"[0-9]+|[.-]|[^0-9.-]+", version.strip().lower()[:500])
    for piece, following in zip_longest(pieces, pieces[1:], fillvalue=""):
        if piece in ".-":
            if before in ("", ".", "-"):
                here.append(0)
            if piece == "-":
                deeper()
        elif piece[0] in "0123456789":
            if before and before not in ".-":
                deeper()
            here.append(int(piece) if len(piece) < 19 else piece.lstrip("0"))
        else:
            # a dot keeps a word beside its number only when a separator follows: 1.x.2, but 1.x1 and 1.x are 1-x1 and 1-x
            if here and (before not in (".", "-") or following not in (".", "-")):
                deeper()
            here.append(_word(piece, digits_follow=following[:1].isdecimal()))
        before = piece
    for level in reversed(stack):
        _normalise(level)
    return items


def _word(text: str, *, digits_follow: bool) -> _Word:
    """``a1`` is ``alpha-1`` (only right before a digit); ``ga``, ``final``, ``release`` are the release itself."""
    word = _SHORT.get(text, text) if digits_follow else text
    return _Word(_ALIASES.get(word, word))


def _normalise(level: list[Item]) -> None:
    """Drops zeroes, empty words and empty lists at the end and before a hyphen, from the end to the start."""
    for index in range(len(level) - 1, -1, -1):
        if level[index] in (0, "", []):
            del level[index]
        elif not isinstance(level[index], list):
            return


def _maven_lists(left: list[Item], right: list[Item]) -> int:
    for mine, theirs in zip_longest(left, right):
        order = _maven_items(mine, theirs) if mine is not None else -_maven_items(theirs, mine)
        if order:
            return order
    return 0


def _maven_items(left: Item | None, right: Item | None) -> int:
    """``left`` is there; ``right`` may be absent: then it counts as the release itself."""
    if left is None:
        return 0
    if right is None:
        return _maven_against_nothing(left)
    rank_l, rank_r = _maven_rank(left), _maven_rank(right)
    if rank_l != rank_r:
        return sign(rank_l - rank_r)
    if isinstance(left, list) and isinstance(right, list):
        return _maven_lists(left, right)
    if isinstance(left, _Word) and isinstance(right, _Word):
        mine, theirs = _qualifier(left), _qualifier(right)
        return (mine > theirs) - (mine < theirs)
    return compare_digits(str(left), str(right))


def _maven_against_nothing(item: Item) -> int:
    if isinstance(item, list):
        return next((order for inner in item if (order := _maven_against_nothing(inner))), 0)
    if isinstance(item, _Word):
        mine, release = _qualifier(item), _qualifier(_Word(""))
        return (mine > release) - (mine < release)
    return 0 if item == 0 else 1


def _maven_rank(item: Item) -> int:
    """Words < lists < numbers."""
    return 0 if isinstance(item, _Word) else 1 if isinstance(item, list) else 2


def _qualifier(word: str) -> tuple[int, str]:
    return (_QUALIFIERS.index(word), "") if word in _QUALIFIERS else (len(_QUALIFIERS), word)


# --- Calendar versions

_CALENDAR = late(
    r"[vV]?(?P<year>\d{4}|\d{2})(?!\d)(?:(?P<rest>[-._]?(?:\d.*)?)|(?P<word>[-._]?[A-Za-z].*))", re.DOTALL | re.ASCII
)
_COMPACT = late(r"[vV]?(\d{4})(0[1-9]|1[0-2])(?:(0[1-9]|[12]\d|3[01]))?(?!\d)", re.ASCII)


def calendar(version: str) -> str:
    """The version as ``year.month.day…`` with a four-digit year and dots; ValueError when it does not begin with a year."""
    text = _COMPACT.sub(lambda m: ".".join(part for part in m.groups() if part), version.strip(), count=1)
    match = _CALENDAR.fullmatch(text)
    if match is None:
        raise ValueError(f"{version!r} does not begin with a year")
    year = match["year"] if len(match["year"]) == 4 else f"20{match['year']}"
    rest = re.sub(r"(?<=\d)[-_](?=\d)", ".", f"{year}{match['rest'] or match['word'] or ''}")
    return rest.replace("_", ".")
