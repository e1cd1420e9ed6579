"""Ask the hosts what is installed, configured, scheduled and stored there.

Joins the survey to the release folder: hosts from ``release.toml``, facts into ``02-inventory/estate.json``.
"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from fulldress.adapters.hosts import open_host
from fulldress.cli.progress import terminal_progress
from fulldress.cli.stagework import next_command, stage_work
from fulldress.inventory.survey import survey
from fulldress.model.estate import Estate
from fulldress.report.columns import columns
from fulldress.store import folder as f
from fulldress.store.codec import digest, write_json


@click.command(epilog="Example:  fulldress inventory --format json")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
def command(folder: Path, form: str) -> None:
    """Ask the hosts what is installed, configured, scheduled and stored there.

    Reads only; secret values are replaced before anything is kept. Writes 02-inventory/estate.json.
    """
    release = f.ReleaseFolder.find(folder)
    declared = release.release().estate
    with stage_work(release, "inventory") as work:
        hosts = [open_host(address) for address in declared.hosts]
        estate = survey(hosts, declared, progress=terminal_progress())
        write_json(work.path(f.ESTATE), estate)
        work.facts.update(hosts=[host.name for host in estate.hosts], estate_sha256=digest(estate))
    click.echo(msgspec.json.format(msgspec.json.encode(estate), indent=2) if form == "json" else _text(estate))
    next_command("fulldress matrix")


def _text(estate: Estate) -> str:
    blocks = []
    for host in estate.hosts:
        running = sum(unit.active == "active" for unit in host.units)
        failed = [unit.name for unit in host.units if unit.active == "failed"]
        rows = [
            ("system", f"{host.os} {host.os_version} {host.arch}, {host.timezone}"),
            *((f"product {p.name}", p.version) for p in host.products),
            ("units", f"{len(host.units)}, {running} active" + (f", failed: {', '.join(failed)}" if failed else "")),
            ("packages", str(len(host.packages))),
            ("config keys", f"{len(host.config)} in {len({key.file for key in host.config})} files"),
            ("cron jobs", str(len(host.cron))),
            *(
                (f"database {d.name}", _database(d.server_version, d.schema_version, d.size_bytes, d.tables))
                for d in host.databases
            ),
            ("commands", str(len(host.commands))),
            ("trusted roots", str(len(host.certificate_sha256))),
        ]
        blocks.append(columns((host.name, host.hostname), rows, widest=70))
    return "\n\n".join(blocks)


def _database(server: str, schema: str, size: int, tables: dict[str, int]) -> str:
    version = f", schema {schema}" if schema else ""
    return f"PostgreSQL {server}{version}, {size / 1e6:.0f} MB, {len(tables)} tables, about {sum(tables.values()):,} rows"
