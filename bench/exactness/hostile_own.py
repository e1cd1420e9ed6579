"""Our own hostile archives, the ones that the tests refuse one by one: all must be refused, each for its own reason."""

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
    """One count."""
    poison = _poison()
    missed = [label for label, slug, make in poison if _outcome(make()) != slug]
    got, of = len(poison) - len(missed), len(poison)
    return [Row("own hostile archives refused by name", got, of, got == of >= 50, "all of at least 50", ", ".join(missed))]


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
