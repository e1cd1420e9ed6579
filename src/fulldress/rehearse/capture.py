"""The state of a machine as names and digests: files, units, configuration, rows, schemas.

Takes two reads that run side by side: the file tree (from outside where it can be seen, else on the host) and one script
on the host. Writes nothing. Secret values are kept as keyed fingerprints only; the key never leaves this process.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from fulldress.adapters.manifest import PathState, manifest
from fulldress.errors import FulldressError, UsageError
from fulldress.formats import config
from fulldress.formats.redact import redacted
from fulldress.formats.systemctl import ListedFile, ListedUnit
from fulldress.ports import Host
from fulldress.rehearse import rows

EXCLUDED = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/lib/fulldress", "/var/lib/postgresql")
"""Never part of the proof: kernel and memory file systems, our own directory, and PostgreSQL's files, whose bytes change
while their rows do not (rows and schemas are compared instead)."""
_FINGERPRINT_KEY = secrets.token_bytes(32)
_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]*")
_DUMP_HEAD = re.compile(r"^-- (?:Data for )?Name: (?P<name>.*?); Type: (?P<type>.*?); Schema: (?P<schema>.*?); Owner: .*$")
_ROLE = re.compile(r"^(?:CREATE|ALTER) ROLE (\"(?:[^\"]|\"\")+\"|[^\s;]+)")
_NOISE = re.compile(r"^(--.*|\\(un)?restrict .*|)$")


class CaptureFailed(FulldressError):
    """The state of the machine could not be read as a whole, so nothing can be proven about it.

    A proof over half of the state would call the other half equal.
    """

    slug = "capture-failed"


class StateSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is, at one moment; each part maps a name to what it is in a few words."""

    host: str
    files: dict[str, PathState]
    units: dict[str, str]
    config: dict[str, str]
    rows: dict[str, str]
    schema: dict[str, str]
    file_bytes: int = 0
    """Bytes of file content that were digested."""


class _Section(NamedTuple):
    name: str
    about: str
    text: str


def capture(
    host: Host, *, databases: Sequence[str] = (), config_globs: Sequence[str] = (), exclude: Sequence[str] = ()
) -> StateSnapshot:
    """The state of a running machine. ``exclude`` names further paths to leave out.

    Raises CaptureFailed when any part could not be read. Costs about 25 µs a path and 4 s per GB of rows.
    """
    for database in databases:
        if not _DATABASE.fullmatch(database):
            raise UsageError(f"not a database's name: {database!r}")
    without = (*EXCLUDED, *exclude)
    with ThreadPoolExecutor(max_workers=1) as pool:
        told = pool.submit(lambda: list(_ask(host, databases, config_globs)))
        files, size = files_of(host, without)
        sections = told.result()
    texts = {section.name: section.text for section in sections if not section.about}
    return StateSnapshot(
        host=host.name,
        files=files,
        units=_units(texts),
        config={name: value for s in sections if s.name == "config" for name, value in _config(s)},
        rows={name: value for s in sections if s.name == "rows" for name, value in _rows(host, s)},
        schema={name: value for s in sections for name, value in _SERVER_SIDE.get(s.name, _nothing)(host, s)},
        file_bytes=size,
    )


def files_of(host: Host, exclude: tuple[str, ...]) -> tuple[dict[str, PathState], int]:
    """Path -> state of the whole tree, and the bytes that were read. Raises CaptureFailed."""
    if host.root is not None:
        return manifest(str(host.root), exclude)
    script = resources.files("fulldress.adapters").joinpath("manifest.py").read_bytes()
    done = host.run(["python3", "-", "/", *exclude], stdin=script, timeout_s=1800)
    lines = done.stdout.splitlines()
    if not done.ok or not lines:
        raise CaptureFailed(
            f"the file tree of {host.name} could not be read",
            why=done.stderr.decode(errors="replace").strip()[-300:],
            fix="the tree of a remote host is read by its own python3: install it, and connect as root",
        )
    found = {}
    for line in lines[:-1]:
        path, *fields = msgspec.json.decode(line)
        found[path] = PathState(*fields)
    return found, msgspec.json.decode(lines[-1])[0]


def _ask(host: Host, databases: Sequence[str], globs: Sequence[str]) -> Iterator[_Section]:
    boundary = f"--fulldress-{secrets.token_hex(16)}"
    given = f"rows_sql=$(cat <<'SQL'\n{rows.TABLES}\nSQL\n)\n"
    script = given.encode() + resources.files("fulldress.rehearse").joinpath("state.sh").read_bytes()
    argv = ["bash", "-s", "--", boundary, str(len(databases)), *databases, *globs]
    done = host.run(argv, stdin=script, timeout_s=3600)
    parts = done.stdout.decode(errors="replace").split(f"\n{boundary} ")
    if not done.ok or not parts[-1].startswith("end\n"):
        raise CaptureFailed(
            f"the state of {host.name} could not be read",
            why=done.stderr.decode(errors="replace").strip()[-300:] or f"the reader ended with {done.code}",
        )
    for part in parts[1:-1]:
        head, _, text = part.partition("\n")
        name, _, about = head.partition(" ")
        yield _Section(name, about, text)


def _units(texts: dict[str, str]) -> dict[str, str]:
    """Unit -> ``active running enabled``. A unit that systemd forgot because it is idle is written like an idle one."""
    files = {f.unit_file: f.state for f in msgspec.json.decode(texts.get("unit-files") or "[]", type=list[ListedFile])}
    by_timer = _triggered(texts.get("triggered", ""))
    found = {name: f"inactive dead {state}" for name, state in files.items()}
    for unit in msgspec.json.decode(texts.get("units") or "[]", type=list[ListedUnit]):
        if unit.load == "not-found" and unit.active == "inactive":
            continue
        enabled = files.get(unit.unit, "")
        if unit.unit in by_timer and unit.active != "failed":
            found[unit.unit] = f"started-by-timer {enabled}"
        elif unit.active == "inactive":
            found[unit.unit] = f"inactive dead {enabled}"
        else:
            sub = "" if unit.unit.endswith((".timer", ".path")) else f" {unit.sub}"
            found[unit.unit] = f"{unit.active}{sub} {enabled}"
    for name in by_timer & set(files):
        if found[name].startswith("inactive"):
            found[name] = f"started-by-timer {files[name]}"
    return {name: state.strip() for name, state in found.items()}


def _triggered(text: str) -> set[str]:
    """Services that a timer starts: whether one runs at this very moment is no difference."""
    names = set()
    for block in text.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if ".timer" in values.get("TriggeredBy", ""):
            names.add(values.get("Id", ""))
    return names


def _config(section: _Section) -> Iterator[tuple[str, str]]:
    secret_file = re.search(r"secret|credential|password", PurePosixPath(section.about).name, re.IGNORECASE)
    seen: dict[str, int] = {}
    for key in config.keys(section.text, file=section.about):
        hidden = secret_file or config.secret_looking(key.key) or redacted(key.value) != key.value
        seen[key.key] = seen.get(key.key, 0) + 1
        again = f" ({seen[key.key]})" if seen[key.key] > 1 else ""
        yield f"{section.about} {key.key}{again}", _fingerprint(key.value) if hidden else key.value


def _fingerprint(value: str) -> str:
    keyed = hashlib.blake2b(value.encode(errors="surrogateescape"), key=_FINGERPRINT_KEY, digest_size=4)
    return f"<secret {keyed.hexdigest()}>"


def _rows(host: Host, section: _Section) -> Iterator[tuple[str, str]]:
    lines = [line.split("\t") for line in section.text.splitlines() if line]
    if not lines or lines[-1] != ["end", "0", "0"] or any(len(line) != 3 for line in lines):
        why = redacted(" ".join(" ".join(line) for line in lines if len(line) != 3))[-300:]
        raise CaptureFailed(f"the rows of {section.about} on {host.name} could not be read", why=why)
    for name, count, digest in lines[:-1]:
        if name.startswith("sequence "):
            yield f"{section.about}: {name}", f"{count} {'drawn' if digest == '1' else 'next'}"
        else:
            yield f"{section.about}: {name}", f"{count} rows, sum {digest}"


def _pairs(host: Host, section: _Section) -> Iterator[tuple[str, str]]:
    """Passwords of roles, as keyed fingerprints, and settings made with ALTER SYSTEM."""
    hidden = section.name == "passwords"
    for line in section.text.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            where = f"{section.about or 'server'}: {'password of role' if hidden else 'setting'} {name}"
            yield where, _fingerprint(value) if hidden or config.secret_looking(name) else value
        elif line:
            raise CaptureFailed(
                f"the {section.name} of PostgreSQL on {host.name} could not be read", why=redacted(line)[-300:]
            )


def _nothing(host: Host, section: _Section) -> Iterator[tuple[str, str]]:
    del host, section
    return iter(())


def _schema(host: Host, section: _Section) -> Iterator[tuple[str, str]]:
    """Objects of a dump by name; comments, blank lines and the dump's random ``\\restrict`` key are no difference."""
    if section.text.endswith("\nfailed\n") or not section.text.strip():
        raise CaptureFailed(f"the schema of {section.about or 'the server'} on {host.name} could not be dumped")
    objects: dict[str, list[str]] = {}
    name = "settings" if section.name == "schema" else "globals"
    for line in section.text.splitlines():
        if head := _DUMP_HEAD.match(line):
            name = f"{head['type']} {'' if head['schema'] == '-' else head['schema'] + '.'}{head['name']}"
        elif section.name == "roles" and (role := _ROLE.match(line)):
            objects.setdefault(f"ROLE {role[1]}", []).append(line)
        elif not _NOISE.match(line):
            objects.setdefault(name, []).append(line)
    for label, lines in objects.items():
        body = "\n".join(lines)
        digest = hashlib.blake2b(body.encode(errors="surrogateescape"), digest_size=8).hexdigest()
        yield f"{section.about or 'server'}: {label}", f"{digest} {' '.join(body.split())[:160]}"


_SERVER_SIDE: dict[str, Callable[[Host, _Section], Iterator[tuple[str, str]]]] = {
    "schema": _schema,
    "roles": _schema,
    "passwords": _pairs,
    "settings": _pairs,
}
