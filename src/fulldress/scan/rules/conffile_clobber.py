"""The package overwrites a file that was changed on the host.

## What it does
Compares three versions of each file: as the installed package shipped it, as it is on the host, and as this package brings
it (in a root tree, by a script's `cp`, `install`, `mv`, `tee` or `>`, or inside a .deb). A file that was changed locally and
would be replaced is reported; so is `--force-confnew` where a configuration file of that package was changed.

## Why it matters
The local change was made for a reason that nobody remembers at three in the morning; it is gone without a question.

## Example
```
cp conf/lims.conf /etc/lims/lims.conf      # the host's file was changed in March
dpkg -i --force-confnew lims.deb
```

## Fix
Keep the local file, put the new one beside it (`.vendor`) and merge; `fulldress adapt` rewrites the script so.

## References
- man:dpkg(1), --force-things
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command, Edit
from fulldress.model.estate import ChangedFile, Estate, HostFacts, OwnedFiles
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.reading import Script, edited, on_host, script_at, scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="conffile-clobber",
    family="configuration",
    title="Locally changed file is overwritten",
    severity="high",
    confidence="likely",
    needs=("estate",),
)
BESIDE = ".vendor"
_DEBIAN = late(r"\.deb!/")
_RPM = late(r"\.rpm!/")
_COPIES = ("cp", "mv", "install")


class Changed(NamedTuple):
    """A file of a host that is not as its package shipped it."""

    host: str
    file: ChangedFile


def check(context: Context) -> Iterator[Finding]:
    """One finding for each changed file that a script, a root tree or a .deb would replace."""
    changed = {c.file.path: c for c in _changed(context)}
    if not changed:
        return
    for path, one in changed.items():
        entry = on_host(context, path)
        if entry is not None and entry.kind == "file":
            yield from _carried(context, one, entry)
    for script in scripts(context):
        for command in script.commands:
            for index in _targets(command, changed):
                yield _written(script, command, changed[_path(command.argv[index], command, changed)], curable=True)
            for path in _redirected(command, changed):
                yield _written(script, command, changed[path], curable=False)
            if _forces(command) >= 0:
                yield from _forced(script, command, list(changed.values()))


def _changed(context: Context) -> Iterator[Changed]:
    for host in context.estate.hosts if context.estate else ():
        for file in host.files.changed:
            if file.found:
                yield Changed(host.name, file)


def _carried(context: Context, one: Changed, entry: Entry) -> Iterator[Finding]:
    """The package has the file itself: in a .deb dpkg asks (and in batch keeps the local one), else it is replaced.

    rpm keeps the local file (``noreplace``), or puts it aside as .rpmsave.
    """
    new = _digest(context.read(entry), like=one.file.shipped or one.file.found)
    managed = _DEBIAN.search(entry.place) or _RPM.search(entry.place)
    if new in (one.file.found, one.file.shipped) and (new == one.file.found or managed):
        return
    asks = managed is not None and one.file.conffile
    if asks and _RPM.search(entry.place):
        happens = (
            "rpm lays its own beside it (.rpmnew) or moves the local file away (.rpmsave): one of the two is not in force."
        )
    else:
        happens = "dpkg stops and asks; in batch it keeps the local file, without what the new version needs."
    after = "back to what the old package shipped" if new == one.file.shipped else "with the package's new version"
    yield Finding(
        rule=META.slug,
        severity="medium" if asks else META.severity,
        confidence=META.confidence,
        title=f"{one.file.path} was changed on {one.host}, and the package brings its own",
        place=entry.place,
        excerpt=f"{one.file.path}: shipped {one.file.shipped[:8]}, on the host {one.file.found[:8]}, new {new[:8]}",
        consequence=happens if asks else f"The local change is lost: the file is overwritten {after}.",
        fix="Merge the local change into the new file before the window, and install with --force-confold."
        if not (asks and _RPM.search(entry.place))
        else "Merge the local change into the new file before the window, and look for .rpmnew and .rpmsave after it.",
    )


def _digest(data: bytes, *, like: str) -> str:
    """As the host's package manager has it on record: its length tells the algorithm."""
    algorithm = {64: "sha256", 128: "sha512"}.get(len(like), "md5")
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def _written(script: Script, command: Command, one: Changed, *, curable: bool) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence="certain",
        title=f"{script.entry.place} overwrites {one.file.path}, which was changed on {one.host}",
        place=script.entry.place,
        line=command.line,
        excerpt=" ".join(command.argv)[:300],
        consequence="The local change is lost without a question.",
        fix=f"Put the new file beside it ({one.file.path}{BESIDE}) and merge by hand.",
        curable=curable,
    )


def _forced(script: Script, command: Command, changed: list[Changed]) -> Iterator[Finding]:
    named = [one for one in changed if one.file.conffile and _installs(command, one.file.package)]
    if named:
        files = ", ".join(one.file.path for one in named[:3])
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence="certain",
            title=f"dpkg is told to overwrite configuration files; changed on the host: {files}",
            place=script.entry.place,
            line=command.line,
            excerpt=" ".join(command.argv)[:300],
            consequence="Every local change of these files is lost without a question.",
            fix="Use --force-confold, and merge what is new.",
            curable=True,
        )


def _installs(command: Command, package: str) -> bool:
    """True when the command may install this package: by name, by file name, or when it does not say which."""
    name = package.partition(":")[0]
    words = [word for word in command.argv[1:] if word.endswith(".deb") or not word.startswith("-")]
    files = [_base(word) for word in words if word.endswith(".deb")]
    if not files or any("*" in file or "$" in file for file in files):
        return True
    return any(file.startswith((f"{name}_", f"{name}-", f"{name}.")) for file in files)


def _forces(command: Command) -> int:
    """Index of the word that says confnew, -1 when none does."""
    return next((i for i, word in enumerate(command.argv) if "force-confnew" in word), -1)


def _targets(command: Command, changed: dict[str, Changed]) -> Iterator[int]:
    """Indexes of the words that name a changed file which the command replaces."""
    argv = command.argv
    name = _base(shell.unwrapped(command)[0]) if shell.unwrapped(command) else ""
    last = len(argv) - 1
    if name in _COPIES and last >= 2 and not any(flag in argv for flag in ("-n", "--no-clobber", "-d")):
        if _path(argv[last], command, changed):
            yield last
    elif name == "tee" and not any(flag in argv for flag in ("-a", "--append")):
        yield from (i for i in range(1, last + 1) if argv[i] in changed)


def _redirected(command: Command, changed: dict[str, Changed]) -> Iterator[str]:
    """Changed files that the command's output replaces (``>``, not ``>>``)."""
    for redirect in command.redirects:
        match = re.fullmatch(r"\d*(?:&>|>\|?)\s*[\"']?(/[^\"'\s]+)[\"']?", redirect.strip())
        if match and match[1] in changed:
            yield match[1]


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _path(word: str, command: Command, changed: dict[str, Changed]) -> str:
    """The changed file that a target names: itself, or the directory that a source of the same name is copied to."""
    if word in changed:
        return word
    for source in command.argv[1:-1]:
        into = f"{word.rstrip('/')}/{_base(source)}"
        if not source.startswith("-") and into in changed:
            return into
    return ""


def cure(context: Context, finding: Finding) -> Cure | None:
    """Write beside the local file instead of over it; keep local configuration files."""
    script = script_at(context, finding.place)
    changed = {c.file.path: c for c in _changed(context)}
    for command in script.commands if script else ():
        if script is None or command.line != finding.line or " ".join(command.argv)[:300] != finding.excerpt:
            continue
        spots: list[tuple[int, str]] = []
        for index in _targets(command, changed):
            spots.append((index, _path(command.argv[index], command, changed) + BESIDE))
        if (index := _forces(command)) >= 0:
            spots.append((index, command.argv[index].replace("confnew", "confold")))
        if spots:
            edits = [Edit(*command.spans[index], _quoted(word)) for index, word in spots]
            note = f"line {command.line}: the host's changed file stays, the new one lies beside it"
            return edited(script.entry.place, shell.splice(script.text, edits), note)
    return None


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./*$-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def _estate(path: str = "/etc/app/app.conf", *, shipped: str = "0" * 32, found: str = "1" * 32) -> Estate:
    one = ChangedFile(path=path, package="app", shipped=shipped, found=found, conffile=True)
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", files=OwnedFiles(changed=(one,)))
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_NEW = "[a]\nb = 1\n"
_NEW_MD5 = hashlib.md5(_NEW.encode(), usedforsecurity=False).hexdigest()

_NEW_SHA256 = hashlib.sha256(_NEW.encode()).hexdigest()

BAD = (
    Sample(files={"app.rpm!/etc/app/app.conf": _NEW}, estate=_estate(shipped="0" * 64, found="1" * 64)),
    Sample(files={"install.sh": "#!/bin/sh\ncp conf/app.conf /etc/app/app.conf\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\nsudo install -m 644 conf/app.conf /etc/app/\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ndpkg -i --force-confnew packages/app_5.0_all.deb\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\nsed s/a/b/ app.conf.in > /etc/app/app.conf\n"}, estate=_estate()),
    Sample(files={"rootfs/etc/app/app.conf": _NEW}, estate=_estate()),
    Sample(files={"rootfs/etc/app/app.conf": _NEW}, estate=_estate(shipped=_NEW_MD5)),
    Sample(files={"app.deb!/etc/app/app.conf": _NEW}, estate=_estate()),
)
GOOD = (
    Sample(files={"install.sh": "#!/bin/sh\necho 'x = 1' >> /etc/app/app.conf\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ncp conf/app.conf /etc/app/app.conf.vendor\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ncp -n conf/app.conf /etc/app/app.conf\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ncp /etc/app/app.conf /root/backup\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ncp conf/app.conf /etc/app/other.conf\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ndpkg -i --force-confold packages/app_5.0_all.deb\n"}, estate=_estate()),
    Sample(files={"install.sh": "#!/bin/sh\ndpkg -i --force-confnew packages/other_5.0_all.deb\n"}, estate=_estate()),
    Sample(files={"rootfs/etc/app/app.conf": _NEW}, estate=_estate(found=_NEW_MD5)),
    Sample(files={"app.rpm!/etc/app/app.conf": _NEW}, estate=_estate(shipped=_NEW_SHA256, found="1" * 64)),
    Sample(files={"app.rpm!/etc/app/app.conf": _NEW}, estate=_estate(shipped="0" * 64, found=_NEW_SHA256)),
    Sample(files={"app.deb!/etc/app/app.conf": _NEW}, estate=_estate(shipped=_NEW_MD5)),
)
