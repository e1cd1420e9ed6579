"""Writes the release's page after a stage that has something to show; knows neither stage nor template."""

from __future__ import annotations

from fulldress.report.page import render
from fulldress.store.codec import write_bytes
from fulldress.store.folder import ReleaseFolder

PAGE = "report.html"


def write_page(folder: ReleaseFolder, room: str = "") -> None:
    """``report.html`` at the top of the folder and, when given, in a room such as ``06-rehearsals/<id>``."""
    page = render(folder).encode()
    for name in filter(None, (PAGE, f"{room}/{PAGE}" if room else "")):
        write_bytes(folder.path(name), page)
