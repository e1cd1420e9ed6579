"""Our own hostile archives, each refused for its own reason; and our own odd ones, which are honest and taken in.

They are the tests' own lists.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from exactness import Row
from fulldress.errors import PackageRefused
from fulldress.intake.unpack import unpack
from fulldress.store.blobs import BlobStore


def measure() -> list[Row]:
    """Two counts."""
    poison = _poison()
    missed = [label for label, slug, make in poison if _outcome(make()) != slug]
    got, of = len(poison) - len(missed), len(poison)
    odd = importlib.import_module("tests.intake.poison").ODD
    lost = [label for label, make, names, word in odd if _read(make()) != (names, bool(word))]
    fine = len(odd) - len(lost)
    return [
        Row("own hostile archives refused by name", got, of, got == of >= 50, "all of at least 50", ", ".join(missed)),
        Row(
            "own odd and honest archives taken in",
            fine,
            len(odd),
            fine == len(odd) >= 15,
            "all of at least 15",
            ", ".join(lost),
        ),
    ]


def _read(data: bytes) -> tuple[set[str], bool]:
    """The files of an archive, and whether anything is remarked on; nothing at all for one that is refused, or loses a byte."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "p").write_bytes(data)
        try:
            lock = unpack(Path(folder) / "p", BlobStore(Path(folder) / "blobs"), sandboxed=False)
        except PackageRefused:
            return set(), False
    if any(row.structure + row.content != row.size for row in lock.ledger):
        return set(), False
    return {e.place for e in lock.entries if e.kind == "file"}, bool(lock.remarks)


def _poison() -> list[tuple[str, str, Callable[[], bytes]]]:
    """The tests' own list: label, slug of the refusal, maker."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    found: list[tuple[str, str, Callable[[], bytes]]] = importlib.import_module("tests.intake.poison").POISON
    return found


def _outcome(data: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "p").write_bytes(data)
        try:
            unpack(Path(folder) / "p", BlobStore(Path(folder) / "blobs"), sandboxed=False)
        except PackageRefused as error:
            return error.slug
        return "accepted"
