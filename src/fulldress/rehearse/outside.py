"""What the outside world answers in a rehearsal (``outside.toml``), and the record of what was asked. Types; no I/O.

Shared by the sink's server process (which fills the journal) and by the rehearsal (which reads it).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

Kind = Literal["webhook", "flag", "credential", "upload", "mail", "other"]

_WORDS: tuple[tuple[str, Kind], ...] = (
    ("hook", "webhook"),
    ("subscription", "webhook"),
    ("callback", "webhook"),
    ("flag", "flag"),
    ("feature", "flag"),
    ("toggle", "flag"),
    ("token", "credential"),
    ("credential", "credential"),
    ("secret", "credential"),
    ("key", "credential"),
    ("certificate", "credential"),
)


Seconds = float | tuple[float, float]
"""Fixed, or somewhere between two (drawn with the endpoint's seed)."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Misbehaviour that provokes retries. Struck are all requests that fit, or of them: the ``first`` N, a ``share``, or
    those beyond ``allowed`` within ``within-s`` seconds."""

    path: str = "*"
    method: str = "*"
    kind: Literal["status", "reset", "timeout", "trickle", "truncate"] = "status"
    """An error status; the connection is reset; no answer ever; the answer byte by byte; half of the answer. After a
    ``trickle`` and a ``truncate`` the request was obeyed all the same, as it may happen out there."""
    status: int = 503
    retry_after_s: int = 0
    """Sent as ``Retry-After``; 0: not sent."""
    first: int = 0
    share: float = 0.0
    allowed: int = 0
    within_s: float = 1.0
    latency_s: Seconds = 0.0
    """Before it strikes; between two bytes of a ``trickle`` (0: a tenth of a second)."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A scripted answer: the first whose method and path fit is given."""

    path: str
    """Shell pattern, ``/v2/reference/*``."""
    method: str = "*"
    status: int = 200
    body: Any = None
    """JSON value, or a string sent as it is."""
    latency_s: Seconds = 0.0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """How one third party behaves. Without a description it is a friendly server that remembers what it is told."""

    kind: str = ""
    """Which stub speaks (http, sftp, smtp, raw); empty: found out from the port and the first bytes."""
    mode: Literal["ok", "refuse", "blackhole"] = "ok"
    latency_s: Seconds = 0.0
    """Before every answer."""
    refuse_first: int = 0
    """So many connections are refused, then it is there: a service that is still starting."""
    fault: tuple[Fault, ...] = ()
    seed: int = 1
    """Of shares and ranges: the same seed strikes the same requests."""
    answer: tuple[Answer, ...] = ()
    events: tuple[str, ...] = ()
    """Path patterns to which a POST is a mere message: answered 202, nothing is created."""
    initial: dict[str, Any] = {}
    """Path -> JSON value that is already there."""
    kinds: dict[str, Kind] = {}
    """Path pattern -> what a change there means; else guessed from words of the path."""
    id_prefix: str = ""


class Outside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The whole file: names that do not resolve, and endpoints by ``name`` or ``name:port``."""

    dns: dict[str, str] = {}
    """Name -> ``NXDOMAIN``; ``TXT name`` -> text, ``MX name`` -> mail server, ``SRV _x._tcp.name`` -> ``name:port``."""
    endpoint: dict[str, Endpoint] = {}

    def of(self, name: str, port: int) -> Endpoint:
        """The description for a place asked for, with its port or without; the friendly default when there is none."""
        return self.endpoint.get(f"{name}:{port}") or self.endpoint.get(name) or Endpoint()


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens. The ports are those to which the namespace's rules redirect."""

    address: str = "::"
    tcp: int = 9000
    udp: int = 9001
    dns: int = 5353


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the sink's journal. Contents appear as digests only, secrets never."""

    seq: int
    at: float
    """Seconds since the epoch."""
    what: str
    """connect, dns, request (http), file (sftp), mail, login, data (raw), udp, trouble."""
    connection: int = 0
    protocol: str = ""
    """dns, http, https, sftp, smtp, tcp, udp."""
    endpoint: str = ""
    """``name:port``."""
    address: str = ""
    port: int = 0
    hard_coded: bool = False
    """The address was used without asking for a name."""
    method: str = ""
    path: str = ""
    status: int = 0
    size: int = 0
    body_sha256: str = ""
    detail: str = ""
    kind: Kind | Literal[""] = ""
    """What a change here means; empty when nothing was changed."""
    created: str = ""
    """Id of the resource that the request made."""
    event: bool = False
    scripted: str = ""
    """The declared misbehaviour that struck here; empty when none did."""
    retry_after_s: float = 0.0
    """What it was told to wait."""
    before: str = ""
    """Digest of what was there, empty when nothing was."""
    after: str = ""
    """Digest of what is there now, empty when nothing is."""
    restore: str = ""
    """What was there, as JSON, when it is the declared initial value (so no secret)."""


def kind_of(endpoint: Endpoint, path: str) -> Kind:
    """What a change at this path means: as declared, else by words of the path."""
    for pattern, kind in endpoint.kinds.items():
        if fnmatchcase(path, pattern):
            return kind
    lowered = path.lower()
    return next((kind for word, kind in _WORDS if word in lowered), "other")
