"""``traffic.toml``: what people declare of the load. Bodies, logins, values to take from answers, and traffic without logs.

Secrets are never in it: it refers to them (``env:NAME``, ``file:/path``), and :func:`secret` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from fulldress.errors import UsageError
from fulldress.rehearse.model_traffic import Take

_MOST_SECRET = 64 << 10


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """All tables of the file: kebab-case, nothing unknown."""


class LogTable(Struct, frozen=True, kw_only=True):
    """``[log]``: which logs, and how to read them, when that cannot be seen from them."""

    files: tuple[str, ...] = ()
    """Paths on the host, ``*`` allowed, instead of ``[estate] access-log``; what rotation made of them is read too."""
    format: tuple[str, ...] = ()
    """``log_format`` or ``LogFormat`` strings as in the server's configuration."""
    user: str = ""
    """The JSON key that tells users apart."""


class TakeTable(Struct, frozen=True, kw_only=True):
    """A value kept from an answer, for later requests of the same visit: ``{{name}}`` in a path, header or body."""

    name: str
    endpoint: str = ""
    """``GET /results/new``: whose answer; inside a login it is that request's own."""
    where: Literal["json", "text", "header"] = "json"
    what: str

    @property
    def take(self) -> Take:
        """As the load generator knows it."""
        return Take(self.name, self.where, self.what)


class LoginRequest(Struct, frozen=True, kw_only=True):
    """One request of a login."""

    request: str
    """``POST /login``"""
    json: Any = None
    form: dict[str, str] = {}
    headers: dict[str, str] = {}
    take: tuple[TakeTable, ...] = ()
    expect: int = 0
    """The status that it must have; 0: any."""


class LoginTable(Struct, frozen=True, kw_only=True):
    """``[login]``: how a user comes in. Cookies are kept by themselves."""

    request: tuple[LoginRequest, ...] = ()
    """One after the other: a form with its token, then the login."""
    users: tuple[dict[str, str], ...] = ()
    """References: ``{name = "env:LIMS_USER", password = "file:/root/lims.pw"}``; used in turn, as ``{user.name}``."""
    headers: dict[str, str] = {}
    """Sent with every later request of the visit: ``{Authorization = "Bearer {{token}}"}``."""
    needs: tuple[str, ...] = ("*",)
    """Endpoints that need a login (``GET /api/*``)."""


class DeclaredTable(Struct, frozen=True, kw_only=True):
    """``[[declared]]``: one endpoint of the traffic, where no log tells."""

    request: str
    """``GET /api/results/{id}``"""
    per_minute: float
    paths: tuple[str, ...] = ()
    """Real paths, when the request holds a ``{`` placeholder ``}``."""
    size: int = 2000
    milliseconds: float = 50.0
    """How long an answer takes, roughly."""


class UsersTable(Struct, frozen=True, kw_only=True):
    """``[users]``: who asks, of declared traffic."""

    think_seconds: float = 0.0
    """Mean pause of a user between two requests; 0: every request stands for itself."""
    requests_per_visit: float = 5.0
    burstiness: float = 2.0
    """Variance / mean of the requests in ten seconds; 1 is as even as chance, real logs have 1.8 to 4.7."""


class TrafficFile(Struct, frozen=True, kw_only=True):
    """The whole file."""

    writes: dict[str, Any] = {}
    """``METHOD template`` -> JSON body with placeholders."""
    log: LogTable = LogTable()
    login: LoginTable = LoginTable()
    take: tuple[TakeTable, ...] = ()
    declared: tuple[DeclaredTable, ...] = ()
    users: UsersTable = UsersTable()

    @property
    def sent(self) -> dict[str, Any]:
        """The writing requests that can be sent: those with a body, and the login's own."""
        return {**self.writes, **dict.fromkeys(one.request for one in self.login.request)}


def secret(reference: str, environment: Mapping[str, str] | None = None) -> str:
    """What a reference stands for; raises UsageError for a value that is written out, or cannot be read."""
    kind, _, where = reference.partition(":")
    if kind == "env" and where:
        value = (os.environ if environment is None else environment).get(where)
        if value is None:
            raise UsageError(f"the environment has no {where}", why="traffic.toml names it for the login")
        return value
    if kind == "file" and where.startswith("/"):
        try:
            with Path(where).open("rb") as stream:
                return stream.read(_MOST_SECRET).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the login's secret cannot be read from {where}: {error.__class__.__name__}") from error
    raise UsageError(
        "traffic.toml holds a credential itself",
        why="a release folder is copied and kept; secrets must not be in it",
        fix='refer to it: "env:NAME" or "file:/path"',
        slug="credential-written-out",
    )
