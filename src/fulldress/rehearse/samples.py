"""The single requests of a load as a file: packed by the generator, read and merged by whoever started it."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from fulldress.measure.load import Outcome
from fulldress.rehearse.openloop import KINDS

_RECORD = struct.Struct("<dffHHB")
_GENERATOR_LIMITED_S = 0.001
_MOST_NAMES = 65_535


class Sample(NamedTuple):
    """One line of ``samples.bin``: times in seconds, ``latency`` None without an answer or time-out."""

    due: float
    latency: float | None
    lag: float
    status: int
    endpoint: str
    generator_limited: bool
    """The generator itself was more than a millisecond late."""
    failure: str = ""
    """Why there is no good answer, when the status does not tell."""


def packed(outcomes: Iterable[Outcome]) -> bytes:
    """The file's bytes, in the order given."""
    names: dict[str, int] = {}
    kinds = {kind: number for number, kind in enumerate(KINDS)}
    out = bytearray()
    pack = _RECORD.pack
    for due, latency, status, endpoint, lag, failure in map(_FIELDS, outcomes):
        name = names.setdefault(endpoint, len(names)) if len(names) < _MOST_NAMES else names.get(endpoint, _MOST_NAMES)
        out += pack(due, -1.0 if latency is None else latency, lag, status, name, kinds[failure])
    return msgspec.json.encode([*names, "(other endpoints)"]) + b"\n" + out


_FIELDS = attrgetter("due", "latency", "status", "endpoint", "lag", "failure")


def outcomes_in(path: Path) -> Iterator[Outcome]:
    """What :func:`packed` made of them."""
    head, _, body = path.read_bytes().partition(b"\n")
    names = msgspec.json.decode(head, type=list[str])
    for due, latency, lag, status, name, kind in _RECORD.iter_unpack(body):
        yield Outcome(due, None if latency < 0 else latency, status, names[min(name, len(names) - 1)], lag, KINDS[kind])


def read_samples(path: Path) -> Iterator[Sample]:
    """The single requests of a load, in the order they were due."""
    for one in outcomes_in(path):
        limited = one.lag > _GENERATOR_LIMITED_S
        yield Sample(one.due, one.latency, one.lag, one.status, one.endpoint, limited, one.failure)


def merged(paths: Iterable[Path]) -> Iterator[Outcome]:
    """Several files as one, in the order of when the requests were due."""
    return heapq.merge(*map(outcomes_in, paths), key=lambda one: one.due)
