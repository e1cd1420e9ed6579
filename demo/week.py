"""A week of production's nginx access logs: days and nights, weekends, bursts within minutes, a believable mix.

``python -m demo.week [FILE]``. Deterministic for a given end and seed; no network, no clock. Lines are in the
``fulldress`` log format and in the order nginx writes them, by completion.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAYS = 7
ZONE = ZoneInfo("Europe/Vienna")
END = datetime(2026, 11, 20, 0, 0, tzinfo=ZONE)
"""Midnight at the end of the week's last whole day: the package arrives on the Friday that begins then."""

# Mean requests per second by hour of a working day; a laboratory starts early and is quiet at night.
_HOURS = (
    0.02, 0.05, 0.02, 0.02, 0.03, 0.06, 0.25, 0.55, 0.85, 1.0, 1.0, 0.9,
    0.55, 0.75, 0.95, 0.85, 0.6, 0.3, 0.12, 0.08, 0.05, 0.04, 0.03, 0.02,
)  # fmt: skip
_WEEKDAYS = (1.0, 0.97, 0.95, 0.96, 0.85, 0.12, 0.06)
PEAK = 0.95
"""Mean requests per second of the busiest ordinary hour."""
_SHIFT, _SHIFT_MINUTES, _SHIFT_RATE = 8 * 60 + 5, 6.0, 16.0
"""At the start of the shift everybody opens the worklists and the night's trays are unloaded: minute of the day, width
(one standard deviation, in minutes) and requests per second at the top."""
_METHODS = ("ph", "chloride", "nitrate", "lead", "turbidity", "hardness")
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_INSTRUMENT = "autosampler/3.1"
_PARTNER = "partner-portal/7"


class Kind(NamedTuple):
    """One sort of request: share of the traffic, and how long its answers take (median in ms, spread, mean bytes)."""

    name: str
    share: float
    median_ms: float
    spread: float
    size: int


KINDS = (
    Kind("page", 0.15, 14.0, 0.35, 11500),
    Kind("style", 0.03, 2.0, 0.3, 4100),
    Kind("results", 0.22, 8.0, 0.35, 5600),
    Kind("result", 0.17, 4.0, 0.3, 250),
    Kind("samples", 0.11, 6.0, 0.35, 3600),
    Kind("sample", 0.08, 5.0, 0.3, 330),
    Kind("analyses", 0.06, 7.0, 0.35, 2300),
    Kind("reference", 0.05, 5.0, 0.9, 95),
    Kind("enter", 0.07, 7.0, 0.4, 15),
    Kind("approve", 0.04, 9.0, 0.4, 23),
    Kind("missing", 0.008, 3.0, 0.3, 22),
    Kind("health", 0.012, 3.0, 0.2, 62),
)


def _request(kind: str, rng: random.Random, results: int) -> tuple[str, int, str]:
    """(request line without protocol, status, user agent)."""
    pick = rng.random()
    recent = max(1, results - int(rng.expovariate(1 / 900)))
    method = _METHODS[int(pick * 6)]
    page = f"&page={1 + int(rng.expovariate(1.2))}" if pick < 0.3 else ""
    state = rng.choice(("entered", "approved"))
    match kind:
        case "page":
            return (f"GET /?status={state}&method={method}{page}" if pick < 0.5 else "GET /"), 200, _BROWSER
        case "style":
            return "GET /static/lims.css?v=4.2", 200, _BROWSER
        case "results":
            return f"GET /api/results?status={state}{page}", 200, _PARTNER
        case "result":
            return f"GET /api/results/{recent}", 200, _PARTNER
        case "samples":
            return f"GET /api/samples?q=S-{recent // 4:07d}"[: 26 + int(pick * 3)] + page, 200, _BROWSER
        case "sample":
            return f"GET /api/samples/{max(1, recent // 4)}", 200, _BROWSER
        case "analyses":
            return f"GET /api/analyses?status=open&method={method}", 200, _INSTRUMENT
        case "reference":
            return f"GET /api/reference/{method}", 200, _INSTRUMENT
        case "enter":
            who = f"auto{1 + int(pick * 4)}"
            return f"POST /api/results?analysis_id={recent}&value={1 + pick * 40:.3f}&person={who}", 201, _INSTRUMENT
        case "approve":
            return f"POST /api/results/{recent}/approve?person=moser", 200, _BROWSER
        case "missing":
            return f"GET /api/results/{results + 10**6 + int(pick * 10**6)}", 404, _PARTNER
        case _:
            return "GET /healthz", 200, "monitor/2"


def arrivals(end: datetime, rng: random.Random, scale: float) -> Iterator[float]:
    """Arrival times in order, in seconds since the epoch: a Poisson process whose minutes and seconds are lumpy."""
    start = (end - timedelta(days=DAYS)).timestamp()
    mood = 0.0
    for minute in range(DAYS * 24 * 60):
        begin = start + minute * 60
        local = datetime.fromtimestamp(begin, UTC).astimezone(ZONE)
        hour, part = local.hour, local.minute / 60
        level = _HOURS[hour] * (1 - part) + _HOURS[(hour + 1) % 24] * part
        mood = 0.9 * mood + rng.gauss(0.0, 0.12)  # neighbouring minutes resemble each other
        surge = _SHIFT_RATE * math.exp(-0.5 * ((local.hour * 60 + local.minute - _SHIFT) / _SHIFT_MINUTES) ** 2)
        expected = 60 * scale * (PEAK * level + surge) * _WEEKDAYS[local.weekday()] * math.exp(mood)
        offsets: list[float] = []
        steady = _poisson(expected * 0.55, rng)
        offsets.extend(rng.random() * 60 for _ in range(steady))
        # The rest comes in clusters: somebody opens a worklist, an autosampler unloads its tray.
        for _ in range(_poisson(expected * 0.45 / 12, rng)):
            at, length = rng.random() * 58, 0.4 + rng.expovariate(0.7)
            offsets.extend(min(59.999, at + rng.random() * length) for _ in range(1 + _poisson(11, rng)))
        yield from (begin + offset for offset in sorted(offsets))


def _poisson(mean: float, rng: random.Random) -> int:
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def lines(*, end: datetime = END, seed: int = 42, results: int = 200_000, scale: float = 1.0) -> list[str]:
    """The log of the seven days before ``end``; ``scale`` multiplies the traffic. Without line ends."""
    rng = random.Random(seed)
    names, shares = [k.name for k in KINDS], [k.share for k in KINDS]
    table = {k.name: k for k in KINDS}
    times = list(arrivals(end, rng, scale))
    done: list[tuple[float, str]] = []
    stamp, stamped = "", -1
    for at, name in zip(times, rng.choices(names, shares, k=len(times)), strict=True):
        kind = table[name]
        request, status, agent = _request(name, rng, results)
        seconds = min(4.0, kind.median_ms / 1000 * math.exp(rng.gauss(0.0, kind.spread)))
        if name == "reference" and rng.random() < 0.012:
            seconds += 0.06  # a retry at the partner
        finished = round(at + seconds, 3)
        if int(finished) != stamped:
            stamped = int(finished)
            stamp = datetime.fromtimestamp(stamped, UTC).astimezone(ZONE).strftime("%d/%b/%Y:%H:%M:%S %z")
        size = max(2, int(kind.size * (0.97 + 0.06 * rng.random())))
        client = f"10.77.{int(agent == _BROWSER)}.{20 + int(rng.random() * 30)}"
        text = f'{client} - - [{stamp}] "{request} HTTP/1.1" {status} {size} "-" "{agent}" {seconds:.3f} {finished:.3f}'
        done.append((finished, text))
    done.sort(key=lambda pair: pair[0])
    return [text for _, text in done]


def by_day(log: list[str]) -> dict[str, list[str]]:
    """The log cut at local midnights as logrotate does; newest first: ``access.log.1``, ``access.log.2`` ..."""
    days: dict[str, list[str]] = {}
    for line in log:
        days.setdefault(line[line.index("[") + 1 :][:11], []).append(line)
    return {f"access.log.{number}": day for number, day in enumerate(reversed(days.values()), 1)}


def write(folder: Path, log: list[str] | None = None) -> list[Path]:
    """Write the week as rotated logs into a folder (production's ``var/log/nginx``); returns the files, newest first."""
    files = []
    for name, day in by_day(lines() if log is None else log).items():
        files.append(folder / name)
        files[-1].write_text("\n".join(day) + "\n")
        files[-1].chmod(0o640)
    return files


def main() -> int:
    """Write the week to the file named, or to standard output."""
    text = "\n".join(lines()) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
