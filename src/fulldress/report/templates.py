"""The HTML templates beside this module: every value is escaped, a missing one is an error. Renders nothing itself."""

from __future__ import annotations

from pathlib import Path

import jinja2

from fulldress.report.sanitise import visible


def templates() -> jinja2.Environment:
    """Autoescape on; the filter ``visible`` shows control characters instead of sending them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    return environment
