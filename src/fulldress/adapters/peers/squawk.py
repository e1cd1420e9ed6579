"""squawk over the package's SQL migrations: locks and breaking changes, no matters of taste."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from fulldress.adapters.peers.asking import Answer, PeerFile, Said, ask, laid_out, version_of

NAME = "squawk"
WANTS = "migrations"
SECONDS = 120.0
IGNORED = (
    "prefer-",
    "require-statement-timeout",
    "require-timeout-settings",
    "syntax-error",
    "ban-char-field",
    "identifier-",
)
"""Taste, and texts of other databases than PostgreSQL."""


class _Violation(msgspec.Struct):
    file: str
    line: int
    rule_name: str
    message: str
    help: str | None = None


def query(path: str, files: Sequence[PeerFile], folder: Path) -> Answer:
    """Ask the program at ``path``."""
    version = version_of(path, folder)
    names = laid_out(files, folder, ".sql")
    done = ask([path, "--reporter", "json", *names], folder, SECONDS)
    try:
        violations = msgspec.json.decode(done.out, type=list[_Violation])
    except msgspec.MsgspecError:
        return Answer(version, (), "out of time" if done.code is None else f"gave no answer (exit {done.code})")
    said = tuple(
        Said(names[v.file], v.line + 1, v.rule_name, "low", v.message, v.help or "")
        for v in violations
        if v.file in names and not v.rule_name.startswith(IGNORED)
    )
    return Answer(version, said)
