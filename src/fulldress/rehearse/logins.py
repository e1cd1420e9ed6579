"""What a visit needs besides its own requests: a login before it, and the answers from which its values are taken. Pure.

Secrets come in here by reference and stand in the planned requests only: these are handed to the generator by a pipe, and
no file has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import quote_plus

import msgspec

from fulldress.errors import UsageError
from fulldress.rehearse.declared import LoginRequest, TakeTable, TrafficFile, secret
from fulldress.rehearse.model_traffic import SAFE_METHODS, Expect, InSession, Planned, Take, TrafficModel

_SLOT = re.compile(r"\{\{([A-Za-z0-9_.-]{1,64})\}\}")
_USER = re.compile(r"(?<!\{)\{user\.([A-Za-z0-9_-]+)\}(?!\})")
_REQUEST = re.compile(r"([A-Z]{1,20}) (/\S*)")


class Personal:
    """Completes visits; :func:`personal` makes it."""

    def __init__(self, declared: TrafficFile, forms: Mapping[str, tuple[Planned, TakeTable]]) -> None:
        self._login = declared.login
        self._names = {one.request for one in declared.login.request}
        self._users = [{key: secret(text) for key, text in user.items()} for user in declared.login.users]
        self._takes: dict[str, tuple[Take, ...]] = {}
        for one in declared.take:
            self._takes[one.endpoint] = (*self._takes.get(one.endpoint, ()), one.take)
        self._forms = forms
        """Value -> the request whose answer has it."""
        self._turn = 0

    def complete(self, visit: Sequence[Planned]) -> tuple[list[Planned], list[str]]:
        """The visit with everything that it needs, and the endpoints of what was added."""
        if not self._login.request and not self._takes:
            return list(visit), []
        found: list[Planned] = []
        added: list[str] = []
        needs = any(fnmatchcase(one.endpoint, pattern) for one in visit for pattern in self._login.needs)
        own = [one for one in visit if one.endpoint not in self._names]
        if self._names and (needs or len(own) < len(visit)):
            found = self._logged_in(visit[0].at_s)
            added += [one.endpoint for one in found][len(visit) - len(own) :]
        headers = tuple(self._login.headers.items()) if found else ()
        have = {take.name for one in found for take in (one.session.take if one.session else ())}
        for one in own:
            for name in [name for name in slots(one, headers) if name not in have]:
                have.add(name)
                if name in self._forms:
                    form = self._forms[name][0]
                    found.append(self._dressed(msgspec.structs.replace(form, at_s=one.at_s), headers))
                    added.append(form.endpoint)
            dressed = self._dressed(one, headers)
            have |= {take.name for take in (dressed.session.take if dressed.session else ())}
            found.append(dressed)
        return found, added

    def _dressed(self, one: Planned, headers: tuple[tuple[str, str], ...]) -> Planned:
        tie = one.session or InSession(0)
        tie = msgspec.structs.replace(tie, take=(*tie.take, *self._takes.get(one.endpoint, ())))
        return msgspec.structs.replace(one, headers=(*one.headers, *headers), session=tie)

    def _logged_in(self, at: float) -> list[Planned]:
        user = self._users[self._turn % len(self._users)] if self._users else {}
        self._turn += 1
        return [_login_request(one, user, at) for one in self._login.request]


def personal(declared: TrafficFile, model: TrafficModel) -> Personal:
    """What the declared logins and values ask for; raises UsageError for a value that nothing can give."""
    examples = {one.name: one.examples for one in model.endpoints}
    forms: dict[str, tuple[Planned, TakeTable]] = {}
    for one in declared.take:
        method, path = _split(one.endpoint)
        if method in SAFE_METHODS:
            known = examples.get(one.endpoint) or (() if "{" in path else (path,))
            if not known:
                raise UsageError(
                    f"{one.name} is taken from {one.endpoint}, which the log never saw",
                    fix=f"the log's endpoints: {', '.join(sorted(examples)[:12])}",
                )
            forms[one.name] = (Planned(0.0, method, known[0], None, one.endpoint), one)
    given = {*forms, *(one.name for one in declared.take)}
    given |= {take.name for request in declared.login.request for take in request.take}
    for where, value in (*declared.writes.items(), ("[login] headers", declared.login.headers)):
        for name in _SLOT.findall(msgspec.json.encode(value).decode()):
            if name not in given:
                raise UsageError(
                    f"{where} needs {{{{{name}}}}}, which no answer gives", fix="declare it: [[take]] in traffic.toml"
                )
    return Personal(declared, forms)


def slots(one: Planned, headers: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The values that a request needs."""
    text = "\n".join(
        [one.path, *(value for _, value in (*one.headers, *headers)), (one.body or b"").decode("utf-8", "replace")]
    )
    return _SLOT.findall(text)


def _split(request: str) -> tuple[str, str]:
    match = _REQUEST.fullmatch(request)
    if match is None:
        raise UsageError(f"{request!r} is no request", fix='write "GET /path"')
    return match[1], match[2]


def _login_request(one: LoginRequest, user: Mapping[str, str], at: float) -> Planned:
    method, path = _split(one.request)
    body: bytes | None = None
    headers = tuple((name, str(_as_user(value, user))) for name, value in one.headers.items())
    if one.form:
        fields = {name: str(_as_user(value, user)) for name, value in one.form.items()}
        body = "&".join(f"{quote_plus(name)}={_quoted(value)}" for name, value in fields.items()).encode()
        headers = (*headers, ("Content-Type", "application/x-www-form-urlencoded"))
    elif one.json is not None:
        body = msgspec.json.encode(_as_user(one.json, user))
    expect = Expect(one.expect, one.expect + 1) if one.expect else Expect()  # also the mark of a login
    take = tuple(each.take for each in one.take)
    return Planned(at, method, path, body, one.request, headers, expect, InSession(0, 0.0, take))


def _quoted(value: str) -> str:
    """Form-encoded, but for the slots that the session fills (it encodes what it puts there)."""
    out, place = "", 0
    for match in _SLOT.finditer(value):
        out += quote_plus(value[place : match.start()]) + match[0]
        place = match.end()
    return out + quote_plus(value[place:])


def _as_user(value: object, user: Mapping[str, str]) -> object:
    """``{user.name}`` in strings at any depth becomes that user's."""
    if isinstance(value, Mapping):
        return {str(key): _as_user(item, user) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_user(item, user) for item in value]
    if not isinstance(value, str):
        return value

    def known(match: re.Match[str]) -> str:
        if match[1] not in user:
            raise UsageError(f"the login needs {{user.{match[1]}}}, which no user in [login] users has")
        return user[match[1]]

    return _USER.sub(known, value)
