"""A secret is written into a configuration file or a program of the package.

## What it does
Reads keys and values of properties, ini, env, YAML, JSON, TOML, XML, unit and cron files, also inside nested
archives, and looks for passwords in URLs (JDBC too) and tokens of known providers in every acting line that is not a
shell script.

## Why it matters
Every customer of the vendor and everyone who ever saw the package has it. It cannot be rotated without a new package.

## Example
```
jdbc.url=jdbc:postgresql://db/app?user=bridge&password=Bridge-2023
```

## Fix
Rotate the secret. `fulldress adapt` writes a reference to an environment variable in its place; the program that
reads the file must resolve it (or is started by something that does).

## References
- CWE-798 Use of Hard-coded Credentials; CWE-260 Password in Configuration File
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Confidence, Cure, Finding
from fulldress.scan import secrets
from fulldress.scan.reading import acting_lines, current_text, edited, is_code, with_line
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.vault import secret_file

META = RuleMeta(
    slug="secret-in-config",
    family="secret",
    title="Secret in a configuration file",
    severity="high",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(
        r"(?i)(pass(word|wd|phrase)?|pwd|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|credentials?|"
        r"auth[_.-]?key|bearer)[\"']?\]?\s{0,8}[:=>]"
    ),
    Pattern(r"://[^\s/:@'\"<>$]{1,200}:[^\s/@'\"<>]{1,200}@"),
    Pattern(
        r"\b(gh[pousr]_|github_pat_|glpat-|npm_|xox[abprs]-|AKIA|ASIA|SG\.|AIza|ya29\.|pypi-|dop_v1_|eyJ|"
        r"[a-z]{2,10}_(live|prod)_)[A-Za-z0-9_-]{9}"
    ),
)
CONFIG = (
    *(".properties", ".ini", ".conf", ".cfg", ".cnf", ".env", ".toml", ".yaml", ".yml", ".json", ".xml", ".config"),
    *(".service", ".socket", ".timer", ".npmrc", ".pypirc", ".netrc"),
)
_EXAMPLE = re.compile(
    r"(?i)^(pass(word|wd)?|pwd|pw|secret|tiger|custom|test|user|root|admin|postgres|mysql|example|foo|bar)$"
)
_PAIR = re.compile(
    r"""^\s*(?:Environment\s*=\s*["']?)?(?:export\s+)?["']?([\w.-]+)["']?\s*[:=]\s*"""
    r"""["']?([^"'#]*[^"'#\s])["']?\s*,?\s*$"""
)
_JSON = re.compile(r'"([\w.-]+)"\s*:\s*"([^"]*)"')
_XML = re.compile(r"""<([\w.:-]+)>([^<]+)</\1>|\b([\w.:-]+)="([^"]*)\"""")
_CODE = re.compile(r"""\b(\w+)["']?\]?\s*[:=]\s*["']([^"']{6,})["']""")


class Secret(NamedTuple):
    """A secret in a line, and the key that it stands under (``""`` when it is recognised by its form)."""

    key: str
    value: str
    what: str
    confidence: Confidence = "certain"
    named: str = ""
    """What it is called inside the value: the parameter of a URL."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each line with a secret."""
    for entry, number, line in acting_lines(context, *LOOKS_FOR):
        if _is_shell(context, entry.place):
            continue
        found = list(found_in(entry.place, line))
        if found:
            yield _finding(entry.place, number, line, found)


def _is_shell(context: Context, place: str) -> bool:
    text = current_text(context, place)
    return text is not None and shell.is_shell(place, text)


def _finding(place: str, number: int, line: str, found: list[Secret]) -> Finding:
    shown = line.strip()
    for secret in found:
        shown = shown.replace(secret.value, secrets.HIDDEN)
    first = found[0]
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=first.confidence,
        title=f"{first.what}{f' under {first.key}' if first.key else ''} in {place.rpartition('/')[2]}",
        place=place,
        line=number,
        excerpt=shown,
        consequence="Everyone who ever had the package can use it, and it cannot be rotated without a new package.",
        fix="Rotate it, and refer to an environment variable instead.",
        curable=not is_code(place),
    )


def found_in(place: str, line: str) -> Iterator[Secret]:
    """The secrets of one line, each value once."""
    seen: list[str] = []
    for secret in _candidates(place, line):
        if secrets.is_real(secret.value) and not any(secret.value in value for value in seen):
            seen.append(secret.value)
            yield secret


def _candidates(place: str, line: str) -> Iterator[Secret]:
    pairs = list(_pairs(place, line))
    key = next((k for k, _ in pairs), "")
    code: Confidence = "likely" if is_code(place) else "certain"
    for match in secrets.URL_USERINFO.finditer(line):
        if not (is_code(place) and (_EXAMPLE.match(match[3]) or "[" in match[0])):
            yield Secret(key, match[3], "a password in a URL", code, named="password")
    for match in secrets.URL_PARAMETER.finditer(line):
        yield Secret(key, match[2], "a password in a URL", named=match[1][1:-1])
    for match in secrets.PROVIDER.finditer(line):
        yield Secret(key, match[1], "a provider's token")
    for name, value in pairs:
        if secrets.is_secret_key(name):
            yield Secret(name, value, "a secret", code)


def _pairs(place: str, line: str) -> Iterator[tuple[str, str]]:
    name = place.rpartition("/")[2]
    if name.endswith(".json"):
        yield from _JSON.findall(line)
    elif name.endswith((".xml", ".config")):
        for tag, text, attribute, value in _XML.findall(line):
            yield (tag, text.strip()) if tag else (attribute, value)
    elif is_code(name):
        yield from ((k, v) for k, v in _CODE.findall(line) if re.search(r"\d", v) and not re.search(r"\s|^\w+$", v))
    elif name.endswith(CONFIG) or "/cron.d/" in place or name.startswith(".env"):
        pair = _PAIR.match(line)
        if pair is not None:
            yield pair[1], pair[2]


def cure(context: Context, finding: Finding) -> Cure | None:
    """Put ``${VARIABLE}`` where the secret stood; in a unit, read the secret file instead."""
    text = current_text(context, finding.place)
    if text is None or not finding.curable or finding.line > text.count("\n") + 1:
        return None
    line = text.split("\n")[finding.line - 1]
    path, place = secret_file(context), finding.place
    found = list(found_in(place, line))
    if not found:
        return None
    if place.endswith(".service") and line.lstrip().startswith("Environment"):
        changed = with_line(text, finding.line, lambda _line: f"EnvironmentFile={path}")
        return edited(place, changed, f"secret taken out of the unit; it reads {path}")
    stem = place.rpartition("/")[2].partition(".")[0]
    names = []
    for secret in found:
        key = re.sub(r"(?i)[._-]?(url|uri|dsn)$", "", secret.key) if secret.named else secret.key or "secret"
        name = secrets.variable(stem, key, secret.named)
        names.append(name)
        line = line.replace(secret.value, f"${{{name}}}")
    changed = with_line(text, finding.line, lambda _line: line)
    note = f"secret replaced by {', '.join(names)}; put it into {path} and make sure the program resolves it"
    return edited(place, changed, note)


BAD = (
    {"lib/b.jar!/bridge.properties": "jdbc.url=jdbc:postgresql://db:5432/app?user=bridge&password=Br1dge-2023\n"},
    {"lib/b.jar!/bridge.properties": "# bridge\napi.token=abcd_live_7Qm2xV9kRt4LpZs8\n"},
    {"conf/app.ini": "[db]\nuser = app\npassword = geheim1\n"},
    {"conf/app.yaml": "db:\n  password: 'geheim1'\n"},
    {"conf/app.json": '{"db":{"user":"app","password":"geheim1"},"x":1}\n'},
    {"conf/app.xml": "<db>\n  <password>geheim1</password>\n</db>\n"},
    {"lib/systemd/system/a.service": "[Service]\nEnvironment=DB_PASSWORD=geheim1\nExecStart=/bin/true\n"},
    {"etc/cron.d/app": "API_TOKEN=geheim12\n0 1 * * * root /bin/true\n"},
    {"app/settings.py": 'DB = {"password": "S3cret-9xQ"}\nURL = "postgresql://app:k8Wz-41x@db/app"\n'},
    {"app/settings.py": 'TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"\n'},
)
GOOD = (
    {"conf/app.ini": "[db]\npassword = ${DB_PASSWORD}\npassword_file = /etc/x\n# password = geheim1\nsecret =\n"},
    {"conf/app.yaml": "db:\n  password: '{{ password }}'\n  token: ENC[abc]\n  passwordPolicy: strict\n"},
    {"conf/app.json": '{"password": "<your password>", "token_ttl": "3600"}\n'},
    {"app/settings.py": 'password = os.environ["DB_PASSWORD"]\nTOKEN = "_default"\nE = "pg://scott:tiger@host/db"\n'},
    {"app/engine.py": '"""Connect.\n\n    connect("pg://app:k8Wz-41x@db/app")\n"""\n'},
    {"lib/site-packages/x/engine.py": 'E = connect("pg://app:k8Wz-41x@db/app")\n'},
    {"README.md": "password = geheim1\n"},
)
