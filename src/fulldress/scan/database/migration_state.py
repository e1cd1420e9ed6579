"""Which migrations the estate's databases have applied already, as the tables of the migration tools say. Pure."""

from __future__ import annotations

from fulldress.formats.late import late
from fulldress.model.estate import DatabaseFacts, MigrationState
from fulldress.scan.database.migration_files import Source, natural, sources, version_of
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context

_REVISION = late(r"(?m)^(revision|down_revision)\s*(?::[^=\n]*)?=\s*(.+)$")
_QUOTED = late(r"[\"']([^\"']+)[\"']")
_NUMBERED = {"flyway", "rails", "golang-migrate", "goose", "sqlx"}
_NAMED = {"prisma", "knex"}


def databases(context: Context) -> list[DatabaseFacts]:
    """Every PostgreSQL database of the estate."""
    hosts = context.estate.hosts if context.estate is not None else ()
    return [database for host in hosts for database in host.databases if database.engine == "postgresql"]


def rows(context: Context) -> dict[str, int]:
    """Rows per table as the inventory counted them; empty without an inventory."""
    return {table: count for database in databases(context) for table, count in database.tables.items()}


def states(context: Context) -> list[MigrationState]:
    """What the migration tools' own tables say, in every database."""
    return [state for database in databases(context) for state in database.migrations]


def applied(context: Context, source: Source) -> bool:
    """True when every database that knows this kind of migration has this one already."""
    place = source.entry.place
    plain = {d.schema_version for d in databases(context) if d.schema_version}
    if source.plain and len(plain) == 1:
        installed, version = version_of(next(iter(plain))), version_of(place)
        return bool(installed and version) and len(version) == len(installed) and version <= installed
    mine = [state for state in states(context) if state.tool == source.tool.lower() and state.version]
    return bool(mine) and all(_reached(context, source, state) for state in mine)


def _reached(context: Context, source: Source, state: MigrationState) -> bool:
    place = source.entry.place
    if state.tool in _NUMBERED:
        version, installed = version_of(place), version_of(state.version)
        return bool(version and installed) and version <= installed
    if state.tool in _NAMED:
        return _name(place) <= state.version
    if state.tool == "django":
        return _django(place, state.version)
    return state.tool == "alembic" and place in _ancestors(context, state.version)


def _name(place: str) -> str:
    """Prisma's name is the folder's, knex's the file's."""
    folder, _, name = place.rpartition("/")
    return folder.rpartition("/")[2] if name == "migration.sql" else name


def _django(place: str, versions: str) -> bool:
    folders = place.split("/")
    app = folders[folders.index("migrations") - 1] if "migrations" in folders[1:] else ""
    reached = dict(item.split(".", 1) for item in versions.split(",") if "." in item)
    name = folders[-1].removesuffix(".py")
    return app in reached and natural(name) <= natural(reached[app])


def _ancestors(context: Context, version: str) -> frozenset[str]:
    """Places of the Alembic revisions that lead to a version, itself included."""

    def walk() -> frozenset[str]:
        places: dict[str, tuple[str, list[str]]] = {}
        for source in sources(context):
            text = context.text(source.entry) or "" if source.tool == "Alembic" else ""
            said = {key: _QUOTED.findall(value) for key, value in _REVISION.findall(text)}
            if said.get("revision"):
                places[said["revision"][0]] = (source.entry.place, said.get("down_revision", []))
        found: set[str] = set()
        todo = [item.strip() for item in version.split(",")]
        while todo:
            place, before = places.get(todo.pop(), ("", []))
            if place and place not in found:
                found.add(place)
                todo += before
        return frozenset(found)

    return memo(context, ("alembic", version), walk)
