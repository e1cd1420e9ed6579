"""Shows a report in the form asked for: on stdout, or in a file that is written whole or not at all.

The form never changes what was found nor the exit code.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from fulldress.model.finding import FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure
from fulldress.report.text import findings_text
from fulldress.scan.sweep import load_rules
from fulldress.store.codec import canonical, write_bytes

FORMS = ("text", "json", "sarif", "github", "junit", "html")
SHOW_CURES = ("html",)
"""Forms that show what the cures would change without being asked."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How a report is shown."""

    form: str = "text"
    everything: bool = False
    diff: bool = False
    output: Path | None = None

    @property
    def with_cures(self) -> bool:
        """True when the cures must be worked out for it."""
        return self.form in SHOW_CURES or (self.form == "text" and self.diff)


def show(report: FindingsReport, lock: PackageLock, view: View, cures: Mapping[str, ShownCure]) -> None:
    """Print the report, or write it to ``view.output``."""
    text = _rendered(report, lock, view, cures)
    if view.output is None:
        click.echo(text)
    else:
        write_bytes(view.output, f"{text}\n".encode("utf-8", "backslashreplace"))
        click.echo(f"{view.output} written", err=True)


def _rendered(report: FindingsReport, lock: PackageLock, view: View, cures: Mapping[str, ShownCure]) -> str:
    if view.form == "json":
        return msgspec.json.format(canonical(report), indent=2).decode()
    if view.form == "sarif":
        from fulldress.report.sarif import sarif  # noqa: PLC0415 - loaded when needed: a scan mostly prints text

        return msgspec.json.format(canonical(sarif(report, lock, load_rules())), indent=2).decode()
    if view.form == "github":
        from fulldress.report.github import annotations_text  # noqa: PLC0415 - loaded when needed: as above

        return annotations_text(report, lock)
    if view.form == "junit":
        from fulldress.report.junit import junit  # noqa: PLC0415 - loaded when needed: as above, and it costs 15 ms

        return junit(report, lock)
    if view.form == "html":
        from fulldress.report.scanpage import scan_page  # noqa: PLC0415 - loaded when needed: Jinja costs 15 ms

        return scan_page(report, lock, load_rules(), cures)
    tty = view.output is None and sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, 120) if tty else 100
    colour = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return findings_text(report, lock, everything=view.everything, colour=colour, width=max(width, 40), cures=cures)
