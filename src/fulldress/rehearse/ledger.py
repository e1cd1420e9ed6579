"""From the sink's journal to the report: calls, side effects with their drafted undo, and the tally. Pure; no I/O."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import OutsideCall, SideEffect
from fulldress.rehearse.outside import Entry, Kind
from fulldress.rehearse.undodraft import undo_step

_TLS_PORT = 443


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The journal beside the kernel's own count of what left the clone (``address:port/protocol`` -> how often)."""

    journal: dict[str, int]
    kernel: dict[str, int]
    pinged: tuple[str, ...] = ()
    """Addresses that were pinged. The kernel answers and counts these itself; the journal never sees them."""
    unaccounted: tuple[str, ...]
    """Places that the kernel saw and the journal did not: something left without being recorded."""

    @property
    def reconciled(self) -> bool:
        """Whether the journal knows of every place that the kernel saw."""
        return not self.unaccounted


def step_at(at: float, steps: Sequence[StepTiming]) -> str:
    """Id of the step that was under way at a moment (epoch seconds), or empty."""
    return next((step.id for step in reversed(steps) if step.started <= at <= step.ended), "")


def calls(journal: Iterable[Entry], steps: Sequence[StepTiming] = ()) -> list[OutsideCall]:
    """Everything that was asked of the outside; a connection in which nothing was said appears as itself."""
    entries = list(journal)
    spoken = {one.connection for one in entries if one.connection and one.what not in ("connect", "trouble")}
    return [
        OutsideCall(
            at=one.at,
            protocol=one.protocol,
            endpoint=one.endpoint,
            method=one.method,
            path=one.path,
            status=one.status,
            body_sha256=one.body_sha256,
            detail=_detail(one),
            step=step_at(one.at, steps),
        )
        for one in entries
        if one.what not in ("connect", "trouble") or (one.what == "connect" and one.connection not in spoken)
    ]


def _detail(entry: Entry) -> str:
    parts = [entry.detail] if entry.detail else []
    if entry.scripted and entry.what != "connect":
        parts.append(f"struck as declared: {entry.scripted}")
    if entry.hard_coded:
        parts.append("address hard-coded")
    if entry.created:
        parts.append(f"created {entry.created}")
    return "; ".join(parts)


class _Open(msgspec.Struct, kw_only=True):
    """A side effect while the journal is read."""

    kind: Kind
    first: Entry
    resource: str
    undo: str
    closed: bool = False
    original: str = ""
    """Digest of the value before the first change."""


def effects(journal: Iterable[Entry], steps: Sequence[StepTiming] = ()) -> list[SideEffect]:
    """What was changed out there, oldest first, each with the call that undoes it and whether that was seen.

    Mere messages (declared events) are gathered per place as one effect of kind ``other``: they leave nothing behind that
    could be undone, so it is closed and has no undo.
    """
    ledger = _Ledger()
    for entry in journal:
        ledger.read(entry)
    return [
        SideEffect(
            kind=one.kind,
            endpoint=one.first.endpoint,
            method=one.first.method,
            path=one.first.path,
            resource=one.resource,
            opened_by=step_at(one.first.at, steps),
            closed=one.closed,
            undo=one.undo,
            step="" if one.closed else undo_step(one.undo, one.kind, one.resource, created=bool(one.first.created)),
        )
        for one in ledger.found()
    ]


class _Ledger:
    def __init__(self) -> None:
        self._by_place: dict[tuple[str, str], _Open] = {}
        self._over: list[_Open] = []
        self._events: dict[tuple[str, str], tuple[_Open, int]] = {}
        self._mails: list[_Open] = []

    def read(self, entry: Entry) -> None:
        if entry.event:
            self._event(entry)
        elif entry.what == "mail":
            self._mails.append(_Open(kind="mail", first=entry, resource=entry.path, undo="none: a mail cannot be recalled"))
        elif entry.what == "file":
            self._file(entry)
        elif entry.what == "request" and entry.kind:
            self._request(entry, entry.kind)

    def found(self) -> list[_Open]:
        for event, times in self._events.values():
            event.resource = f"{times} message{'s' if times > 1 else ''}"
        every = [*self._by_place.values(), *self._over, *self._mails, *(event for event, _ in self._events.values())]
        return sorted(every, key=lambda one: one.first.seq)

    def _event(self, entry: Entry) -> None:
        key = (entry.endpoint, entry.path)
        event, times = self._events.get(key, (_Open(kind="other", first=entry, resource="", undo="", closed=True), 0))
        self._events[key] = (event, times + 1)

    def _request(self, entry: Entry, kind: Kind) -> None:
        if entry.created:
            place = f"{entry.path.rstrip('/')}/{entry.created}"
            undo = f"DELETE {_url(entry, place)}"
            self._by_place[entry.endpoint, place] = _Open(kind=kind, first=entry, resource=entry.created, undo=undo)
            return
        place = entry.path.rstrip("/")
        known = self._by_place.get((entry.endpoint, place))
        if known is not None:
            known.closed = entry.after == known.original
            if known.closed:
                self._over.append(self._by_place.pop((entry.endpoint, place)))
        elif entry.before != entry.after:
            self._by_place[entry.endpoint, place] = _Open(
                kind=kind,
                first=entry,
                resource=place.rpartition("/")[2],
                undo=_undo(entry, place),
                original=entry.before,
            )

    def _file(self, entry: Entry) -> None:
        key = (entry.endpoint, entry.path)
        if entry.method == "PUT" and key not in self._by_place:
            undo = f"rm sftp://{entry.endpoint}{entry.path}"
            self._by_place[key] = _Open(kind="upload", first=entry, resource=entry.path, undo=undo)
        elif entry.method == "RENAME" and (moved := self._by_place.pop(key, None)) is not None:
            moved.resource, moved.undo = entry.detail, f"rm sftp://{entry.endpoint}{entry.detail}"
            self._by_place[entry.endpoint, entry.detail] = moved
        elif entry.method == "REMOVE" and (gone := self._by_place.pop(key, None)) is not None:
            gone.closed = True
            self._over.append(gone)


def _url(entry: Entry, place: str) -> str:
    name, _, port = entry.endpoint.rpartition(":")
    usual = (entry.protocol, port) in (("http", "80"), ("https", str(_TLS_PORT)))
    return f"{entry.protocol}://{name if usual else entry.endpoint}{place}"


def _undo(entry: Entry, place: str) -> str:
    if not entry.before:
        return f"DELETE {_url(entry, place)}"
    value = entry.restore or "<the value from before the upgrade: ask for it beforehand>"
    return f"PUT {_url(entry, place)} {value}"


def tally(journal: Iterable[Entry], kernel: Mapping[str, int]) -> Tally:
    """Reconcile with the kernel's counters (``address:port/protocol`` -> packets that opened something).

    A redirected datagram does not always say whom it was for: where one does not, UDP is compared by sort. Multicast
    and broadcast reach nobody but the link and are not answered.
    """
    counted: Counter[str] = Counter()
    entries = list(journal)
    for one in entries:
        if one.what == "connect":
            counted[f"{one.address}:{one.port}/tcp"] += 1
        elif one.what == "udp":
            counted["*/udp"] += 1
            counted[f"{one.address}:{one.port}/udp"] += bool(one.address)
        elif one.protocol == "dns":
            counted["*:53/dns"] += 1
    named = all(one.address for one in entries if one.what == "udp")
    missing = tuple(
        place
        for place in sorted(kernel)
        if not place.endswith("/icmp") and not _to_the_link(place) and _journal_name(place, named) not in counted
    )
    pinged = tuple(place.removesuffix("/icmp") for place in sorted(kernel) if place.endswith("/icmp"))
    return Tally(journal=dict(counted), kernel=dict(kernel), pinged=pinged, unaccounted=missing)


def _to_the_link(place: str) -> bool:
    address = ipaddress.ip_address(place.rpartition(":")[0])
    return address.is_multicast or str(address) == "255.255.255.255"


def _journal_name(place: str, named: bool) -> str:
    if place.endswith((":53/tcp", ":53/udp")):
        return "*:53/dns"
    return "*/udp" if place.endswith("/udp") and not named else place
