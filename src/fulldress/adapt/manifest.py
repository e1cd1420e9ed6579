"""What was packed anew: archives whose bytes differ from the vendor's, and what inside them is still the vendor's. Pure."""

from __future__ import annotations

import msgspec

from fulldress.adapt.tree import changed_places, container_of
from fulldress.model.package import PackageLock


class Repacked(msgspec.Struct, frozen=True, kw_only=True):
    """One archive that was built anew."""

    place: str
    format: str
    sha256_before: str
    """The vendor's; a signature over these bytes does not cover the new ones."""
    sha256_after: str
    members: int
    """Files directly inside, now."""
    identical: int
    """Of those, how many are the vendor's byte for byte."""
    changed: tuple[str, ...]
    """Places inside that differ, were added or removed (archives in it are listed by themselves)."""


class RepackManifest(msgspec.Struct, frozen=True, kw_only=True):
    """``04-adaptations/repack.json``."""

    schema_version: int = 1
    package_before: str
    package_after: str
    repacked: tuple[Repacked, ...]
    untouched: int
    """Archives that are still the vendor's byte for byte."""


def manifest(before: PackageLock, after: PackageLock) -> RepackManifest:
    """The record of what :func:`fulldress.adapt.repack.repacked` did."""
    old = {e.place: e for e in before.entries}
    changed = changed_places(before, after)
    containers = [e for e in after.entries if e.kind == "container" and e.place in old]
    anew = []
    for entry in [e for e in containers if e.sha256 != old[e.place].sha256]:
        inside = [e for e in after.entries if e.sha256 and container_of(e.place) == entry.place]
        anew.append(
            Repacked(
                place=entry.place,
                format=entry.format,
                sha256_before=old[entry.place].sha256,
                sha256_after=entry.sha256,
                members=len(inside),
                identical=sum(e.place in old and old[e.place].sha256 == e.sha256 for e in inside),
                changed=tuple(place for place in changed if container_of(place) == entry.place),
            )
        )
    return RepackManifest(
        package_before=before.sha256,
        package_after=after.sha256,
        repacked=tuple(anew),
        untouched=len(containers) - len(anew),
    )
