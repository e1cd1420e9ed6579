"""What must follow when a member of an archive changes: the wheel's RECORD, and the signature of a JAR, which cannot.

Pure but for the content store. (A .deb's ``md5sums`` is followed in ``repack``.)
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Mapping

import msgspec

from fulldress.adapt.tree import changed_places, container_of
from fulldress.model.package import Entry, PackageLock
from fulldress.store.blobs import BlobStore

_SIGNATURE = re.compile(r"META-INF/[^/]+\.(SF|RSA|DSA|EC)$", re.IGNORECASE)
_RECORD = re.compile(r"[^/]+\.dist-info/RECORD$")


def signatures_of(place: str, entries: Mapping[str, Entry]) -> list[str]:
    """Places of the signature files of a JAR; [] when it is not signed."""
    prefix = f"{place}!/" if place else ""
    inside = [p for p in entries if p.startswith(prefix) and _SIGNATURE.fullmatch(p.removeprefix(prefix))]
    return inside if any(p.upper().endswith(".SF") for p in inside) else []


def broken_signatures(before: PackageLock, after: PackageLock) -> list[str]:
    """Signed JARs whose content differs between the two, outermost first."""
    entries = {e.place: e for e in before.entries}
    around: set[str] = set()
    for place in changed_places(before, after):
        while place := container_of(place):
            around.add(place)
    return sorted(p for p in around if p in entries and entries[p].format == "zip" and signatures_of(p, entries))


def drop_signatures(place: str, entries: dict[str, Entry]) -> None:
    """Take the signature files out of a JAR that is written anew: a loader refuses a JAR with one that does not fit."""
    for gone in signatures_of(place, entries):
        del entries[gone]


def follow_record(place: str, entries: dict[str, Entry], blobs: BlobStore) -> None:
    """Correct the lines of a wheel's RECORD: changed files, files that are gone, files that are new."""
    prefix = f"{place}!/"
    record = next((p for p in entries if p.startswith(prefix) and _RECORD.fullmatch(p.removeprefix(prefix))), "")
    if not record:
        return
    rows = list(csv.reader(blobs.read(entries[record].sha256).decode("utf-8", "surrogateescape").splitlines()))
    listed = {row[0] for row in rows if row}
    inside = {
        p.removeprefix(prefix): e
        for p, e in entries.items()
        if p.startswith(prefix) and container_of(p) == place and e.kind in ("file", "container") and p != record
    }
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        entry = inside.get(row[0]) if row else None
        if entry is not None:
            writer.writerow(_row(row[0], entry) if len(row) > 1 and row[1] else row)
        elif row and f"{prefix}{row[0]}" == record:
            writer.writerow(row)
    writer.writerows(_row(name, inside[name]) for name in sorted(inside.keys() - listed))
    text = out.getvalue().encode("utf-8", "surrogateescape")
    entries[record] = msgspec.structs.replace(entries[record], sha256=blobs.put(text), size=len(text))


def _row(name: str, entry: Entry) -> list[str]:
    digest = base64.urlsafe_b64encode(bytes.fromhex(entry.sha256)).decode().rstrip("=")
    return [name, f"sha256={digest}", str(entry.size)]
