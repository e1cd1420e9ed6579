"""A script relies on sudo.

## What it does
Finds commands that go through `sudo` and compares with the programs that the inventory saw on the hosts: sudo that is
not there, sudo that wants a password from a pipe (`-S`), sudo in a job that has no terminal (or whose user has no rule
without a password), `sudo -u` of a user that does not exist.

## Why it matters
Without sudo the command is not run at all, and a script that ignores errors goes on as if it had been.

## Example
```
sudo systemctl stop app.service
```

## Fix
The plan's steps run as root already: `fulldress adapt` takes sudo away, and writes `runuser -u USER --` for `sudo -u
USER`.

## References
- sudo(8), runuser(1); sudoers(5) `requiretty`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.shell import WRAPPERS, Command, Edit
from fulldress.model.estate import Account, Estate, HostFacts, SudoRule
from fulldress.model.finding import Confidence, Cure, Finding, Severity
from fulldress.scan.jobs.callgraph import files as files_of
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.reading import Script, encode, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="sudo-assumption",
    family="privilege",
    title="Script relies on sudo",
    severity="high",
    confidence="certain",
)


class Verdict(NamedTuple):
    """How bad sudo is here, and why."""

    severity: Severity
    confidence: Confidence
    because: str


def check(context: Context) -> Iterator[Finding]:
    """One finding for all scripts with the same trouble with sudo, at the first of them."""
    groups: dict[tuple[Verdict, bool], list[tuple[Script, list[Command]]]] = {}
    scheduled = {entry.place: job.user for job in jobs(context) for entry in files_of(context, job)}
    known = scripts(context)
    for script in (*known, *tasks(context)):
        uses = [c for c in script.commands if c.name == "sudo"]
        if role(context, script.entry.place) == "library" and script.entry.place not in scheduled:
            continue
        verdict = _verdict(context.estate, uses, scheduled.get(script.entry.place)) if uses else None
        aside = role(context, script.entry.place) in ("program", "init") and script.entry.place not in scheduled
        if verdict is not None and aside and verdict.severity == "high":
            verdict = verdict._replace(severity="medium")  # whoever calls it, it is not the upgrade
        if verdict is not None:
            groups.setdefault((verdict, script in known), []).append((script, uses))
    for (verdict, own), found in groups.items():
        yield _finding(verdict, found, own=own)


def _finding(verdict: Verdict, found: list[tuple[Script, list[Command]]], *, own: bool) -> Finding:
    script, uses = found[0]
    times = sum(len(u) for _, u in found)
    names = ", ".join(s.entry.place.rpartition("/")[2] for s, _ in found[:4]) + (" …" if len(found) > 4 else "")
    return Finding(
        rule=META.slug,
        severity=verdict.severity,
        confidence=verdict.confidence,
        title=f"{names} {'use' if len(found) > 1 else 'uses'} sudo ({times}×): {verdict.because}",
        place=script.entry.place,
        line=uses[0].line,
        excerpt=uses[0].text,
        consequence="The command does not run, and a script that ignores errors goes on as if it had.",
        fix="Run the scripts as root and take sudo away; use runuser for another user.",
        curable=own and all(_option_words(c) is not None for _, u in found for c in u),
    )


def _verdict(estate: Estate | None, uses: list[Command], job_user: str | None) -> Verdict | None:
    """``job_user``: whose job it is; None outside of jobs."""
    known = [h for h in estate.hosts if h.commands] if estate is not None else []
    lacking = [h.hostname or h.name for h in known if "sudo" not in h.commands]
    if lacking:
        return Verdict("high", "certain", f"{', '.join(lacking)} has no sudo")
    if any(word.startswith("-") and "S" in word and not word.startswith("--") for c in uses for word in c.argv[1:2]):
        return Verdict("high", "certain", "it pipes a password into it")
    users = {user for c in uses if (user := (_option_words(c) or (0, ""))[1].strip("\"'")) and "$" not in user}
    gone = [(h.hostname or h.name, user) for h in known if h.users for user in sorted(users) if user not in h.users]
    if gone:
        return Verdict("high", "likely", f"{gone[0][0]} has no user {gone[0][1]} to become")
    if job_user and job_user != "root":
        denied = [h.hostname or h.name for h in known if h.sudo and not _allowed(h, job_user)]
        if denied:
            return Verdict(
                "high", "certain", f"a job of {job_user} runs it, who may do nothing without a password on {denied[0]}"
            )
    if job_user is not None and any("-n" not in c.argv for c in uses):
        return Verdict("medium", "likely", "a scheduled job has no terminal to ask for a password")
    if known:
        return None
    return Verdict("medium", "possible", "without an inventory nobody knows whether it is there")


def _allowed(host: HostFacts, user: str) -> bool:
    """True when a rule of the host lets the user (or a group of his) do anything without a password."""
    account = next((a for a in host.accounts if a.name == user), None)
    names = {user, "ALL", *(f"%{group}" for group in (account.groups if account is not None else ()))}
    return any(rule.nopasswd and names & set(rule.users) for rule in host.sudo)


def _option_words(command: Command) -> tuple[int, str] | None:
    """(index of the first word after sudo's options, user); None for options that change what runs."""
    index, user = 1, ""
    while index < len(command.argv):
        word = command.argv[index]
        if word in ("-n", "-H", "-E", "-k", "-S", "-nH", "-nE", "--"):
            index += 1
        elif word in ("-u", "--user") and index + 1 < len(command.argv):
            user, index = command.raw[index + 1], index + 2
        elif word.startswith("-"):
            return None
        else:
            return index, user
    return None


def cure(context: Context, finding: Finding) -> Cure | None:
    """Take sudo (and its options) away in every script."""
    del finding  # one for the whole package
    contents: dict[str, bytes | None] = {}
    for script in scripts(context):
        if role(context, script.entry.place) == "library":
            continue
        edits = [edit for command in script.commands if command.name == "sudo" for edit in _without(command)]
        if edits:
            contents[script.entry.place] = encode(shell.splice(script.text, edits))
    return Cure(edits=contents, note="sudo taken away: the steps run as root") if contents else None


def _without(command: Command) -> Iterator[Edit]:
    options = _option_words(command)
    if options is not None:
        index, user = options
        instead = f"runuser -u {user} -- " if user else _env(command, index)
        yield Edit(command.spans[0][0], command.spans[index][0], instead)


def _env(command: Command, index: int) -> str:
    """``sudo A=b cmd`` needs env, because after a bare prefix the shell would read an assignment differently."""
    word = command.argv[index]
    return "env " if "=" in word.partition("/")[0] and word not in WRAPPERS else ""


NO_SUDO = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(HostFacts(name="machine:x", hostname="x", os="debian", os_version="12", commands=("bash", "systemctl")),),
)
WITH_SUDO = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(HostFacts(name="machine:x", hostname="x", os="debian", os_version="12", commands=("bash", "sudo")),),
)
WITH_RULES = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(
        HostFacts(
            name="machine:x",
            hostname="x",
            os="debian",
            os_version="12",
            commands=("bash", "sudo"),
            users=("root", "app", "ops"),
            accounts=(Account(name="ops", uid=1001, groups=("ops", "sudo")), Account(name="app", uid=1000, groups=("app",))),
            sudo=(SudoRule(file="/etc/sudoers", line=1, users=("%sudo",), commands=("ALL",), nopasswd=True),),
        ),
    ),
)
BAD = (
    Sample(files={"up.sh": "#!/bin/sh\nsudo -u lims id\n"}, estate=WITH_RULES),
    Sample(
        files={"x.deb!/etc/cron.d/a": "0 3 * * * app /usr/bin/imp\n", "x.deb!/usr/bin/imp": "#!/bin/sh\nsudo -n id\n"},
        estate=WITH_RULES,
    ),
    Sample(
        files={"scripts/a.sh": "#!/bin/bash\nsudo systemctl stop app\nif true; then sudo -n -u app id; fi\n"}, estate=NO_SUDO
    ),
    Sample(files={"scripts/b.sh": "#!/bin/sh\necho pw | sudo -S rm -f /x\n"}, estate=WITH_SUDO),
    {"postinst": "#!/bin/sh\nsudo A=b id\n"},
)
GOOD = (
    Sample(
        files={"x.deb!/etc/cron.d/a": "0 3 * * * ops /usr/bin/imp\n", "x.deb!/usr/bin/imp": "#!/bin/sh\nsudo -n id\n"},
        estate=WITH_RULES,
    ),
    Sample(files={"tests/a.sh": "#!/bin/bash\nsudo systemctl stop app\n"}, estate=NO_SUDO),
    Sample(files={"scripts/a.sh": "#!/bin/bash\nsudo systemctl stop app\n"}, estate=WITH_SUDO),
    Sample(files={"scripts/a.sh": "#!/bin/bash\n# sudo systemctl stop app\necho 'use sudo'\n"}, estate=NO_SUDO),
)
