"""Schedules drawn from a traffic model: the same seed gives the same requests at the same times. Pure: no I/O.

Whole real minutes of the log are resampled, so that its bursts survive; more load than real is several such minutes laid
over each other. Where the log tells clients apart, several minutes in a row are drawn and each client's requests in them
become a session: its first one leaves by the clock, the others after the answer and the user's own pause.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import NamedTuple

import msgspec

from fulldress.errors import UsageError
from fulldress.rehearse.bodies import fill
from fulldress.rehearse.declared import TrafficFile
from fulldress.rehearse.logins import Personal, personal
from fulldress.rehearse.model_traffic import (
    MOST_PLANNED,
    SAFE_METHODS,
    Endpoint,
    Hour,
    InSession,
    Minute,
    Planned,
    TrafficModel,
)
from fulldress.rehearse.visits import BLOCK, Step, blocks, chains

IDENTIFIED = 0.5
"""From this share on, of requests whose client the log tells, there are sessions."""
_MINUTE = 60


class Drawn(NamedTuple):
    """A schedule, and what of it the log does not have."""

    planned: list[Planned]
    added: Counter[str]
    """Requests that were put in so that others can succeed (logins, forms with a token): endpoint -> how many."""


def schedule(
    model: TrafficModel,
    *,
    seconds: float,
    multiple: float = 1.0,
    hour: Hour = "peak",
    seed: int,
    writes: Mapping[str, object] | None = None,
) -> list[Planned]:
    """Requests for so many seconds, drawn from one hour of the model; the same seed gives the same schedule.

    ``multiple`` scales the rate. ``writes`` declares bodies: ``{"POST /api/results": {"value": "{int:1:9}"}}`` with the
    placeholders of :func:`fulldress.rehearse.bodies.fill`. Raises UsageError when the hour or an endpoint is unknown, or
    the schedule would not fit in memory.
    """
    declared = TrafficFile(writes=dict(writes or {}))
    return drawn(model, seconds=seconds, multiple=multiple, hour=hour, seed=seed, declared=declared).planned


def drawn(
    model: TrafficModel,
    *,
    seconds: float,
    multiple: float = 1.0,
    hour: Hour = "peak",
    seed: int,
    declared: TrafficFile,
) -> Drawn:
    """The same, with logins and values taken from answers as declared."""
    pool = model.pool(hour)
    expected = sum(len(one.offsets_ms) for one in pool) / len(pool) * seconds / _MINUTE * multiple
    if expected > MOST_PLANNED or not 0 < seconds <= 7 * 86400 or not 0 < multiple < 1e6:
        raise UsageError(
            f"{seconds:g} s at {multiple:g} times the log are about {expected:.0f} requests",
            why=f"one schedule holds at most {MOST_PLANNED}",
            fix="shorten the load or lower the multiple",
        )
    _known(model, declared.writes)
    drawing = _Drawing(model, seconds, seed, declared)
    length = BLOCK if has_sessions(model) else 1
    stretches = _endlessly(blocks(pool, length), drawing.random)
    for share in _layers(multiple):
        begin = 0
        while begin < seconds:
            block = next(stretches)
            drawing.block(block, begin, share)
            begin += _MINUTE * len(block)
    return drawing.result()


def has_sessions(model: TrafficModel) -> bool:
    """Whether the log tells clients apart well enough."""
    return model.identified >= IDENTIFIED


def _known(model: TrafficModel, writes: Mapping[str, object]) -> None:
    """A body for an endpoint that the log does not have is a misspelling: silently sending nothing would hide it."""
    names = {one.name for one in model.endpoints if one.method not in SAFE_METHODS}
    for name in writes:
        if name not in names:
            raise UsageError(
                f"a body is declared for {name!r}, which the log never saw",
                fix=f"the log's writing endpoints are: {', '.join(sorted(names)) or 'none'}",
            )


def _layers(multiple: float) -> list[float]:
    """So many real stretches laid over each other; the broken part of it is one thinned out."""
    whole, part = int(multiple), multiple - int(multiple)
    return [1.0] * whole + ([part] if part > 1e-9 else [])


def _endlessly(stretches: Sequence[tuple[Minute, ...]], draw: random.Random) -> Iterator[tuple[Minute, ...]]:
    """Every stretch once in random order, then all again; so a long schedule has the hour's rate."""
    while True:
        yield from draw.sample(stretches, len(stretches))


class _Drawing:
    """A schedule being drawn."""

    def __init__(self, model: TrafficModel, seconds: float, seed: int, declared: TrafficFile) -> None:
        self.model, self.seconds, self.declared = model, seconds, declared
        self.random = random.Random(seed)
        self.personal: Personal = personal(declared, model)
        self._sent = declared.sent
        self._numbers = count()
        self._sequence = 0
        self._found: list[tuple[float, Planned]] = []
        self._added: Counter[str] = Counter()
        self._chains: dict[int, tuple[list[list[Step]], list[Step]]] = {}

    def result(self) -> Drawn:
        """What was drawn, in the order of its times; of equal ones in the order of their session."""
        self._found.sort(key=itemgetter(0))
        return Drawn([one for _, one in self._found], self._added)

    def block(self, block: Sequence[Minute], begin: float, share: float) -> None:
        """One stretch of the log, from ``begin`` on, thinned out to a ``share``: whole visits stay or go."""
        if not has_sessions(self.model):
            visits: Iterable[Sequence[Step]] = ([step] for step in _plain(block))
        else:
            visits = self._visits(block)
        for visit in visits:
            if share == 1.0 or self.random.random() < share:
                self._visit(visit, begin)

    def _visits(self, block: Sequence[Minute]) -> list[Sequence[Step]]:
        if block[0].start not in self._chains:
            self._chains[block[0].start] = chains(block)
        found, singles = self._chains[block[0].start]
        return [*found, *([step] for step in singles)]

    def _visit(self, visit: Sequence[Step], begin: float) -> None:
        jitter = self.random.random() / 1000  # the log's clock knows milliseconds
        planned: list[Planned] = []
        think = 0.0
        for step in visit:
            at = begin + step.at + jitter
            if at >= self.seconds:
                break
            think += step.think
            one = self._request(self.model.endpoints[step.endpoint], step.path, at)
            if one is None:
                think += step.took
                continue
            planned.append(msgspec.structs.replace(one, session=InSession(0, round(think, 3) if planned else 0.0)))
            think = 0.0
        if planned:
            self._keep(planned)

    def _keep(self, planned: list[Planned]) -> None:
        whole, added = self.personal.complete(planned)
        self._added.update(added)
        number = next(self._numbers)
        for one in whole:
            tie = one.session or InSession(0)
            alone = len(whole) == 1 and not tie.take
            session = None if alone else msgspec.structs.replace(tie, id=number)
            self._found.append((one.at_s, msgspec.structs.replace(one, session=session)))

    def _request(self, endpoint: Endpoint, path: int, at: float) -> Planned | None:
        body: bytes | None = None
        if endpoint.method not in SAFE_METHODS and endpoint.name not in self._sent:
            return None
        if endpoint.name in self.declared.writes:
            body = msgspec.json.encode(fill(self.declared.writes[endpoint.name], self.random, self._sequence))
        self._sequence += 1
        asked = self.model.paths[path] if path >= 0 else self.random.choice(endpoint.examples)
        return Planned(round(at, 6), endpoint.method, asked, body, endpoint.name)


def _plain(block: Sequence[Minute]) -> Iterator[Step]:
    for place, minute in enumerate(block):
        for offset, index in zip(minute.offsets_ms, minute.endpoints, strict=True):
            yield Step(place * _MINUTE + offset / 1000, 0.0, index, -1, 0, 0.0)
