"""Facts of the estate, asked from its hosts: what is installed, configured, scheduled and stored there.

One command a host, which does not write, in at most a minute; hosts are asked side by side. What a host does not let us see
is listed (``not_seen``), never left out in silence. No secret lands in the estate:
values of secret-looking keys, passwords inside addresses and tokens are replaced by ``<secret>`` before anything is kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import resources
from pathlib import PurePosixPath

import msgspec

from fulldress.errors import FulldressError, NothingToDo
from fulldress.formats import config, keyreader
from fulldress.formats.late import late
from fulldress.formats.redact import SECRET, command_redacted, redacted
from fulldress.inventory import databases, software, system
from fulldress.inventory.sections import Section, Sections, SurveyFailed
from fulldress.model.estate import ConfigKey, Estate, HostFacts, NotSeen, Product
from fulldress.model.release import Declared
from fulldress.ports import Completed, Host, Progress

PATIENCE_S = 60
"""The probe stops asking after 52 s and says what it left out."""
MAX_KEYS = 200_000
_PEM = late(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SECRET_FILE = late(r"secret|credential|password", re.IGNORECASE)
_UPSTREAM = late(r"(^|\.)(proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass$")
"""nginx passes requests on with these; a password in the address is hidden as in any address."""
_DOTTED = late(r"(?<![\w.])(?P<version>v?(?:\d+:)?\d+(?:\.\d+)+[\w.+~:-]*)")
_HOLDERS = ("value", "val", "content", "text", "default")
"""Names that say nothing of what they hold: the name above does."""
__all__ = ["SurveyFailed", "ask", "assembled", "config_keys", "survey", "survey_host"]


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
    facts: list[HostFacts] = []
    failed: list[FulldressError] = []
    with ThreadPoolExecutor(max_workers=min(16, len(hosts))) as pool:
        for asked in [pool.submit(survey_host, host, declared) for host in hosts]:
            try:
                facts.append(asked.result())
            except FulldressError as error:
                failed.append(error)
            except KeyboardInterrupt:  # the pool waits for its threads, and they for the hosts
                pool.shutdown(wait=False, cancel_futures=True)
                for host in hosts:
                    getattr(host, "abandon", lambda: None)()
                raise
            if progress:
                progress.advance()
    if progress:
        progress.finish()
    if failed:
        raise _failed(failed, len(hosts))
    databases.check_read(facts, declared)
    return assembled(facts, declared)


def _failed(failed: Sequence[FulldressError], hosts: int) -> FulldressError:
    """What one host says, or what several say, each on its line."""
    if len(failed) == 1:
        return failed[0]
    return SurveyFailed(
        f"{len(failed)} of {hosts} hosts did not answer the survey",
        why="\n".join(f"{error.what}: {error.why}" if error.why else error.what for error in failed),
        fix="see to them, or take them out of [estate] hosts; then run `fulldress inventory` again",
    )


def assembled(hosts: Sequence[HostFacts], declared: Declared) -> Estate:
    """The facts of hosts together with what the release folder declares of the estate."""
    return Estate(
        taken=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        hosts=tuple(hosts),
        retired=tuple(dict.fromkeys([*declared.retired, *_retired_aliases(declared)])),
        replacements={**_redirected(declared), **declared.replacements},
        aliases=declared.aliases,
    )


def _retired_aliases(declared: Declared) -> list[str]:
    """The declared names that stand, directly or over others, for a server that is retired."""
    retired = {_plain(name) for name in declared.retired}
    return [alias for alias in declared.aliases if any(_plain(name) in retired for name in _behind(declared, alias))]


def _redirected(declared: Declared) -> dict[str, str]:
    """What is to be used instead of an alias: what is declared for the server behind it."""
    successors = {_plain(old): new for old, new in declared.replacements.items()}
    found = {}
    for alias in _retired_aliases(declared):
        known = next((successors[_plain(n)] for n in _behind(declared, alias) if _plain(n) in successors), "")
        if known:
            found[alias] = known
    return found


def _behind(declared: Declared, alias: str) -> Iterator[str]:
    """The names that an alias leads to, one after the other; a circle ends where it began."""
    table = {_plain(name): target for name, target in declared.aliases.items()}
    seen: set[str] = set()
    while (name := _plain(alias)) in table and name not in seen:
        seen.add(name)
        alias = table[name]
        yield alias


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def survey_host(host: Host, declared: Declared) -> HostFacts:
    """The facts of one host. Raises SurveyFailed when its answer is not whole."""
    sections = Sections(list(ask(host, declared)))
    release = _os_release(sections.text("os-release"))
    config, unread = _configuration(sections)
    found, closed = databases.databases(host.name, sections, declared)
    return HostFacts(
        name=host.name,
        hostname=sections.text("hostname").strip(),
        os=release.get("ID", "unknown"),
        os_version=release.get("VERSION_ID", ""),
        arch=sections.text("arch").strip(),
        timezone=_timezone(sections),
        units=system.units(sections),
        packages=software.packages(sections),
        config=tuple(config),
        cron=system.cron(sections),
        products=_products(sections, declared),
        databases=tuple(found),
        commands=tuple(sorted(set(sections.text("commands").split("\n")) - {""})),
        users=tuple(sections.text("users").split()),
        certificate_sha256=_certificates(sections.text("certificates")),
        timers=system.timers(sections),
        listeners=system.listeners(sections),
        certificates=system.certificates(sections),
        accounts=system.accounts(sections),
        sudo=system.sudo_rules(sections),
        files=software.owned_files(sections),
        volumes=system.volumes(sections),
        locales=tuple(sections.text("locales").split()),
        runtimes=system.runtimes(sections),
        not_seen=(
            *(NotSeen(part=s.file, why=redacted(s.text.strip())) for s in sections.named("not-seen")),
            *unread,
            *closed,
        ),
    )


def ask(host: Host, declared: Declared) -> Iterator[Section]:
    """Run the probe on a host, once, and yield its sections."""
    boundary = f"--fulldress-{secrets.token_hex(16)}"
    script = resources.files("fulldress.inventory").joinpath("probe.sh").read_bytes()
    done = host.run(["bash", "-s", "--", boundary, *_questions(declared)], stdin=script, timeout_s=PATIENCE_S)
    parts = done.stdout.split(f"\n{boundary} ".encode())
    if done.code != 0 or not parts[-1].startswith(b"end\n"):
        raise _unanswered(host.name, done)
    for part in parts[1:-1]:
        head, _, body = part.partition(b"\n")
        name, _, file = head.decode(errors="backslashreplace").partition(" ")
        yield Section(name, file, _decoded(body, guess=name == "config"))


def _unanswered(name: str, done: Completed) -> SurveyFailed:
    said = done.stderr.decode(errors="replace").strip()[-500:]
    fix = f"check that {name} is up, then run `fulldress inventory` again"
    if done.code is None:
        why = f"no whole answer within {PATIENCE_S} s, or the connection broke"
        return SurveyFailed(f"{name} did not answer the survey", why=f"{why}: {said}" if said else why, fix=fix)
    if done.code in (126, 127):
        fix = (
            f"the survey needs bash on {name}; or export its bill of materials and import it (fulldress inventory --import)"
        )
    return SurveyFailed(f"{name} did not answer the survey", why=said or f"the probe ended with {done.code}", fix=fix)


def _decoded(body: bytes, *, guess: bool) -> str:
    """UTF-8; configuration also as UTF-16 by its mark, and else byte by byte: what is written in Latin-1 is no damage."""
    if guess and body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1") if guess else body.decode(errors="backslashreplace")


def _configuration(sections: Sections) -> tuple[list[ConfigKey], list[NotSeen]]:
    """The keys of all declared files; binary files and what is beyond the bound are said, not read."""
    found: list[ConfigKey] = []
    unread: list[NotSeen] = []
    for section in sections.named("config"):
        if "\0" in section.text:
            unread.append(NotSeen(part=section.file, why="it is no text"))
        elif len(found) >= MAX_KEYS:
            unread.append(NotSeen(part=section.file, why=f"more than {MAX_KEYS} keys were read before it"))
        else:
            keys = config_keys(section.text, section.file)
            found += keys
            if len(keys) >= keyreader.MAX_KEYS:
                unread.append(NotSeen(part=section.file, why=f"only its first {keyreader.MAX_KEYS} keys were kept"))
    return found, unread


def _questions(declared: Declared) -> list[str]:
    """The probe's arguments: what the release folder declares."""
    commands = {declared.product: declared.version_command, **declared.more_products}
    asked = [word for glob in declared.config_files for word in ("config", glob)]
    asked += [word for name, text in commands.items() if name and text for word in ("product", name, text)]
    for engine, name in databases.declared_databases(declared):
        asked += ["database", engine, name]
    if declared.schema_version_query and databases.NAME.fullmatch(declared.database):
        asked += ["schema", declared.database, declared.schema_version_query]
    return asked


def config_keys(text: str, file: str) -> list[ConfigKey]:
    """The keys of a configuration file without any secret value."""
    whole = bool(_SECRET_FILE.search(PurePosixPath(file).name))
    found = keyreader.keys(text, file=file)
    named = {key.key.rpartition(".")[0]: key.value for key in found if key.key.rpartition(".")[2] in ("name", "key")}
    return [_safe(key, whole or config.secret_looking(named.get(key.key.rpartition(".")[0], ""))) for key in found]


def _safe(key: ConfigKey, secret: bool) -> ConfigKey:
    named = _secret_looking(key.key) and not (key.format == "nginx" and _UPSTREAM.search(key.key))
    hide = bool(key.value) and ((secret and key.key.rpartition(".")[2] not in ("name", "key")) or named)
    return msgspec.structs.replace(key, value=SECRET if hide else redacted(key.value))


def _secret_looking(key: str) -> bool:
    """Also in lists (``tokens.0``) and XML (``property[db.password].@value``)."""
    parts = [part for part in re.split(r"[.\[\]@\s]+", key) if part and not part.isdecimal()]
    if len(parts) > 1 and parts[-1].lower() in _HOLDERS:
        parts.pop()
    return config.secret_looking(key) or (bool(parts) and config.secret_looking(parts[-1]))


def _os_release(text: str) -> dict[str, str]:
    return {key.key: key.value for key in config.keys(text, file="/etc/os-release")}


def _timezone(sections: Sections) -> str:
    _, found, zone = sections.text("localtime").strip().partition("zoneinfo/")
    return zone if found else sections.text("timezone").strip() or "UTC"


def _products(sections: Sections, declared: Declared) -> tuple[Product, ...]:
    commands = {**declared.more_products, **({declared.product: declared.version_command} if declared.product else {})}
    found = []
    for section in sections.named("version"):
        if version := _version(section.text):
            probe = command_redacted(commands.get(section.file, ""))
            found.append(Product(name=section.file, version=redacted(version), probe=probe))
    return tuple(sorted(found, key=lambda p: p.name != declared.product))


def _version(said: str) -> str:
    """The first version with a dot in what a command says; else the first line's first word with a digit, or the line."""
    lines = [line.strip() for line in said.splitlines()[:20] if line.strip()]
    if match := _DOTTED.search("\n".join(lines)):
        return match["version"].rstrip(".-+~:")
    words = [word.strip(",;()") for line in lines[:1] for word in line.split() if any(c.isdecimal() for c in word)]
    return next(iter([*words, *lines]), "")


def _certificates(text: str) -> tuple[str, ...]:
    found = []
    for match in _PEM.finditer(text):
        try:
            found.append(hashlib.sha256(base64.b64decode("".join(match[1].split()), validate=True)).hexdigest())
        except ValueError:
            continue  # a damaged certificate is trusted by nobody: it has no fingerprint
    return tuple(sorted(set(found)))
