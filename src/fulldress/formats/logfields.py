"""What the fields of an access-log line mean, whichever server wrote it: arrival, duration, who asked. Pure; no I/O.

nginx writes a line when the answer is complete (arrival = end - duration), Apache's ``%t`` is the arrival itself. A client
is a number without a name: a digest of its session cookie, its user name, or its address and user agent.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import zlib
from functools import lru_cache

import msgspec

_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) (\S+)(?: HTTP/\d(?:\.\d)?)?")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(r"[^!-~]")
_LONGEST_PATH = 8 * 1024
_MOMENT = re.compile(
    r"\[?(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:[.,:](\d{1,9}))?(?: ?([+-]\d{4}))?(?:[.,](\d{3,9}))?\]?"
)
_MONTHS = {
    "Jan": 1,
    "Feb": 2,
    "Mar": 3,
    "Apr": 4,
    "May": 5,
    "Jun": 6,
    "Jul": 7,
    "Aug": 8,
    "Sep": 9,
    "Oct": 10,
    "Nov": 11,
    "Dec": 12,
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a log."""

    at: float
    """Arrival, seconds since the epoch."""
    seconds: float
    """How long it took."""
    method: str
    path: str
    """As requested, with its query; printable ASCII only."""
    status: int
    size: int
    """Bytes of the answer's body."""
    client: int = 0
    """Who asked, as a number that tells clients apart and nothing else; 0 when the log does not say."""


class Untimed(Exception):
    """A line is a good log line but lacks this field."""


class Broken(Exception):
    """A line cannot be read at all."""


class Fields(msgspec.Struct, kw_only=True):
    """The fields of one line as they stand there, each by its meaning; empty when the line has none."""

    request: str = ""
    method: str = ""
    path: str = ""
    query: str = ""
    status: str = ""
    size: str = "0"
    seconds: str = ""
    millis: str = ""
    micros: str = ""
    """How long it took, in one of three units."""
    ended: str = ""
    """Seconds since the epoch when the answer was complete."""
    began: str = ""
    began_millis: str = ""
    began_micros: str = ""
    """Since the epoch, when the request arrived."""
    moment: str = ""
    """A time in words, with its zone or without."""
    moment_is_end: bool = False
    address: str = ""
    agent: str = ""
    user: str = ""
    """A user name, a cookie, whatever tells one person from another."""


def request_of(fields: Fields, zone: datetime.tzinfo, line: str) -> tuple[Request, bool]:
    """The request, and whether its arrival is known only to the second.

    Such a one is put somewhere in that second, always at the same place for the same ``line``. Raises Untimed, Broken.
    """
    took = _took(fields)
    at, coarse = _arrival(fields, took, zone)
    if coarse:
        at += zlib.crc32(line.encode("utf-8", "replace")) / 2**32
    try:
        code, sent = int(fields.status), 0 if fields.size in ("-", "") else int(float(fields.size))
    except (ValueError, OverflowError):
        raise Broken from None
    if not (0 <= took < 1e6 and 0 < at < 1e11 and 100 <= code <= 599 and sent >= 0):
        raise Broken
    method, path = _request(fields)
    request = Request(
        at=at,
        seconds=took,
        method=method,
        path=path,
        status=code,
        size=sent,
        client=client(fields.address, fields.agent, fields.user),
    )
    return request, coarse


def client(address: str, agent: str, user: str) -> int:
    """A number for who asked; 0 when nothing tells."""
    if user in ("", "-"):
        if address in ("", "-"):
            return 0
        user = f"{address}\0{agent}"
    return int.from_bytes(hashlib.blake2b(user.encode("utf-8", "replace"), digest_size=6).digest()) or 1


def _took(fields: Fields) -> float:
    for text, unit in ((fields.seconds, 1.0), (fields.millis, 1e3), (fields.micros, 1e6)):
        if text:
            return 0.0 if text == "-" else _number(text) / unit
    raise Untimed("duration")


def _arrival(fields: Fields, took: float, zone: datetime.tzinfo) -> tuple[float, bool]:
    if fields.ended:
        return _number(fields.ended) - took, False
    for text, unit in ((fields.began_micros, 1e6), (fields.began_millis, 1e3), (fields.began, 1.0)):
        if text:
            return _number(text) / unit, False
    if not fields.moment:
        raise Untimed("time of arrival")
    seconds, fraction = moment(fields.moment, zone)
    if fields.moment_is_end and fraction is None:
        raise Untimed("$msec")  # a second's end minus milliseconds would be an arrival that never was
    return seconds + (fraction or 0.0) - (took if fields.moment_is_end else 0.0), fraction is None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Broken from None


def moment(text: str, zone: datetime.tzinfo) -> tuple[float, float | None]:
    """Seconds since the epoch and the fraction, None when it is not written; ``zone`` counts for times without one."""
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return _iso(text.strip(), zone)
    day, month, year, hour, minute, second, early, offset, late = match.groups()
    digits = early or late
    whole = _epoch(int(year), _MONTHS.get(month, 0), int(day), int(hour), int(minute), int(second), offset, zone)
    return whole, int(digits) / 10 ** len(digits) if digits else None


@lru_cache(maxsize=4096)
def _epoch(
    year: int, month: int, day: int, hour: int, minute: int, second: int, offset: str | None, zone: datetime.tzinfo
) -> float:
    try:
        if offset:
            shift = datetime.timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
            zone = datetime.timezone(-shift if offset[0] == "-" else shift)
        return datetime.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        raise Broken from None


def _iso(text: str, zone: datetime.tzinfo) -> tuple[float, float | None]:
    try:
        found = datetime.datetime.fromisoformat(text.replace(",", "."))
        found = found if found.tzinfo else found.replace(tzinfo=zone)
        whole = found.replace(microsecond=0).timestamp()
    except (ValueError, OverflowError):
        raise Broken from None
    return whole, found.microsecond / 1e6 if "." in text or "," in text else None


def _request(fields: Fields) -> tuple[str, str]:
    if fields.request:
        return request_line(fields.request)
    if not fields.method or not fields.path:
        raise Broken
    query = fields.query if fields.query in ("", "-") or fields.query.startswith("?") else f"?{fields.query}"
    return request_line(f"{fields.method} {fields.path}{query if query != '-' else ''}")


def request_line(request: str) -> tuple[str, str]:
    """``GET /a HTTP/1.1`` -> method and path; raises Broken for what is no HTTP."""
    match = _REQUEST_LINE.fullmatch(request)
    if match is None or len(match[2]) > _LONGEST_PATH or not match[2].startswith("/"):
        raise Broken
    return match[1], safe_path(match[2])


def safe_path(path: str) -> str:
    """The path with nginx's ``\\xHH`` escapes and everything but printable ASCII percent-encoded."""
    path = _ESCAPE.sub(lambda found: f"%{found[1].upper()}", path)
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), path)
