"""Accept one finding for a stated reason, by a named person, until a stated day.

Appends to ``03-findings/waivers.toml``; what people wrote there stays as it is.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from fulldress.cli.releasework import today
from fulldress.cli.stagework import JOURNAL, next_command
from fulldress.errors import UsageError
from fulldress.model.finding import Finding, FindingsReport
from fulldress.report.sanitise import clipped, visible
from fulldress.scan.waivers import Waiver, read_waivers, with_waiver
from fulldress.store import folder as f
from fulldress.store.codec import read_json, write_bytes
from fulldress.store.journal import Journal

SHORTEST = 6
"""Digits of a fingerprint that must at least be given."""


@click.command(epilog='Example:  fulldress waive d792d647 --reason "confirmed, OPS-4711" --owner "E. M." --until 2026-12-31')
@click.argument("fingerprint")
@click.option("--reason", required=True, help="Why the finding is accepted.")
@click.option("--owner", required=True, help="Who accepts it.")
@click.option("--second", default="", help="Who accepts it too; a critical finding needs two different people.")
@click.option(
    "--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it counts, in the estate's zone."
)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
def command(fingerprint: str, reason: str, owner: str, second: str, until: datetime, folder: Path) -> None:
    """Accept one finding for a stated reason, by a named person, until a stated day.

    FINGERPRINT stands behind `more:` of the finding; its first digits are enough when no other finding has them. Writes
    03-findings/waivers.toml, comments and all; the next scan leaves the finding out and says who accepted it.
    """
    release = f.ReleaseFolder.find(folder)
    with release.locked("`fulldress waive`"):
        finding = _found(read_json(release.path(f.FINDINGS), FindingsReport), fingerprint)
        waiver = Waiver(
            fingerprint=finding.fingerprint, reason=_written("reason", reason), owner=_written("owner", owner),
            second=second.strip(), expires=until.date(),
        )  # fmt: skip
        _check(finding, waiver, release.path(f.WAIVERS), today(release))
        path = release.path(f.WAIVERS)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        write_bytes(path, with_waiver(text, waiver, clipped(finding.title, 110)).encode())
        Journal(release.path(JOURNAL)).append(
            "waive", fingerprint=waiver.fingerprint, owner=waiver.owner, second=waiver.second, until=str(waiver.expires)
        )
    click.echo(f"waived until {waiver.expires}: {visible(finding.title)}\n  {visible(waiver.said)}")
    next_command("fulldress scan")


def _written(name: str, text: str) -> str:
    if text.strip():
        return text.strip()
    raise UsageError(f"--{name} is empty", why="a waiver without it is silence", fix=f'--{name} "..."')


def _found(report: FindingsReport, fingerprint: str) -> Finding:
    """The one finding whose fingerprint begins so."""
    given = fingerprint.strip().lower()
    found = {x.fingerprint: x for x in report.findings if len(given) >= SHORTEST and x.fingerprint.startswith(given)}
    if len(found) == 1:
        return next(iter(found.values()))
    if any(known.startswith(given) for known in report.waived):
        raise UsageError(f"{given} is waived already", why=f.WAIVERS, fix="change its entry there to change its last day")
    raise UsageError(
        f"{len(found) or 'no'} findings have a fingerprint that begins with {given!r}",
        why=f"it is looked for in {f.FINDINGS}, by at least {SHORTEST} digits",
        fix="`fulldress scan --all` shows every finding with its fingerprint behind `more:`",
    )


def _check(finding: Finding, waiver: Waiver, path: Path, day: date) -> None:
    if waiver.expires < day:
        raise UsageError(
            f"--until {waiver.expires} is in the past", why="it would count for nothing", fix="name a later day"
        )
    if finding.severity == "critical" and not waiver.by_two:
        raise UsageError(
            "a critical finding is accepted by two different people",
            why=finding.consequence,
            fix='name the other one: --second "..."',
        )
    if _in_force(path, waiver, day):
        raise UsageError(f"{waiver.fingerprint} is waived already", fix=f"change its entry in {f.WAIVERS}")


def _in_force(path: Path, waiver: Waiver, day: date) -> bool:
    known = read_waivers(path, day).active
    return any(w.fingerprint == waiver.fingerprint and (w.by_two or not waiver.by_two) for w in known)
