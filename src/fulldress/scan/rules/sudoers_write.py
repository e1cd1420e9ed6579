"""The package changes who may become root.

## What it does
Finds files for `/etc/sudoers.d`, scripts that write into `/etc/sudoers` or that folder (without `visudo -c` afterwards), and
rules that give all commands without a password; also files that sudo passes over (a dot in the name) or refuses (writable
for others).

## Why it matters
A rule with `NOPASSWD: ALL` makes every hole of that account a hole of the host. One wrong line in sudoers locks everyone out
of sudo, which is noticed when it is needed.

## Example
```
echo "app ALL=(ALL) NOPASSWD: ALL" >> /etc/sudoers
```

## Fix
Allow the few commands by name, in a file of its own, checked with `visudo -cf` before it is put in place.

## References
- sudoers(5), visudo(8)
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fulldress.formats import sudoers
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.estate import SudoRule
from fulldress.model.finding import Finding, Severity
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.reading import Script, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="sudoers-write",
    family="privilege",
    title="Package changes who may become root",
    severity="high",
    confidence="certain",
)
_FILE = late(r"(^|[!/])etc/sudoers(\.d/[^/]+)?$")
_TARGET = late(r"/etc/sudoers(\.d/|\b)")
_SHELLS = late(r"(^|/)(ba|da|k|z)?sh$|(^|/)(vi|vim|less|find|python3?|perl|awk|tar|env|cp|tee|chmod|chown|systemctl)$")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file, and for each script."""
    for entry in context.holding("etc/sudoers"):
        if _FILE.search(entry.place) and role(context, entry.place) != "library":
            text = context.text(entry) or ""
            wide = [rule for rule in sudoers.rules({entry.place: text}) if _wide(rule)]
            yield from _unasked(entry.place, text)
            name = entry.place.rpartition("/")[2]
            if "." in name or name.endswith("~"):
                yield _finding(entry.place, 0, "low", f"sudo passes over {name}: there is a dot in its name", name)
            elif wide:
                yield _finding(entry.place, wide[0].line, "high", f"{_says(wide[0])}", _line(text, wide[0].line))
            elif entry.mode & 0o022:
                yield _finding(entry.place, 0, "medium", f"sudo refuses {name}: mode {entry.mode & 0o777:o}", name)
            else:
                rules = sudoers.rules({entry.place: text})
                if rules:
                    title = f"the package brings {len(rules)} sudo rule{'s' if len(rules) > 1 else ''} ({name})"
                    yield _finding(entry.place, rules[0].line, "low", title, _line(text, rules[0].line))
    for script in (*scripts(context), *embedded(context)):
        if role(context, script.entry.place) != "library":
            yield from _written(script)


_UNASKED = late(r"(?m)^[^\S\n]*Defaults(\S*)[^\n#]*!authenticate\b")


def _unasked(place: str, text: str) -> Iterator[Finding]:
    """``Defaults:app !authenticate``: every rule is one without a password."""
    for match in _UNASKED.finditer(text):
        who = match[1].lstrip(":@>!") or "everyone"
        line = text.count("\n", 0, match.start()) + 1
        yield _finding(place, line, "high", f"sudo never asks {who} for a password", match[0].strip())


def _written(script: Script) -> Iterator[Finding]:
    writes = [c for c in script.commands if _writes(c)]
    if not writes:
        return
    first = writes[0]
    checked = any("visudo" in c.argv[0] or "visudo" in c.text for c in script.commands)
    wide = [(c, rule) for c in writes for rule in sudoers.rules({"x": _put(c)}) if _wide(rule)]
    if wide:
        finding = _finding(script.entry.place, wide[0][0].line, "high", _says(wide[0][1]), wide[0][0].text)
        lines = ", ".join(str(c.line) for c in writes)
        more = f" The script writes there {len(writes)} times (lines {lines})." if len(writes) > 1 else ""
        yield msgspec.structs.replace(finding, consequence=finding.consequence + more)
    elif not checked:
        title = f"writes into sudoers without visudo -c ({len(writes)}×)"
        yield _finding(script.entry.place, first.line, "medium", title, first.text)


def _put(command: Command) -> str:
    """What a command writes, as far as it says so itself."""
    return "\n".join((command.heredoc, *(command.argv[1:] if command.name in ("echo", "printf") else ()), ""))


def _writes(command: Command) -> bool:
    redirected = any(_TARGET.search(r) and r.lstrip("0123456789&").startswith(">") for r in command.redirects)
    name = command.name.rpartition("/")[2]
    piped = command.pipes_to == "tee" and any(_TARGET.search(w) for w in command.pipes_args)
    changes = name in ("sed", "cp", "install", "mv", "ln") and _TARGET.search(command.argv[-1]) is not None
    return redirected or piped or (changes and (name != "sed" or any(w.startswith("-i") for w in command.argv)))


def _wide(rule: SudoRule) -> bool:
    """Everything, or a program that gives a shell, without a password."""
    if not rule.nopasswd or rule.users == ("root",):
        return False
    shells = any(_SHELLS.search(c.partition(" ")[0]) and " " not in c for c in rule.commands)
    return "ALL" in rule.commands or shells


def _says(rule: SudoRule) -> str:
    what = "everything" if "ALL" in rule.commands else rule.commands[0]
    return f"{', '.join(rule.users)} may run {what} as root without a password"


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _finding(place: str, line: int, severity: Severity, title: str, excerpt: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title,
        place=place,
        line=line,
        excerpt=excerpt[:200],
        consequence="Who gets hold of that account has the host; a wrong line locks everyone out of sudo.",
        fix="Allow single commands by name, in a file checked with visudo -cf.",
    )


BAD = (
    {"x.deb!/etc/sudoers.d/app": "app ALL=(ALL) NOPASSWD: ALL\n"},
    {"up.sh": '#!/bin/sh\nset -e\necho "app ALL=(ALL) NOPASSWD: ALL" >> /etc/sudoers\n'},
    {"up.sh": '#!/bin/sh\nset -e\necho "app ALL=(root) /usr/bin/systemctl restart app" | tee /etc/sudoers.d/app\n'},
    {"up.sh": "#!/bin/sh\nset -e\ncat > /etc/sudoers.d/a <<EOF\n%app ALL=(root) NOPASSWD: /bin/bash\nEOF\nvisudo -c\n"},
    {"x.deb!/etc/sudoers.d/app": "Defaults:app !authenticate\n"},
    {"Dockerfile": "FROM x:1\nRUN echo 'app ALL=(ALL) NOPASSWD:ALL' >> /etc/sudoers\n"},
    {"x.spec": "Name: x\n%post\nsed -i '/requiretty/d' /etc/sudoers\n%files\n"},
    {"x.deb!/etc/sudoers.d/app.conf": "app ALL=(root) NOPASSWD: /usr/bin/app-ctl\n"},
)
GOOD = (
    {"up.sh": "#!/bin/sh\nset -e\necho 'a ALL=(root) /usr/bin/a-ctl' > /etc/sudoers.d/a\nvisudo -cf /etc/sudoers.d/a\n"},
    {"up.sh": "#!/bin/sh\ncat /etc/sudoers\ngrep app /etc/sudoers.d/app\n"},
    {"README.md": "app ALL=(ALL) NOPASSWD: ALL into /etc/sudoers\n"},
)
