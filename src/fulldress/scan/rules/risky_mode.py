"""Files that run with another's rights, or that everybody may write.

## What it does
Reports set-user-id and set-group-id programs, files with capabilities, and files that everybody may write, as the archive
records them. One finding a kind.

## Why it matters
A set-user-id program is a way to root for every user of the host. A script that everybody may write is run by root with
whatever the last writer put into it.

## Example
```
-rwsr-xr-x root root  opt/lims/bin/helper
```

## Fix
Take the bit off after installation (`chmod u-s,o-w`) and see in the rehearsal what fails; ask the vendor why it is there.

## References
- CWE-732 Incorrect Permission Assignment; capabilities(7)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.places import is_test
from fulldress.scan.reading import is_vendored
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="risky-mode",
    family="archive",
    title="Set-user-id programs and files that everybody may write",
    severity="medium",
    confidence="certain",
)
SETUID, SETGID, WORLD, STICKY, EXECUTE = 0o4000, 0o2000, 0o002, 0o1000, 0o111
_CAPABILITY = "security.capability"


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind."""
    files = [e for e in context.package.entries if e.kind in ("file", "container")]
    folders = [e for e in context.package.entries if e.kind == "directory"]
    special = [e for e in files if e.mode & (SETUID | SETGID | WORLD)]
    yield from _said(
        [e for e in special if e.mode & SETUID and e.mode & EXECUTE], "runs as its owner (set-user-id)", "medium"
    )
    yield from _said([e for e in special if e.mode & SETGID and e.mode & 0o010], "runs as its group (set-group-id)", "low")
    open_programs = [e for e in special if e.mode & WORLD and e.mode & EXECUTE]
    if len(open_programs) < len(files) or len(files) == 1:  # an archive whose every file is 0777 was made without modes
        yield from _said(open_programs, "may be written by everybody and is run", "medium")
    yield from _said(_open_settings(files), "may be written by everybody and decides what runs", "medium")
    yield from _said([e for e in folders if e.mode & WORLD and not e.mode & STICKY], "may be written by everybody", "low")
    marked = {n.place for n in context.package.not_inspected if _CAPABILITY in n.reason}
    yield from _said([e for e in files if e.place in marked] if marked else [], "carries capabilities of root", "medium")


_DECIDES = late(
    r"(^|[!/])(etc/(cron\.|sudoers|systemd/|profile|init\.d/|ld\.so|pam\.d/)|s?bin/)"
    r"|\.(service|timer|socket|sh|bash|py|pl|rb|php|js|so(\.\d+)*|jar|war|class|sql|conf|cfg|ini|properties|ya?ml)$"
)


def _open_settings(files: list[Entry]) -> list[Entry]:
    """Programs, units and settings without a bit to run them that everybody may write; not of an archive without modes."""
    found = [e for e in files if e.mode & WORLD and not e.mode & EXECUTE and _DECIDES.search(e.place)]
    whole = {e.place.rpartition("!/")[0] for e in files if not e.mode & WORLD} if found else set()
    real = [e for e in found if e.owner or e.place.rpartition("!/")[0] in whole]
    return [e for e in real if not is_vendored(e.place) and not is_test(e.place)]


def _said(entries: list[Entry], what: str, severity: Severity) -> Iterator[Finding]:
    if not entries:
        return
    entries = sorted(entries, key=lambda e: e.place)
    name = entries[0].place.rpartition("/")[2]
    more = f", and {len(entries) - 1} more" if len(entries) > 1 else ""
    yield Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{name} {what}{more}",
        place=entries[0].place,
        excerpt="; ".join(f"{e.mode:04o} {e.owner or '-'} {e.place}" for e in entries[:6]),
        consequence="Any user of the host can use it to get rights that are not his.",
        fix="Ask the vendor why; take the bit off (chmod u-s,g-s,o-w) and see in the rehearsal what needs it.",
    )


BAD = (
    Sample(files={"opt/helper": "\x7fELF"}, modes={"opt/helper": 0o4755}),
    Sample(files={"a.tar!/etc/a.conf": "x", "a.tar!/b": "y"}, modes={"a.tar!/etc/a.conf": 0o666}),
    Sample(files={"opt/run.sh": "#!/bin/sh\n", "a": "", "b": "", "c": "", "d": ""}, modes={"opt/run.sh": 0o777}),
)
GOOD = (
    Sample(files={"opt/helper": "x", "readme": "y"}, modes={"opt/helper": 0o755, "readme": 0o666}),
    Sample(files={"a": "x", "b": "y"}, modes={"a": 0o777, "b": 0o777}),
    Sample(files={"a.conf": "x", "b.conf": "y"}, modes={"a.conf": 0o666, "b.conf": 0o666}),
)
