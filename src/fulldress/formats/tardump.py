"""The listings of folders in GNU tar's incremental archives. Pure.

Each lists what its folder held. Whoever unpacks without ``--listed-incremental`` never sees them; with it, tar deletes from
the folder what is not listed, and renames what the listing says, so one that renames is refused.
"""

from __future__ import annotations

from fulldress.formats.late import late
from fulldress.formats.members import shown
from fulldress.formats.refusal import refusal

TYPE, PAX = b"D", "GNU.dumpdir"
_LISTING = late(rb"(?:[YND][^\0/]+\0)*\0*")
REMARK = "folders with the listing of an incremental backup: tar --incremental deletes what is not listed, others skip it"


def remark(listing: bytes, folder: str) -> str:
    """The remark on a folder with a listing. Raises PackageRefused ``archive-damaged`` for one that is none, or renames."""
    if not _LISTING.fullmatch(listing):
        raise refusal("archive-damaged", f"the listing of the folder {shown(folder)!r} is malformed or renames files")
    return REMARK
