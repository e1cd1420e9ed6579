"""Ask the hosts what is installed, configured, scheduled and stored there.

Joins the survey to the release folder: hosts from ``release.toml``, facts into ``02-inventory/estate.json``; and bills of
materials (CycloneDX) in and out.
"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from fulldress import __version__
from fulldress.adapters.hosts import open_host
from fulldress.cli.progress import terminal_progress
from fulldress.cli.stagework import next_command, stage_work
from fulldress.errors import UsageError
from fulldress.inventory import cyclonedx
from fulldress.inventory.survey import assembled, survey
from fulldress.model.estate import DatabaseFacts, Estate, HostFacts
from fulldress.model.release import Declared
from fulldress.report.columns import columns, shown
from fulldress.store import folder as f
from fulldress.store.codec import digest, read_json, write_json


@click.command(epilog="Example:  fulldress inventory --format json")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.option(
    "--export", type=click.Choice(["cyclonedx"]), help="Print the last inventory as a bill of materials; ask nobody."
)
@click.option(
    "--import",
    "imports",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="A CycloneDX file of a host that cannot be asked (several: repeat it).",
)
def command(folder: Path, form: str, export: str | None, imports: tuple[Path, ...]) -> None:
    """Ask the hosts what is installed, configured, scheduled and stored there.

    Reads only; secret values are replaced before anything is kept. What a host does not let us see is listed. Writes
    02-inventory/estate.json.
    """
    release = f.ReleaseFolder.find(folder)
    if export:
        click.echo(cyclonedx.export(read_json(release.path(f.ESTATE), Estate), version=__version__), nl=False)
        return
    declared = release.release().estate
    with stage_work(release, "inventory") as work:
        files = [*(release.path(name) for name in declared.imports), *imports]
        work.read.update(declared.imports)
        extra = [host for path in files for host in _imported(path)]
        estate = _asked(declared, extra)
        write_json(work.path(f.ESTATE), estate)
        unseen = {host.name: [part.part for part in host.not_seen] for host in estate.hosts if host.not_seen}
        work.facts.update(hosts=[host.name for host in estate.hosts], not_seen=unseen, estate_sha256=digest(estate))
    click.echo(msgspec.json.format(msgspec.json.encode(estate), indent=2) if form == "json" else _text(estate))
    next_command("fulldress matrix")


def _imported(path: Path) -> tuple[HostFacts, ...]:
    try:
        return cyclonedx.imported(path.read_bytes(), file=path.name)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}", fix="correct [estate] imports in release.toml") from error


def _asked(declared: Declared, extra: list[HostFacts]) -> Estate:
    if not declared.hosts and extra:
        return assembled(extra, declared)
    asked = survey([open_host(address) for address in declared.hosts], declared, progress=terminal_progress())
    return msgspec.structs.replace(asked, hosts=(*asked.hosts, *extra))


def _text(estate: Estate) -> str:
    return "\n\n".join(_host_text(host) for host in estate.hosts)


def _host_text(host: HostFacts) -> str:
    rows = [
        ("system", f"{host.os} {host.os_version} {host.arch}".strip() + (f", {host.timezone}" if not host.imported else ""))
    ]
    rows += [(f"product {p.name}", p.version) for p in host.products]
    rows += [("packages", _packages(host))]
    if not host.imported:
        rows += _asked_rows(host)
    rows += [(f"database {d.name}", _database(d)) for d in host.databases]
    rows += [
        (f"  {m.tool}", _migrations(m.version, m.applied, m.trouble) + (f" ({m.table})" if m.tool == "hand-made" else ""))
        for d in host.databases
        for m in d.migrations
    ]
    rows += [("NOT SEEN", shown(f"{part.part}: {part.why}")) for part in host.not_seen]
    return columns((host.name, host.hostname), rows, widest=90)


def _asked_rows(host: HostFacts) -> list[tuple[str, str]]:
    running = sum(unit.active == "active" for unit in host.units)
    failed = [unit.name for unit in host.units if unit.active == "failed"]
    free = sum(rule.nopasswd for rule in host.sudo)
    due = min((timer.next for timer in host.timers if timer.next), default="")
    ends = min((certificate.not_after for certificate in host.certificates), default="")
    return [
        ("units", f"{len(host.units)}, {running} active" + (f", failed: {', '.join(failed)}" if failed else "")),
        ("config keys", f"{len(host.config)} in {len({key.file for key in host.config})} files"),
        ("schedules", f"{len(host.cron)} cron jobs, {len(host.timers)} timers" + (f", next {due}" if due else "")),
        ("listeners", _listeners(host)),
        ("accounts", f"{len(host.accounts)}, {len(host.sudo)} sudo rules" + (f", {free} without password" if free else "")),
        ("changed or gone", _changed(host)),
        ("certificates", f"{len(host.certificates)}" + (f", the first ends {ends[:10]}" if ends else "")),
        ("commands", str(len(host.commands))),
        ("trusted roots", str(len(host.certificate_sha256))),
    ]


def _listeners(host: HostFacts) -> str:
    ports = sorted({listener.port for listener in host.listeners if listener.port})
    sockets = sum(listener.protocol == "unix" for listener in host.listeners)
    told = f": {', '.join(map(str, ports[:12]))}{', …' if len(ports) > 12 else ''}" if ports else ""
    return f"{len(host.listeners) - sockets}{told}" + (f"; {sockets} sockets in the file system" if sockets else "")


def _packages(host: HostFacts) -> str:
    counts: dict[str, int] = {}
    for package in host.packages:
        counts[package.manager] = counts.get(package.manager, 0) + 1
    return f"{len(host.packages)}" + (
        f": {', '.join(f'{n} {name}' for name, n in counts.items())}" if len(counts) > 1 else ""
    )


def _changed(host: HostFacts) -> str:
    names = [changed.path for changed in host.files.changed]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    listed = f": {', '.join(names[:4])}{more}" if names else ""
    owned_by_nobody = ", ".join(f"{count} in {area}" for area, count in host.files.unowned.items())
    return f"{len(names)} of {host.files.checked}{listed}" + (
        f"; of no package: {owned_by_nobody}" if owned_by_nobody else ""
    )


def _database(database: DatabaseFacts) -> str:
    product = "PostgreSQL" if database.engine == "postgresql" else "MySQL"
    version = f", schema {database.schema_version}" if database.schema_version else ""
    rows = f"{len(database.tables)} tables, about {sum(database.tables.values()):,} rows"
    text = ", ".join(part for part in (database.encoding, database.collation) if part)
    drift = f", SORTED BY ANOTHER SYSTEM: {database.collation_drift}" if database.collation_drift else ""
    size = f"{database.size_bytes / 1e6:.0f} MB"
    return f"{product} {database.server_version}{version}, {size}, {rows}{f', {text}' if text else ''}{drift}"


def _migrations(version: str, applied: int, trouble: str) -> str:
    return f"at {version or 'nothing'}, {applied} applied" + (f", NOT CLEAN: {trouble}" if trouble else "")
