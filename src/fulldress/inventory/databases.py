"""What the probe says of databases: size, tables, objects, and what the migration tools' own tables say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from fulldress.formats.redact import redacted
from fulldress.formats.version import sort_key
from fulldress.inventory.sections import MOST, Sections, SurveyFailed, whole
from fulldress.model.estate import DatabaseFacts, HostFacts, MigrationState, NotSeen
from fulldress.model.release import Declared

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]*")
"""Names that are handed to a client's command line."""
_ABSENT = re.compile(r"does not exist|Unknown database|\(1049\)", re.IGNORECASE)


class _Answer(msgspec.Struct):
    server: str
    size: int
    tables: dict[str, int]
    extensions: dict[str, str] = {}
    objects: dict[str, int] = {}
    bytes: dict[str, int] = {}
    columns: dict[str, dict[str, str]] = {}
    encoding: str = ""
    collation: str = ""
    invalid: tuple[str, ...] = ()
    drift: str = ""


class _State(msgspec.Struct):
    tool: str
    table: str
    applied: int
    version: str = ""
    trouble: str = ""


def declared_databases(declared: Declared) -> list[tuple[str, str]]:
    """(engine, name) of every declared database whose name can be one; the main one is PostgreSQL's."""
    named = [("postgresql", declared.database), *(text.partition(":")[::2] for text in declared.more_databases)]
    return [(engine, name) for engine, name in named if engine in ("postgresql", "mysql") and NAME.fullmatch(name)]


def databases(host: str, sections: Sections, declared: Declared) -> tuple[list[DatabaseFacts], list[NotSeen]]:
    """The declared databases that this host has, and those that it may have and did not show.

    A host without the engine or without the database has none; one whose server does not answer may only be a client.
    """
    found, unread = [], []
    for engine, name in declared_databases(declared):
        answer = (sections.about("database", f"{engine} {name}") or "").strip()
        if not answer or _ABSENT.search(answer[:500]):
            continue
        states = tuple(_merged(_states(engine, sections.about("migrations", f"{engine} {name}") or "")))
        facts = (_postgresql if engine == "postgresql" else _mysql)(name, answer)
        if facts is None:
            unread.append(NotSeen(part=f"database {name}", why=redacted(answer[:300])))
            continue
        version = _schema_version(host, sections, declared) if name == declared.database else ""
        found.append(msgspec.structs.replace(facts, schema_version=version, migrations=states))
    return found, unread


def check_read(hosts: Sequence[HostFacts], declared: Declared) -> None:
    """SurveyFailed for a declared database that some host may have and none has shown."""
    read = {database.name for host in hosts for database in host.databases}
    for _, name in declared_databases(declared):
        why = {h.name: part.why for h in hosts for part in h.not_seen if part.part == f"database {name}"}
        if name not in read and why:
            raise SurveyFailed(
                f"{', '.join(why)}: the database {name} cannot be read",
                why="; ".join(dict.fromkeys(why.values())),
                fix="start its server on the host, or correct [estate] database in release.toml",
            )


def _postgresql(name: str, answer: str) -> DatabaseFacts | None:
    """The last line that is an answer: what the server warns of stands before it."""
    line = next((line for line in reversed(answer.splitlines()) if line.startswith("{")), "")
    try:
        facts = msgspec.json.decode(line, type=_Answer)
    except msgspec.MsgspecError:
        return None
    return DatabaseFacts(
        name=name,
        server_version=facts.server.split()[0],
        size_bytes=facts.size,
        tables=facts.tables,
        objects=facts.objects,
        extensions=facts.extensions,
        table_bytes=facts.bytes,
        columns=facts.columns,
        encoding=facts.encoding,
        collation=facts.collation,
        invalid_indexes=facts.invalid,
        collation_drift=facts.drift,
    )


def _mysql(name: str, answer: str) -> DatabaseFacts | None:
    rows = [line.split("\t") for line in answer.splitlines()]
    server = next((row[1] for row in rows if row[0] == "server" and len(row) == 2), "")
    if not server:
        return None
    tables = [row for row in rows if row[0] == "table" and len(row) >= 4]
    charset, collation = next((row[1:3] for row in rows if row[0] == "charset" and len(row) == 3), ("", ""))
    columns: dict[str, dict[str, str]] = {}
    for row in rows:
        if row[0] == "column" and len(row) == 4:
            columns.setdefault(row[1], {})[row[2]] = row[3]
    return DatabaseFacts(
        name=name,
        engine="mysql",
        server_version=server,
        size_bytes=min(sum(whole(row[3]) for row in tables), MOST),
        tables={row[1]: whole(row[2]) for row in tables},
        table_bytes={row[1]: whole(row[3]) for row in tables},
        objects={row[1]: whole(row[2]) for row in rows if row[0] == "object" and len(row) == 3 and whole(row[2])},
        columns=columns,
        encoding=charset,
        collation=collation,
        table_collations={row[1]: row[4] for row in tables if len(row) == 5 and row[4] not in ("", "NULL", collation)},
    )


def _states(engine: str, text: str) -> Iterator[MigrationState]:
    for line in text.splitlines():
        if engine == "postgresql":
            try:
                state = msgspec.json.decode(line, type=_State)
            except msgspec.MsgspecError:
                continue
        else:
            tool, table, applied, version, trouble = [*line.split("\t"), "", "", "", "", ""][:5]
            if not applied.partition(".")[0].isdecimal():
                continue
            state = _State(tool, table, whole(applied.partition(".")[0]), version, trouble)
        trouble = redacted(state.trouble[:300])
        version = state.version
        if state.tool == "hand-made":  # all that it has, in no order
            version = max(version.split("|")[:5000], key=sort_key)
        yield MigrationState(
            tool=state.tool, table=state.table, version=redacted(version[:300]), applied=state.applied, trouble=trouble
        )


def _merged(states: Iterator[MigrationState]) -> Iterator[MigrationState]:
    """A tool's lock table says its trouble in the tool's own line."""
    found = list(states)
    locks = {state.tool.removesuffix(" lock"): state for state in found if state.tool.endswith(" lock")}
    for state in found:
        if not state.tool.endswith(" lock"):
            lock = locks.get(state.tool)
            trouble = "; ".join(part for part in (state.trouble, lock.trouble if lock else "") if part)
            yield msgspec.structs.replace(state, trouble=trouble)


def _schema_version(host: str, sections: Sections, declared: Declared) -> str:
    """The first value of the declared query, which ran in a read-only transaction."""
    answer = sections.about("schema-version", declared.database)
    if not declared.schema_version_query or answer is None:
        return ""
    code, _, said = answer.partition("\n")
    if code.strip() != "0":
        raise SurveyFailed(
            f"{host}: the schema version cannot be read",
            why=redacted(said.strip()[-300:]),
            fix="correct [estate] schema-version-query in release.toml",
        )
    return said.strip().partition("\n")[0]
