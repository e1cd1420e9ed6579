"""What the probe says of the running system: units, timers, schedules, listeners, accounts, sudo rules, certificates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, TypeVar

import msgspec

from fulldress.formats import cronlint, crontab, sudoers, unit
from fulldress.formats.late import late
from fulldress.formats.redact import command_redacted
from fulldress.formats.systemctl import ListedFile, ListedUnit
from fulldress.inventory.sections import MOST, Section, Sections, SurveyFailed, whole
from fulldress.model.estate import Account, Certificate, CronJob, Listener, SudoRule, Timer, Unit, Volume

T = TypeVar("T")
OURS = "fulldress-"
"""Units of our own commands on the host are not facts of the estate."""
_BLOCK = late(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_PROPERTY = late(r"\{ (?P<name>On\w+)=(?P<value>.*?) ; next_elapse=")
_DROPIN = late(r".*/(?P<unit>[^/]+)\.d/[^/]+\.conf$")
_STAMP = late(r"(?:\w{3} )?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: UTC)?$")
_AT = late(r"[a-zA-Z=](?P<number>[0-9a-f]{5})(?P<minutes>[0-9a-f]{8})$")
_PARTS = late(r"/etc/cron\.(hourly|daily|weekly|monthly|yearly)\b")
_LAST_MINUTE = 1_000_000_000
"""In the year 3871: later ones are no dates."""
_SS = late(r'\(\("(?P<program>[^"]*)",pid=(?P<pid>\d+)')
_PROC_ADDRESS = late(r"(?P<address>[0-9A-F]{8}|[0-9A-F]{32}):(?P<port>[0-9A-F]{4})", re.I)
_LISTENING = ("0A", "07")
"""States of /proc/net: LISTEN for TCP, unconnected for UDP."""
_ACCEPTS = "00010000"
"""The flag of a unix socket that waits for connections."""


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
    for path in sections.text("unit-links").splitlines():  # instances that are enabled and were never started
        name = PurePosixPath(path).name
        if _template_of(name) in found:
            found.setdefault(name, Unit(name=name, load="loaded", active="inactive", sub="dead", enabled="enabled"))
    edges, dropins = _edges(sections.text("unit-edges")), _dropins(sections.text("unit-dropins"))
    return tuple(
        msgspec.structs.replace(
            found[name],
            **edges.get(name, {}),
            dropins=tuple(dict.fromkeys([*dropins.get(_template_of(name), ()), *dropins.get(name, ())])),
        )
        for name in sorted(found)
        if not name.startswith(OURS)
    )


def _template_of(name: str) -> str:
    """``a@.service`` for ``a@x.service``; ``""`` for a unit that is no instance."""
    prefix, at, rest = name.partition("@")
    return f"{prefix}@.{rest.rpartition('.')[2]}" if at and not rest.startswith(".") else ""


def _dropins(text: str) -> dict[str, list[str]]:
    """Unit -> the drop-ins in directories of its own name; one of a name in /etc hides those of the same name below."""
    found: dict[str, dict[str, str]] = {}
    for path in text.splitlines():
        if match := _DROPIN.match(path):
            found.setdefault(match["unit"], {}).setdefault(PurePosixPath(path).name, path)
    return {unit: [files[name] for name in sorted(files)] for unit, files in found.items()}


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
    return states.get(_template_of(name), "")


def _json(sections: Sections, name: str, kind: type[list[T]]) -> list[T]:
    text = sections.text(name).strip()
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise SurveyFailed(f"the host described its {name} in a form that cannot be read: {error}") from error


def timers(sections: Sections) -> tuple[Timer, ...]:
    """The timers that run as systemd reports them; where no systemd runs, those that its files would start."""
    found = {t.name: t for block in sections.text("timers").split("\n\n") if (t := _shown(block))}
    return tuple(found[name] for name in sorted(found)) or tuple(_timers_from_files(sections))


def _timers_from_files(sections: Sections) -> Iterator[Timer]:
    """Each timer with its drop-ins, templates by their enabled instances; masked and disabled ones never fire."""
    files: dict[str, str] = {}
    dropins: dict[str, dict[str, str]] = {}
    for section in sections.named("timer-file"):
        if match := _DROPIN.match(section.file):
            dropins.setdefault(match["unit"], {}).setdefault(PurePosixPath(section.file).name, section.text)
        else:
            files.setdefault(PurePosixPath(section.file).name, section.text)
    states = {unit.name: unit.enabled for unit in units(sections)}
    instances = [name for name in states if name.endswith(".timer") and _template_of(name) in files]
    for name in sorted({*files, *instances}):
        text = files.get(name) or files.get(_template_of(name), "")
        if name.endswith("@.timer") or not text or states.get(name, "").startswith(("disabled", "masked")):
            continue
        more = [dropins.get(whose, {}) for whose in ("timer", _template_of(name), name)]
        yield _from_file(name, "\n".join([text, *(part[file] for part in more for file in sorted(part))]))


def _shown(block: str) -> Timer | None:
    """A timer as ``systemctl show`` prints it; None for one that is loaded and does not run."""
    facts: dict[str, list[str]] = {}
    for line in block.strip().splitlines():
        key, _, value = line.partition("=")
        facts.setdefault(key, []).append(value)
    said = {key: values[0] for key, values in facts.items()}
    if not said.get("Id") or said.get("ActiveState", "active") != "active":
        return None
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


def _from_file(name: str, text: str) -> Timer:
    directives = unit.parse(text).get("Timer", [])
    said = {key: value for key, value, _ in directives}
    kept: list[tuple[str, str]] = []
    for key, value, _ in directives:  # an empty value takes back those before it: any of the On... does, for all of them
        if key.startswith("On") and (key == "OnCalendar" or key.endswith("Sec")):
            kept = [*kept, (key, value)] if value else []
    return Timer(
        name=name,
        activates=said.get("Unit") or name.removesuffix(".timer") + ".service",
        calendar=tuple(value for key, value in kept if key == "OnCalendar"),
        monotonic=tuple(f"{key}={value}" for key, value in kept if key != "OnCalendar"),
        persistent=said.get("Persistent", "").lower() in ("yes", "true", "on", "1"),
    )


def cron(sections: Sections) -> tuple[CronJob, ...]:
    """Jobs of /etc/crontab, cron.d, users' crontabs, anacron, the run-parts directories and the at queue."""
    debian = _debians_cron(sections)
    periods = _periods(sections)
    readers: dict[str, Callable[[Section], Sequence[CronJob]]] = {
        "cron-system": lambda s: _system_jobs(s, debian),
        "cron-user": lambda s: _user_jobs(s, debian),
        "cron-parts": lambda s: _parts_job(s, periods),
        "anacrontab": _anacron_jobs,
        "at-job": _at_job,
    }
    found = [job for section in sections if (read := readers.get(section.name)) for job in read(section)]
    return tuple(msgspec.structs.replace(job, command=command_redacted(job.command)) for job in found)


def _debians_cron(sections: Sections) -> bool:
    """Debian's own cron passes over files whose names have a dot, and knows no CRON_TZ; cronie does not."""
    lines = (line.split("\t") for line in sections.text("dpkg").splitlines() if line.startswith(("ii", "hi")))
    names = {words[1] for words in lines if len(words) > 1}
    return bool(names) and "cronie" not in names


def _system_jobs(section: Section, debian: bool) -> list[CronJob]:
    name = PurePosixPath(section.file).name
    if debian and section.file.startswith("/etc/cron.d/") and not cronlint.PARTS_NAME.fullmatch(name):
        return []
    return _zoned(crontab.jobs(section.text, file=section.file), section.text, debian)


def _user_jobs(section: Section, debian: bool) -> list[CronJob]:
    user = PurePosixPath(section.file).name
    found = crontab.jobs(section.text, file=section.file, system=False)
    return _zoned([msgspec.structs.replace(job, user=user) for job in found], section.text, debian)


def _zoned(found: list[CronJob], text: str, debian: bool) -> list[CronJob]:
    """The jobs with the zone of the last CRON_TZ above them."""
    zones = [setting for setting in cronlint.settings(text) if setting.name == "CRON_TZ"] if not debian else []
    if not zones:
        return found
    above = ((job, next((zone.value for zone in reversed(zones) if zone.line < job.line), "")) for job in found)
    return [msgspec.structs.replace(job, zone=zone) for job, zone in above]


def _periods(sections: Sections) -> dict[str, str]:
    """Directory of run-parts -> when it is run, by the crontab or the anacrontab that names it."""
    found: dict[str, str] = {}
    for job in [job for s in sections.named("anacrontab") for job in _anacron_jobs(s)] + [
        job for s in sections.named("cron-system") for job in crontab.jobs(s.text, file=s.file)
    ]:
        if "run-parts" in job.command:
            for match in _PARTS.finditer(job.command):
                found.setdefault(match[1], job.schedule)
    return found


def _parts_job(section: Section, periods: dict[str, str]) -> list[CronJob]:
    period, _, path = section.file.partition(" ")
    return [CronJob(file=path, line=0, schedule=periods.get(period, f"@{period}"), user="root", command=path)]


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
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=min(int(match["minutes"], 16), _LAST_MINUTE))
    due = moment.strftime("%Y-%m-%dT%H:%MZ")
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
    if len(words) >= 6 and words[0].startswith("u_"):
        return _from_unix(line, groups)
    if len(words) < 6 or words[0] not in ("tcp", "udp"):
        return None
    address, _, port = words[4].rpartition(":")
    who = _SS.search(words[6]) if len(words) > 6 else None
    if not port.isdecimal():
        return None
    return Listener(
        protocol="tcp" if words[0] == "tcp" else "udp",
        address=address.partition("%")[0].strip("[]"),
        port=whole(port),
        program=who["program"] if who else "",
        unit=groups.get(who["pid"], "") if who else "",
    )


def _from_unix(line: str, groups: dict[str, str]) -> Listener | None:
    """A line of ``ss -xl``; sockets without a name are nobody's address."""
    words = line.split(None, 4)
    address = words[4].partition(" ")[0]
    who = _SS.search(words[4])
    if address[:1] not in ("/", "@"):
        return None
    program, unit = (who["program"], groups.get(who["pid"], "")) if who else ("", "")
    return Listener(protocol="unix", address=address, port=0, program=program, unit=unit)


def _from_proc(line: str, table: str) -> Listener | None:
    words = line.split()
    if table == "unix":
        named = len(words) > 7 and words[3] == _ACCEPTS and words[7][:1] in ("/", "@")
        return Listener(protocol="unix", address=words[7], port=0) if named else None
    if len(words) < 4 or words[3] not in _LISTENING or (table.startswith("tcp") and words[3] != "0A"):
        return None
    place = _PROC_ADDRESS.fullmatch(words[1])
    if place is None:
        return None
    raw, port = bytes.fromhex(place["address"]), place["port"]
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
            found.append(Account(name=name, uid=whole(uid), home=home, shell=shell, groups=groups))
    return tuple(found)


def volumes(sections: Sections) -> tuple[Volume, ...]:
    """The file systems behind the directories that packages write to, each once."""
    found: dict[str, Volume] = {}
    for line in sections.text("volumes").splitlines():
        device, free, block, blocks, path = [*line.split(None, 4), "", "", "", "", ""][:5]
        if not (path.startswith("/") and free.isdecimal() and block.isdecimal() and blocks.isdecimal()):
            continue
        if device in found:
            found[device] = msgspec.structs.replace(found[device], also=(*found[device].also, path))
        else:
            size = whole(block)
            free_bytes, size_bytes = min(whole(free) * size, MOST), min(whole(blocks) * size, MOST)
            found[device] = Volume(path=path, free_bytes=free_bytes, size_bytes=size_bytes)
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
    return tuple(msgspec.structs.replace(rule, commands=tuple(map(command_redacted, rule.commands))) for rule in found)


def certificates(sections: Sections) -> tuple[Certificate, ...]:
    """Certificates in files of the host; damaged ones are left out."""
    found: list[Certificate] = []
    for section in sections.named("certificate"):
        for block in _BLOCK.finditer(section.text):
            found += _certificate(section.file, block.group())
    for section in sections.named("certificate-der"):
        body = "".join(section.text.split())
        found += _certificate(section.file, f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
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
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return  # a damaged certificate secures nothing


def _names(certificate: Any, x509: Any) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(getattr(name, "value", name)) for name in names)
