"""What ``matrix diff`` and ``matrix import`` need from other stages: packages taken apart, documents read."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import click

from fulldress.cli.progress import terminal_progress
from fulldress.errors import NothingToDo, UsageError
from fulldress.intake.unpack import unpack
from fulldress.inventory import matrixdiff, matrixdoc
from fulldress.inventory.matrixdiff import Proposed
from fulldress.inventory.matrixtoml import to_toml
from fulldress.model.estate import ConfigKey
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import write_bytes

_NAMED = re.compile(
    r"^(?P<product>[A-Za-z][\w-]*?)[-_]v?(?P<version>\d+(?:\.\d+)*[\w.+~]*?)(?:[-_][a-z0-9]+)?(?:\.[a-z]+[0-9]?){1,2}$"
)
MAX_DOCUMENT = 32 << 20


def differences(old: Path, new: Path, *, product: str, since: str, sandboxed: bool) -> tuple[list[Proposed], str, str]:
    """The proposed rows, the product and the version, which the new package's name tells if nobody said them."""
    named = _NAMED.match(new.name)
    product = product or (named["product"] if named else "")
    since = since or (named["version"] if named else "")
    if not since:
        raise UsageError(
            f"the version of {new.name} is not known", fix="say it: fulldress matrix diff OLD NEW --since 5.0 --product lims"
        )
    before, after = (_shipped(package, sandboxed) for package in (old, new))
    if not before and not after:
        raise NothingToDo(f"neither {old.name} nor {new.name} ships a configuration file")
    return matrixdiff.propose(before, after, product=product, since=since), product, since


def _shipped(package: Path, sandboxed: bool) -> dict[str, list[ConfigKey]]:
    with tempfile.TemporaryDirectory(prefix="fulldress-matrix-") as scratch:
        blobs = BlobStore(Path(scratch) / "blobs")
        lock = unpack(package, blobs, sandboxed=sandboxed, progress=terminal_progress())
        return matrixdiff.shipped(lock, lambda entry: blobs.read(entry.sha256))


def document(file: Path, *, product: str, since: str) -> matrixdoc.Read:
    """What the tables of a documentation file give; UsageError for one that is no text."""
    data = file.read_bytes() if file.stat().st_size <= MAX_DOCUMENT else b"\0"
    if b"\0" in data[:8192]:
        raise UsageError(
            f"{file} is no document that can be read",
            fix="give Markdown, HTML, reStructuredText, AsciiDoc or CSV of at most 32 MiB",
        )
    return matrixdoc.read(data.decode("utf-8", "replace"), file=file.name, product=product, since=since)


def say(rows: list[Proposed], *, product: str, source: str, output: Path | None) -> None:
    """The matrix file, on the screen or into a new file: what a person has reviewed is never overwritten."""
    text = to_toml(rows, product=product, source=source)
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists():
        raise UsageError(f"{output} is already there", why="a person may have reviewed it", fix="give another name")
    write_bytes(output, text.encode())
    guessed = sum(row.guessed for row in rows)
    click.echo(f"{output}: {len(rows)} rows" + (f", {guessed} of them guessed" if guessed else ""))
