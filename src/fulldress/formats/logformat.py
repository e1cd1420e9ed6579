"""A log format as the server's configuration writes it, compiled to a reader of its lines. Pure; no I/O.

Both nginx's ``log_format`` strings (``$request_time``) and Apache's ``LogFormat`` strings (``%D``, ``%{usec}t``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from fulldress.errors import UsageError
from fulldress.formats.logfields import Broken, Fields

_NGINX = re.compile(r"\$\{?([A-Za-z0-9_]+)\}?")
_APACHE = re.compile(r"%(?:[!\d,]*)([<>]?)(?:\{([^}]*)\})?(\^?[A-Za-z]{1,2})")
_WORDY_TIME = re.compile(r"%\{(?:begin:)?[^}]*%[^}]*\}t(?:[.,: ]?%\{(?:begin:)?(?:[^}]*%[^}]*|usec_frac|msec_frac)\}t)*")
"""A time in words may be put together from several ``%{...}t``."""
_NAMES = {
    "request": "request",
    "request_method": "method",
    "request_uri": "path",
    "uri": "path",
    "args": "query",
    "query_string": "query",
    "status": "status",
    "body_bytes_sent": "size",
    "bytes_sent": "size",
    "request_time": "seconds",
    "msec": "ended",
    "time_local": "moment",
    "time_iso8601": "moment",
    "remote_addr": "address",
    "http_x_forwarded_for": "forwarded",
    "http_user_agent": "agent",
    "remote_user": "user",
}
_LETTERS = {
    "h": "address", "a": "address", "u": "user", "r": "request", "s": "status", "b": "size", "B": "size", "D": "micros",
    "T": "seconds", "m": "method", "U": "path", "q": "query", "t": "bracketed",
}  # fmt: skip
_DURATIONS = {"us": "micros", "ms": "millis", "s": "seconds"}
_BEGINS = {"usec": "began_micros", "msec": "began_millis", "sec": "began"}
_ROLES = frozenset(Fields.__struct_fields__)


class LineFormat(NamedTuple):
    """A compiled format."""

    text: str
    pattern: re.Pattern[str]
    roles: tuple[str, ...]
    """What each group is."""
    nginx: bool
    """nginx logs at completion, Apache's times are arrivals."""

    def fields(self, line: str) -> Fields:
        """The fields of a line; raises Broken for a line of another format."""
        match = self.pattern.fullmatch(line)
        if match is None:
            raise Broken
        found = {"moment_is_end": self.nginx}
        seen: dict[str, str] = {}
        for role, text in zip(self.roles, match.groups(), strict=True):
            if text not in (None, "", "-") or role not in seen:
                seen[role] = text or ""
        if seen.get("forwarded", "-") != "-":
            seen["address"] = seen["forwarded"].partition(",")[0].strip()
        if seen.get("cookie", "-") != "-":
            seen["user"] = seen["cookie"]
        return msgspec.convert({**found, **{role: text for role, text in seen.items() if role in _ROLES}}, Fields)


def compile_format(text: str) -> LineFormat:
    """Compile a ``log_format`` or ``LogFormat`` string; raises UsageError, naming what it lacks to tell arrivals."""
    text = _bare(text)
    nginx = "$" in text and not _WORDY_TIME.search(text)
    pieces, roles = _nginx(text) if nginx else _apache(text)
    _complete(text, roles, nginx)
    return LineFormat(text, re.compile("".join(pieces) + r"(?:\s.*)?", re.DOTALL), tuple(roles), nginx)


def _bare(text: str) -> str:
    """Without the directive around it: ``log_format name '...' '...';`` and ``LogFormat "..." name``."""
    text = text.strip()
    if text.startswith("log_format"):
        return "".join(re.findall(r"'([^']*)'", text))
    if text.startswith("LogFormat"):
        match = re.search(r'"((?:[^"\\]|\\.)*)"', text)
        text = match[1] if match else ""
    return text.replace('\\"', '"')


def _nginx(text: str) -> tuple[list[str], list[str]]:
    pieces, roles, place = [], [], 0
    for match in _NGINX.finditer(text):
        name = match[1]
        pieces += [re.escape(text[place : match.start()]), _value(text, match.start(), match.end(), name == "time_local")]
        roles.append("cookie" if name.startswith("cookie_") else _NAMES.get(name, ""))
        place = match.end()
    return [*pieces, re.escape(text[place:])], roles


def _apache(text: str) -> tuple[list[str], list[str]]:
    pieces, roles, place = [], [], 0
    while place < len(text):
        wordy = _WORDY_TIME.match(text, place)
        match = wordy or _APACHE.match(text, place)
        if match is None or text.startswith("%%", place):
            pieces.append(re.escape("%" if text.startswith("%%", place) else text[place]))
            place += 2 if text.startswith("%%", place) else 1
            continue
        role = "moment" if wordy else _apache_role(match[2] or "", match[3])
        if role == "bracketed":
            role, piece = "moment", r"\[([^\]]*)\]"
        else:
            piece = _value(text, place, match.end(), bool(wordy))
        pieces.append(piece)
        roles.append(role)
        place = match.end()
    return pieces, roles


def _apache_role(argument: str, letter: str) -> str:
    if letter == "T":
        return _DURATIONS.get(argument or "s", "")
    if letter == "t" and argument:
        end, kind = argument.startswith("end:"), argument.removeprefix("begin:").removeprefix("end:")
        return "" if end else _BEGINS.get(kind, "")
    if letter == "i":
        return {"user-agent": "agent", "x-forwarded-for": "forwarded"}.get(argument.lower(), "")
    if letter == "C":
        return "cookie"
    return _LETTERS.get(letter, "")


def _value(text: str, start: int, end: int, spaced: bool) -> str:
    """What a variable's value may hold, by what stands around it."""
    after = text[end : end + 1]
    if after == '"':
        return r'((?:[^"\\]|\\.)*)'
    if after == "]" or (after and not after.isspace() and after not in "%$"):
        return f"([^{re.escape(after)}]*)"
    if spaced:
        return r"(\S+(?: [+-]\d{4})?)"
    return r"(\S*)" if text[max(0, start - 3) : start] != " - " else "(.*?)"


def _complete(text: str, roles: list[str], nginx: bool) -> None:
    have = set(roles)
    lacking = []
    if not have & {"seconds", "millis", "micros"}:
        lacking.append("$request_time" if nginx else "%D")
    if nginx and "ended" not in have:
        lacking.append("$msec")
    if not nginx and not have & {"moment", "began", "began_millis", "began_micros"}:
        lacking.append("%t")
    if "request" not in have and not {"method", "path"} <= have:
        lacking.append("$request" if nginx else "%r")
    if "status" not in have:
        lacking.append("$status" if nginx else "%>s")
    if lacking:
        raise UsageError(
            f"the declared log format has no {' and no '.join(lacking)}: {text[:200]}",
            why="without it, when a request arrived and how long it took cannot be known",
            fix="let the server write it and collect anew; or declare the traffic ([[declared]] in traffic.toml)",
            slug="log-format-incomplete",
        )
