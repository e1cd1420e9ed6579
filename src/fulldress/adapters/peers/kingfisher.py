"""kingfisher over every file of the package: secrets by its rules. It asks nobody whether one is valid.

It prints what it found, so of its output only rule, file and line are read; the rest goes away with the private folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from fulldress.adapters.peers.asking import Answer, PeerFile, Said, ask, laid_out, version_of

NAME = "kingfisher"
WANTS = "everything"
SECONDS = 600.0
ARGUMENTS = ("--no-validate", "--no-limits", "--no-update-check", "--format", "json")


class _Rule(msgspec.Struct):
    id: str
    name: str


class _Where(msgspec.Struct):
    path: str
    line: int
    confidence: str = ""


class _Hit(msgspec.Struct):
    rule: _Rule
    finding: _Where


class _Output(msgspec.Struct):
    findings: list[_Hit]


def query(path: str, files: Sequence[PeerFile], folder: Path) -> Answer:
    """Ask the program at ``path``."""
    version = version_of(path, folder)
    inside = folder / "files"
    inside.mkdir()
    names = laid_out(files, inside)
    done = ask([path, "scan", str(inside), *ARGUMENTS], folder, SECONDS)
    try:
        output = msgspec.json.decode(_first(done.out), type=_Output)
    except msgspec.MsgspecError:
        return Answer(version, (), "out of time" if done.code is None else f"gave no answer (exit {done.code})")
    said = []
    for hit in output.findings:
        place = names.get(Path(hit.finding.path).name)
        if place is not None:
            severity = "medium" if hit.finding.confidence == "high" else "low"
            said.append(Said(place, hit.finding.line, hit.rule.id, severity, f"looks like a secret ({hit.rule.name})"))
    return Answer(version, tuple(said))


def _first(output: bytes) -> bytes:
    """The first JSON document; a summary follows on a line of its own."""
    return next((line for line in output.splitlines() if line.startswith(b"{")), b"")
