"""An installation script changes something at a third party.

## What it does
Finds calls of scripts that write to the outside: `curl` and `wget` with POST, PUT, PATCH or DELETE or with data,
uploads by `sftp`, `scp` and `rsync`, mail. It says what is called; a rehearsal records what really happens.

## Why it matters
A webhook that was registered or a flag that was flipped stays so after a rollback: no snapshot reverts somebody
else's server. The old version then gets events it does not understand.

## Example
```
curl -X PUT https://flags.example.net/v1/flags/hybrid -d '{"enabled": true}'
```

## Fix
`fulldress plan` makes it a step of its own with an undo, and the rehearsal proves the undo. What has no undo needs a
decision.

## References
- RFC 9110, 9.2 Common Method Properties (safe methods)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.callgraph import files as files_of
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.network.endpoints import outside, urls
from fulldress.scan.reading import script_at, scripts
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="outside-side-effect",
    family="endpoint",
    title="Installation script changes something at a third party",
    severity="medium",
    confidence="certain",
)
_DATA = late(r"^(-d|--data.*|--json|-F|--form.*|-T|--upload-file|--post-(?:data|file).*|--body-(?:data|file).*)$")
_REMOTE = late(r"^(?:[^\s@:/]+@)?([A-Za-z0-9.-]+\.[A-Za-z]{2,}):")


class Call(NamedTuple):
    """A call that writes to the outside."""

    method: str
    host: str
    target: str


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such call outside of scheduled jobs."""
    scheduled = {entry.place for job in jobs(context) for entry in files_of(context, job)}
    for script in (*scripts(context), *tasks(context)):
        if script.entry.place in scheduled:
            continue
        for command in script.commands:
            call = writes_outside(command)
            if call is not None and step_for(call) not in context.drafted:
                yield Finding(
                    rule=META.slug,
                    severity=META.severity,
                    confidence=META.confidence,
                    title=f"{call.method} {call.target} changes something at {call.host}",
                    place=script.entry.place,
                    line=command.line,
                    excerpt=secrets.hidden(command.text),
                    consequence="A rollback by snapshot leaves it as it is: nobody's snapshot reverts a third party.",
                    fix="Let `fulldress plan` make it a step with an undo of its own.",
                    curable=step_for(call) is not None and script_at(context, script.entry.place) is not None,
                )


def step_for(call: Call) -> StepDraft | None:
    """The plan step that must make this call; None for calls that no kind of step can undo (copies, mails)."""
    if call.method not in ("POST", "PUT") or not call.target.startswith("http"):
        return None
    title = f"{call.method} {call.target}"
    return StepDraft(kind="http", title=title, params={"method": call.method, "url": call.target})


def cure(context: Context, finding: Finding) -> Cure | None:
    """Ask for the call as a step of the plan: the planner takes it out of the script and gives it an undo."""
    for script in scripts(context):
        for command in script.commands if script.entry.place == finding.place else ():
            call = writes_outside(command)
            draft = step_for(call) if call is not None else None
            if draft is not None and finding.title.startswith(draft.title) and draft not in context.drafted:
                return Cure(steps=(draft,), note=f"{draft.title} becomes a step with an undo of its own", safety="safe")
    return None


def writes_outside(command: Command) -> Call | None:
    """The call that this command makes when it writes to a host outside, else None."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name in ("curl", "wget"):
        return _http(argv)
    if name in ("scp", "rsync"):
        target = _REMOTE.match(argv[-1])
        return Call(name, target[1], argv[-1]) if target and outside(target[1]) else None
    if name in ("mail", "mailx", "sendmail", "mutt"):
        host = next((w.partition("@")[2] for w in argv[1:] if re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", w)), "")
        return Call("mail", host, next(w for w in argv if w.endswith(host))) if host else None
    return None


def _http(argv: tuple[str, ...]) -> Call | None:
    url = next((u for word in argv[1:] for u in urls(word)), None)
    if url is None or not outside(url.host) or "localhost" in url.host:
        return None
    method = _method(argv)
    if method in ("GET", "HEAD", "OPTIONS"):
        return None
    return Call(
        method, url.host, f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}{url.rest.partition('?')[0]}"
    )


def _method(argv: tuple[str, ...]) -> str:
    for index, word in enumerate(argv):
        if word in ("-X", "--request", "--method") and index + 1 < len(argv):
            return argv[index + 1].upper()
        named = re.match(r"(?:-X|--request=|--method=)([A-Za-z]+)$", word)
        if named is not None:
            return named[1].upper()
    if any(w in ("-G", "--get", "-I", "--head") for w in argv):
        return "GET"
    if any(w in ("-T", "--upload-file") for w in argv):
        return "PUT"
    return "POST" if any(_DATA.match(w) for w in argv) else "GET"


BAD = (
    {"scripts/a.sh": "#!/bin/bash\ncurl -fsS -X POST https://hooks.partner.example/v1/webhooks -d '{}'\n"},
    {"scripts/b.sh": "#!/bin/bash\ncurl -d @x.json https://hooks.partner.example/v1\n"},
    {"scripts/c.sh": "#!/bin/bash\nif true; then sudo curl -XDELETE https://h.partner.example/v1/1; fi\n"},
    {"postinst": "#!/bin/sh\nscp /etc/app.conf upload@files.partner.example:/in/\n"},
)
GOOD = (
    {"scripts/a.sh": "#!/bin/bash\ncurl -fsS https://hooks.partner.example/v1\ncurl -X POST http://127.0.0.1:8080/x\n"},
    {
        "scripts/b.sh": "#!/bin/bash\n# curl -X POST https://hooks.partner.example/v1\ncurl -G -d q=1 https://h.partner.example/\n"
    },
)
