"""What the probe says of the running system: units, timers, schedules, listeners, accounts, sudo rules, certificates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, TypeVar

import msgspec

from fulldress.formats import crontab, sudoers, unit
from fulldress.formats.redact import redacted
from fulldress.formats.systemctl import ListedFile, ListedUnit
from fulldress.inventory.sections import Section, Sections, SurveyFailed
from fulldress.model.estate import Account, Certificate, CronJob, Listener, SudoRule, Timer, Unit, Volume

T = TypeVar("T")
OURS = "fulldress-"
"""Units of our own commands on the host are not facts of the estate."""
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_PROPERTY = re.compile(r"\{ (?P<name>On\w+)=(?P<value>.*?) ; next_elapse=")
_STAMP = re.compile(r"(?:\w{3} )?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: UTC)?$")
_AT = re.compile(r"[a-zA-Z=](?P<number>[0-9a-f]{5})(?P<minutes>[0-9a-f]{8})$")
_SS = re.compile(r'\(\("(?P<program>[^"]*)",pid=(?P<pid>\d+)')
_LISTENING = ("0A", "07")
"""States of /proc/net: LISTEN for TCP, unconnected for UDP."""


def units(sections: Sections) -> tuple[Unit, ...]:
    """Every unit, loaded or only on disk; our own calls apart."""
    states = {f.unit_file: f.state for f in _json(sections, "unit-files", list[ListedFile])}
    found = {
        u.unit: Unit(
            name=u.unit, load=u.load, active=u.active, sub=u.sub, enabled=states.get(u.unit, _template(states, u.unit))
        )
        for u in _json(sections, "units", list[ListedUnit])
    }
    for name, state in states.items():
        load = "masked" if state.startswith("masked") else "loaded"
        found.setdefault(name, Unit(name=name, load=load, active="inactive", sub="dead", enabled=state))
    edges = _edges(sections.text("unit-edges"))
    return tuple(
        msgspec.structs.replace(found[name], **edges.get(name, {})) for name in sorted(found) if not name.startswith(OURS)
    )


_EDGES = {"After": "after", "Requires": "requires", "Requisite": "requires", "BindsTo": "requires", "Wants": "wants"}


def _edges(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Unit -> what it comes after, requires and wants; slices and scopes order nothing that a package could break."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for block in text.split("\n\n"):
        said = dict(line.partition("=")[::2] for line in block.strip().splitlines())
        edges: dict[str, tuple[str, ...]] = {}
        for key, field in _EDGES.items():
            names = [n for n in said.get(key, "").split() if not n.endswith((".slice", ".scope")) and not n.startswith(OURS)]
            edges[field] = tuple(sorted({*edges.get(field, ()), *names}))
        if "Id" in said:
            found[said["Id"]] = edges
    return found


def _template(states: dict[str, str], name: str) -> str:
    """The state of ``name@.service`` for the instance ``name@x.service``."""
    prefix, at, rest = name.partition("@")
    return states.get(f"{prefix}@.{rest.rpartition('.')[2]}", "") if at else ""


def _json(sections: Sections, name: str, kind: type[list[T]]) -> list[T]:
    text = sections.text(name).strip()
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise SurveyFailed(f"the host described its {name} in a form that cannot be read: {error}") from error


def timers(sections: Sections) -> tuple[Timer, ...]:
    """Timers as systemd reports them; from their files where no systemd runs."""
    found = [_shown(block) for block in sections.text("timers").split("\n\n") if "Id=" in block]
    found += [_from_file(section) for section in sections.named("timer-file")]
    return tuple(sorted({timer.name: timer for timer in reversed(found)}.values(), key=lambda timer: timer.name))


def _shown(block: str) -> Timer:
    facts: dict[str, list[str]] = {}
    for line in block.strip().splitlines():
        key, _, value = line.partition("=")
        facts.setdefault(key, []).append(value)
    said = {key: values[0] for key, values in facts.items()}
    expressions = {
        key: [_PROPERTY.search(value) for value in facts.get(key, ())] for key in ("TimersCalendar", "TimersMonotonic")
    }
    return Timer(
        name=said["Id"],
        activates=said.get("Unit", ""),
        calendar=tuple(match["value"] for match in expressions["TimersCalendar"] if match),
        monotonic=tuple(f"{match['name']}={match['value']}" for match in expressions["TimersMonotonic"] if match),
        next=_moment(said.get("NextElapseUSecRealtime", "")),
        persistent=said.get("Persistent") == "yes",
    )


def _moment(text: str) -> str:
    match = _STAMP.match(text.strip())
    return f"{match[1]}T{match[2]}Z" if match else ""


def _from_file(section: Section) -> Timer:
    name = PurePosixPath(section.file).name
    directives = unit.parse(section.text).get("Timer", [])
    said = {key: value for key, value, _ in directives}
    return Timer(
        name=name,
        activates=said.get("Unit") or name.removesuffix(".timer") + ".service",
        calendar=tuple(value for key, value, _ in directives if key == "OnCalendar" and value),
        monotonic=tuple(f"{k}={v}" for k, v, _ in directives if k.startswith("On") and k.endswith("Sec") and v),
        persistent=said.get("Persistent", "").lower() in ("yes", "true", "on", "1"),
    )


def cron(sections: Sections) -> tuple[CronJob, ...]:
    """Jobs of /etc/crontab, cron.d, users' crontabs, anacron, the run-parts directories and the at queue."""
    readers: dict[str, Callable[[Section], Sequence[CronJob]]] = {
        "cron-system": lambda s: crontab.jobs(s.text, file=s.file),
        "cron-user": _user_jobs,
        "cron-parts": _parts_job,
        "anacrontab": _anacron_jobs,
        "at-job": _at_job,
    }
    found = [job for section in sections if (read := readers.get(section.name)) for job in read(section)]
    return tuple(msgspec.structs.replace(job, command=redacted(job.command)) for job in found)


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


def _at_job(section: Section) -> list[CronJob]:
    """One job of the at queue; its moment is in the file's name, its commands stand behind the saved environment."""
    user, _, path = section.file.partition(" ")
    match = _AT.match(PurePosixPath(path).name)
    if match is None:
        return []
    due = datetime.fromtimestamp(int(match["minutes"], 16) * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")
    lines = section.text.rstrip().split("\n")
    start = max((n for n, line in enumerate(lines) if line == "}" or line.startswith("cd ")), default=-1) + 1
    command = " ; ".join(line.strip() for line in lines[start:] if line.strip() and not line.startswith("#"))
    return [CronJob(file=path, line=start + 1, schedule=f"at {due}", user=user, command=command)]


def listeners(sections: Sections) -> tuple[Listener, ...]:
    """Ports on which programs wait, with the units that the programs belong to."""
    groups = _units_by_pid(sections.text("cgroups"))
    found = [listener for line in sections.text("listeners").splitlines() if (listener := _from_ss(line, groups))]
    for section in sections.named("sockets"):
        found += [listener for line in section.text.splitlines()[1:] if (listener := _from_proc(line, section.file))]
    return tuple(sorted(set(found), key=lambda x: (x.port, x.protocol, x.address, x.program)))


def _units_by_pid(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        pid, _, path = line.partition(" ")
        names = [part for part in path.split("/") if part.endswith((".service", ".scope", ".socket"))]
        if names:
            found.setdefault(pid, names[-1])
    return found


def _from_ss(line: str, groups: dict[str, str]) -> Listener | None:
    words = line.split(None, 6)
    if len(words) < 6 or words[0] not in ("tcp", "udp"):
        return None
    address, _, port = words[4].rpartition(":")
    who = _SS.search(words[6]) if len(words) > 6 else None
    if not port.isdecimal():
        return None
    return Listener(
        protocol="tcp" if words[0] == "tcp" else "udp",
        address=address.partition("%")[0].strip("[]"),
        port=int(port),
        program=who["program"] if who else "",
        unit=groups.get(who["pid"], "") if who else "",
    )


def _from_proc(line: str, table: str) -> Listener | None:
    words = line.split()
    if len(words) < 4 or words[3] not in _LISTENING or (table.startswith("tcp") and words[3] != "0A"):
        return None
    address, _, port = words[1].partition(":")
    raw = bytes.fromhex(address)
    turned = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    shown = ".".join(map(str, turned)) if len(turned) == 4 else _ipv6(turned)
    return Listener(protocol="tcp" if table.startswith("tcp") else "udp", address=shown, port=int(port, 16))


def _ipv6(raw: bytes) -> str:
    import ipaddress  # noqa: PLC0415 - loaded when needed: hosts without ss only

    return str(ipaddress.IPv6Address(raw))


def accounts(sections: Sections) -> tuple[Account, ...]:
    """Users with the groups that they belong to, primary group first."""
    by_gid: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for line in sections.text("groups").splitlines():
        name, gid, users = [*line.split(":"), "", ""][:3]
        by_gid[gid] = name
        members[name] = [user for user in users.split(",") if user]
    found = []
    for line in sections.text("accounts").splitlines():
        name, uid, gid, home, shell = [*line.split(":"), "", "", "", ""][:5]
        if name and uid.isdecimal():
            further = [group for group, users in members.items() if name in users]
            groups = tuple(dict.fromkeys([by_gid.get(gid, gid), *further]))
            found.append(Account(name=name, uid=int(uid), home=home, shell=shell, groups=groups))
    return tuple(found)


def volumes(sections: Sections) -> tuple[Volume, ...]:
    """The file systems behind the directories that packages write to, each once."""
    found: dict[str, Volume] = {}
    for line in sections.text("volumes").splitlines():
        device, free, block, blocks, path = [*line.split(None, 4), "", "", "", ""][:5]
        if not (path.startswith("/") and free.isdecimal() and block.isdecimal() and blocks.isdecimal()):
            continue
        if device in found:
            found[device] = msgspec.structs.replace(found[device], also=(*found[device].also, path))
        else:
            sizes = int(block)
            found[device] = Volume(path=path, free_bytes=int(free) * sizes, size_bytes=int(blocks) * sizes)
    return tuple(found.values())


def runtimes(sections: Sections) -> dict[str, str]:
    """Program -> its version, by what it says of itself."""
    found = {}
    for section in sections.named("runtime"):
        match = re.search(r"\d+(\.\d+)+", section.text) or re.search(r"\b\d+\b", section.text)
        if match is not None:
            found[section.file] = match[0]
    return found


def sudo_rules(sections: Sections) -> tuple[SudoRule, ...]:
    """Who may run what as whom; passwords in commands are hidden."""
    found = sudoers.rules({section.file: section.text for section in sections.named("sudoers")})
    return tuple(msgspec.structs.replace(rule, commands=tuple(map(redacted, rule.commands))) for rule in found)


def certificates(sections: Sections) -> tuple[Certificate, ...]:
    """Certificates in files of the host; damaged ones are left out."""
    found: list[Certificate] = []
    for section in sections.named("certificate"):
        for block in _BLOCK.finditer(section.text):
            found += _certificate(section.file, block.group())
    return tuple(found)


def _certificate(file: str, pem: str) -> Iterator[Certificate]:
    from cryptography import x509  # noqa: PLC0415 - loaded when needed: start-up stays cheap
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - the same

    try:
        loaded = x509.load_pem_x509_certificate(pem.encode("ascii", "replace"))
        yield Certificate(
            file=file,
            subject=loaded.subject.rfc4514_string(),
            issuer=loaded.issuer.rfc4514_string(),
            names=_names(loaded, x509),
            not_before=loaded.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            not_after=loaded.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            sha256=loaded.fingerprint(SHA256()).hex(),
        )
    except ValueError:
        return  # a damaged certificate secures nothing


def _names(certificate: Any, x509: Any) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(getattr(name, "value", name)) for name in names)
