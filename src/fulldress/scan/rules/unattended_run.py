"""A script of the upgrade waits for a person, leaves something running, or adds once more at each run.

## What it does
Reads the upgrade's scripts for what goes well on a vendor's desk and not in a window at night: `read -p`, `whiptail`, Perl's
`<STDIN>`, Python's `input()`, Tcl's `gets stdin` without a terminal's check; `nohup ... &`, `setsid`, `screen -dm` and loops
without end, which no unit knows; lines appended to files of `/etc` without looking whether they are there; configuration of
the host that is copied over without a backup; a downgrade to the very beginning; plans that are applied unseen; temporary
files with a name that anyone can guess; code that is run from `/tmp`.

## Why it matters
The runner has no terminal: the script stops there, or reads an end of file and goes on with an empty answer. What runs in
the background outlives the rollback, and a second run finds what the first left.

## Example
```
read -p "Continue? [y/N] " yn
```

## Fix
Give the answer as an option or a variable; let systemd run what shall stay; write so that a second run changes nothing.

## References
- CWE-377 Insecure Temporary File; systemd-run(1)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.jobs.embedded_shell import CONTAINERFILE, embedded
from fulldress.scan.places import standing
from fulldress.scan.reading import MAX_PARSED, Script, is_comment, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="unattended-run",
    family="privilege",
    title="Script that an unwatched or second run stumbles over",
    severity="medium",
    confidence="likely",
)
_ASKS = ("whiptail", "dialog", "zenity", "kdialog")
_TERMINAL = late(r"\[\s+-t\s+[01]\s|-t STDIN|isatty|DEBIAN_FRONTEND|/dev/tty")
_LOOP = late(r"(?m)^[^\S\n]*while\s+(?:true|:|\[\s*1\s*\]|\(\(\s*1\s*\)\))\s*(?:;\s*do|$)")
_DETACHED = late(r"(?<!&)&[^\S\n]*(?:#[^\n]*)?$")
_APPENDED = late(r"^\d?>>\s*[\"']?(/etc/[\w./-]+)")
_GUESSED = late(
    r"(?m)^[^\S\n]*(?:export\s+)?(?P<name>\w+)=[\"']?(?:\$\{\w+:-)?(?P<path>/(?:var/)?tmp/[\w.-]*(?:\$\$)?[\w.-]*)[\"'}]*[^\S\n]*$"
)
_KEPT = late(
    r"/etc/(?!cron\.|systemd/|logrotate\.d/|tmpfiles\.d/|sysctl\.d/|init\.d/|profile\.d/|udev/)[\w./-]*\.?(?:conf|cfg|cnf|ini|ya?ml|xml|properties|rules)?$"
)
_SETTINGS_FILE = late(r"\.(?:conf|cfg|cnf|ini|ya?ml|xml|properties|rules)$")
_PROMPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (".py", late(r"(?:^|[=\s(])(?:input|raw_input|getpass\.getpass)\s*\(")),
    (".pl", late(r"<STDIN>")),
    (".tcl", late(r"\bgets\s+stdin\b")),
    (".exp", late(r"\binteract\b")),
    (".ps1", late(r"(?i)\bRead-Host\b|^\s*pause\s*$")),
    (".groovy", late(r"\.readLine\(|System\.in\b")),
    (".js", late(r"\breadline\.question|\binquirer\b|\brl\.question")),
    (".php", late(r"\breadline\s*\(|fgets\(\s*STDIN")),
    (".rb", late(r"\bSTDIN\.gets\b|\$stdin\.gets\b")),
    (".bat", late(r"(?i)^\s*(?:pause\b|set\s+/p\s|choice\s)")),
    (".cmd", late(r"(?i)^\s*(?:pause\b|set\s+/p\s|choice\s)")),
)
_BEGINNING = late(r"\balembic\b.*\bdowngrade\s+base\b|\bmanage\.py\s+migrate\s+\w+\s+zero\b|\bdb:rollback\s+STEP=\d{2}")
_OF_TMP = late(r"[`$(]*\s*(?:cat\s+)?/(?:var/)?tmp/[\w.-]+")
_RUNS_AT_NIGHT = late(r"(?i)upgrad|migrat|instal|setup|updat|deploy|patch|convert|post|pre")
_WAITS = "The runner has no terminal: it stops here until somebody looks, or goes on with an empty answer."
_ANSWER = "Take the answer from an option or a variable, and fail when it is not given."


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a script."""
    for script in (*scripts(context), *embedded(context)):
        place = script.entry.place
        if role(context, place) != "upgrade" or standing(place) != "acting" or CONTAINERFILE.search(place):
            continue
        told: set[str] = set()
        for line, severity, title, why, fix in _told(script):
            if title not in told:
                told.add(title)
                yield _finding(script.entry, script.text, line, severity, title, why, fix)
    yield from _programs(context)


def _told(script: Script) -> Iterator[tuple[int, Severity, str, str, str]]:
    for command in script.commands:
        for severity, title, why, fix in _command(command, script.text):
            yield command.line, severity, title, why, fix
    for loop in _LOOP.finditer(script.text):
        body = script.text[loop.end() :].partition("\ndone")[0]
        if not re.search(r"\b(?:break|return|exit|read)\b", body):
            line = script.text.count("\n", 0, loop.start()) + 1
            yield line, "low", "loops without an end", "Nothing knows of it, and nothing stops it.", "Let a timer run it."
    for name in _GUESSED.finditer(script.text):
        if f"${name['name']}" in script.text or f"${{{name['name']}" in script.text:
            line = script.text.count("\n", 0, name.start("name")) + 1
            why = "Whoever makes that name first, as a link, chooses what root writes."
            yield line, "low", f"uses {name['path']}, a name that anyone can guess", why, "Use mktemp, or a folder in /run."


Said = Iterator[tuple[Severity, str, str, str]]
"""(severity, title, consequence, fix) of each thing that a command does."""


def _command(command: Command, text: str) -> Said:
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    words = argv[1:]
    asks = (name == "read" and _option(words, "p") and not _option(words, "t")) or (
        name in _ASKS and not {"--version", "--infobox"} & set(words)
    )
    if asks and not _TERMINAL.search(text):
        yield "medium", "waits for a person", _WAITS, _ANSWER
    if (
        name == "setsid"
        or (command.argv[0].rpartition("/")[2] == "nohup" and _detached(command, text))
        or (name == "screen" and any(re.match(r"-d?\w*m", w) for w in words))
        or (name == "tmux" and "-d" in words)
    ):
        yield (
            "low",
            "leaves a process running that no unit knows",
            "Neither a stop of the product nor a rollback ends it; after a reboot it is gone.",
            "Make it a unit, or wait for its end.",
        )
    yield from _adds(command, name, words, text)
    yield from _over(name, words, text)
    yield from _unseen(name, argv)


def _option(words: tuple[str, ...], letter: str) -> bool:
    return any(re.match(rf"-[a-z]*{letter}", word) for word in words)


def _adds(command: Command, name: str, words: tuple[str, ...], text: str) -> Said:
    """Lines that are appended to a file of the host without a look."""
    appended = next((m[1] for r in command.redirects if (m := _APPENDED.match(r))), "")
    if name == "tee" and "-a" in words:
        appended = next((w for w in words if w.startswith("/etc/")), "")
    if appended and not _looked(text, appended):
        yield (
            "low",
            f"adds to {appended} at each run",
            "A second run writes it twice; a rollback leaves it.",
            "Look first (grep -q), or write a file of your own in a .d folder.",
        )


def _unseen(name: str, argv: tuple[str, ...]) -> Said:
    """Steps that a person ought to have looked at first."""
    if _BEGINNING.search(" ".join(argv)):
        yield (
            "high",
            "takes the schema back to the beginning",
            "Every table that the migrations made is dropped, with the rows of years.",
            "Name the revision that ran before this upgrade.",
        )
    if name in ("terraform", "tofu", "pulumi", "terragrunt") and {"-auto-approve", "--auto-approve", "--yes"} & set(argv):
        yield (
            "medium",
            "applies a plan that nobody has seen",
            "What it replaces or destroys is known when it is gone.",
            "Save the plan (-out), let two people read it, and apply that file.",
        )
    if name in (".", "source", "sh", "bash", "eval") and argv[1:] and _OF_TMP.match(argv[1]):
        yield (
            "medium",
            f"runs {argv[1][:60]}",
            "Whoever may write to /tmp, which is everybody, has root run it.",
            "Run what lies in the product's own folder.",
        )


def _detached(command: Command, text: str) -> bool:
    line = text.split("\n")[command.end_line - 1] if command.end_line <= text.count("\n") + 1 else ""
    return _DETACHED.search(line.rstrip()) is not None


def _looked(text: str, path: str) -> bool:
    """True when the script looks for something in that file, or has made it before."""
    name = re.escape(path)
    return (
        re.search(rf"grep\b[^\n]*{name}|(?<!>)>\s*[\"']?{name}|sed\s+-i[^\n]*{name}|\[\s+!?\s*-[efs]\s+[\"']?{name}", text)
        is not None
    )


def _over(name: str, words: tuple[str, ...], text: str) -> Said:
    """A file of the host's configuration that is written over."""
    if name not in ("cp", "install", "mv") or len(words) < 2 or not words[-1].startswith("/etc/"):
        return
    if any(re.match(r"-\w*[nbu]|--(?:backup|no-clobber|update)|-d", w) for w in words) or re.search(
        r"\.(?:bak|orig|old|sav)|\$\(?date", text
    ):
        return
    if _SETTINGS_FILE.search(words[-1]) and _KEPT.match(words[-1]) and ".d/" not in words[-1]:
        yield (
            "low",
            f"writes over {words[-1]}",
            "What this site has changed in it is gone, and nothing brings it back.",
            "Keep a copy, compare, and put in only what is new.",
        )


def _programs(context: Context) -> Iterator[Finding]:
    """Programs of the upgrade that ask a person."""
    for entry in context.ending(*dict(_PROMPTS)):
        place = entry.place
        if (
            not _RUNS_AT_NIGHT.search(place)
            or entry.kind != "file"
            or entry.size > MAX_PARSED
            or standing(place) != "acting"
        ):
            continue
        if "usr/" in place or "-packages/" in place or role(context, place) != "upgrade":
            continue
        text = context.text(entry) or ""
        asks = next(pattern for end, pattern in _PROMPTS if place.endswith(end))
        if _TERMINAL.search(text):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if asks.search(line) and not is_comment(line):
                yield _finding(entry, text, number, "medium", "waits for a person", _WAITS, _ANSWER)
                break


def _finding(entry: Entry, text: str, line: int, severity: Severity, title: str, why: str, fix: str) -> Finding:
    lines = text.split("\n")
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{entry.place.rpartition('/')[2]} {title}",
        place=entry.place,
        line=line,
        excerpt=hidden(lines[line - 1].strip() if 0 < line <= len(lines) else "")[:200],
        consequence=why,
        fix=fix,
    )


BAD = (
    {"up.sh": '#!/bin/sh\nset -e\nread -p "Continue? " yn\n'},
    {"up.sh": "#!/bin/sh\nset -e\nnohup /opt/x/bin/warm &\n"},
    {"up.sh": "#!/bin/sh\nset -e\nwhile :; do\n  curl -s http://127.0.0.1/\n  sleep 60\ndone\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho '10.0.0.1 db1' >> /etc/hosts\n"},
    {"up.sh": "#!/bin/sh\nset -e\ncp -f conf/ntp.conf /etc/ntp.conf\n"},
    {"up.sh": "#!/bin/sh\nset -e\nalembic downgrade base\n", "b.sh": "#!/bin/sh\nterraform apply -auto-approve\n"},
    {"up.sh": "#!/bin/sh\nset -e\nWORK=/tmp/app.$$\nmkdir $WORK\n"},
    {"up.sh": "#!/bin/sh\nset -e\n. /tmp/app.rc\n"},
    {"setup.py": 'answer = input("Continue? ")\n', "install.pl": "my $a = <STDIN>;\n", "setup.tcl": "gets stdin\n"},
)
GOOD = (
    {"up.sh": '#!/bin/sh\nset -e\n[ -t 0 ] && read -p "Continue? " yn\n'},
    {"up.sh": "#!/bin/sh\nset -e\nwhile read -r line; do echo $line; done < list\nread -r -t 5 -p 'x' y\n"},
    {"up.sh": "#!/bin/sh\nset -e\nwhile true; do\n  ping -c1 db && break\ndone\n"},
    {"up.sh": "#!/bin/sh\nset -e\ngrep -q db1 /etc/hosts || echo '10.0.0.1 db1' >> /etc/hosts\n"},
    {"up.sh": "#!/bin/sh\nset -e\ncp -n conf/ntp.conf /etc/ntp.conf\ncp x.conf /etc/logrotate.d/x\n"},
    {"up.sh": "#!/bin/sh\nset -e\nWORK=$(mktemp -d)\nalembic downgrade -1\nterraform plan -out p\n"},
    {"tests/up.sh": "#!/bin/sh\nread -p x y\n", "app/main.py": 'x = input("x")\n'},
)
