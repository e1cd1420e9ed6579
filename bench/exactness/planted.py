"""Planted secrets: 53 kinds in as many files, and 8 traps, made anew from a seed at every run.

``found``: a finding of the secret family at medium or above lies at the file (or inside it, for archives). ``trap``: any
finding of that family at low or above lies there. ``leaked``: the secret itself stands in the report. Two sets are
measured: the one that was written before the rules were tuned, and a hold-out with another seed and phrasing. The same
packages are given to kingfisher, when it is installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from exactness import Row
from exactness._planting import Planting, as_zip, planted
from fulldress.cli.scanwork import package_context
from fulldress.model.finding import SEVERITIES
from fulldress.scan.sweep import load_rules, sweep

SETS = (("planted", 53_001, 0), ("hold-out", 53_002, 1))


def measure() -> list[Row]:
    """Found, trapped and leaked, ours and the peer's."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, seed, phrasing in SETS:
            planting = planted(seed, phrasing)
            package = Path(folder) / f"{name}.zip"
            package.write_bytes(as_zip(planting))
            rows += _ours(name, planting, package)
            rows += _peer(name, planting, package)
    return rows


def _ours(name: str, planting: Planting, package: Path) -> list[Row]:
    with package_context(package, vendor=None, sandboxed=False, progress=None) as context:
        report = sweep(context)
    family = {rule.META.slug for rule in load_rules() if rule.META.family == "secret"}
    told = [f for f in report.findings if f.rule in family]
    loud = [f.place for f in told if SEVERITIES.index(f.severity) <= SEVERITIES.index("medium")]
    audible = [f.place for f in told if f.severity != "info"]
    missed = [kind for place, (kind, _) in planting.secrets.items() if not _at(place, loud)]
    trapped = [kind for place, kind in planting.traps.items() if _at(place, audible)]
    shown = msgspec.json.encode(report).decode()
    leaked = [kind for kind, value in planting.secrets.values() if len(value) > 9 and value in shown]
    found = len(planting.secrets) - len(missed)
    return [
        Row(f"{name}: secrets found", found, 53, found >= 50, "at least 50 of 53", ", ".join(missed)),
        Row(f"{name}: traps reported", len(trapped), 8, not trapped, "0 of 8", ", ".join(trapped)),
        Row(f"{name}: secrets shown in the report", len(leaked), 53, not leaked, "0", ", ".join(leaked)),
    ]


def _at(place: str, places: list[str]) -> bool:
    return any(p == place or p.startswith(f"{place}!") for p in places)


def _peer(name: str, planting: Planting, package: Path) -> list[Row]:
    tool = shutil.which("kingfisher") or shutil.which("kingfisher", path=str(Path(sys.executable).parent))
    if tool is None:
        return []
    options = "--no-validate --no-limits --no-update-check --confidence low --format json"
    done = subprocess.run(
        [tool, "scan", str(package), *options.split()], capture_output=True, text=True, check=False, timeout=300
    )
    told, _ = json.JSONDecoder().raw_decode(done.stdout.lstrip() or "{}")  # a summary follows in a second document
    places = {f["finding"]["path"] for f in told.get("findings", [])}

    def seen(place: str) -> bool:
        return any(f"/{place}" in p.replace("!", "/") or p.endswith(place) for p in places)

    missed = [kind for place, (kind, _) in planting.secrets.items() if not seen(place)]
    trapped = [kind for place, kind in planting.traps.items() if seen(place)]
    found = len(planting.secrets) - len(missed)
    return [
        Row(f"{name}: kingfisher finds", found, 53, True, "(a peer's)", ", ".join(missed)),
        Row(f"{name}: kingfisher reports traps", len(trapped), 8, True, "(a peer's)", ", ".join(trapped)),
    ]
