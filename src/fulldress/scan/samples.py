"""Samples of rules as contexts: files held in memory, as if they had been unpacked. For tests and for rule authors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

from fulldress.formats.patterns import Matcher, Pattern
from fulldress.model.finding import Cure
from fulldress.model.package import Entry, PackageLock
from fulldress.scan.rule import Context, Looked, Sample, looked_at


@lru_cache(maxsize=256)
def _matcher(patterns: tuple[Pattern, ...]) -> Matcher:
    """Compiled once: many samples are searched for the same patterns."""
    return Matcher(patterns)


def as_sample(sample: Mapping[str, str | bytes] | Sample) -> Sample:
    """A plain ``{place: text}`` as a Sample."""
    return sample if isinstance(sample, Sample) else Sample(files=dict(sample))


def context_of(sample: Mapping[str, str | bytes] | Sample) -> Context:
    """The context that a rule would see if the sample were the package."""
    given = as_sample(sample)
    blobs: dict[str, bytes] = {}
    entries = []
    for place, content in given.files.items():
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        sha256 = hashlib.sha256(data).hexdigest()
        blobs[sha256] = data
        modified = given.times.get(place, given.modified)
        mode = given.modes.get(place, 0o755 if data.startswith(b"#!") else 0o644)
        entries.append(Entry(place=place, kind="file", size=len(data), sha256=sha256, modified=modified, mode=mode))

    def search(patterns: Sequence[Pattern]) -> dict[str, Looked]:
        return {sha256: looked_at(data, _matcher(tuple(patterns))) for sha256, data in blobs.items()}

    size = sum(len(b) for b in blobs.values())
    lock = PackageLock(
        name="sample.zip",
        sha256="0" * 64,
        size=size,
        format="zip",
        entries=tuple(entries),
        bytes_inspected=size,
        not_inspected=given.not_inspected,
        remarks=given.remarks,
    )
    context = Context(
        lock,
        blobs.__getitem__,
        estate=given.estate,
        impacts=given.impacts,
        matrix=given.matrix,
        trust=given.trust,
        release=given.release,
        advisories=given.advisories,
        drafted=given.drafted,
        search=search,
    )
    context.known_hosts = frozenset(given.known_hosts) if given.known_hosts is not None else None
    return context


def cured(sample: Mapping[str, str | bytes] | Sample, cure: Cure) -> Sample:
    """The sample after a cure's edits, with the steps that it drafted."""
    given = as_sample(sample)
    files = {place: content for place, content in given.files.items() if cure.edits.get(place, b"") is not None}
    files.update({place: data for place, data in cure.edits.items() if data is not None})
    return Sample(
        files=files,
        estate=given.estate,
        impacts=given.impacts,
        matrix=given.matrix,
        trust=given.trust,
        release=given.release,
        advisories=given.advisories,
        drafted=(*given.drafted, *cure.steps),
        modified=given.modified,
        times=given.times,
        modes=given.modes,
        not_inspected=given.not_inspected,
        remarks=given.remarks,
    )
