"""Make a release folder: plain files, to be committed to git.

Writes the head of the folder (``release.toml``, ``vendor.toml``) with every setting explained; touches nothing else.
"""

from __future__ import annotations

from pathlib import Path

import click

from fulldress.adapters.hosts import FORMS, is_address
from fulldress.cli.stagework import next_command, stage_work
from fulldress.errors import UsageError
from fulldress.store.codec import write_bytes
from fulldress.store.folder import RELEASE, ReleaseFolder

TEMPLATE = Path(__file__).parent.parent / "release.template.toml"
VENDOR_TEMPLATE = Path(__file__).parent.parent / "vendor.template.toml"


@click.command(epilog="Example:  fulldress new dten-5.0 --package Full-upgrade-package.zip --host machine:lims-prod")
@click.argument("name")
@click.option("--package", "package", type=click.Path(path_type=Path), help="The vendor's package, as it came.")
@click.option("--host", "host", default="", help="The upgrade's target, for example machine:lims-prod.")
@click.option("--ticket", default="", help="The ticket that the package arrived in.")
@click.option("--owner", default="", help="Who answers for this release.")
def command(name: str, package: Path | None, host: str, ticket: str, owner: str) -> None:
    """Make the release folder NAME with release.toml and vendor.toml, every setting explained in place."""
    root = Path(name)
    if (root / RELEASE).exists():
        raise UsageError(
            f"{root / RELEASE} exists already",
            why="a release folder is the record of one release; it is never begun twice",
            fix=f"cd {root} && fulldress status",
        )
    if package is not None and not package.is_file():
        raise UsageError(f"there is no package at {package}", fix="name the file as it came from the vendor")
    if host and not is_address(host):
        raise UsageError(f"not a host's address: {host!r}", fix=f"write {FORMS}")
    values = {
        "name": root.name,
        "ticket": ticket,
        "owner": owner,
        "package": str(package.absolute()) if package else "",
        "host": host,
    }
    text = TEMPLATE.read_text()
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", _toml_string(value))
    write_bytes(root / RELEASE, text.encode())
    if not (root / "vendor.toml").exists():
        write_bytes(root / "vendor.toml", VENDOR_TEMPLATE.read_bytes())
    folder = ReleaseFolder(root)
    folder.release()
    with stage_work(folder, "new") as work:
        work.facts.update(name=root.name)
    next_command(f"edit {root / RELEASE}, then: cd {root} && fulldress intake")


def _toml_string(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
