"""Take the vendor's package apart, running nothing, and say who signed it.

Joins ``intake.unpack`` and ``intake.trust`` to the release folder: writes ``package.lock.json`` and ``trust.json``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from fulldress.cli.progress import terminal_progress
from fulldress.cli.stagework import next_command, stage_work
from fulldress.cli.trustwork import judged, vendor_record
from fulldress.errors import UsageError
from fulldress.intake.budgets import Budgets, raised
from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock, Remark, TrustReport
from fulldress.report.columns import columns, shown
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import write_json
from fulldress.store.state import state_dir

STALE_DAYS = 365
"""Files recorded this much before the newest one are counted as old on screen; the scan's rule judges them."""


@click.command(epilog="Example:  fulldress intake --package vendor.zip --budget depth=9")
@click.option("--package", type=click.Path(path_type=Path), help="The package (default: as release.toml says).")
@click.option(
    "--unsandboxed",
    "--no-sandbox",
    "unsandboxed",
    is_flag=True,
    help="Read it without a sandbox: only where Landlock or seccomp is missing.",
)
@click.option("--budget", "limits", multiple=True, metavar="NAME=NUMBER", help="Raise a limit, e.g. ratio=2000 or depth=9.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
def command(package: Path | None, unsandboxed: bool, limits: Sequence[str], form: str, folder: Path) -> None:
    """Take the vendor's package apart, running nothing, and say who signed it.

    Opens nested archives too, in a process that can reach neither the network nor any other file. A hostile, damaged or
    ambiguous package is refused, and leaves nothing behind. Writes 01-package/package.lock.json and trust.json.
    """
    release = f.ReleaseFolder.find(folder)
    path = package or _declared(release)
    budgets = raised(Budgets(), limits)
    with stage_work(release, "intake") as work:
        vendor_record(release, work)  # a record that nobody agreed on is said before the work, not after it
        blobs = BlobStore(state_dir() / "blobs")
        lock = unpack(path, blobs, budgets=budgets, sandboxed=not unsandboxed, progress=terminal_progress())
        trust = judged(release, work, lock, path)
        write_json(work.path(f.PACKAGE_LOCK), lock)
        write_json(work.path(f.TRUST), trust)
        work.facts.update(
            package=lock.name,
            package_sha256=lock.sha256,
            path=str(path.absolute()),
            entries=len(lock.entries),
            bytes_inspected=lock.bytes_inspected,
            not_inspected=len(lock.not_inspected),
            trust=trust.verdict,
            sandboxed=not unsandboxed,
        )
    if form == "json":
        click.echo(
            msgspec.json.format(msgspec.json.encode({"schema_version": 1, "package": lock, "trust": trust}), indent=2)
        )
    else:
        click.echo(_text(lock, trust))
    next_command("fulldress inventory" if trust.verdict == "pinned-ok" else "fulldress trust, and fulldress inventory")


def _declared(folder: f.ReleaseFolder) -> Path:
    name = folder.release().package
    if not name:
        raise UsageError("no package is named", why="release.toml has no `package`", fix="set it, or say --package FILE.zip")
    return folder.path(name)


# ---- what the screen says


def _text(lock: PackageLock, trust: TrustReport) -> str:
    verdict = f"trust: {click.style(trust.verdict, bold=True)}\n{_wrapped(trust.explanation)}"
    parts = [_contents(lock), _signatures(trust), verdict, f"what to do\n{_wrapped(trust.next_action)}"]
    return "\n\n".join(p for p in parts if p)


def _wrapped(text: str) -> str:
    return textwrap.fill(shown(text), 108, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _contents(lock: PackageLock) -> str:
    files = [e for e in lock.entries if e.kind in ("file", "container")]
    containers = [e for e in lock.entries if e.kind == "container"]
    rows = [
        ("package", f"{lock.name}, {lock.size:,} bytes, {lock.format}"),
        ("sha256", lock.sha256),
        ("inside", f"{len(files)} files, {len(containers)} of them archives; {lock.bytes_inspected:,} bytes looked into"),
        *(("archive", f"{e.place} ({e.format}, {_members(lock, e.place)} members)") for e in containers[:20]),
        *(("not inspected", f"{n.place or 'the package'}: {n.reason}") for n in lock.not_inspected[:20]),
        *(("remark", _remark(r)) for r in lock.remarks[:20]),
        *_times(lock),
    ]
    return columns(("what", "found"), rows, widest=90)


def _remark(remark: Remark) -> str:
    many = f" ({remark.count} of them, the first: {remark.example})" if remark.example else ""
    return f"{remark.place or 'the package'}: {remark.what}{many}"


def _members(lock: PackageLock, place: str) -> int:
    return sum(e.place.startswith(f"{place}!/") for e in lock.entries)


def _times(lock: PackageLock) -> list[tuple[str, str]]:
    dated = sorted((e.modified, e.place) for e in lock.entries if e.kind == "file" and e.modified)
    if not dated:
        return []
    newest = datetime.fromisoformat(dated[-1][0]).replace(tzinfo=UTC)
    old = [p for when, p in dated if (newest - datetime.fromisoformat(when).replace(tzinfo=UTC)).days > STALE_DAYS]
    rows = [("recorded times", f"{dated[0][0]} to {dated[-1][0]}")]
    if old:
        more = f" and {len(old) - 3} more" if len(old) > 3 else ""
        rows.append(("much older", f"{len(old)} files are over a year older than the newest: {', '.join(old[:3])}{more}"))
    return rows


def _signatures(trust: TrustReport) -> str:
    rows = [
        (s.place or "(package)", s.format, s.verdict, s.signer or "?", s.fingerprint[:40]) for s in trust.signatures[:20]
    ]
    return columns(("signature", "kind", "verdict", "signer", "fingerprint"), rows, widest=42) if rows else ""
