"""Lists of checksums, in a package and beside it: which bytes they speak of, and where they are wrong. No opinion on keys.

A list that nobody signed proves nothing by agreeing; by disagreeing it says that something was changed, or is missing.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from fulldress.formats import checksums
from fulldress.formats.links import leads_to
from fulldress.formats.members import shown
from fulldress.model.package import Entry

_STRONG = ("sha256", "sha384", "sha512")
SIGNATURES = (".asc", ".sig", ".sign", ".gpg", ".p7s", ".minisig")
"""Suffixes of detached signatures over a list."""

Said = Literal["same", "other", "nothing"]
"""What a list beside the package says of it."""


class Files:
    """The files of a package by place, links resolved."""

    def __init__(self, entries: Sequence[Entry], path: Callable[[Entry], Path]) -> None:
        """``path``: the verified bytes of an entry as a file."""
        self.by_place = {e.place: e for e in entries if e.kind in ("file", "container")}
        self.links = leads_to(entries)
        self.loose = {e.place for e in entries if e.kind in ("symlink", "hardlink") and "!/" not in e.place}
        """Links of the package itself, which a signature has to cover like its files."""
        self._path = path

    def get(self, place: str) -> Entry | None:
        """The file at a place, or at the end of the link there."""
        return self.by_place.get(place) or self.by_place.get(self.links.get(place, ""))

    def digest(self, entry: Entry, algorithm: str) -> str:
        """A sum of an entry in hex."""
        if algorithm == "sha256":
            return entry.sha256
        with self._path(entry).open("rb") as stream:
            return hashlib.file_digest(stream, algorithm).hexdigest()


def is_list(name: str) -> bool:
    """True when a file of this base name is a list by custom, of whatever sums."""
    lower = name.lower()
    if "sum" not in lower and "sha" not in lower and "md5" not in lower:  # as of nearly every name
        return False
    return checksums.is_list(name) or checksums.is_any_list(name)


def listed(files: Files, place: str, text: str) -> dict[str, str]:
    """Place -> the SHA-256 that it should have; a matching SHA-384 or SHA-512 says the same. Weak sums say nothing."""
    folder, name = place[: place.rfind("/") + 1], posixpath.basename(place)
    own = name.removesuffix(".asc").removesuffix(".sig")
    root = folder[: folder.rfind("!/") + 2] if "!/" in folder else ""
    paths = [line.path for line in checksums.parse_any(text, own)]
    # Paths count from the list's own folder, or from the top of its archive: whichever meets more files.
    base = max((folder, root), key=lambda at: sum(files.get(_joined(at, path)) is not None for path in paths))
    found = {_joined(base, path): sha256 for path, sha256 in checksums.parse(text, own).items()}
    for algorithm, digest, path in checksums.parse_any(text, own):
        at = _joined(base, path)
        if algorithm in _STRONG and at not in found:
            entry = files.get(at)
            found[at] = entry.sha256 if entry and files.digest(entry, algorithm) == digest else ""
    return found


def _joined(base: str, path: str) -> str:
    """A listed path as a place, in the tree of the archive that the list lies in; what leaves it is left as it is."""
    archive, mark, folder = base.rpartition("!/")
    inside = posixpath.normpath(posixpath.join(folder, path)) if not path.startswith("/") else path
    return archive + mark + inside


def wrong(files: Files, place: str, found: Mapping[str, str], signed: Container[str]) -> Iterator[str]:
    """Where a list does not fit the package, in words.

    What is missing counts for a list that somebody signed, and for one of the package itself that names files which are
    there: archives of third parties bring lists of their downloads along, which say nothing of this package.
    """
    entries = {path: files.get(path) for path in found}
    partial = "!/" not in place and any(e is not None and path != place for path, e in entries.items())
    for path, sha256 in found.items():
        entry = entries[path]
        if entry is None:
            if place in signed or partial:
                yield f"{shown(path)} is listed in {shown(place)} but not in the package"
        elif entry.sha256 != sha256 and path != place:
            yield f"{shown(path)} is not what {shown(place)} says"


def covered(files: Files, found: Mapping[str, str]) -> set[str]:
    """Places that a list names with the sum that they have."""
    return {p for p, sha256 in found.items() if (entry := files.get(p)) is not None and entry.sha256 == sha256}


class Beside(NamedTuple):
    """A list that lies next to the package."""

    name: str
    data: bytes
    said: Said


def beside(
    files: Files, near: Mapping[str, bytes], package: Entry, name: str, text: Callable[[bytes], bytes]
) -> list[Beside]:
    """The lists among the files next to the package, and what each says of it.

    ``name``: of the package; ``text``: the signed text of a clear-signed list, and any other bytes as they are.
    """
    found = []
    for own, data in near.items():
        if not is_list(own) or (b"-----BEGIN PGP SIGNATURE-----" in data and text(data) == data):
            continue
        lines = checksums.parse_any(checksums.decoded(text(data)), own.removesuffix(".asc"))
        strong = [x for x in lines if x.algorithm in _STRONG]
        exact = [x for x in strong if x.path == name]
        about = exact or [x for x in strong if posixpath.basename(x.path) == name]  # one list for many folders
        fits = [files.digest(package, x.algorithm) == x.digest for x in about]
        fit = all(fits) if exact else any(fits)
        found.append(Beside(own, data, "nothing" if not fits else "same" if fit else "other"))
    return found
