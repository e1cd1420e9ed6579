"""A script or unit of the package names a systemd unit that this estate does not have.

## What it does
Collects the units that scripts hand to `systemctl`, `service` and `invoke-rc.d`, and those that the package's own units
depend on, and looks for them in the estate and in the package. Templates count for their instances; a variable stands for
the values that the script gives it.

## Why it matters
`systemctl stop` of a unit that does not exist fails, and scripts without `set -e` go on: the old worker keeps running
through the migration. A unit that requires a missing one never starts.

## Example
```
systemctl stop app-worker.service      # renamed to worker.service a year ago
```

## Fix
Use the unit's present name. Where exactly one unit of the estate is a good match, `fulldress adapt` renames it everywhere in
the package.

## References
- systemctl(1), systemd.unit(5)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fulldress.formats import shell, shellflow, unit
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.model.estate import Estate, HostFacts, Unit
from fulldress.model.finding import Cure, Finding
from fulldress.scan.dependencies import coming
from fulldress.scan.jobs.embedded_shell import CONTAINERFILE, RUNNERS, embedded
from fulldress.scan.jobs.units import units
from fulldress.scan.reading import current_text, encode, is_prose, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="unit-missing",
    family="systemd",
    title="Unit does not exist",
    severity="high",
    confidence="certain",
    needs=("estate",),
)

SUFFIXES = (
    ".service",
    ".socket",
    ".timer",
    ".target",
    ".path",
    ".mount",
    ".automount",
    ".slice",
    ".scope",
    ".swap",
    ".device",
)
_ACTIONS = """
    start stop restart try-restart reload reload-or-restart try-reload-or-restart enable disable reenable mask unmask kill
    is-active is-enabled status isolate preset
"""
_ACTS = frozenset(_ACTIONS.split())
_STRONG = frozenset(
    ("Requires", "BindsTo", "Requisite", "PartOf", "After", "Before", "Wants", "OnFailure", "WantedBy", "RequiredBy", "Unit")
)
_FIRM = frozenset(("Requires", "BindsTo", "Requisite", "Unit"))
_VALUED = frozenset(("-s", "--signal", "-H", "--host", "-M", "--machine", "-t", "--type", "-p", "--property", "-n", "-o"))
_GENERATED = (".device", ".mount", ".swap", ".scope", ".slice", ".automount")
"""Made by systemd itself from fstab, devices and sessions: absent from a list of unit files."""
_WORDS = late(r"[-_.@]+")


class Mention(NamedTuple):
    """One place that names a unit."""

    unit: str
    place: str
    line: int
    end: int
    text: str
    firm: bool
    """It fails when the unit is not there."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each missing unit, at the first place that fails for it."""
    known = _known(context)
    if not known:
        return
    missing: dict[str, list[Mention]] = {}
    for mention in _mentions(context):
        if _exists(mention.unit, known):
            continue
        brought = coming(context, mention.place)
        if not any(_related(package, mention.unit) for package in brought):
            missing.setdefault(mention.unit, []).append(mention._replace(firm=mention.firm and not brought))
    for name, mentions in missing.items():
        yield _finding(context, name, mentions)


def _related(package: str, name: str) -> bool:
    """True when a package that comes along may bring the unit: one word of their names is the same."""
    words = {w for w in _WORDS.split(name.rpartition(".")[0].lower()) if len(w) > 2}
    return bool(words & {re.sub(r"[\d.]+$", "", w) for w in re.split(r"[-_.+]", package.lower())})


def _finding(context: Context, name: str, mentions: list[Mention]) -> Finding:
    first = next((m for m in mentions if m.firm), mentions[0])
    new = _successor(context, name)
    where = sorted({f"{m.place}:{m.line}" for m in mentions if m is not first})
    also = f" Also named in {', '.join(where[:5])}{' ...' if len(where) > 5 else ''}." if where else ""
    return Finding(
        rule=META.slug,
        severity=META.severity if first.firm else ("medium" if new else "low"),
        confidence=META.confidence,
        title=f"{name} does not exist here" + (f"; it is probably {new} now" if new else ""),
        place=first.place,
        line=first.line,
        excerpt=first.text,
        consequence="The command fails and what it was to stop keeps running; a unit that requires it does not start."
        + also,
        fix=f"Use {new}." if new else "Find out what the unit is called on this estate.",
        curable=bool(new),
    )


def _known(context: Context) -> set[str]:
    assert context.estate is not None
    found = {u.name for host in context.estate.hosts for u in host.units if u.load != "not-found"}
    return found | _packaged(context) if found else set()


def _packaged(context: Context) -> set[str]:
    """Units that the package brings itself, wherever it keeps them."""
    names = {name for e in context.package.entries if (name := e.place.rpartition("/")[2]).endswith(SUFFIXES)}
    names |= {f"{e.place.rpartition('/')[2]}.service" for e in context.files if "etc/init.d/" in e.place}
    for found in units(context):
        names.update(name for value in found.values("Install", "Alias") for name in value.split())
    return names


def _exists(name: str, known: set[str]) -> bool:
    prefix, at, rest = name.partition("@")
    return name in known or bool(at and f"{prefix}@.{rest.rpartition('.')[2]}" in known)


def _mentions(context: Context) -> Iterator[Mention]:
    for script in scripts(context):
        place, text = script.entry.place, script.text
        if role(context, place) == "library":
            continue
        forgiven = {start for start, _ in shellflow.forgiven(text)} if "||" in text else set()
        maintains = place.endswith(("preinst", "postinst", "prerm", "postrm"))
        for command in script.commands:
            firm = command.start not in forgiven and (command.top or not maintains)
            for name, number in _meant(command, text):
                yield Mention(name, place, number, number, command.text, firm)
            for name in _commanded(command):
                yield Mention(name, place, command.line, command.end_line, command.text, firm)
    for task in embedded(context):
        if RUNNERS.search(task.entry.place) or CONTAINERFILE.search(task.entry.place):
            continue
        for command in task.commands if role(context, task.entry.place) != "library" else ():
            for name in _commanded(command):
                yield Mention(name, task.entry.place, command.line, command.end_line, command.text, True)
    yield from _facilities(context)
    yield from _managed(context)
    yield from _rotated(context)
    for found in units(context):
        for directive, name, line in unit.depends(found.text):
            prefix, at, rest = name.partition("@")
            if at and "%" in rest:
                name = f"{prefix}@.{rest.rpartition('.')[2]}"  # an instance that is named at run time needs the template
            known = name.endswith(SUFFIXES) or _mistyped(name)
            if directive in _STRONG and "%" not in name and known and not name.endswith(_GENERATED):
                yield Mention(
                    name, found.entry.place, line, line, f"{directive}={name}", directive in _FIRM or _mistyped(name)
                )
        if found.dropin and "%" not in found.name:
            yield Mention(found.name, found.entry.place, 1, 1, f"drop-in of {found.name}", False)


def _mistyped(name: str) -> bool:
    """``multi-user.targets``: nearly a kind of unit, but none."""
    kind = name.rpartition(".")[2]
    return "." in name and any(kind != s[1:] and kind[:4] == s[1:5] and abs(len(kind) - len(s) + 1) < 3 for s in SUFFIXES)


def _managed(context: Context) -> Iterator[Mention]:
    """Services that Ansible's tasks start, stop or enable; another host of the inventory file may have them."""
    for line in context.lines(_SERVICE_TASK, among=lambda e: e.place.endswith((".yml", ".yaml"))):
        if is_prose(line.entry.place) or role(context, line.entry.place) == "library" or line.text.lstrip().startswith("#"):
            continue
        lines = (context.text(line.entry) or "").split("\n")[line.number - 1 : line.number + 8]
        depth = len(lines[0]) - len(lines[0].lstrip(" -")) if lines else 0
        for at, text in enumerate(lines):
            if at and text.strip() and len(text) - len(text.lstrip()) <= depth:
                break
            named = _NAME_OF.search(text.partition(":")[2] if not at else text)
            if named is not None:
                name = named[1] if named[1].endswith(SUFFIXES) else f"{named[1]}.service"
                yield Mention(name, line.entry.place, line.number + at, line.number + at, text.strip(), False)
                break


def _rotated(context: Context) -> Iterator[Mention]:
    """What logrotate is to reload after it."""
    for entry in context.holding("logrotate.d/"):
        text = context.text(entry) if entry.kind == "file" and not is_prose(entry.place) else None
        for number, line in enumerate((text or "").split("\n"), 1):
            if "systemctl" in line or "invoke-rc.d" in line or "service " in line:
                for command in shell.commands(line.strip()):
                    for name in _commanded(command):
                        yield Mention(name, entry.place, number, number, line.strip(), False)


_SERVICE_TASK = Pattern(
    r"^\s{2,40}(-\s)?(ansible\.builtin\.)?(service|systemd|systemd_service):(\s{0,4}$|\s{1,4}(name=|\{))"
)
LOOKS_FOR = (_SERVICE_TASK,)
_NAME_OF = late(r"""(?:^\s+|[{,\s])name\s*[:=]\s*["']?([A-Za-z0-9][\w.@-]*)["']?(?=\s*$|\s*[,}]|\s+\w+=)""")
_REQUIRED = late(r"^#\s*Required-St(?:art|op):\s*(.*)$")


def _facilities(context: Context) -> Iterator[Mention]:
    """What an init script asks for in its header: systemd makes an order of it, without a word when nothing has the name."""
    for script in scripts(context):
        if "### BEGIN INIT INFO" not in script.text[:2000] or role(context, script.entry.place) == "library":
            continue
        for number, line in enumerate(script.text[:4000].split("\n"), 1):
            match = _REQUIRED.match(line)
            for name in match[1].split() if match is not None else ():
                if re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
                    yield Mention(f"{name}.service", script.entry.place, number, number, line, False)


def _commanded(command: Command) -> Iterator[str]:
    """Units that a command acts on."""
    argv = shell.unwrapped(command)
    for text in shell.nested(command):
        for inner in shell.commands(text):
            yield from _commanded(inner)
    if not argv:
        return
    values = {i + 1 for i, w in enumerate(argv) if w in _VALUED}
    program, words = argv[0].rpartition("/")[2], [w for i, w in enumerate(argv) if i and i not in values and w[:1] != "-"]
    if program == "systemctl" and words and words[0] in _ACTS:
        names = words[1:]
    elif program in ("service", "invoke-rc.d") and words:
        names = words[:1]
    else:
        return
    for name in names:
        if re.fullmatch(r"[A-Za-z0-9:_.@\\-]+", name):
            yield name if name.endswith(SUFFIXES) else f"{name}.service"


_WORD = late(r"^\$(?:\{(\w+)\}|(\w+))(\.service)?$")


def _meant(command: Command, text: str) -> Iterator[tuple[str, int]]:
    """Units that a command acts on by a variable whose values stand in the script: (name, line of the value)."""
    argv = shell.unwrapped(command)
    program = argv[0].rpartition("/")[2] if argv else ""
    words = (
        argv[2:] if program == "systemctl" and argv[1:2] and argv[1] in _ACTS else argv[1:2] if program == "service" else ()
    )
    for word in words:
        match = _WORD.match(word)
        if match is None:
            continue
        for value, line in _values(text).get(match[1] or match[2], ()):
            if re.fullmatch(r"[A-Za-z0-9][\w:.@-]*", value):
                yield value if value.endswith(SUFFIXES) else f"{value}.service", line


@lru_cache(maxsize=8)
def _values(text: str) -> dict[str, list[tuple[str, int]]]:
    """The plain values (and their lines) that the variables of a script are given: by assignments, by loops over words."""
    found: dict[str, list[tuple[str, int]]] = {}
    for given in (*shellflow.assignments(text), *shellflow.loop_values(text)):
        words = given.value.split() if "$" not in given.value else ()
        found.setdefault(given.name, []).extend((word.strip("\"'"), given.line) for word in words)
    return found


def _successor(context: Context, name: str) -> str:
    """The one unit of the estate whose name is like this one's: same kind, same last word, nearly the same letters."""
    assert context.estate is not None
    stem, _, kind = name.rpartition(".")
    last = _WORDS.split(stem)[-1]
    scored = []
    for candidate in {u.name for host in context.estate.hosts for u in host.units if u.load not in ("not-found", "masked")}:
        other, _, suffix = candidate.rpartition(".")
        if suffix == kind and not other.endswith("@") and _WORDS.split(other)[-1] == last:
            scored.append((difflib.SequenceMatcher(None, stem, other).ratio(), candidate))
    scored.sort(reverse=True)
    if not scored or scored[0][0] < 0.7 or (len(scored) > 1 and scored[1][0] > scored[0][0] - 0.1):
        return ""
    return scored[0][1]


def cure(context: Context, finding: Finding) -> Cure | None:
    """The new name wherever the package's scripts and units say the old one."""
    old = finding.title.split(" ", 1)[0]
    new = _successor(context, old)
    if not new:
        return None
    texts: dict[str, list[str]] = {}
    for mention in _mentions(context):
        if mention.unit != old:
            continue
        text = current_text(context, mention.place)
        if text is None:
            continue
        lines = texts.setdefault(mention.place, text.split("\n"))
        for number in range(mention.line - 1, min(mention.end, len(lines))):
            lines[number] = _renamed(lines[number], old, new)
    edits: dict[str, bytes | None] = {place: encode("\n".join(lines)) for place, lines in texts.items()}
    return Cure(edits=edits, note=f"{old} is called {new} here", safety="review") if edits else None


def _renamed(line: str, old: str, new: str) -> str:
    stem, _, kind = old.rpartition(".")
    pattern = rf"(?<![\w@.-]){re.escape(stem)}(?P<kind>\.{kind})?(?![\w@-]|\.\w)"
    return re.sub(pattern, lambda found: new if found["kind"] else new.rpartition(".")[0], line)


def _estate(*names: str) -> Estate:
    units = tuple(Unit(name=name, load="loaded", active="active", sub="running") for name in names)
    return Estate(
        taken="2026-10-01T00:00:00Z",
        hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", units=units),),
    )


_HERE = _estate("app.service", "app-worker.service", "postgresql@.service", "multi-user.target", "cron.service")
BAD = (
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nSVC=app-lims-worker\nsystemctl stop $SVC\n"}, estate=_HERE),
    Sample(files={"up.sh": '#!/bin/sh\nset -e\nfor s in app nonesuch; do systemctl restart "$s"; done\n'}, estate=_HERE),
    Sample(files={"x.deb!/lib/systemd/system/r.service": "[Unit]\nOnFailure=notify@%n.service\n"}, estate=_HERE),
    Sample(
        files={"init.d/a": "#!/bin/sh\n### BEGIN INIT INFO\n# Required-Start: $network postgresql-9.6\n### END INIT INFO\n"},
        estate=_HERE,
    ),
    Sample(
        files={"up.sh": "#!/bin/sh\nsudo systemctl stop app-lims-worker.service\nsystemctl start app-lims-worker\n"},
        estate=_HERE,
    ),
    Sample(
        files={"x.deb!/lib/systemd/system/r.service": "[Unit]\nAfter=cron.service app-lims-worker.service\n"}, estate=_HERE
    ),
    Sample(files={"up.sh": "#!/bin/sh\nservice nonesuch restart\n"}, estate=_HERE),
    Sample(files={"x.deb!/lib/systemd/system/a.timer": "[Timer]\nOnCalendar=daily\nUnit=gone.service\n"}, estate=_HERE),
    Sample(files={"x.deb!/etc/systemd/system/gone.service.d/a.conf": "[Service]\nNice=5\n"}, estate=_HERE),
    Sample(files={"up.sh": "#!/bin/sh\nif true; then systemctl --quiet enable --now gone.timer; fi\n"}, estate=_HERE),
    Sample(
        files={"roles/a/handlers/main.yml": "- name: r\n  service:\n    name: gone-13\n    state: restarted\n"}, estate=_HERE
    ),
    Sample(files={"roles/a/tasks/main.yml": "- name: r\n  systemd: { name: gone-13, state: stopped }\n"}, estate=_HERE),
    Sample(
        files={"logrotate.d/x": "/v/x.log {\n  postrotate\n    systemctl reload gone.service\n  endscript\n}\n"},
        estate=_HERE,
    ),
)
GOOD = (
    Sample(
        files={
            "roles/a/tasks/main.yml": "- name: r\n  service: name=app state=started\n- systemd:\n    name: '{{ unit }}'\n",
            "logrotate.d/x": "/v/x.log {\n  postrotate\n    systemctl reload app.service\n  endscript\n}\n",
        },
        estate=_HERE,
    ),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nSVC=app\nfor s in $SVC cron; do systemctl stop $SVC; done\n"}, estate=_HERE),
    Sample(files={"x.deb!/lib/systemd/system/r.service": "[Unit]\nOnFailure=postgresql@%i.service\n"}, estate=_HERE),
    Sample(files={"up.sh": "#!/bin/sh\nsystemctl restart app postgresql@15-main\nsystemctl daemon-reload\n"}, estate=_HERE),
    Sample(
        files={
            "up.sh": "#!/bin/sh\nsystemctl start new\nsystemctl stop $UNIT\n",
            "x.deb!/lib/systemd/system/new.service": "[Unit]\nAfter=app.service\n[Install]\nWantedBy=multi-user.target\n",
        },
        estate=_HERE,
    ),
    Sample(files={"up.sh": "#!/bin/sh\nsystemctl stop gone\n"}, estate=_estate()),
    Sample(files={"up.sh": "#!/bin/sh\nsystemctl kill -s HUP app.service\n"}, estate=_HERE),
    Sample(
        files={
            "up.sh": "#!/bin/sh\nsystemctl start other.service\n",
            "x.deb!/lib/systemd/system/new.service": "[Unit]\nAfter=srv.mount\n[Install]\nAlias=other.service\n",
        },
        estate=_HERE,
    ),
    Sample(files={"tests/a.sh": "#!/bin/sh\nservice sshd restart\n"}, estate=_HERE),
)
