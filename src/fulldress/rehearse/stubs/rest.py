"""What a remembering REST service would answer: POST makes, PUT stores, GET shows, DELETE removes. Pure; no I/O."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec

from fulldress.rehearse.outside import Answer, Endpoint, Seconds, kind_of
from fulldress.rehearse.stubs.base import digest

_MOST_RESOURCES = 10_000
_MOST_BYTES = 64 * 1024 * 1024
"""Of all bodies ever stored: a clone may be hostile, and the memory is ours."""


class Reply(msgspec.Struct, kw_only=True):
    """An answer, and what of it belongs in the journal (the fields of an Entry)."""

    status: int
    body: bytes = b""
    latencies: tuple[Seconds, ...] = ()
    """All of them are waited for, one after another."""
    headers: tuple[str, ...] = ()
    notes: dict[str, Any] = {}


class Rest:
    """The memory of one third party: JSON values by path."""

    def __init__(self, policy: Endpoint) -> None:
        self._policy = policy
        self._values: dict[str, Any] = dict(policy.initial)
        self._collections: set[str] = set()
        self._made = 0
        self._room = _MOST_BYTES

    def ask(self, method: str, path: str, body: bytes) -> Reply:
        """Answer one request; ``path`` without its query."""
        scripted = self._scripted(method, path)
        if scripted is not None:
            return scripted
        reply = self._remembered(method, path.rstrip("/") or "/", body)
        reply.latencies = (self._policy.latency_s,)
        return reply

    def _scripted(self, method: str, path: str) -> Reply | None:
        for answer in self._policy.answer:
            if fnmatchcase(method, answer.method.upper()) and fnmatchcase(path, answer.path):
                latencies = (self._policy.latency_s, answer.latency_s)
                return Reply(status=answer.status, body=_scripted_body(answer), latencies=latencies)
        return None

    def _remembered(self, method: str, path: str, body: bytes) -> Reply:
        if method in ("GET", "HEAD"):
            return self._get(path)
        if method == "POST":
            return self._post(path, body)
        if method in ("PUT", "PATCH"):
            return self._put(path, body, merge=method == "PATCH")
        if method == "DELETE":
            return self._delete(path)
        return _json(200 if method == "OPTIONS" else 405, {})

    def _get(self, path: str) -> Reply:
        if path in self._values:
            return _json(200, self._values[path])
        items = [value for key, value in self._values.items() if key.rpartition("/")[0] == path]
        is_collection = bool(items) or path in self._collections
        return _json(200, items) if is_collection else _json(404, {"error": "not found"})

    def _post(self, path: str, body: bytes) -> Reply:
        if any(fnmatchcase(path, pattern) for pattern in self._policy.events):
            reply = _json(202, {"accepted": True})
            reply.notes = {"event": True, "kind": "other"}
            return reply
        if not self._takes(body, new=True):
            return _json(507, {"error": "full"})
        self._made += 1
        name = f"{self._policy.id_prefix}{digest(f'{path} {self._made}'.encode())[:12]}"
        sent = _decoded(body)
        value = {**sent, "id": name} if isinstance(sent, dict) else {"id": name, "value": sent}
        self._values[f"{path}/{name}"] = value
        self._collections.add(path)
        reply = _json(201, value)
        reply.notes = {"created": name, "kind": kind_of(self._policy, path), "after": _digest(value)}
        return reply

    def _put(self, path: str, body: bytes, *, merge: bool) -> Reply:
        there = path in self._values
        before = self._values.get(path)
        value = _decoded(body)
        if isinstance(before, dict) and isinstance(value, dict) and (merge or self._owns_fields(path, value)):
            value = {**before, **value}
        if not self._takes(body, new=not there):
            return _json(507, {"error": "full"})
        self._values[path] = value
        reply = _json(200 if there else 201, value)
        reply.notes = {
            "kind": kind_of(self._policy, path),
            "before": _digest(before) if there else "",
            "after": _digest(value),
            "restore": self._restore(path, before) if there else "",
        }
        return reply

    def _owns_fields(self, path: str, value: dict[str, Any]) -> bool:
        """Whether a PUT leaves out keys that the declared value has (a name, a time): these stay, they are the service's."""
        declared = self._policy.initial.get(path)
        return isinstance(declared, dict) and set(value) < set(declared)

    def _takes(self, body: bytes, *, new: bool) -> bool:
        """Whether there is room for one more value."""
        self._room -= len(body)
        return self._room >= 0 and not (new and len(self._values) >= _MOST_RESOURCES)

    def _delete(self, path: str) -> Reply:
        if path not in self._values:
            return _json(404, {"error": "not found"})
        before = self._values.pop(path)
        notes = {"kind": kind_of(self._policy, path), "before": _digest(before), "restore": self._restore(path, before)}
        return Reply(status=204, notes=notes)

    def _restore(self, path: str, before: Any) -> str:
        declared = self._policy.initial.get(path)
        return msgspec.json.encode(before).decode() if declared is not None and declared == before else ""


def _scripted_body(answer: Answer) -> bytes:
    if answer.body is None:
        return b""
    return answer.body.encode() if isinstance(answer.body, str) else msgspec.json.encode(answer.body)


def _json(status: int, value: Any) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(value))


def _decoded(body: bytes) -> Any:
    """The JSON of a body; of anything else only the digest is remembered."""
    if not body:
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {"sha256": digest(body)}


def _digest(value: Any) -> str:
    return digest(msgspec.json.encode(value, order="deterministic"))
