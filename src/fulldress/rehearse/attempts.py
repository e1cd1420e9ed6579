"""What clients did when a third party failed: attempts and the intervals between them, from the sink's journal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from fulldress.model.rehearsal import Retries
from fulldress.rehearse.outside import Entry

TOO_MANY = 429
_ERROR = 500


def retries(journal: Iterable[Entry]) -> list[Retries]:
    """One row for each call, or place, of which an attempt failed; the one that was tried most often first."""
    entries = list(journal)
    asked: dict[tuple[str, str, str], list[Entry]] = {}
    places: dict[str, list[Entry]] = {}
    for one in entries:
        if one.what == "request":
            asked.setdefault((one.endpoint, one.method, one.path), []).append(one)
        elif one.what == "connect":
            places.setdefault(one.endpoint, []).append(one)
    rows = [_row(group, method, path) for (_, method, path), group in asked.items() if any(map(failed, group))]
    rows += [_row(group, "", "") for group in places.values() if any(map(failed, group))]
    return sorted(rows, key=lambda row: (-row.attempts, row.endpoint, row.path))


def failed(entry: Entry) -> bool:
    """Whether a client would try this again: struck, refused, told to wait, or an error of the server."""
    return bool(entry.scripted) or entry.status == TOO_MANY or entry.status >= _ERROR


def _row(group: Sequence[Entry], method: str, path: str) -> Retries:
    pairs = pairwise(group)
    return Retries(
        endpoint=group[0].endpoint,
        method=method,
        path=path,
        attempts=len(group),
        failed=sum(map(failed, group)),
        intervals=tuple(round(after.at - before.at, 3) for before, after in pairs if failed(before)),
        scripted=tuple(dict.fromkeys(one.scripted for one in group if one.scripted)),
        asked_s=max(one.retry_after_s for one in group),
        recovered=not failed(group[-1]),
    )
