"""Why a package may be refused: each reason's slug, cause and remedy in one table.

Pure. ``fulldress explain SLUG`` can print a row; readers raise :func:`refusal` and never invent a slug of their own.
"""

from __future__ import annotations

from typing import NamedTuple

from fulldress.errors import PackageRefused


class Reason(NamedTuple):
    """Why a package with this fault is not touched, and what to do about it."""

    why: str
    fix: str


ASK = "ask the vendor for a clean package, and compare its digest over a second channel"

REASONS: dict[str, Reason] = {
    "not-a-zip": Reason(
        "taken apart are ZIP (jar, war, whl, apk), TAR and cpio, also in gz, xz, bz2 or zst, Debian packages, RPM, and "
        "shell scripts with one of these behind them; what the name says does not count",
        "check that it is the right file and came whole; a bare file, or what another tool opens, can be looked at when it "
        "is packed as a ZIP or TAR; else " + ASK,
    ),
    "zip-truncated": Reason(
        "a part of the file is missing: it was cut, or an upload broke off", "download it again; else " + ASK
    ),
    "archive-damaged": Reason("its content does not match its own checksums", "download it again; else " + ASK),
    "zip-views-disagree": Reason(
        "two readers of this archive would see different files, so what is scanned need not be what is installed", ASK
    ),
    "path-traversal": Reason("a member's name would write outside the folder it is unpacked to, or hides what it is", ASK),
    "symlink-escape": Reason("a link leaves the archive's own tree, or a member would be written through a link", ASK),
    "special-file": Reason("device nodes, pipes and sockets have no place in an upgrade package", ASK),
    "duplicate-name": Reason("two members claim one name: which of them is installed depends on the tool", ASK),
    "overlapping-members": Reason("members share bytes, which only hand-made archives do (to mislead or to exhaust)", ASK),
    "archive-bomb": Reason(
        "unpacking it would exhaust this machine (size, ratio, count, depth, time or memory is over its budget)",
        "if the package is honestly that large, raise the budgets; else " + ASK,
    ),
    "encrypted": Reason("what cannot be read cannot be scanned", "ask the vendor for a package without encryption"),
    "unknown-method": Reason(
        "a member is packed in a way that this reader does not know, so nobody can look inside",
        "ask the vendor to pack it with deflate, bzip2, xz or Zstandard, and compare its digest over a second channel",
    ),
    "reader-died": Reason("the confined reader ended abnormally, which only a hostile archive or a bug does", ASK),
}


def refusal(slug: str, what: str) -> PackageRefused:
    """The error for one reason of :data:`REASONS`; ``what`` names the member and the fault."""
    reason = REASONS[slug]
    return PackageRefused(what, why=reason.why, fix=reason.fix, slug=slug)
