"""A configuration for nginx has a directive that nginx does not know, but nearly.

## What it does
Reads nginx configurations of the package and reports directives that are one slip away from one of nginx's own. Names that
resemble none are left alone: they may belong to a module.

## Why it matters
nginx refuses the whole configuration: it cannot be reloaded, and after the next restart no site of the host is served.

## Example
```
client_max_body_sise 20m;
```

## Fix
Write the directive as nginx spells it. `fulldress adapt` writes the patch.

## References
- https://nginx.org/en/docs/dirindex.html
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding
from fulldress.scan.places import standing
from fulldress.scan.reading import current_text, edited, memo, with_line
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="nginx-directive-unknown",
    family="configuration",
    title="nginx does not know a directive",
    severity="high",
    confidence="likely",
)
_SERVES = Pattern(r"^\s{0,20}(server|upstream\s{1,4}[\w.-]{1,60}|location\s[^\n{]{1,200})\s{0,4}\{", once=True)
"""Only nginx writes these blocks so."""
LOOKS_FOR = (_SERVES,)
_DIRECTIVE = late(r"^\s*([a-z][a-z0-9_]{4,})\s+[^{}\n]*;\s*(?:#.*)?$")
_PLACE = late(r"(^|[!/])nginx[^!]*$|\.(nginx|vhost)$")
CLOSE = 0.9
"""So much alike (1 is equal): a letter too many, too few, or wrong."""


@cache
def _known() -> frozenset[str]:
    from crossplane.analyzer import DIRECTIVES  # noqa: PLC0415 - loaded when needed: only for nginx files

    return frozenset(DIRECTIVES)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such line."""
    for entry in context.matching(_SERVES):
        if not _PLACE.search(entry.place) or standing(entry.place) != "acting":
            continue
        text = context.text(entry) or ""
        for number, line in enumerate(text.split("\n"), 1):
            match = _DIRECTIVE.match(line)
            meant = memo(context, ("nginx", match[1]), lambda m=match: _meant(m[1])) if match is not None else ""  # type: ignore[misc]
            if match is not None and meant:
                yield Finding(
                    rule=META.slug,
                    severity=META.severity,
                    confidence=META.confidence,
                    title=f"nginx knows no {match[1]}; {meant} was probably meant",
                    place=entry.place,
                    line=number,
                    excerpt=line.strip()[:200],
                    consequence="nginx refuses the whole configuration: no reload, and no site after a restart.",
                    fix=f"Write {meant}.",
                    curable=True,
                )


def _meant(name: str) -> str:
    """nginx's own directive that a name is nearly, or ``""``."""
    if name in _known():
        return ""
    return next(iter(difflib.get_close_matches(name, _known(), n=1, cutoff=CLOSE)), "")


def cure(context: Context, finding: Finding) -> Cure | None:
    """The directive as nginx spells it."""
    text = current_text(context, finding.place)
    match = _DIRECTIVE.match(text.split("\n")[finding.line - 1]) if text is not None else None
    meant = _meant(match[1]) if match is not None else ""
    if text is None or match is None or not meant:
        return None
    changed = with_line(text, finding.line, lambda line: line.replace(match[1], meant, 1))
    return edited(finding.place, changed, f"{match[1]} is {meant}")


BAD = (
    {"etc/nginx/sites-available/a": "server {\n    listen 443 ssl;\n    client_max_body_sise 20m;\n}\n"},
    {"a/nginx/a.conf": "upstream app {\n  server 127.0.0.1:1;\n  keepalive_timeot 5s;\n}\n"},
)
GOOD = (
    {"etc/nginx/sites-available/a": "server {\n    listen 80;\n    # client_max_body_sise 2m;\n    more_set 'A: b';\n}\n"},
    {"etc/nginx/lua.conf": "server {\n    content_by_lua_file /x.lua;\n    set $client_max_body_sise 1;\n}\n"},
    {"etc/app/app.conf": "server {\n    client_max_body_sise 20m;\n}\n"},
)
