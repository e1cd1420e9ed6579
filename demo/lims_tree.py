"""Puts the files of one release of the demo application together: the common source overlaid by one version's.

Reads only ``demo/lims/``; returns bytes, writes nothing.
"""

from __future__ import annotations

from pathlib import Path

LIMS = Path(__file__).parent / "lims"
_VARIANTS = {"4.2": "v42", "5.0": "v50"}


def release_files(version: str) -> dict[str, tuple[bytes, int]]:
    """Path inside ``/opt/dten-lims/releases/VERSION`` → (content, mode)."""
    found: dict[str, tuple[bytes, int]] = {"VERSION": (f"{version}\n".encode(), 0o644)}
    for tree in ("common", _VARIANTS[version]):
        base = LIMS / tree
        for path in sorted(p for p in base.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            name = path.relative_to(base).as_posix()
            found[name] = (path.read_bytes(), 0o755 if name.startswith("bin/") else 0o644)
    return dict(sorted(found.items()))
