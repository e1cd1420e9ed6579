"""Facts of the estate, asked from its hosts: what is installed, configured, scheduled and stored there.

Two commands a host (one more when a schema version is asked for), none of which writes. No secret lands in the estate:
values of secret-looking keys, passwords inside addresses and tokens are replaced by ``<secret>`` before anything is kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import resources
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

import msgspec

from fulldress.errors import FulldressError, NothingToDo
from fulldress.formats import config, crontab
from fulldress.formats.redact import SECRET, redacted
from fulldress.model.estate import (
    ConfigKey,
    CronJob,
    DatabaseFacts,
    Estate,
    HostFacts,
    InstalledPackage,
    Product,
    Unit,
)
from fulldress.model.release import Declared
from fulldress.ports import Host, Progress

T = TypeVar("T")
OURS = "fulldress-"
"""Units of our own commands on the host are not facts of the estate."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SECRET_FILE = re.compile(r"secret|credential|password", re.IGNORECASE)
_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]*")


class SurveyFailed(FulldressError):
    """A host did not answer the survey, or answered only in part; nothing was written.

    Its inventory would be incomplete, and an incomplete inventory hides what the package collides with.
    """

    slug = "survey-failed"


class Section(NamedTuple):
    """One part of a host's answer: name, the file it is about (if any), content."""

    name: str
    file: str
    text: str


class _ListedUnit(msgspec.Struct):
    unit: str
    load: str = ""
    active: str = ""
    sub: str = ""


class _UnitFile(msgspec.Struct):
    unit_file: str
    state: str = ""


class _DatabaseAnswer(msgspec.Struct):
    server: str
    size: int
    tables: dict[str, int]


def survey(hosts: Sequence[Host], declared: Declared, *, progress: Progress | None = None) -> Estate:
    """The facts of all hosts, in their order, asked at the same time; NothingToDo without hosts."""
    if not hosts:
        raise NothingToDo(
            "no host is declared",
            why="an inventory of nothing would say that nothing collides",
            fix='name the hosts in release.toml: [estate] hosts = ["machine:NAME"]',
        )
    if progress:
        progress.start("asking the hosts", len(hosts))
    with ThreadPoolExecutor(max_workers=min(8, len(hosts))) as pool:
        facts = []
        for fact in pool.map(lambda host: survey_host(host, declared), hosts):
            facts.append(fact)
            if progress:
                progress.advance()
    if progress:
        progress.finish()
    return Estate(
        taken=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        hosts=tuple(facts),
        retired=declared.retired,
        replacements=declared.replacements,
    )


def survey_host(host: Host, declared: Declared) -> HostFacts:
    """The facts of one host. Raises SurveyFailed when its answer is not whole."""
    sections = list(ask(host, declared))
    texts = {section.name: section.text for section in sections if not section.file}
    release = _os_release(texts.get("os-release", ""))
    return HostFacts(
        name=host.name,
        hostname=texts.get("hostname", "").strip(),
        os=release.get("ID", "unknown"),
        os_version=release.get("VERSION_ID", ""),
        arch=texts.get("arch", "").strip(),
        timezone=_timezone(texts),
        units=_units(host, texts),
        packages=_packages(texts),
        config=tuple(key for s in sections if s.name == "config" for key in config_keys(s.text, s.file)),
        cron=tuple(job for s in sections for job in _cron(s)),
        products=_products(texts.get("version", ""), declared),
        databases=_databases(host, texts.get("database"), declared),
        commands=tuple(sorted(set(texts.get("commands", "").split("\n")) - {""})),
        users=tuple(texts.get("users", "").split()),
        certificate_sha256=_certificates(texts.get("certificates", "")),
    )


def ask(host: Host, declared: Declared) -> Iterator[Section]:
    """Run the probe on a host and yield its sections."""
    boundary = f"--fulldress-{secrets.token_hex(16)}"
    script = resources.files("fulldress.inventory").joinpath("probe.sh").read_bytes()
    database = declared.database if _DATABASE.fullmatch(declared.database) else ""
    argv = ["bash", "-s", "--", boundary, database, declared.version_command, *declared.config_files]
    done = host.run(argv, stdin=script, timeout_s=90)
    parts = done.stdout.decode(errors="replace").split(f"\n{boundary} ")
    if done.code != 0 or not parts[-1].startswith("end\n"):
        raise SurveyFailed(
            f"{host.name} did not answer the survey",
            why=done.stderr.decode(errors="replace").strip()[-500:] or f"the probe ended with {done.code}",
            fix=f"check that {host.name} is up, then run `fulldress inventory` again",
        )
    for part in parts[1:-1]:
        head, _, text = part.partition("\n")
        name, _, file = head.partition(" ")
        yield Section(name, file, text)


def config_keys(text: str, file: str) -> list[ConfigKey]:
    """The keys of a configuration file without any secret value."""
    whole = bool(_SECRET_FILE.search(PurePosixPath(file).name))
    return [_safe(key, whole) for key in config.keys(text, file=file)]


def _safe(key: ConfigKey, secret_file: bool) -> ConfigKey:
    hide = bool(key.value) and (secret_file or config.secret_looking(key.key))
    return msgspec.structs.replace(key, value=SECRET if hide else redacted(key.value))


def _os_release(text: str) -> dict[str, str]:
    return {key.key: key.value for key in config.keys(text, file="/etc/os-release")}


def _timezone(texts: dict[str, str]) -> str:
    _, found, zone = texts.get("localtime", "").strip().partition("zoneinfo/")
    return zone if found else texts.get("timezone", "").strip() or "UTC"


def _units(host: Host, texts: dict[str, str]) -> tuple[Unit, ...]:
    states = {f.unit_file: f.state for f in _json(host, texts, "unit-files", list[_UnitFile])}
    found = {
        u.unit: Unit(
            name=u.unit, load=u.load, active=u.active, sub=u.sub, enabled=states.get(u.unit, _template(states, u.unit))
        )
        for u in _json(host, texts, "units", list[_ListedUnit])
    }
    for name, state in states.items():
        load = "masked" if state.startswith("masked") else "loaded"
        found.setdefault(name, Unit(name=name, load=load, active="inactive", sub="dead", enabled=state))
    return tuple(found[name] for name in sorted(found) if not name.startswith(OURS))


def _template(states: dict[str, str], unit: str) -> str:
    """The state of ``name@.service`` for the instance ``name@x.service``."""
    prefix, at, rest = unit.partition("@")
    return states.get(f"{prefix}@.{rest.rpartition('.')[2]}", "") if at else ""


def _json(host: Host, texts: dict[str, str], name: str, kind: type[list[T]]) -> list[T]:
    text = texts.get(name, "").strip()
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise SurveyFailed(f"{host.name} described its {name} in a form that cannot be read: {error}") from error


def _packages(texts: dict[str, str]) -> tuple[InstalledPackage, ...]:
    found = []
    for line in texts.get("dpkg", "").splitlines():
        status, name, version = [*line.split("\t"), "", ""][:3]
        if status[1:2] == "i":
            found.append(InstalledPackage(name=name, version=version))
    for line in texts.get("rpm", "").splitlines():
        name, _, version = line.partition("\t")
        found.append(InstalledPackage(name=name, version=version.removeprefix("0:"), manager="rpm"))
    return tuple(sorted(found, key=lambda p: (p.manager, p.name)))


def _cron(section: Section) -> Iterator[CronJob]:
    """Jobs of /etc/crontab, cron.d, user crontabs, anacron and the run-parts directories."""
    readers: dict[str, Callable[[Section], Sequence[CronJob]]] = {
        "cron-system": lambda s: crontab.jobs(s.text, file=s.file),
        "cron-user": _user_jobs,
        "cron-parts": _parts_job,
        "anacrontab": _anacron_jobs,
    }
    reader = readers.get(section.name)
    for job in reader(section) if reader else ():
        yield msgspec.structs.replace(job, command=redacted(job.command))


def _user_jobs(section: Section) -> list[CronJob]:
    user = PurePosixPath(section.file).name
    return [msgspec.structs.replace(job, user=user) for job in crontab.jobs(section.text, file=section.file, system=False)]


def _parts_job(section: Section) -> list[CronJob]:
    period, _, path = section.file.partition(" ")
    return [CronJob(file=path, line=0, schedule=f"@{period}", user="root", command=path)]


def _anacron_jobs(section: Section) -> list[CronJob]:
    """``period delay name command``; the schedule is written ``anacron PERIOD`` because it has no fixed moment."""
    found = []
    for number, line in enumerate(section.text.splitlines(), 1):
        words = line.split(None, 3)
        if len(words) == 4 and (words[0].isdecimal() or words[0].startswith("@")):
            found.append(
                CronJob(file=section.file, line=number, schedule=f"anacron {words[0]}", user="root", command=words[3])
            )
    return found


def _products(text: str, declared: Declared) -> tuple[Product, ...]:
    version = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not version or not declared.product:
        return ()
    words = [word for word in version.split() if any(c.isdecimal() for c in word)]
    return (
        Product(name=declared.product, version=words[0] if words else version, probe=redacted(declared.version_command)),
    )


def _databases(host: Host, text: str | None, declared: Declared) -> tuple[DatabaseFacts, ...]:
    """The declared database, where this host has it: a host without PostgreSQL or without it has none."""
    answer = (text or "").strip()
    if not answer or "does not exist" in answer:
        return ()
    try:
        facts = msgspec.json.decode(answer, type=_DatabaseAnswer)
    except msgspec.MsgspecError:
        raise SurveyFailed(
            f"{host.name}: the database {declared.database} cannot be read",
            why=redacted(answer[:300]),
            fix="start PostgreSQL on the host, or correct [estate] database in release.toml",
        ) from None
    return (
        DatabaseFacts(
            name=declared.database,
            server_version=facts.server.split()[0],
            schema_version=_schema_version(host, declared),
            size_bytes=facts.size,
            tables=facts.tables,
        ),
    )


def _schema_version(host: Host, declared: Declared) -> str:
    """The first value of the declared query, run in a read-only transaction."""
    if not declared.schema_version_query:
        return ""
    options = "PGOPTIONS=-c default_transaction_read_only=on -c statement_timeout=10s"
    argv = ["env", options, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", declared.database]
    done = host.run(argv, stdin=declared.schema_version_query.encode() + b"\n;", timeout_s=30, user="postgres")
    if not done.ok:
        raise SurveyFailed(
            f"{host.name}: the schema version cannot be read",
            why=redacted(done.stderr.decode(errors="replace").strip()[-300:]),
            fix="correct [estate] schema-version-query in release.toml",
        )
    return done.stdout.decode(errors="replace").strip().partition("\n")[0]


def _certificates(text: str) -> tuple[str, ...]:
    found = []
    for match in _PEM.finditer(text):
        try:
            found.append(hashlib.sha256(base64.b64decode("".join(match[1].split()), validate=True)).hexdigest())
        except ValueError:
            continue  # a damaged certificate is trusted by nobody: it has no fingerprint
    return tuple(sorted(set(found)))
