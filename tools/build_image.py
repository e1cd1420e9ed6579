"""Builds the base image when it is missing, and notes its digest for ``bootstrap.sh``. Usage: python tools/build_image.py"""

from __future__ import annotations

import sys
from pathlib import Path

from fulldress.adapters.image import base_image, recipe
from fulldress.errors import FulldressError


class Lines:
    """Progress as plain lines."""

    def start(self, label: str, total: float | None = None) -> None:
        """Say what begins."""
        sys.stderr.write(f"{label}\n")

    def advance(self, amount: float = 1.0) -> None:
        """Nothing to draw."""

    def note(self, text: str) -> None:
        """Say it."""
        sys.stderr.write(f"  {text}\n")

    def finish(self) -> None:
        """Nothing to say."""


def main() -> int:
    """Build; a failure is said, and does not stop what works without machines."""
    try:
        base_image(progress=Lines())
    except FulldressError as error:
        sys.stderr.write(f"no base image: {error.what}\n  why: {error.why}\n  fix: {error.fix}\n")
        return 1
    (Path(sys.prefix) / "image-digest").write_text(recipe().digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
