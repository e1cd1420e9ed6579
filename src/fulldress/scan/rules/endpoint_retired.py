"""The package names a server that no longer exists.

## What it does
Looks for the servers that `release.toml` declares as retired in every acting line of the package: scripts,
configuration, units, code, also inside nested archives. Comments and documentation do not count. Names that
`[estate.aliases]` declares to stand for a retired server, directly or over others, count as that server (from the next
`fulldress inventory` on). One finding a name.

## Why it matters
A call to it hangs until its time-out or fails; in an installation script this leaves the upgrade half done.

## Example
```
bridge.sftp=sftp://import@sftp.old.example/outgoing
```

## Fix
Point it at the successor: declare it under `[estate.replacements]` and `fulldress adapt` redirects every place.
Without a successor, adapt takes single calls out of shell scripts; the rest needs the vendor.

## References
- RFC 1034 (names are compared without case; a trailing dot means the root)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import binaries, shell
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import Estate
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.network.endpoints import names_host, redirected, replacement
from fulldress.scan.network.endpointuse import spelled_out
from fulldress.scan.places import standing
from fulldress.scan.reading import (
    acting_lines,
    current_text,
    encode,
    is_comment,
    script_at,
    scripts,
    with_line,
    without_remark,
)
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="endpoint-retired",
    family="endpoint",
    title="Retired server is named in the package",
    severity="high",
    confidence="certain",
    needs=("estate",),
)
COMMENTED = (".properties", ".ini", ".conf", ".cfg", ".env", ".cnf")
"""Configuration in which a line that begins with ``#`` is a comment."""

Hit = tuple[Entry, int, str]


MORE = 6
"""Further places that a finding names."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each retired server; it stands at the first script line, else at the first place."""
    assert context.estate is not None
    for host in context.estate.retired:
        places = _places(context, host)
        edited = _edits(context, context.estate, host)
        curable = [hit for hit in places if hit[0].place in edited]
        if curable:
            yield _finding(context, context.estate, host, curable, curable=True)
        if len(curable) < len(places):
            yield _finding(context, context.estate, host, [hit for hit in places if hit not in curable], curable=False)
        yield from _in_binaries(context, host)


def _finding(context: Context, estate: Estate, host: str, found: list[Hit], *, curable: bool) -> Finding:
    acting = [f for f in found if not f[0].place.endswith((".txt", ".log"))] or found
    entry, number, line = next((f for f in acting if script_at(context, f[0].place)), acting[0])
    files = len({e.place for e, _, _ in found})
    lines = f"{len(found)} lines of {files} file{'s'[: files > 1]}" if len(found) > 1 else "one line"
    others = [f"{short(e.place)}:{n}" for e, n, _ in found if (e.place, n) != (entry.place, number)]
    also = f" Named in {', '.join(others[:MORE])}{' ...' if len(others) > MORE else ''} too." if others else ""
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{host} is retired, but named on {lines}",
        place=entry.place,
        line=number,
        excerpt=line.strip(),
        consequence="Every call to it hangs or fails; in an installation script the upgrade stops half way."
        + _behind(estate, host)
        + also,
        fix=_advice(estate, host),
        curable=curable,
    )


def _behind(estate: Estate, host: str) -> str:
    """What the name stands for, when it is an alias."""
    target = estate.aliases.get(host, "")
    return f" The name stands for {target}." if target else ""


def _advice(estate: Estate, host: str) -> str:
    known = replacement(estate.replacements, host)
    if known is not None:
        return f"Use {known[1]} instead (declared in release.toml)."
    return "Declare its successor under [estate.replacements], or take the call out."


def _forms(host: str) -> tuple[str, ...]:
    """A name as people write it and as DNS carries it: ``müller.example``, ``xn--mller-kva.example``."""
    bare = host.rstrip(".")
    forms = [bare]
    try:
        forms.append(bare.encode("idna").decode("ascii"))
        forms.append(forms[-1].encode("ascii").decode("idna"))
    except UnicodeError:
        pass  # no name that DNS could carry: as it is written, then
    return tuple(dict.fromkeys(forms))


def _named(host: str) -> Pattern:
    return Pattern("(?i)" + "|".join(re.escape(form) for form in _forms(host)))


def looks_for(context: Context) -> tuple[Pattern, ...]:
    """Every retired host by name."""
    return tuple(_named(host) for host in context.estate.retired) if context.estate is not None else ()


def _places(context: Context, host: str) -> list[Hit]:
    patterns = [names_host(form) for form in _forms(host)]
    lines = acting_lines(context, _named(host))
    found = [hit for hit in lines if any(p.search(without_remark(hit[2])) for p in patterns)]
    named = {(entry.place, number) for entry, number, _ in found}
    for script in scripts(context) if _pieces(context, host) else ():
        for line, text, full in spelled_out(context, script):
            put = any(p.search(full) and not p.search(text) for p in patterns)
            if put and (script.entry.place, line) not in named and standing(script.entry.place) == "acting":
                found.append((script.entry, line, text))
    return found


def _pieces(context: Context, host: str) -> bool:
    """True when a script may put the name together: it holds pieces of it, and uses variables."""
    words = [word for word in re.split(r"[.-]", host.lower()) if len(word) > 2]
    return any("$" in s.text and sum(word in s.text.lower() for word in words) > 1 for s in scripts(context))


def _in_binaries(context: Context, host: str) -> Iterator[Finding]:
    """One finding for each binary that holds the name (a class, a program, a database)."""
    told: set[str] = set()
    for hit in context.hits(_named(host)):
        place = hit.entry.place
        if place in told or not context.is_binary(hit.entry) or standing(place) in ("silent", "library"):
            continue
        text = binaries.printable(context.around(hit, before=200, after=200), min(200, hit.end) - 1)
        if any(names_host(form).search(text) for form in _forms(host)):
            told.add(place)
            yield _finding(
                context, context.estate or Estate(taken="", hosts=()), host, [(hit.entry, 0, text)], curable=False
            )


def _edits(context: Context, estate: Estate, host: str) -> dict[str, bytes | None]:
    """New contents by place: redirected where a successor is declared, else single calls taken out of shell scripts."""
    texts: dict[str, str] = {}
    known = replacement(estate.replacements, host)
    spelled = [names_host(form) for form in _forms(host)]
    made = set()
    for entry, number, line in _places(context, host):
        if not any(pattern.search(line) for pattern in spelled):
            made.add(entry.place)  # put together from variables: a person has to see from which
            continue
        text = texts.get(entry.place) or current_text(context, entry.place) or ""
        if known is not None:
            old, new = known
            texts[entry.place] = with_line(text, number, lambda line, old=old, new=new: redirected(line, old, new))  # type: ignore[misc]
        elif script_at(context, entry.place) is not None:
            without = with_line(text, number, lambda line: _taken_out(line, host))
            if shell.parses(without):
                texts[entry.place] = without
        elif entry.place.endswith(COMMENTED):
            texts[entry.place] = with_line(text, number, lambda line: f"# taken out by fulldress ({META.slug}): {line}")
    texts = {place: text for place, text in texts.items() if place not in made and not _still(text, host)}
    return {place: encode(text) for place, text in texts.items()}


def _still(text: str, host: str) -> bool:
    return any(names_host(host).search(without_remark(line)) for line in text.split("\n") if not is_comment(line))


def _taken_out(line: str, host: str) -> str:
    """The same line as a command that does nothing, and says why (whoever reads the script sees what stood there)."""
    indent = line[: len(line) - len(line.lstrip())]
    was = names_host(host).sub("(retired server)", secrets.hidden(line.strip()))
    return f"{indent}: # taken out by fulldress ({META.slug}): {was}"


def cure(context: Context, finding: Finding) -> Cure | None:
    """Redirect every place of the server, or take single calls out."""
    if context.estate is None:
        return None
    for host in context.estate.retired:
        if finding.title.startswith(f"{host} is retired"):
            edits = _edits(context, context.estate, host)
            return Cure(edits=edits, note=f"no more calls to the retired {host}") if edits else None
    return None


RETIRED = Estate(taken="2026-10-01T00:00:00Z", hosts=(), retired=("sftp.old.example",))
REPLACED = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(),
    retired=("sftp.old.example",),
    replacements={"sftp.old.example": "sftp.new.example"},
)
BAD = (
    Sample(
        files={"scripts/x.sh": '#!/bin/bash\nD=old.example\nH=sftp\nscp /a "imp@${H}.${D}:/in"\n'},
        estate=RETIRED,
    ),
    Sample(
        files={"conf/app.ini": "[a]\nhost = files.example\n"},
        estate=Estate(
            taken="2026-10-01T00:00:00Z",
            hosts=(),
            retired=("sftp.old.example", "files.example"),
            aliases={"files.example": "sftp.old.example"},
        ),
    ),
    Sample(files={"bin/tool": b"\x7fELF\0\0\0sftp://sftp.old.example:22/in\0"}, estate=RETIRED),
    Sample(
        files={"conf/app.ini": "[a]\nhost = XN--MLLER-KVA.example\n"},
        estate=Estate(taken="2026-10-01T00:00:00Z", hosts=(), retired=("müller.example",)),
    ),
    Sample(
        files={"lib/b.jar!/bridge.properties": "# bridge\nbridge.sftp=sftp://import@SFTP.old.example./out\n"},
        estate=REPLACED,
    ),
    Sample(files={"scripts/preflight.sh": "#!/bin/bash\necho ls | sftp import@sftp.old.example\necho ok\n"}, estate=RETIRED),
    Sample(files={"conf/app.ini": "[a]\nhost = sftp.old.example\n"}, estate=RETIRED),
)
GOOD = (
    Sample(files={"s/x.sh": '#!/bin/bash\nD=old.example\nH=${1}\nscp /a "imp@${H}.${D}:/in"\n'}, estate=RETIRED),
    Sample(files={"bin/tool": b"\x7fELF\0\0\0my-sftp.old.example\0"}, estate=RETIRED),
    Sample(files={"README.md": "Formerly sftp.old.example\n"}, estate=RETIRED),
    Sample(files={"conf/app.ini": "# host = sftp.old.example\nhost = sftp.old.example.net\n"}, estate=RETIRED),
    Sample(files={"conf/app.ini": "host = my-sftp.old.example\n"}, estate=RETIRED),
)
