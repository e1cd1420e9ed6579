"""What the members of a ZIP are called, where the format leaves it open. Pure.

Two things are not said: the code page of a name that is not marked as UTF-8, and whether a backslash is a separator. Both
are settled here for the whole archive, and only where the readers in use agree; the remark says what was done.
"""

from __future__ import annotations

from collections.abc import Sequence

UTF8 = 1 << 11
FAT = 0
"""The system of archives from DOS and Windows. Only theirs may write a backslash for a slash (old .NET and Java do)."""
BACKSLASHES = "names with backslashes, which stand for slashes: unzip reads them so, other tools make files with odd names"
_UNMARKED = "names of more than ASCII that do not say their code page, read as {}: other tools may show other letters"
_SHOWN = {"utf-8": "UTF-8", "cp932": "Shift JIS", "cp437": "code page 437"}


def code_page(raws: Sequence[bytes]) -> str:
    """The one code page of all names that name none: UTF-8 where all are, Shift JIS where only that makes sense of a
    backslash (it is the second byte of many letters there), else 437 as the format says."""
    if all(_decodes(raw, "utf-8") for raw in raws):
        return "utf-8"
    if any(b"\\" in raw for raw in raws) and all(_shift_jis(raw) for raw in raws):
        return "cp932"
    return "cp437"


def unmarked(page: str) -> str:
    """The remark for names that were read by this code page."""
    return _UNMARKED.format(_SHOWN[page])


def _decodes(raw: bytes, page: str) -> bool:
    try:
        raw.decode(page)
    except UnicodeDecodeError:
        return False
    return True


def _shift_jis(raw: bytes) -> bool:
    """True for Shift JIS whose backslashes are all halves of letters, and that climbs for no reader.

    Split at such a half, a name is no Shift JIS any more: no other name of the archive can be what is left.
    """
    if not _decodes(raw, "cp932") or "\\" in raw.decode("cp932"):
        return False
    return b".." not in raw.replace(b"\\", b"/").split(b"/")


def slashed(name: str, system: int) -> str:
    """The name with slashes, where it was written with backslashes only, on DOS or Windows."""
    return name.replace("\\", "/") if system == FAT and "\\" in name and "/" not in name else name
