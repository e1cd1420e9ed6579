"""A script or unit counts on something that this estate does not have.

## What it does
Holds what the upgrade's scripts and units take for granted against the inventory: programs (by name, or in a `#!` line),
users and groups (`chown`, `su`, `runuser`, `install -o`, `User=`, `Group=`). What the package brings or creates itself, and
what a script looks for first (`command -v`), is no assumption.

## Why it matters
The vendor's test machine had it. Here the command ends with 127, the service with 217/USER, in the middle of the window.

## Example
```
chown -R lims:lims /opt/lims       # the user is called dten here
jq -r .version manifest.json       # jq is not installed
```

## Fix
Install what is missing before the window, or have the vendor do without. A user under another name is for the vendor to
correct.

## References
- systemd.exec(5) exit codes (217/USER); bash(1) exit status 127
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell, shellflow
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.estate import Estate, HostFacts, Unit
from fulldress.model.finding import Finding
from fulldress.scan.dependencies import coming
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.jobs.units import units
from fulldress.scan.reading import Script, memo, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="environment-assumption",
    family="privilege",
    title="Counts on something that is not here",
    severity="high",
    confidence="certain",
    needs=("estate",),
)
_BUILTIN = """
    . : [ [[ alias bg break builtin cd command compgen complete continue declare dirs disown echo enable eval
    exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd
    pwd read readarray readonly return set shift shopt source suspend test times trap true type typeset ulimit
    umask unalias unset until wait db_get db_set db_input db_go db_version db_stop db_purge db_register db_fset
    db_subst log_daemon_msg log_end_msg log_progress_msg log_action_msg log_warning_msg log_failure_msg
    log_success_msg pidofproc killproc start_daemon status_of_proc dpkg-maintscript-helper
"""
BUILTIN = frozenset(_BUILTIN.split())
_NAME = late(r"[A-Za-z_][\w.+-]*")
_OWNER = late(r"([a-z_][a-z0-9_-]*\$?)?(?:[:.]([a-z_][a-z0-9_-]*)?)?")
_NOBODY = frozenset(
    ("root", "nobody", "nogroup", "daemon", "bin", "sys", "adm", "tty", "www-data", "mail", "wheel", "staff")
)


class _Need(NamedTuple):
    kind: str
    """program, user or group."""
    name: str
    place: str
    line: int
    text: str
    firm: bool
    """It runs in any case, not in a branch."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind of thing, with all names and the first places."""
    assert context.estate is not None
    hosts = context.estate.hosts
    needs = [*_programs(context), *_owners(context), *_unit_users(context)]
    for kind in ("program", "user", "group"):
        missing: dict[str, list[_Need]] = {}
        for need in needs:
            if need.kind == kind and _lacking(need, hosts) and not coming(context, need.place):
                missing.setdefault(need.name, []).append(need)
        if missing:
            yield _finding(kind, missing)


def _finding(kind: str, missing: dict[str, list[_Need]]) -> Finding:
    every = [need for found in missing.values() for need in found]
    first = next((need for need in every if need.firm), every[0])
    names = ", ".join(list(missing)[:8]) + (" …" if len(missing) > 8 else "")
    places = list(dict.fromkeys(f"{short(n.place)}:{n.line}" for n in every))
    what = {"program": "a program is", "user": "a user is", "group": "a group is"}[kind]
    many = {"program": "programs are", "user": "users are", "group": "groups are"}[kind]
    return Finding(
        rule=META.slug,
        severity=META.severity if first.firm else "medium",
        confidence=META.confidence if first.firm else "likely",
        title=f"{what if len(missing) == 1 else f'{len(missing)} {many}'} not on this estate: {names}",
        place=first.place,
        line=first.line,
        excerpt=first.text[:200],
        consequence=f"The command fails where it is used ({', '.join(places[:5])}{' …' if len(places) > 5 else ''}).",
        fix="Install or create it before the window, or have the vendor do without.",
    )


def _lacking(need: _Need, hosts: tuple[HostFacts, ...]) -> bool:
    """True when no host has it, as far as the hosts said what they have."""
    if need.kind == "program":
        known = [h for h in hosts if h.commands]
        return bool(known) and not any(need.name in h.commands for h in known)
    if need.kind == "user":
        asked = [h for h in hosts if h.users]
        return bool(asked) and not any(need.name in h.users for h in asked)
    grouped = [h for h in hosts if h.accounts and any(a.groups for a in h.accounts)]
    return bool(grouped) and not any(need.name in (*a.groups, a.name) for h in grouped for a in h.accounts)


def _programs(context: Context) -> Iterator[_Need]:
    """Programs that the upgrade's scripts call by name."""
    shipped = memo(context, "shipped names", lambda: {e.place.rpartition("/")[2] for e in context.package.entries})
    brings = _brings(context)
    for script in _upgrade(context):
        own = _functions(context)
        sources = any(c.name in (".", "source") for c in script.commands)
        asked = _asked_for(script)
        first = re.match(r"#!\s*(\S+)(?:\s+(\S+))?", script.text)
        if first is not None:
            name = (first[2] if first[1].endswith("/env") and first[2] else first[1]).rpartition("/")[2]
            if name not in shipped | brings and _NAME.fullmatch(name):
                yield _Need("program", name, script.entry.place, 1, first[0], True)
        for command in script.commands:
            argv = shell.unwrapped(command)
            name = argv[0] if argv else ""
            if not _NAME.fullmatch(name) or name in BUILTIN or name in own or name in shipped or name in asked | brings:
                continue
            if (sources and "_" in name) or (not command.top and any("/dev/null" in r for r in command.redirects)):
                continue  # a function of a file that is not in the package; a question whether it is there
            yield _Need("program", name, script.entry.place, command.line, command.text, command.top)


def _functions(context: Context) -> set[str]:
    """Names of the functions of all scripts: one sources another."""

    def make() -> set[str]:
        pattern = re.compile(r"(?m)^[^\S\n]*(?:function\s+)?([\w.:-]+)\s*\(\)|^[^\S\n]*function\s+([\w.:-]+)")
        texts = [script.text for script in scripts(context)]
        return {name for text in texts for pair in pattern.findall(text) for name in pair}

    return memo(context, "shell functions", make)


def _upgrade(context: Context) -> list[Script]:
    return [s for s in scripts(context) if role(context, s.entry.place) == "upgrade"]


def _asked_for(script: Script) -> set[str]:
    """Programs whose presence the script looks up itself, and those whose failure it forgives."""
    found = set(re.findall(r"(?:command\s+-[vV]|which|type(?:\s+-\w+)?|hash)\s+\"?([\w.+-]+)", script.text))
    found |= {path.rpartition("/")[2] for path in re.findall(r"-[xef]\s+\"?(?:`which\s+)?(/[\w./+-]+)", script.text)}
    forgiven = {start for start, _ in shellflow.forgiven(script.text)} if "||" in script.text else set()
    return found | {shell.unwrapped(c)[0] for c in script.commands if c.start in forgiven and shell.unwrapped(c)}


def _brings(context: Context) -> set[str]:
    """What the scripts install or create first: names of packages, users and groups."""

    def make() -> set[str]:
        found: set[str] = set()
        for script in scripts(context):
            for command in script.commands:
                found.update(_made(command))
        for entry in context.files:
            if "sysusers.d/" in entry.place:
                found.update(re.findall(r"(?m)^[ug]\s+(\S+)", context.text(entry) or ""))
        return found

    return memo(context, "brings", make)


def _made(command: Command) -> set[str]:
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    words = [w for w in argv[1:] if not w.startswith("-")]
    if name in ("apt", "apt-get", "dnf", "yum", "zypper", "apk") and words[:1] in (["install"], ["add"]):
        return {w.partition("=")[0] for w in words[1:]}
    if name in ("useradd", "adduser", "groupadd", "addgroup", "usermod", "systemd-sysusers"):
        return set(words)
    return set()


def _owners(context: Context) -> Iterator[_Need]:
    """Users and groups that scripts give files to, or become."""
    made = _brings(context)
    for script in _upgrade(context):
        for command in script.commands:
            for kind, name in _named(shell.unwrapped(command), command.argv):
                if name and name not in _NOBODY and name not in made:
                    yield _Need(kind, name, script.entry.place, command.line, command.text, command.top)


def _named(argv: tuple[str, ...], whole: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(user or group, name) of a command's arguments."""
    name, rest = (argv[0].rpartition("/")[2], argv[1:]) if argv else ("", ())
    operands = list(_operands(rest))
    if name in ("chown", "chgrp") and operands:
        match = _OWNER.fullmatch(operands[0])
        if match is not None:
            yield "user" if name == "chown" else "group", match[1] or ""
            yield "group", (match[2] or "") if name == "chown" else ""
    elif name == "install":
        yield from ((kind, _option(rest, o)) for kind, o in (("user", "-o"), ("group", "-g")))
    elif name == "su" and operands and _OWNER.fullmatch(operands[0]) and operands[0] != "-":
        yield "user", operands[0]
    if whole and whole[0].rpartition("/")[2] in ("sudo", "runuser", "setpriv"):
        user = _option(whole[1:], "-u")
        yield "user", user if _OWNER.fullmatch(user) else ""


def _operands(words: tuple[str, ...]) -> Iterator[str]:
    """Words that are no options."""
    return (w for w in words if not w.startswith("-"))


def _option(words: tuple[str, ...], short_name: str) -> str:
    for index, word in enumerate(words):
        if word == short_name and index + 1 < len(words):
            value = words[index + 1]
            return value if _OWNER.fullmatch(value) else ""
    return ""


def _unit_users(context: Context) -> Iterator[_Need]:
    """``User=`` and ``Group=`` of the package's units, unless the unit makes the user itself."""
    made = _brings(context)
    for found in units(context):
        if found.last("Service", "DynamicUser").lower() in ("yes", "true", "1", "on"):
            continue
        for directive, kind in (("User", "user"), ("Group", "group")):
            name = found.last("Service", directive)
            if re.fullmatch(r"[a-z_][a-z0-9_-]*", name) and name not in _NOBODY and name not in made:
                line = found.line_of("Service", directive)
                yield _Need(kind, name, found.entry.place, line, f"{directive}={name}", True)


HERE = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(
        HostFacts(
            name="h",
            hostname="h",
            os="debian",
            os_version="12",
            commands=("bash", "sh", "chown", "systemctl", "curl", "env"),
            users=("root", "app"),
            units=(Unit(name="app.service", load="loaded", active="active", sub="running"),),
        ),
    ),
)
BAD = (
    Sample(files={"up.sh": "#!/bin/bash\nset -e\njq -r .v manifest.json\n"}, estate=HERE),
    Sample(files={"up.sh": "#!/bin/bash\nset -e\nchown -R lims:lims /opt/lims\n"}, estate=HERE),
    Sample(files={"up.sh": "#!/usr/bin/python2\nprint 1\n", "b.sh": "#!/usr/bin/ksh\necho x\n"}, estate=HERE),
    Sample(files={"x.deb!/lib/systemd/system/a.service": "[Service]\nUser=lims\nExecStart=/bin/sh -c x\n"}, estate=HERE),
    Sample(files={"up.sh": "#!/bin/bash\nset -e\nif true; then runuser -u lims -- curl http://x/; fi\n"}, estate=HERE),
)
GOOD = (
    Sample(files={"up.sh": "#!/bin/bash\nset -e\nif command -v jq; then jq .v m.json; fi\nchown app: /x\n"}, estate=HERE),
    Sample(
        files={"up.sh": "#!/bin/bash\nset -e\nlog() { echo x; }\nlog a\nhelper.sh b\n", "helper.sh": "echo\n"}, estate=HERE
    ),
    Sample(files={"up.sh": "#!/bin/bash\nset -e\nfoo || true\n$CMD x\n[ -x /usr/bin/bar ] && bar\n"}, estate=HERE),
    Sample(
        files={
            "x.deb!/postinst": "#!/bin/sh\nset -e\nadduser --system lims\nchown lims /opt/x\n",
            "x.deb!/lib/systemd/system/a.service": "[Service]\nUser=lims\nExecStart=/bin/sh -c x\n",
        },
        estate=Estate(
            taken="2026-10-01T00:00:00Z",
            hosts=(
                HostFacts(
                    name="h",
                    hostname="h",
                    os="debian",
                    os_version="12",
                    commands=("sh", "adduser", "chown"),
                    users=("root",),
                ),
            ),
        ),
    ),
    Sample(files={"usr/lib/python3/dist-packages/x/tests/a.sh": "#!/bin/bash\nnonesuch\n"}, estate=HERE),
)
