"""Joins the scan to the programs in ``adapters/peers``: what each gets to read, and what becomes of its answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import msgspec

from fulldress.adapters.peers import NAMES, QUICK
from fulldress.adapters.peers.asking import PeerFile, Said, as_finding, cut_off, program
from fulldress.errors import UsageError
from fulldress.model.finding import Finding, FindingsReport
from fulldress.scan.peers import UNITS, Opinion, merged
from fulldress.scan.reading import scripts
from fulldress.scan.rule import Context
from fulldress.scan.sweep import load_rules
from fulldress.scan.waivers import Waiver

MAX_FILES = 2000
MAX_FILE = 1 << 20
"""Scripts, units and migrations; more and larger ones are not asked about, and the report says so."""


def chosen(text: str) -> tuple[str, ...]:
    """``none``, ``auto``, or names -> the peers to ask. Raises UsageError for a name that is none."""
    if text in ("", "none"):
        return ()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names = tuple(dict.fromkeys(name for part in parts for name in (QUICK if part == "auto" else (part,))))
    wrong = [name for name in names if name not in NAMES]
    if wrong or not names:
        raise UsageError(
            f"--peers {text}: {wrong or 'nothing'} is no peer", fix=f"none, auto, or some of: {', '.join(NAMES)}"
        )
    return names


def with_peers(
    report: FindingsReport, context: Context, names: Sequence[str], waivers: Iterable[Waiver] = ()
) -> FindingsReport:
    """The report with what the peers say. A peer that is absent, slow or broken is named, and nothing else changes."""
    opinions: list[tuple[str, Said]] = []
    told: dict[str, str] = {}
    for name in names:
        said, told[name] = _asked(name, context)
        opinions += [(name, one) for one in said]

    def make(numbers: Sequence[int]) -> Finding:
        first, *rest = [opinions[n] for n in numbers]
        return as_finding(first[0], first[1], [one for _, one in rest])

    families = {rule.META.slug: rule.META.family for rule in load_rules()}
    flat = [Opinion(peer, one.code, one.place, one.line) for peer, one in opinions]
    return msgspec.structs.replace(merged(report, flat, make, context, families, waivers), peers=told)


def _asked(name: str, context: Context) -> tuple[Sequence[Said], str]:
    path = program(name)
    if path is None:
        return (), "not installed"
    module = import_module(f"fulldress.adapters.peers.{name.replace('-', '_')}")
    files, left_out = _files(module, context)
    missed = f"; {left_out} files too large or too many for it" if left_out else ""
    if not files:
        return (), f"nothing to look at{missed}"
    with tempfile.TemporaryDirectory(prefix="fulldress-peer-") as folder:
        answer = module.query(path, files, Path(folder))
    network = "" if cut_off() else ", with network: this kernel does not let us take it away"
    trouble = f"; {answer.trouble}" if answer.trouble else ""
    return answer.said, f"{answer.version}{network}: {len(files)} files, {len(answer.said)} opinions{trouble}{missed}"


def _files(module: ModuleType, context: Context) -> tuple[list[PeerFile], int]:
    """The files that a peer wants, and how many it does not get."""
    limit = MAX_FILE
    if module.WANTS == "scripts":
        entries = [script.entry for script in scripts(context)]
    elif module.WANTS == "migrations":
        from fulldress.scan.database.migrations import migrations  # noqa: PLC0415 - loaded when needed: PostgreSQL's parser is heavy

        entries = [migration.entry for migration in migrations(context)]
    elif module.WANTS == "units":
        entries = [e for e in context.files if e.kind == "file" and UNITS.search(e.place)]
    else:
        entries, limit = [e for e in context.files if e.kind == "file"], 1 << 30
    entries = list({e.sha256: e for e in entries}.values())
    fitting = [e for e in entries if e.size <= limit][: MAX_FILES if limit == MAX_FILE else None]
    return [PeerFile(e.place, partial(context.read, e)) for e in fitting], len(entries) - len(fitting)
