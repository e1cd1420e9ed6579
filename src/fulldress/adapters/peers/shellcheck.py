"""shellcheck over the package's shell scripts: errors and warnings, no matters of style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from fulldress.adapters.peers.asking import Answer, PeerFile, Said, ask, laid_out, version_of

NAME = "shellcheck"
WANTS = "scripts"
SECONDS = 120.0
LEVELS = ("error", "warning")
HAZARDS = {2114, 2115}
"""Listed low; the rest is listed as information: what must be known before a script runs is our own rules' part."""
IGNORED = {2148, 2034, 1091, 2154, 1090, 2155}
"""No shebang, unused, not followed, assigned elsewhere: true of scripts that are sourced, and no hazard."""


class _Comment(msgspec.Struct):
    file: str
    line: int
    level: str
    code: int
    message: str


class _Output(msgspec.Struct):
    comments: list[_Comment]


def query(path: str, files: Sequence[PeerFile], folder: Path) -> Answer:
    """Ask the program at ``path``."""
    version = version_of(path, folder)
    names = laid_out(files, folder)
    argv = [path, "--norc", "--severity=warning", "--format=json1", *names]
    done = ask(argv, folder, SECONDS)
    try:
        output = msgspec.json.decode(done.out, type=_Output)
    except msgspec.MsgspecError:
        return Answer(version, (), "out of time" if done.code is None else f"gave no answer (exit {done.code})")
    said = tuple(
        Said(
            names[c.file],
            c.line,
            f"SC{c.code}",
            "low" if c.code in HAZARDS else "info",
            c.message,
            f"https://www.shellcheck.net/wiki/SC{c.code}",
        )
        for c in output.comments
        if c.file in names and c.level in LEVELS and c.code not in IGNORED
    )
    return Answer(version, said)
