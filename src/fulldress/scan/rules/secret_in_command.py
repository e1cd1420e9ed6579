"""A secret is written into a command line.

## What it does
Reads shell scripts by their syntax tree and knows which argument of which program is a secret: `sshpass -p`, `curl
-u` and authorization headers, `mysql -p`, `PGPASSWORD=`, `--password`, `smbclient -U user%password`, `ldapsearch -w`,
`openssl -passin pass:`, `echo user:password | chpasswd`, `sudo -S <<< password`, what `expect` types in, cloud logins,
passwords in URLs, provider tokens. Commands in crontabs are read too.

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

import functools
import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Cure, Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.commandsecrets import HANDED, Secret, found_in
from fulldress.scan.credentials.secretreport import redacted
from fulldress.scan.credentials.vault import secret_file, with_loader
from fulldress.scan.jobs.embedded_shell import in_yaml
from fulldress.scan.network.endpoints import urls
from fulldress.scan.places import standing
from fulldress.scan.reading import crontabs, edited, script_at, scripts, with_line
from fulldress.scan.rule import MAX_LINE, Context, RuleMeta

META = RuleMeta(
    slug="secret-in-command",
    family="secret",
    title="Secret in a command line",
    severity="high",
    confidence="certain",
)
_EXEC = Pattern(r"^Exec[A-Z][A-Za-z]{2,12}\s{0,2}=[^\n]{0,400}(pass|token|secret|key|\s-u\s?|\s-p|://)")
LOOKS_FOR = (_EXEC,)
_RECIPE = late(r"(?i)\t[^\n]{0,300}(pass|pwd|\s-p\S|\s-u\s?\S{1,60}:|token|secret|://)")
_MAKEFILE = late(r"(^|[!/])(GNU)?[Mm]akefile$|\.mk$")
_HISTORIES = (".bash_history", ".zsh_history", ".sh_history", ".ash_history", ".history")
MAX_HISTORY = 1 << 20
CONSEQUENCE = "Everyone who has the package, and every user of the host while it runs, can read and use it."
FIX = "Rotate it, and read it from a secret file instead."

_DEFINED = late(r"""-D[\w.]*(?:[pP]assword|[sS]ecret|[tT]oken)=([^\s"'$]+)""")
_ASSIGNS = late(r"\s*(export\s+)?\w+=")
_ASSIGNED = late(r"""^\s*([A-Za-z_]\w*)=("[^"$`]*"|'[^']*'|[^\s"'$`;&|()]+)\s*(?:#.*)?$""")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each command that carries a secret."""
    for script in scripts(context):
        for command in script.commands:
            found = list(found_in(command))
            if found:
                yield _finding(script.entry.place, command, found)
        for line, name, _value in _assigned(script.text):
            yield _assignment(script.entry.place, line, name)
        if "x" in script.text and (line := _traced(script.text)) and standing(script.entry.place) == "acting":
            yield _trace(script.entry.place, line)
    for task in in_yaml(context):  # container files and Makefiles are read line by line
        for command in task.commands:
            found = list(found_in(command))
            if found:
                yield _in_table(task.entry.place, line_of(command, found[0]), command.text, found)
    yield from _elsewhere(context)
    for table in crontabs(context):
        for job in table.jobs:
            found = [s for command in shell.commands(job.command) for s in found_in(command)]
            if found:
                yield _in_table(table.entry.place, job.line, job.command, found)


_TRACES = late(
    r"(?m)^[^\S\n]*set[^\S\n]+-[a-wyz]*x[a-z]*\b|^[^\S\n]*set[^\S\n]+-o[^\S\n]+xtrace\b|^#![^\n]*sh[^\n]*\s-[a-wyz]*x"
)
_USES = late(r"\$\{?(\w*(?:[pP][aA][sS][sS](?:[wW][oO]?[rR]?[dD])?|PASSWORD|TOKEN|SECRET|API_?KEY)\w*)")
_NO_SECRET = late(r"(?i)_?(file|path|dir|len|length|policy)$")


def _traced(text: str) -> int:
    """The line where a script begins to print each command with its values, secrets among them; 0 when it does not."""
    traces = _TRACES.search(text)
    if traces is None or re.search(r"(?m)^[^\S\n]*(?:\{[^\S\n]*)?set[^\S\n]+\+x", text[traces.end() :]):
        return 0
    used = any(secrets.is_secret_key(m[1]) and not _NO_SECRET.search(m[1]) for m in _USES.finditer(text, traces.end()))
    held = used or any(secrets.is_real(m[3]) for m in secrets.userinfos(text[traces.end() :]))
    return text.count("\n", 0, traces.start() + len(traces[0]) - len(traces[0].lstrip())) + 1 if held else 0


def _assigned(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, name, value) of secrets assigned on a line of their own."""
    for number, line in enumerate(text.split("\n"), 1):
        if "=" not in line:
            continue
        match = _ASSIGNED.match(line[:MAX_LINE])
        defined = _DEFINED.search(line[:MAX_LINE]) if "-D" in line and _ASSIGNS.match(line) else None
        if defined is not None and secrets.worth(defined[1]):
            yield number, line.partition("=")[0].strip(), defined[1]
        elif match is not None and secrets.is_secret_key(match[1]) and secrets.worth(match[2]):
            yield number, match[1], match[2]
        elif match is not None and (url := secrets.URL_USERINFO.search(match[2])) and secrets.is_real(url[3]):
            yield number, match[1], url[3]


def _elsewhere(context: Context) -> Iterator[Finding]:
    """Commands in units, and in the histories of shells."""
    for line in context.lines(_EXEC):
        if line.entry.place.endswith((".service", ".conf")) and standing(line.entry.place) == "acting":
            value = line.text.partition("=")[2].lstrip("-+!@: ")
            found = [s for command in shell.commands(value) for s in found_in(command)]
            if found:
                yield _in_table(line.entry.place, line.number, value, found)
    for place, number, recipe in _recipes(context):
        value = re.sub(r"\$\((\w+)\)", r"${\1}", recipe.strip().lstrip("@+-")).replace("$$", "$")
        found = [s for command in shell.commands(value) for s in found_in(command)]
        if found:
            yield _in_table(place, number, value, found)
    for entry in context.ending(*_HISTORIES):
        if entry.size < MAX_HISTORY:
            for command in shell.commands(context.text(entry) or ""):
                found = list(found_in(command))
                if found:
                    yield _in_table(entry.place, command.line, command.text, found)


def _recipes(context: Context) -> Iterator[tuple[str, int, str]]:
    """(place, number, line) of what Makefiles run and may hold a secret: they are few, and so are not searched for."""
    named = {e.place: e for e in (*context.ending(".mk"), *context.naming("makefile")) if _MAKEFILE.search(e.place)}
    for place, entry in sorted(named.items()):
        text = context.text(entry) if standing(place) == "acting" else None
        for number, line in enumerate(text.split("\n"), 1) if text is not None else ():
            if line.startswith("\t") and _RECIPE.match(line):
                yield place, number, line[:MAX_LINE]


def _in_table(place: str, line: int, command: str, found: list[Secret]) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{found[0].kind} in a command of {place.rpartition('/')[2]}",
        place=place,
        line=line,
        excerpt=redacted(command, *(s.value for s in found)),
        consequence=CONSEQUENCE,
        fix=FIX,
    )


def _trace(place: str, line: int) -> Finding:
    return Finding(
        rule=META.slug,
        severity="medium",
        confidence="likely",
        title=f"{place.rpartition('/')[2]} prints its secrets: set -x shows each command with its values",
        place=place,
        line=line,
        excerpt="set -x",
        consequence="They stand in the log of the upgrade, which many read and which is sent to the vendor when it fails.",
        fix="Take it out, or write set +x around the commands that use secrets.",
    )


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
    weak = all(s.kind.startswith("the value of") and secrets.worth(s.value) == "weak" for s in found)
    return Finding(
        rule=META.slug,
        severity="medium" if weak else META.severity,
        confidence=META.confidence,
        title=f"{found[0].kind} in the command line of {shell.unwrapped(command)[0]}",
        place=place,
        line=line_of(command, found[0]),
        excerpt=shown,
        consequence=CONSEQUENCE,
        fix=FIX,
        curable=all(s.word != HANDED or s.value in command.text for s in found),  # a here-document stays as it is
    )


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


def line_of(command: Command, secret: Secret) -> int:
    """The line of the word that holds the secret: a command may go on over many."""
    if secret.word < 0 or secret.word >= len(command.spans) or command.end_line == command.line:
        return command.line
    before = shell.encode(command.text)[: max(0, command.spans[secret.word][0] - command.start)]
    return command.line + before.count(b"\n")


def _span(command: Command, secret: Secret) -> tuple[int, int]:
    """The bytes of the script in which the value stands."""
    if secret.word == HANDED:
        return command.spans[-1][1], command.end
    return command.spans[secret.word] if secret.word >= 0 else (command.start, command.spans[0][0])


def cure(context: Context, finding: Finding) -> Cure | None:
    """Replace the values by variables, and read those from the secret file at the top of the script."""
    script = script_at(context, finding.place)
    if script is None:
        return None
    edits: list[Edit] = []
    names: list[str] = []
    for command in (c for c in script.commands if c.line <= finding.line <= max(c.line, c.end_line)):
        secrets_here = list(found_in(command))
        if not secrets_here or line_of(command, secrets_here[0]) != finding.line:
            continue
        for secret in secrets_here:
            if secret.word == HANDED and secret.value not in command.text:
                continue
            name = variable_for(command, secret)
            start, end = _span(command, secret)
            raw = shell.encode(script.text)[start:end].decode("utf-8", "surrogateescape")
            edits.append(Edit(start, end, _referring(raw, secret.value, name)))
            names.append(name)
    text = shell.splice(script.text, edits)
    for number, name, value in _assigned(script.text):
        if number == finding.line:
            whole = name
            name = f"{name.upper()}_PASSWORD" if f":{value}@" in script.text.split("\n")[number - 1] else name
            text = with_line(text, number, functools.partial(_referred, whole=whole, value=value, name=name))
            names.append(name)
    if not names:
        return None
    path = secret_file(context)
    text = with_loader(text, path)
    if not shell.parses(text) and shell.parses(script.text):
        return None
    return edited(finding.place, text, f"secret replaced by {', '.join(sorted(set(names)))}, read from {path}")


def _referred(line: str, *, whole: str, value: str, name: str) -> str:
    """An assignment with a reference for its value, or for the password of the URL that it holds."""
    if whole == name:
        return f'{line[: line.index("=")]}="${{{name}:?}}"'
    before, _, raw = line.partition("=")
    return f"{before}={_referring(raw, value, name)}"


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
    {"up.sh": "#!/bin/sh\npython manage.py shell -c \"User.objects.create_superuser('a', 'a@b.test', 'geheim1')\"\n"},
    {"postinst": "#!/bin/sh\ndebconf-set-selections <<< 'x x/root_password password geheim1'\n"},
    {"up.sh": "#!/bin/sh\nhelm upgrade x ./chart --set db.password=geheim1\n"},
    {"a.sh": "#!/bin/sh\nsudo -S -p '' systemctl stop x <<< 'geheim1'\nmc alias set a https://s3.x.example k geheim1x9\n"},
    {"b.sh": "#!/bin/sh\nchpasswd <<EOF\nroot:geheim1\nEOF\n"},
    {"c.sh": '#!/bin/sh\nexpect -c \'spawn ssh imp@x; expect "assword:"; send "geheim1\\r"; interact\'\n'},
    {"Makefile": "db:\n\tmysql -h db1 -u portal -pKunden-Portal5 portal < a.sql\n"},
    {"a.service": "[Service]\nExecStart=-/usr/bin/app --db-password geheim1\n"},
    {"root/.bash_history": "ls\nmysql -uroot -pgeheim1\n"},
    {"up.sh": "#!/bin/sh\nansible-playbook -e 'db_password=geheim-1x env=prod' site.yml\n"},
    {"up.sh": "#!/bin/sh\nsnmpset -v2c -c geheim1x9 sw1 1.3 s x\n"},
    {"roles/a/tasks/main.yml": "- name: x\n  shell: |\n    cd /e\n    openssl pkcs12 -passout pass:geheim1\n"},
    {"a.service": "[Service]\nExecStart=/usr/bin/app --license-key F1F12-842CD-23676-65381\n"},
    {"up.sh": '#!/bin/bash\nset -x\nmysql -p"$DB_PASSWORD" app\n'},
    {"bin/setenv.sh": '#!/bin/sh\nJAVA_OPTS="$JAVA_OPTS -Djavax.net.ssl.keyStorePassword=geheim1"\n'},
    {"bin/p.sh": "#!/bin/sh\npython3 -c \"import x; x.connect(password='geheim1')\"\n"},
    {"scripts/g.sh": "#!/bin/sh\nsmbclient //fs/x -U imp%geheim1\nldapsearch -x -w geheim1 -b dc=x\n"},
    {"scripts/h.sh": "#!/bin/sh\nmount -t cifs -o username=imp,password=geheim1 //fs/x /mnt\nhtpasswd -cb f u geheim1\n"},
    {"scripts/i.sh": "#!/bin/sh\necho 'root:geheim1' | chpasswd\naz login -u x -p geheim1\nenv PGPASSWORD=geheim1 psql\n"},
    {"etc/cron.d/a": "5 1 * * * root curl -u svc:geheim1 https://h.partner.example/\n"},
    {"scripts/a.sh": "#!/bin/bash\necho ls | sshpass -p 'Summer2023!' sftp import@files.partner.example\n"},
    {"scripts/b.sh": "#!/bin/bash\ncurl https://h.partner.example/v1 -H 'Authorization: Bearer tok_1234567890' -d '{}'\n"},
    {"scripts/c.sh": "#!/bin/sh\nPGPASSWORD=geheim1 psql -h db -U app -c 'select 1'\n"},
    {"scripts/d.sh": "#!/bin/sh\nmysql -u root -pgeheim1 app < dump.sql\nmysqldump --password=geheim1 app\n"},
    {"app.deb!/postinst": "#!/bin/sh\nif true; then\n  curl -u admin:geheim1 https://h.partner.example/x\nfi\n"},
    {"lib/db.sh": 'DB_URL="postgresql://app:geheim-41x@db.lab.internal:6432/app"\n'},
    {"lib/dc.sh": "#!/bin/sh\nDB_URL='amqp://app:geheim-41x@mq.lab.internal/app' # old\n"},
    {"scripts/f.sh": "#!/bin/sh\n  DB_PASSWORD='geheim1' # old\ncurl https://x.partner.example/\n"},
    {"scripts/e.sh": '#!/bin/sh\nexport API_TOKEN="abcdef123456"\npsql "postgresql://app:geheim1@db/app"\n'},
)
GOOD = (
    {"a.sh": '#!/bin/sh\nsudo -S true <<< "$PW"\nmc alias set a https://s3.x.example "$K" "$S"\nmc alias list\n'},
    {"up.sh": "#!/bin/sh\nsed -i 's/password=.*/password=geheim1x/' f\nx --key server.key\n"},
    {"up.sh": "#!/bin/sh\ngpg --default-key 0x1234ABCD x\napp --key etc/server.key\n"},
    {"roles/a/tasks/main.yml": "- name: x\n  shell: mysql -u a -p{{ pw }} a\n- name: y\n  debug: msg=pass:geheim1\n"},
    {
        "up.sh": '#!/bin/bash\nset -x\nls "$HOME"\nset +x\nmysql -p"$DB_PASSWORD" app\n',
        "b.sh": "#!/bin/sh\nset -x\nls $PASSWORD_FILE\n",
    },
    {"Makefile": "db:\n\tmysql -h db1 -u portal -p$(DB_PASSWORD) portal < a.sql\n\tpsql -p 5432 app\n"},
    {"scripts/i.sh": '#!/bin/sh\nsmbclient //fs/x -U "$U%$P"\nldapsearch -W -x\nldapsearch -w "$PW"\nchpasswd < f\n'},
    {"etc/cron.d/a": '5 1 * * * root curl -u "$U:$P" https://h.partner.example/\n'},
    {"scripts/a.sh": '#!/bin/bash\nsshpass -p "$PASSWORD" sftp import@files.partner.example\nsshpass -e sftp x@y\n'},
    {"scripts/b.sh": '#!/bin/bash\ncurl -H "Authorization: Bearer ${TOKEN:?}" https://h.partner.example/v1\n'},
    {"scripts/b.sh": "#!/bin/sh\nmysql -u app -p`app_pass` -h $1\n"},
    {"scripts/c.sh": "#!/bin/sh\npsql -p 5432 -U app\nmysql -u root -p app\nexport PASSWORD_FILE=/etc/x\n"},
    {"scripts/d.sh": '#!/bin/sh\nTOKEN=$(cat /etc/x)\nPASSWORD="${PASSWORD:?}"\nTOKEN=\n'},
    {"lib/db.sh": 'DB_URL="postgresql://app:${DB_PASSWORD:?}@db/app"\nU=https://db.lab.internal/x\n'},
    {"README.md": "Run `mysql -pgeheim1`\n"},
)
