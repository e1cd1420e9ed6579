"""nginx access logs: lines to requests (combined format with times, or JSON). Pure; reads no file.

A log line is untrusted: what a client sent stands in it. Paths come out with everything but printable ASCII
percent-encoded, a broken line is counted and passed over, and a log without the needed times is refused with the
``log_format`` to use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from fulldress.errors import UsageError
from fulldress.formats.endpoints import Templates, template

__all__ = ["LOG_FORMAT", "Request", "Tally", "Templates", "parse", "safe_path", "template"]

LOG_FORMAT = (
    'log_format fulldress \'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_time $msec\';'
)
"""What nginx must write so that arrival times can be known: arrival = $msec - $request_time."""

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_COMBINED = re.compile(
    rf"\S+ \S+ .*?\[[^\]]*\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}(?: (\d+(?:\.\d+)?|-) (\d+\.\d+))?(?: .*)?"
)
_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) (\S+)(?: HTTP/\d(?:\.\d)?)?")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(r"[^!-~]")
_LONGEST_LINE = 64 * 1024
_LONGEST_PATH = 8 * 1024
_PATIENCE = 1000
"""So many readable lines without times, and none with: the format is wrong, not one line."""


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


class Tally(msgspec.Struct):
    """What :func:`parse` saw; filled while its iterator is consumed."""

    lines: int = 0
    requests: int = 0
    untimed: int = 0
    """Readable lines without the times."""
    broken: int = 0
    """Lines that no reader understands, requests that are not HTTP among them."""
    first_broken: int = 0
    """Line number of the first of these, 0 when there is none."""


class _Untimed(Exception):
    """A line is a good log line but lacks this field."""


class _Broken(Exception):
    """A line cannot be read at all."""


def parse(lines: Iterable[str], tally: Tally | None = None) -> Iterator[Request]:
    """The requests of a log, in the log's order; a tally, if given, counts what was passed over.

    Raises UsageError when the log has no line with ``$request_time`` and ``$msec``, naming the field that is missing.
    """
    seen = Tally() if tally is None else tally
    missing = ""
    for line in lines:
        text = line.strip()
        seen.lines += 1
        if not text:
            continue
        try:
            request = _json_line(text) if text.startswith("{") else _combined_line(text)
        except _Untimed as error:
            missing = missing or str(error)
            seen.untimed += 1
            if seen.untimed >= _PATIENCE and not seen.requests:
                raise _no_times(missing, seen) from None
            continue
        except _Broken:
            seen.broken += 1
            seen.first_broken = seen.first_broken or seen.lines
            continue
        seen.requests += 1
        yield request
    if seen.untimed and not seen.requests:
        raise _no_times(missing, seen)
    if seen.broken and not seen.requests:
        raise _unreadable(seen)


def _no_times(missing: str, seen: Tally) -> UsageError:
    return UsageError(
        f"the access log has no {missing}: {seen.untimed} readable lines lack it",
        why="without when a request arrived and how long it took, neither load nor waiting can be known from the log",
        fix=f"let nginx write it, and collect anew: {LOG_FORMAT}",
        slug="access-log-without-times",
    )


def _unreadable(seen: Tally) -> UsageError:
    return UsageError(
        f"not one of {seen.broken} lines of the access log can be read (the first is line {seen.first_broken})",
        why="it is neither nginx's combined format nor JSON",
        fix=f"let nginx write: {LOG_FORMAT}",
        slug="access-log-unreadable",
    )


def _combined_line(text: str) -> Request:
    match = _COMBINED.fullmatch(text) if len(text) <= _LONGEST_LINE else None
    if match is None:
        raise _Broken
    request, status, size, _, _, seconds, logged = match.groups()
    if logged is None:
        raise _Untimed("$request_time and $msec")
    method, path = _request_line(request)
    return _made(method, path, status, size, "0" if seconds == "-" else seconds, logged)


def _json_line(text: str) -> Request:
    try:
        fields = msgspec.json.decode(text.encode("utf-8", "replace")) if len(text) <= _LONGEST_LINE else None
    except msgspec.DecodeError:
        raise _Broken from None
    if not isinstance(fields, dict):
        raise _Broken
    for name in ("request_time", "msec"):
        if name not in fields:
            raise _Untimed(f"${name}")
    method, path = _json_request(fields)
    return _made(
        method,
        path,
        str(fields.get("status")),
        str(fields.get("body_bytes_sent", 0)),
        str(fields["request_time"]),
        str(fields["msec"]),
    )


def _json_request(fields: dict[str, object]) -> tuple[str, str]:
    if "request" in fields:
        return _request_line(str(fields["request"]))
    method = fields.get("request_method", fields.get("method"))
    path = fields.get("request_uri", fields.get("uri", fields.get("path")))
    if method is None or path is None:
        raise _Broken
    return _request_line(f"{method} {path}")


def _request_line(request: str) -> tuple[str, str]:
    match = _REQUEST_LINE.fullmatch(request)
    if match is None or len(match[2]) > _LONGEST_PATH or not match[2].startswith("/"):
        raise _Broken
    return match[1], safe_path(match[2])


def safe_path(path: str) -> str:
    """The path with nginx's ``\\xHH`` escapes and everything but printable ASCII percent-encoded."""
    path = _ESCAPE.sub(lambda found: f"%{found[1].upper()}", path)
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), path)


def _made(method: str, path: str, status: str, size: str, seconds: str, logged: str) -> Request:
    try:
        took = float(seconds)
        at = float(logged) - took
        code = int(status)
        sent = 0 if size == "-" else int(float(size))
    except (ValueError, OverflowError):
        raise _Broken from None
    if not (0 <= took < 1e6 and 0 < at < 1e11 and 100 <= code <= 599 and sent >= 0):
        raise _Broken
    return Request(at=at, seconds=took, method=method, path=path, status=code, size=sent)
