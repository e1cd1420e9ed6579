"""Which config keys break on the way to the offered version, and which stops the way has.

Joins the declared matrix files, the inventory and the package: writes ``02-inventory/matrix.csv`` and ``path.json``. And
makes matrix files to be reviewed, from two packages or from the vendor's documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from fulldress.cli.groups import WorkGroup
from fulldress.cli.matrixwork import differences, document, say
from fulldress.cli.stagework import next_command, stage_work
from fulldress.errors import NothingToDo, UsageError
from fulldress.inventory import matrix, paths
from fulldress.inventory.matrixdiff import Proposed
from fulldress.model.estate import ConfigKey, Estate, KeyImpact, MatrixRow, UpgradePath
from fulldress.model.package import PackageLock
from fulldress.report.columns import columns, shown
from fulldress.store import folder as f
from fulldress.store.codec import read_json, write_bytes, write_json

FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)


@click.group(cls=WorkGroup, invoke_without_command=True, epilog="Example:  fulldress matrix breaking")
@FOLDER
@click.option("--from", "installed", default="", help="The installed version (default: as the inventory found it).")
@click.option("--to", "target", default="", help="The offered version (default: from the file names in the package).")
@FORMAT
@click.pass_context
def command(context: click.Context, folder: Path, installed: str, target: str, form: str) -> None:
    """Which config keys break on the way to the offered version, and which stops the way has.

    Alone it reads the matrix files that release.toml names, and writes 02-inventory/matrix.csv and path.json.
    """
    context.obj = folder
    if context.invoked_subcommand is None:
        _write(f.ReleaseFolder.find(folder), installed, target, form)


def _write(release: f.ReleaseFolder, installed: str, target: str, form: str) -> None:
    declared = release.release().estate
    files = list(declared.matrix)
    with stage_work(release, "matrix") as work:
        work.read.update(files)
        known = matrix.load([release.path(name) for name in files])
        estate = read_json(release.path(f.ESTATE), Estate)
        installed = installed or paths.installed_version(estate, declared.product) or _unknown("installed", "--from")
        target = target or _offered(release, declared.product) or _unknown("offered", "--to")
        way = paths.upgrade_path(known.versions, estate, declared.product, installed, target)
        rows = [row for row in known.rows if row.product in ("", declared.product)]
        write_bytes(work.path(f.MATRIX), matrix.to_csv(rows).encode())
        write_json(work.path(f.PATH), way)
        hits = matrix.impacts(rows, estate, installed, target)
        work.facts.update(installed=installed, target=target, known=way.known, breaking=[hit.row.key for hit in hits])
    if form == "json":
        _json({"schema_version": 1, "path": way, "breaking": hits})
    else:
        click.echo(f"{_path_text(way)}\n\n{_impacts_text(hits)}")
    next_command("fulldress scan")


@command.command(epilog="Example:  fulldress matrix breaking")
@FORMAT
@click.pass_obj
def breaking(folder: Path, form: str) -> None:
    """Every key that breaks this estate, where it is used, what to write instead."""
    have = _read(f.ReleaseFolder.find(folder))
    hits = matrix.impacts(have.rows, have.estate, have.way.installed, have.way.target)
    if form == "json":
        _json({"schema_version": 1, "installed": have.way.installed, "target": have.way.target, "breaking": hits})
    else:
        click.echo(_impacts_text(hits))


@command.command(epilog="Example:  fulldress matrix grep hybrid")
@click.argument("key")
@FORMAT
@click.pass_obj
def grep(folder: Path, key: str, form: str) -> None:
    """What the matrix and this estate know of KEY (any part of its name, in any case)."""
    have = _read(f.ReleaseFolder.find(folder))
    wanted = key.lower()
    rows = [row for row in have.rows if wanted in row.key.lower() or wanted in row.instead.lower()]
    uses = [(host.name, use) for host in have.estate.hosts for use in host.config if wanted in use.key.lower()]
    if not rows and not uses:
        raise NothingToDo(
            f"no key contains {key!r}", why="neither the matrix nor any declared config file of the estate has one"
        )
    if form == "json":
        found = [{"host": host, **msgspec.to_builtins(use)} for host, use in uses]
        _json({"schema_version": 1, "rows": rows, "uses": found})
        return
    blocks = []
    if rows:
        said = [(row.key, row.change, row.since, matrix.cure(row), matrix.form(row), row.consequence) for row in rows]
        blocks.append(columns(("key", "change", "since", "write instead", "takes", "or else"), said))
    if uses:
        lines = [(u.key, u.value, f"{host.rstrip(':')}:{_place(u)}") for host, u in uses]
        blocks.append(columns(("key", "value", "place"), lines))
    click.echo("\n\n".join(blocks))


@command.command(epilog="Example:  fulldress matrix diff lims-4.2.zip lims-5.0.zip -o matrix-5.0.toml")
@click.argument("old", type=click.Path(path_type=Path, exists=True))
@click.argument("new", type=click.Path(path_type=Path, exists=True))
@click.option("--product", default="", help="The product's name (default: from NEW's file name).")
@click.option("--since", default="", help="The version of NEW (default: from its file name).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write this new file (default: print it).")
@click.option("--no-sandbox", is_flag=True, help="Unpack without confinement, on a kernel that has none.")
def diff(old: Path, new: Path, product: str, since: str, output: Path | None, no_sandbox: bool) -> None:
    """A matrix file for review, from the configuration that two packages ship.

    Keys that were removed, added or have another default; renames are guessed from name and value, and marked so.
    """
    rows, product, since = differences(old, new, product=product, since=since, sandboxed=not no_sandbox)
    say(rows, product=product, source=f"{old.name} against {new.name} ({since})", output=output)


@command.command("import", epilog="Example:  fulldress matrix import release-notes.md --product lims -o matrix-5.0.toml")
@click.argument("doc", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--product", default="", help="The product's name.")
@click.option("--since", default="", help="The version of rows that do not say theirs.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write this new file (default: print it).")
def import_(doc: Path, product: str, since: str, output: Path | None) -> None:
    """A matrix file for review, from the tables of the vendor's documentation (Markdown, HTML, reST, AsciiDoc, CSV).

    Rows that are not understood are listed on stderr, with the reason.
    """
    found = document(doc, product=product, since=since)
    for left in found.left:
        click.echo(shown(f"not understood, line {left.line}: {left.why}: {left.text}")[:300], err=True)
    if not found.rows:
        raise NothingToDo(
            f"{doc} has no table of settings that is understood",
            why=f"{len(found.left)} rows or tables were left out" if found.left else "it has no table",
            fix="a table needs a column that names the setting, and one of: since, removed, default, type, description",
        )
    rows = [Proposed(row, row.consequence or "a row of the document") for row in found.rows]
    say(rows, product=product, source=f"from {doc.name}", output=output)


class _Have(NamedTuple):
    rows: Sequence[MatrixRow]
    estate: Estate
    way: UpgradePath


def _read(release: f.ReleaseFolder) -> _Have:
    """What the stage wrote; NothingToDo when it has not run."""
    way = read_json(release.path(f.PATH), UpgradePath)
    rows = matrix.from_csv(release.path(f.MATRIX).read_bytes().decode())
    return _Have(rows, read_json(release.path(f.ESTATE), Estate), way)


def _offered(release: f.ReleaseFolder, product: str) -> str:
    path = release.path(f.PACKAGE_LOCK)
    return paths.offered_version(read_json(path, PackageLock), product) if path.exists() else ""


def _unknown(what: str, option: str) -> str:
    known = ", or set product and version-command under [estate] in release.toml" if option == "--from" else ""
    raise UsageError(
        f"the {what} version is not known",
        why="without it nobody can say which keys break between the two",
        fix=f"say it: fulldress matrix {option} VERSION{known}",
    )


def _json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _path_text(way: UpgradePath) -> str:
    line = shown(" → ".join([f"{way.product} {way.installed}", *way.stops, way.target]))
    return line if way.known else f"{line}\n  NOT OPEN: {shown(way.why)}"


def _impacts_text(hits: Sequence[KeyImpact]) -> str:
    if not hits:
        return "no config key of this estate breaks on the way"
    rows = [
        (
            h.row.key,
            f"{h.row.change} in {h.row.since}",
            ", ".join(h.places) or "not set",
            h.cure,
            h.row.consequence,
        )
        for h in hits
    ]
    return columns(("key", "change", "used in", "write instead", "or else"), rows, widest=40)


def _place(use: ConfigKey) -> str:
    return f"{use.file}:{use.line}"
