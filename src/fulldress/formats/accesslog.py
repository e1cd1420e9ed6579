"""Access logs of nginx and Apache: lines to requests (combined format with times, JSON, or a declared format). Pure; no I/O.

A log line is untrusted: what a client sent stands in it. Paths come out with everything but printable ASCII
percent-encoded, a broken line is counted and passed over, and a log without the needed times is refused with the
``log_format`` or ``LogFormat`` to use. What wrote a line is found line by line, so files may be mixed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from fulldress.errors import UsageError
from fulldress.formats.endpoints import Templates, template
from fulldress.formats.logfields import Broken, Fields, Request, Untimed, request_line, request_of, safe_path
from fulldress.formats.logformat import LineFormat

__all__ = ["APACHE_FORMAT", "LOG_FORMAT", "Request", "Tally", "Templates", "how_to_log", "parse", "safe_path", "template"]

LOG_FORMAT = (
    'log_format fulldress \'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_time $msec\';'
)
"""What nginx must write so that arrival times can be known: arrival = $msec - $request_time."""
APACHE_FORMAT = 'LogFormat "%h %l %u %t \\"%r\\" %>s %B \\"%{Referer}i\\" \\"%{User-Agent}i\\" %D %{begin:usec}t" fulldress'
"""What Apache must write: the arrival and the duration, both in microseconds."""

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_COMBINED = re.compile(
    rf"(\S+ .*?) ?\[([^\]]*)\] {_QUOTED} (\d{{3}}) (\d+|-)(?: {_QUOTED} {_QUOTED})?((?:\s.*)?)", re.DOTALL
)
_ADDRESS = re.compile(r"[0-9A-Fa-f]*[:.][0-9A-Fa-f:.]*")
_TAIL = re.compile(rf"([A-Za-z_%$][\w%$.-]*[=:])?(?:{_QUOTED}|(\S+))")
_SECONDS = re.compile(r"\d{1,6}\.\d{1,6}")
_EPOCH = re.compile(r"\d{9,11}\.\d{1,6}")
_DURATION_KEYS = ("rt", "request_time", "reqtime", "duration", "time")
_LONGEST_LINE = 64 * 1024
_PATIENCE = 1000
"""So many readable lines without times, and none with: the format is wrong, not one line."""
_JSON: Mapping[str, tuple[str, ...]] = {
    "request": ("request", "request_line"),
    "method": ("request_method", "method", "verb"),
    "path": ("request_uri", "uri", "path", "url"),
    "query": ("query", "query_string", "args"),
    "status": ("status", "response_status", "response", "status_code"),
    "size": ("body_bytes_sent", "bytes_sent", "bytes", "size", "response_size"),
    "seconds": ("request_time", "duration_s", "seconds"),
    "millis": ("duration_ms", "request_time_ms", "response_time_ms"),
    "micros": ("duration_us", "request_time_us", "response_time_us", "time_us", "microseconds", "D"),
    "ended": ("msec",),
    "began": ("begin", "begin_sec"),
    "began_millis": ("begin_msec", "begin_ms"),
    "began_micros": ("begin_usec", "begin_us", "usec"),
    "moment": ("@timestamp", "timestamp", "time", "time_iso8601", "time_local"),
    "address": ("remote_addr", "remote_ip", "remoteIP", "client_ip", "clientip", "host", "remote_host"),
    "agent": ("http_user_agent", "user_agent", "userAgent", "agent"),
    "user": ("remote_user", "user"),
}
"""Meaning of a field -> the keys under which servers' usual JSON formats log it."""


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
    coarse: int = 0
    """Requests whose arrival is logged to the second only."""


def how_to_log() -> str:
    """The line for each server's configuration, and what to do without."""
    return (
        f"let nginx write: {LOG_FORMAT} or Apache: {APACHE_FORMAT}; when the server writes the times in another order, "
        "say so in traffic.toml ([log] format); without any such log, declare the traffic there ([[declared]])"
    )


def parse(
    lines: Iterable[str],
    tally: Tally | None = None,
    *,
    formats: Sequence[LineFormat] = (),
    zone: datetime.tzinfo = datetime.UTC,
    user: str = "",
) -> Iterator[Request]:
    """The requests of a log, in the log's order; a tally, if given, counts what was passed over.

    ``formats`` are tried first; ``zone`` counts for times that are logged without one; ``user`` is a further JSON key
    that tells clients apart. Raises UsageError when no line of the log tells when its request arrived and how long it
    took, naming what is missing.
    """
    seen = Tally() if tally is None else tally
    missing = ""
    for line in lines:
        text = line.strip()
        seen.lines += 1
        if not text:
            continue
        try:
            request, coarse = request_of(_fields(text, formats, user), zone, text)
        except Untimed as error:
            missing = missing or str(error)
            seen.untimed += 1
            if seen.untimed >= _PATIENCE and not seen.requests:
                raise _no_times(missing, seen) from None
            continue
        except Broken:
            seen.broken += 1
            seen.first_broken = seen.first_broken or seen.lines
            continue
        seen.requests += 1
        seen.coarse += coarse
        yield request
    if seen.untimed and not seen.requests:
        raise _no_times(missing, seen)
    if seen.broken and not seen.requests:
        raise _unreadable(seen)


def _no_times(missing: str, seen: Tally) -> UsageError:
    return UsageError(
        f"the access log has no {missing}: {seen.untimed} readable lines lack it",
        why="without when a request arrived and how long it took, neither load nor waiting can be known from the log",
        fix=f"{how_to_log()}; then collect anew",
        slug="access-log-without-times",
    )


def _unreadable(seen: Tally) -> UsageError:
    return UsageError(
        f"not one of {seen.broken} lines of the access log can be read (the first is line {seen.first_broken})",
        why="it is neither the combined format of nginx or Apache nor JSON",
        fix=how_to_log(),
        slug="access-log-unreadable",
    )


def _fields(text: str, formats: Sequence[LineFormat], user: str) -> Fields:
    if len(text) > _LONGEST_LINE:
        raise Broken
    for one in formats:
        try:
            return one.fields(text)
        except Broken:
            continue
    return _json(text, user) if text.startswith("{") else _combined(text)


def _combined(text: str) -> Fields:
    match = _COMBINED.fullmatch(text)
    if match is None:
        raise Broken
    who, moment, request, status, size, _, agent, tail = match.groups()
    words = who.split(" ")
    if len(words) > 3 and _ADDRESS.fullmatch(words[1]):
        del words[0]  # a virtual host's name
    fields = Fields(
        request=request,
        status=status,
        size=size,
        moment=moment,
        address=words[0],
        agent=agent or "",
        user=" ".join(words[2:]) or "-",
    )
    try:
        _tail(fields, tail)
    except Untimed:
        request_line(request)  # what is no HTTP is no line without times
        raise
    return fields


def _tail(fields: Fields, tail: str) -> None:
    """The times behind the combined format: their shapes tell them apart.

    nginx's ``$msec`` has nine digits or more before its point, ``$request_time`` fewer; of several such the longest is
    the request's own (an upstream cannot take longer). Apache's arrival in micro- or milliseconds has 16 or 13 digits;
    its ``%D`` is believed only beside an arrival with a fraction, else a bare number could be anything.
    """
    took: list[str] = []
    whole: list[str] = []
    for key, quoted, bare in _TAIL.findall(tail):
        text, name = (bare or quoted).rstrip(","), key.rstrip("=:").lower()
        if name and name not in (*_DURATION_KEYS, "msec", "d"):
            continue
        if _EPOCH.fullmatch(text):
            fields.ended = text
        elif _SECONDS.fullmatch(text):
            took.append(text)
        elif bare.isdecimal() and len(bare) in (13, 16):
            fields.began_micros, fields.began_millis = (bare, "") if len(bare) == 16 else ("", bare)
        elif bare.isdecimal():
            whole.append(bare)
        elif bare == "-" and fields.ended == "" and not took:
            fields.seconds = "-"
    if took:
        fields.seconds = max(took, key=float)
    arrival = fields.began_micros or fields.began_millis or "." in fields.moment
    if fields.ended and not fields.seconds:
        raise Untimed("$request_time")
    if not fields.ended and not arrival:
        raise Untimed("$msec" if took else "$request_time and $msec (nginx), %D and %{begin:usec}t (Apache)")
    if not fields.ended and not took:
        if not whole:
            raise Untimed("%D")
        fields.seconds, fields.micros = "", whole[0]


def _json(text: str, user: str) -> Fields:
    try:
        found = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        raise Broken from None
    if not isinstance(found, dict):
        raise Broken
    values: dict[str, str] = {}
    for role, keys in _JSON.items():
        for key in keys:
            if isinstance(value := found.get(key), str | int | float):
                values[role] = str(value)
                break
    cookie = [str(value) for key, value in found.items() if key == user or key.startswith("cookie_")]
    if cookie and cookie[0] not in ("", "-"):
        values["user"] = cookie[0]
    forwarded = found.get("http_x_forwarded_for", found.get("x_forwarded_for"))
    if isinstance(forwarded, str) and forwarded not in ("", "-"):
        values["address"] = forwarded.partition(",")[0].strip()
    if "request" in values and not values["request"].strip().partition(" ")[2]:
        values.setdefault("path", values["request"])  # Apache's usual JSON logs the path alone under that name
        del values["request"]
    nginx = "seconds" in values
    _json_times(values, nginx)
    return msgspec.convert({**values, "moment_is_end": nginx}, Fields)


def _json_times(values: Mapping[str, str], nginx: bool) -> None:
    if not {"seconds", "millis", "micros"} & set(values):
        raise Untimed("$request_time (nginx) or duration_us (Apache: %D)")
    if not {"ended", "began", "began_millis", "began_micros", "moment"} & set(values):
        raise Untimed("$msec" if nginx else "begin_usec (Apache: %{begin:usec}t)")
