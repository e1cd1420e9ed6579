"""Sessions of the load: who comes after whom, cookies, and values taken from answers. Pure: no I/O.

A value goes into a later request as that place needs it: percent-encoded in a path, escaped in JSON, quoted in a form, and
never with a line break in a header. A value that is missing makes its request unsendable, and that is told.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote, quote_plus

import msgspec

from fulldress.errors import UsageError
from fulldress.rehearse.model_traffic import Planned, Take
from fulldress.rehearse.wire import Shot, render, unsendable

_SLOT = re.compile(r"\{\{([A-Za-z0-9_.-]{1,64})\}\}")
_MOST_VALUE = 16 << 10
_MOST_COOKIES = 200
_NONE = -1


class Unfilled(Exception):
    """A request needs a value that no answer gave."""


class Session:
    """What one client knows: its cookies and the values that were taken for it."""

    __slots__ = ("cookies", "values")

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def learn(self, headers: Iterable[tuple[str, str]], body: bytes, take: Iterable[Take]) -> None:
        """Keep what an answer set, and what was declared to be taken from it."""
        pairs = list(headers)
        for name, value in pairs:
            if name == "set-cookie":
                self._cookie(value)
        for one in take:
            value_found = _taken(one, pairs, body)
            if value_found is not None:
                self.values[one.name] = value_found[:_MOST_VALUE]

    def shot(self, planned: Planned, host: str) -> Shot:
        """The request with its cookies and values; raises Unfilled."""
        kind = next((value for name, value in planned.headers if name.lower() == "content-type"), "application/json")
        filled = msgspec.structs.replace(
            planned,
            path=self._fill(planned.path, lambda value: quote(value, safe="")),
            headers=tuple((name, self._fill(value, str)) for name, value in planned.headers),
            body=None if planned.body is None else self._body(planned.body, kind),
        )
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        extra = (("Cookie", jar),) if jar else ()
        if unsendable((*filled.headers, *extra)):
            raise Unfilled
        return Shot(render(filled, host, extra), planned)

    def _cookie(self, line: str) -> None:
        pair, *attributes = line.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not name or unsendable((("Cookie", f"{name}={value}"),)):
            return
        ages = [one.partition("=")[2].strip() for one in attributes if one.strip().lower().startswith("max-age=")]
        if any(age.startswith("-") or age == "0" for age in ages) or not value:
            self.cookies.pop(name, None)
        elif name in self.cookies or len(self.cookies) < _MOST_COOKIES:
            self.cookies[name] = value

    def _body(self, body: bytes, kind: str) -> bytes:
        if b"{{" not in body:
            return body
        escape: Callable[[str], str] = str
        if "json" in kind.lower():
            escape = _in_json
        elif "urlencoded" in kind.lower():
            escape = quote_plus
        return self._fill(body.decode("utf-8", "surrogateescape"), escape).encode("utf-8", "surrogateescape")

    def _fill(self, text: str, escape: Callable[[str], str]) -> str:
        if "{{" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            if match[1] not in self.values:
                raise Unfilled
            return escape(self.values[match[1]])

        return _SLOT.sub(value, text)


def check_take(take: Take) -> None:
    """Raises UsageError for a pointer or an expression that is none."""
    if take.where == "json" and take.what and not take.what.startswith("/"):
        raise UsageError(f"{take.what!r} is no JSON pointer", fix="write /like/this")
    if take.where == "text":
        try:
            re.compile(take.what)
        except re.error as error:
            raise UsageError(f"{take.what!r} is no regular expression: {error}") from error


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _taken(take: Take, headers: Sequence[tuple[str, str]], body: bytes) -> str | None:
    if take.where == "header":
        return next((value for name, value in headers if name == take.what.lower()), None)
    if take.where == "text":
        match = re.search(take.what, body.decode("utf-8", "replace"))
        return (match[1] if match.re.groups else match[0]) if match else None
    try:
        return _pointed(msgspec.json.decode(body), take.what)
    except (msgspec.DecodeError, RecursionError):
        return None


def _pointed(value: object, pointer: str) -> str | None:
    """RFC 6901; what it points to as text, when it is a string, a number or a truth value."""
    for raw in pointer.split("/")[1:]:
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def followers(planned: Sequence[Planned]) -> tuple[Sequence[int], dict[int, int]]:
    """Positions that start by the clock, by their time, and position -> that of the next request of its session."""
    if all(one.session is None for one in planned) and all(a.at_s <= b.at_s for a, b in itertools.pairwise(planned)):
        return range(len(planned)), {}
    last: dict[int, int] = {}
    starts: list[int] = []
    after: dict[int, int] = {}
    for index, one in enumerate(planned):
        if one.session is None:
            starts.append(index)
            continue
        before = last.get(one.session.id, _NONE)
        if before == _NONE:
            starts.append(index)
        else:
            after[before] = index
        last[one.session.id] = index
    starts.sort(key=lambda index: planned[index].at_s)
    return starts, after
