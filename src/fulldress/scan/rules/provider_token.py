"""A token that a provider issued is in the package.

## What it does
Knows the form of some forty kinds of tokens (GitHub, GitLab, npm, PyPI, AWS, Azure, Google, Slack, Stripe, ...), in texts
and in the strings of programs, and verifies what can be verified on the spot: the CRC-32 in GitHub's and npm's, the JSON in
a web token's header, randomness elsewhere. It never asks the provider. A provider's documented examples are no tokens, and
test-mode keys are `low`.

## Why it matters
The token works from anywhere on the Internet for everyone who has the package, until its owner revokes it.

## Example
```
NPM_TOKEN=npm_...
```

## Fix
Revoke the token at the provider and look at its audit log; give each installation its own, outside the package.

## References
- CWE-798 Use of Hard-coded Credentials
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fulldress.formats import shell, tokens
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import commandsecrets, secrets
from fulldress.scan.credentials.secretlines import pairs
from fulldress.scan.credentials.secretreport import Spot, findings, redacted
from fulldress.scan.credentials.vault import in_unit, out_of_unit, secret_file, with_loader
from fulldress.scan.places import is_test, standing
from fulldress.scan.reading import current_text, edited, is_code, is_prose, is_vendored, memo, script_at, with_line
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="provider-token",
    family="secret",
    title="Token of a provider in the package",
    severity="high",
    confidence="certain",
)
_CONSEQUENCE = "It works from anywhere for everyone who has the package, until its owner revokes it."
_FIX = "Revoke it at the provider, look at its audit log, and read a new one from outside the package."
CHECKED = ("GitHub token", "npm token")
"""Kinds with a checksum: nobody writes such a value as an example by accident."""
_SHOWN = late(r"""(?i)^\s*["']?(placeholder|examples?|helper_?text|hint|tooltip)["']?\s*[:=]|\be\.g\.\s""")
"""Lines of a form that show how a value looks."""
LOOKS_FOR = tuple(Pattern(regex) for regex in tokens.LOOKS_LIKE)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each line with a token, or one for the file."""
    by_place: dict[str, list[Spot]] = {}
    for line in context.lines(*LOOKS_FOR):
        told = _told(context, line.entry.place)
        found = [t for t in _meant(line.entry.place, line.text) if t.value not in told]
        if found:
            shown = redacted(line.text, *(t.value for t in found))
            by_place.setdefault(line.entry.place, []).append(_spot(line.entry, line.number, found[0], shown))
    for hit in context.hits(*LOOKS_FOR):
        if context.is_binary(hit.entry) and hit.entry.place not in by_place:
            text = context.around(hit, before=160, after=400).decode("latin-1")
            found = _meant(hit.entry.place, text)
            if found:
                by_place[hit.entry.place] = [_spot(hit.entry, 0, found[0], f"{found[0].kind} {secrets.HIDDEN}")]
    for place, spots in by_place.items():
        yield from findings(META.slug, place, spots, consequence=_CONSEQUENCE, fix=_FIX)


def _told(context: Context, place: str) -> frozenset[str]:
    """What another rule says of the commands of a script: one finding for one secret is enough."""
    script = script_at(context, place)
    if script is None:
        return frozenset()
    values = (s.value for command in script.commands for s in commandsecrets.found_in(command))
    return memo(context, (META.slug, script.entry.sha256), lambda: frozenset(values))


def _meant(place: str, text: str) -> list[tokens.Token]:
    """The tokens that weigh anything at this place."""
    if standing(place) == "silent" or (is_vendored(place) and is_test(place)):
        return [] if not is_prose(place) or is_vendored(place) else list(_certain(text))
    found = [t for t in tokens.tokens(text) if t.kind in CHECKED or not _SHOWN.search(text)]
    return [t for t in found if t.kind != "JSON web token"] if is_vendored(place) or is_test(place) else found


def _certain(text: str) -> Iterator[tokens.Token]:
    """In documentation, only what a checksum confirms."""
    for token in tokens.tokens(text):
        if token.kind in CHECKED:
            yield token


def _spot(entry: Entry, line: int, token: tokens.Token, shown: str) -> Spot:
    acting = standing(entry.place) == "acting"
    severity = META.severity if acting and not token.test else "low"
    article = "an" if token.kind[0] in "AEIO" else "a"
    return Spot(line, f"{article} {token.kind}", shown, severity, META.confidence, bool(line) and not is_code(entry.place))


def cure(context: Context, finding: Finding) -> Cure | None:
    """Put a variable where the token stood; scripts read it from the secret file."""
    text = current_text(context, finding.place)
    if text is None or not finding.curable:
        return None
    names: dict[str, str] = {}

    def change(line: str) -> str:
        for token in _meant(finding.place, line):
            name = names.setdefault(token.value, _variable(finding.place, line, token, names.values()))
            line = line.replace(token.value, f"${{{name}}}")
        return line

    script, path, moved = shell.is_shell(finding.place, text), secret_file(context), False
    for number, line in reversed(list(enumerate(text.split("\n"), 1))):
        held = [token.value for token in _meant(finding.place, line)]
        if held and in_unit(finding.place, line):
            text, moved = with_line(text, number, lambda line, held=held: out_of_unit(line, held, path)), True  # type: ignore[misc]
        elif held:
            text = with_line(text, number, change)
    if moved and not names:
        return edited(finding.place, text, f"token taken out of the unit; it reads {path}: put a new one there")
    if not names:
        return None
    if script:
        before, text = text, with_loader(text, path)
        if not shell.parses(text) and shell.parses(before):
            return None
    return edited(
        finding.place, text, f"token replaced by {', '.join(dict.fromkeys(names.values()))}; put a new one into {path}"
    )


_KEY = late(r"""([\w.-]*\w)["']?\]?\s{0,9}(?:=>|:=|[:=])\s{0,9}[\[({]?\s{0,9}["']?(?:\w{1,10}\s)?[^\s"'=:]{0,80}$""")
"""The key before a value, where the line as a whole is no pair: ``{"auth": "Bearer ``, ``?access_token=``."""


def _variable(place: str, line: str, token: tokens.Token, taken: Collection[str]) -> str:
    """The variable for a token: named by its file and the key that it stands under, else by its kind."""
    key = next((k for k, value in pairs(place, line) if k and value == token.value), "")
    if not key and (before := _KEY.search(line[: line.find(token.value)][-200:])):
        key = before[1]
    stem = place.rpartition("/")[2].strip(".").partition(".")[0]
    name = secrets.variable(stem, key) if key else secrets.variable(stem, token.kind)
    return next(n for n in (name, *(f"{name}_{count}" for count in range(2, len(taken) + 3))) if n not in taken)


_LIVE = "abcd_live_" + "7Qm2xV9kRt4LpZs8"
_JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJpbXBvcnQifQ." + "c2lnbmVkLXdpdGgtbm90aGluZw"
BAD = (
    {"lib/b.jar!/bridge.properties": f"# bridge\napi.token={_LIVE}\n"},
    {"conf/app.json": f'{{"auth": "Bearer {_JWT}"}}\n'},
    {"bin/agent": b"\x7fELF\0\0\0" + _LIVE.encode() + b"\0\0"},
    {"web/app.js": f"fetch(u, {{token: '{_JWT}'}})\n"},
    {"a.service": f"[Service]\nEnvironment=A=1 TOKEN={_LIVE} 'B=2 3'\nExecStart=/bin/true\n"},
    {"bin/x.sh": f'#!/bin/sh\nTOKEN="{_LIVE}"\necho ok\n'},
)
GOOD = (
    {"conf/aws.ini": "aws_access_key_id = AKIA" + "IOSFODNN7EXAMPLE\n"},
    {"conf/a.ini": "t = gh" + "p_" + "0123456789abcdefghijABCDEFGHIJ012345\n"},
    {"conf/b.ini": "t = ey" + "Jub3Rqc29uZm9y.eyJub3Rqc29uZm9y.c2ln\nu = xo" + "xb-xxxxxxxxxxxx-xxxxxxxxxxxx\n"},
    {"dist/form.js": f"placeholder: 'e.g. {_LIVE}',\n"},
    {"node_modules/jwt/test/a.js": f"verify('{_JWT}')\n", "README.md": f"Use `{_JWT}`\n"},
)
