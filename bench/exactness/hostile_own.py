"""Our own hostile archives, the ones that the tests refuse one by one: all must be refused, each for its own reason."""

from __future__ import annotations

import tempfile
from pathlib import Path

from exactness import Row
from fulldress.errors import PackageRefused
from fulldress.intake.unpack import unpack
from fulldress.store.blobs import BlobStore


def measure() -> list[Row]:
    """One count."""
    missed = [label for label, slug, make in POISON if _outcome(make()) != slug]
    got = len(POISON) - len(missed)
    return [
        Row("own hostile archives refused by name", got, len(POISON), not missed, "all of at least 50", ", ".join(missed))
    ]


def _outcome(data: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "p").write_bytes(data)
        try:
            unpack(Path(folder) / "p", BlobStore(Path(folder) / "blobs"), sandboxed=False)
        except PackageRefused as error:
            return error.slug
        return "accepted"
