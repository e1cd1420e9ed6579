"""Hostile and ambiguous archives of two public sets: each is refused by name or reported, and the honest ones are opened.

Needs the files of nih-at/libzip (``regress/``) and google/safearchive (``tar/``, ``zip/``) in the folders ``libzip`` and
``safearchive`` of ``$FULLDRESS_CORPORA``, or of ``../shared/corpora``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from exactness import NotHere, Row
from fulldress.errors import FulldressError, PackageRefused
from fulldress.intake.unpack import unpack
from fulldress.scan.rule import Context
from fulldress.scan.sweep import load_rules, sweep
from fulldress.store.blobs import BlobStore

HERE = Path(__file__).parents[2]
GET = "git clone https://github.com/nih-at/libzip libzip; git clone https://github.com/google/safearchive safearchive"
HOSTILE = ("archive.zip", "symlinks", "traverse", "specialfiles", "specialmodes", "case-insensitive", "winshort", "xattr")
"""All of safearchive's archives: each tries one trick."""
NOT_HONEST = {
    "bigzero-": "grows 4 GiB from nothing",
    "bogus": "no archive",
    "broken": "encrypted",
    **dict.fromkeys(("encrypt-1", "encrypt-aes", "encrypt-pkware", "encrypt.", "encrypt_"), "encrypted"),
    "empty-pkware": "encrypted",
    "hmac-error": "encrypted",
    "filename_duplicate": "one name twice",
    "filename_empty": "no name",
    "gap": "bytes that belong to nothing",
    "junk-": "bytes that belong to nothing",
    "testextrabytes": "bytes that belong to nothing",
    "manyfiles-zip": "counts its members wrongly",
    "multidisk": "a part of an archive",
    "test-cp437-comment-utf-8": "control characters in names",
    "test-cp437.zip": "control characters in names",
    "testbzip2broken": "damaged",
    "testdir": "no files",
    "testempty": "no files",
    "testfile-truncated": "cut",
    "zip-in-archive-comment": "two ends",
    "zip64-in-archive-comment": "two ends",
}
"""Beginnings of names in libzip's set that are neither called inconsistent nor fit to be installed, and why."""


class Outcome(NamedTuple):
    """What became of one archive."""

    name: str
    refused: str
    reported: bool
    crashed: bool


def measure() -> list[Row]:
    """Three counts: inconsistent ones, tricks, honest ones."""
    folder = _folder()
    zips = [look(p) for p in sorted((folder / "libzip").rglob("*.zip"))]
    tricks = [look(p) for p in sorted((folder / "safearchive").rglob("*")) if p.suffix in (".zip", ".tar")]
    bad = [o for o in zips if o.name.startswith("incons-")]
    doubtful = [o for o in zips if any(o.name.startswith(n) for n in NOT_HONEST)]
    honest = [o for o in zips if o not in bad and o not in doubtful]
    return [
        _row("inconsistent archives (libzip) noticed", bad),
        _row("other unfit archives (libzip) noticed", doubtful),
        _row("tricks (safearchive) noticed", [o for o in tricks if o.name.startswith(HOSTILE)]),
        Row(
            "honest archives (libzip) opened",
            sum(not o.refused and not o.crashed for o in honest),
            len(honest),
            all(not o.refused and not o.crashed for o in honest),
            "all",
            ", ".join(f"{o.name} ({o.refused})" for o in honest if o.refused or o.crashed),
        ),
    ]


def _row(what: str, outcomes: list[Outcome]) -> Row:
    missed = [o.name for o in outcomes if o.crashed or not (o.refused or o.reported)]
    got = len(outcomes) - len(missed)
    return Row(what, got, len(outcomes), got == len(outcomes) > 0, "all refused or reported", ", ".join(missed))


def _folder() -> Path:
    folder = Path(os.environ.get("FULLDRESS_CORPORA", HERE.parent / "shared" / "corpora"))
    for name in ("libzip", "safearchive"):
        if not (folder / name).is_dir():
            raise NotHere(f"{folder / name} is missing; in a folder named by $FULLDRESS_CORPORA: {GET}")
    return folder


def look(path: Path) -> Outcome:
    """Take one archive apart; what is accepted is scanned by the rules about archives."""
    with tempfile.TemporaryDirectory() as folder:
        blobs = BlobStore(Path(folder) / "blobs")
        try:
            lock = unpack(path, blobs, sandboxed=False)
        except PackageRefused as error:
            return Outcome(path.name, error.slug, False, error.slug == "reader-died")
        except FulldressError as error:
            return Outcome(path.name, error.slug, False, False)
        except Exception as error:  # the bench's boundary: a crash is an outcome, and it is never the right one
            return Outcome(path.name, type(error).__name__, False, True)
        rules = [rule for rule in load_rules() if rule.META.family == "archive" and not rule.META.needs]
        found = sweep(Context(lock, blobs.read), rules).findings
        return Outcome(path.name, "", bool(lock.not_inspected or found), False)
