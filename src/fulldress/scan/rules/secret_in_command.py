"""A secret is written into a command line.

## What it does
Reads shell scripts by their syntax tree and knows which argument of which program is a secret: `sshpass -p`, `curl
-u` and authorization headers, `mysql -p`, `PGPASSWORD=`, `--password`, passwords in URLs, provider tokens.

## Why it matters
Everyone who has the package has the secret; while the command runs, every user of the host reads it in the process
list, and it stays in logs and shell histories. It works against production until someone rotates it.

## Example
```
echo ls | sshpass -p 'Summer2023' sftp import@files.example.net
```

## Fix
Rotate the secret. `fulldress adapt` replaces it by a variable that is read from a secret file which only root may
read.

## References
- CWE-214 Invocation of Process Using Visible Sensitive Information; CWE-798 Hard-coded Credentials
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Cure, Finding
from fulldress.scan import secrets
from fulldress.scan.endpoints import urls
from fulldress.scan.reading import edited, script_at, scripts, with_line
from fulldress.scan.rule import MAX_LINE, Context, RuleMeta
from fulldress.scan.vault import secret_file, with_loader

META = RuleMeta(
    slug="secret-in-command",
    family="secret",
    title="Secret in a command line",
    severity="high",
    confidence="certain",
)
CONSEQUENCE = "Everyone who has the package, and every user of the host while it runs, can read and use it."
FIX = "Rotate it, and read it from a secret file instead."

_ASSIGNED = re.compile(r"""^\s*([A-Za-z_]\w*)=("[^"$`]*"|'[^']*'|[^\s"'$`;&|()]+)\s*(?:#.*)?$""")
_HEADER = re.compile(
    r"(?i)^(?:authorization\s*:\s*(?:bearer|basic|token)?|x-[a-z-]*(?:key|token)\s*:|private-token\s*:)\s*(\S+)$"
)
_LONG = re.compile(r"(?i)^--?((?:[a-z-]*-)?(?:password|passwd|pass|token|secret|api-?key))(?:=(.*))?$", re.DOTALL)
_MYSQL = re.compile(r"^(mysql|mariadb)\w*$")


class Secret(NamedTuple):
    """A secret value inside one word of a command (index into ``argv``), or in an assignment (-1)."""

    word: int
    value: str
    kind: str


def check(context: Context) -> Iterator[Finding]:
    """One finding for each command that carries a secret."""
    for script in scripts(context):
        for command in script.commands:
            found = list(found_in(command))
            if found:
                yield _finding(script.entry.place, command, found)
        for line, name, _value in _assigned(script.text):
            yield _assignment(script.entry.place, line, name)


def _assigned(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, name, value) of secrets assigned on a line of their own."""
    for number, line in enumerate(text.split("\n"), 1):
        match = _ASSIGNED.match(line[:MAX_LINE])
        if match is not None and secrets.is_secret_key(match[1]) and secrets.is_real(match[2]):
            yield number, match[1], match[2]


def _assignment(place: str, line: int, name: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"the value of {name} is written into the script",
        place=place,
        line=line,
        excerpt=f"{name}={secrets.HIDDEN}",
        consequence=CONSEQUENCE,
        fix=FIX,
        curable=True,
    )


def _finding(place: str, command: Command, found: list[Secret]) -> Finding:
    shown = command.text
    for secret in found:
        shown = shown.replace(secret.value, secrets.HIDDEN)
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{found[0].kind} in the command line of {shell.unwrapped(command)[0]}",
        place=place,
        line=command.line,
        excerpt=shown,
        consequence=CONSEQUENCE,
        fix=FIX,
        curable=True,
    )


def found_in(command: Command) -> Iterator[Secret]:
    """The secrets of one command, each value once."""
    seen: set[str] = set()
    for secret in _candidates(command):
        if secret.value not in seen and secrets.is_real(secret.value):
            seen.add(secret.value)
            yield secret


def _candidates(command: Command) -> Iterator[Secret]:
    for assignment in command.assignments:
        name, _, value = assignment.partition("=")
        if secrets.is_secret_key(name):
            yield Secret(-1, value.strip("\"'"), f"the value of {name}")
    start = shell.wrapped_by(command)
    name = command.argv[start].rpartition("/")[2]
    for index, word in enumerate(command.argv[start + 1 :], start + 1):
        previous = command.argv[index - 1]
        yield from _by_program(name, previous, word, index)
        yield from _by_form(previous, word, index)


def _by_program(name: str, previous: str, word: str, index: int) -> Iterator[Secret]:
    """Arguments that are secrets because of the program."""
    if name in ("curl", "wget"):
        if previous in ("-u", "--user") and ":" in word:
            yield Secret(index, word.partition(":")[2], "a password")
        elif previous in ("-H", "--header") and (header := _HEADER.match(word)):
            yield Secret(index, header[1], "an authorization header")
        elif previous == "--oauth2-bearer":
            yield Secret(index, word, "a bearer token")
    elif name == "sshpass":
        if previous == "-p":
            yield Secret(index, word, "a password")
        elif word.startswith("-p") and len(word) > 2:
            yield Secret(index, word[2:], "a password")
    elif _MYSQL.match(name) and re.match(r"-p.", word):
        yield Secret(index, word[2:], "a database password")
    elif name in ("export", "declare", "local", "readonly", "typeset", "env") and "=" in word:
        key, _, value = word.partition("=")
        if secrets.is_secret_key(key):
            yield Secret(index, value, f"the value of {key}")
    elif name in ("useradd", "usermod") and previous in ("-p", "--password"):
        yield Secret(index, word, "a password hash")


def _by_form(previous: str, word: str, index: int) -> Iterator[Secret]:
    """Arguments that are secrets because of how they look."""
    option, before = _LONG.match(word), _LONG.match(previous)
    if option is not None and option[2]:
        yield Secret(index, option[2], f"the value of --{option[1]}")
    elif before is not None and before[2] is None and not word.startswith("-") and previous.startswith("--"):
        yield Secret(index, word, f"the value of --{before[1]}")
    if word.startswith("pass:"):
        yield Secret(index, word[5:], "a passphrase")
    for match in secrets.URL_USERINFO.finditer(word):
        yield Secret(index, match[3], "a password in a URL")
    for match in secrets.URL_PARAMETER.finditer(word):
        yield Secret(index, match[2], "a secret in a URL")
    for match in secrets.PROVIDER.finditer(word):
        yield Secret(index, match[1], "a provider's token")


def variable_for(command: Command, secret: Secret) -> str:
    """The variable that stands for a secret: named by its key, else by the host that the command talks to."""
    keyed = re.match(r"the value of -*(\S+)", secret.kind)
    host = next((u.host for word in command.argv for u in urls(word)), "")
    if not host:
        host = next((m[1] for w in command.argv for m in [re.match(r"[^\s@/]+@([A-Za-z0-9.-]+)", w)] if m), "")
    if keyed and keyed[1].isupper():
        return keyed[1]
    owner = host.rpartition(".")[0] or host or shell.unwrapped(command)[0].rpartition("/")[2]
    password = secret.kind.startswith(("a pass", "a database pass"))
    return secrets.variable(owner, keyed[1] if keyed else "password" if password else "token")


def cure(context: Context, finding: Finding) -> Cure | None:
    """Replace the values by variables, and read those from the secret file at the top of the script."""
    script = script_at(context, finding.place)
    if script is None:
        return None
    edits: list[Edit] = []
    names: list[str] = []
    for command in (c for c in script.commands if c.line == finding.line):
        for secret in found_in(command):
            name = variable_for(command, secret)
            start, end = command.spans[secret.word] if secret.word >= 0 else (command.start, command.spans[0][0])
            raw = shell.encode(script.text)[start:end].decode("utf-8", "surrogateescape")
            edits.append(Edit(start, end, _referring(raw, secret.value, name)))
            names.append(name)
    text = shell.splice(script.text, edits)
    for number, name, _value in _assigned(script.text):
        if number == finding.line:
            text = with_line(text, number, lambda line, name=name: f'{line[: line.index("=")]}="${{{name}:?}}"')  # type: ignore[misc]
            names.append(name)
    if not names:
        return None
    path = secret_file(context)
    text = with_loader(text, path)
    if not shell.parses(text) and shell.parses(script.text):
        return None
    return edited(finding.place, text, f"secret replaced by {', '.join(sorted(set(names)))}, read from {path}")


def _referring(raw: str, value: str, name: str) -> str:
    """The word as written, with the value replaced by a reference that stops the script when the variable is not set."""
    reference = f"${{{name}:?}}"
    if raw.startswith("'") and raw.endswith("'") and raw.count("'") == 2:
        escaped = re.sub(r'([\\"$`])', r"\\\1", raw[1:-1])
        return '"' + escaped.replace(re.sub(r'([\\"$`])', r"\\\1", value), reference) + '"'
    before, found, after = raw.partition(value)
    if not found:
        return raw
    if before.count('"') % 2:
        return f"{before}{reference}{after}"
    if before.count("'") % 2:
        return f"{before}'\"{reference}\"'{after}"
    return f'{before}"{reference}"{after}'


BAD = (
    {"scripts/a.sh": "#!/bin/bash\necho ls | sshpass -p 'Summer2023!' sftp import@files.partner.example\n"},
    {"scripts/b.sh": "#!/bin/bash\ncurl https://h.partner.example/v1 -H 'Authorization: Bearer tok_1234567890' -d '{}'\n"},
    {"scripts/c.sh": "#!/bin/sh\nPGPASSWORD=geheim1 psql -h db -U app -c 'select 1'\n"},
    {"scripts/d.sh": "#!/bin/sh\nmysql -u root -pgeheim1 app < dump.sql\nmysqldump --password=geheim1 app\n"},
    {"app.deb!/postinst": "#!/bin/sh\nif true; then\n  curl -u admin:geheim1 https://h.partner.example/x\nfi\n"},
    {"scripts/f.sh": "#!/bin/sh\n  DB_PASSWORD='geheim1' # old\ncurl https://x.partner.example/\n"},
    {"scripts/e.sh": '#!/bin/sh\nexport API_TOKEN="abcdef123456"\npsql "postgresql://app:geheim1@db/app"\n'},
)
GOOD = (
    {"scripts/a.sh": '#!/bin/bash\nsshpass -p "$PASSWORD" sftp import@files.partner.example\nsshpass -e sftp x@y\n'},
    {"scripts/b.sh": '#!/bin/bash\ncurl -H "Authorization: Bearer ${TOKEN:?}" https://h.partner.example/v1\n'},
    {"scripts/c.sh": "#!/bin/sh\npsql -p 5432 -U app\nmysql -u root -p app\nexport PASSWORD_FILE=/etc/x\n"},
    {"scripts/d.sh": '#!/bin/sh\nTOKEN=$(cat /etc/x)\nPASSWORD="${PASSWORD:?}"\nTOKEN=\n'},
    {"README.md": "Run `mysql -pgeheim1`\n"},
)
