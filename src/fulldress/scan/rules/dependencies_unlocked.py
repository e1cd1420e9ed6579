"""The upgrade resolves its dependencies anew, because no lock file says which versions were tested.

## What it does
Looks in the scripts of the upgrade for commands that install a set of dependencies (`npm install`, `composer install`,
`bundle install`, `pip install -r`, ...) and for the lock file beside the manifest that they read. Commands that only work
with a lock file (`npm ci`, `--frozen-lockfile`, `--deployment`, `--locked`), and `composer update`, which passes over it,
are told apart.

## Why it matters
Without the lock file the versions are chosen on the day: those of the window are not those of the rehearsal, nor the
vendor's. `npm ci` and its kin stop at once.

## Example
```
cd /opt/app && npm ci          # the package has a package.json, and no package-lock.json
```

## Fix
Ask the vendor for the lock file, or for the dependencies themselves; rehearse with what they give.

## References
- npm-ci(1), composer install, bundle-install(1), pip: Repeatable Installs
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.places import is_example, is_test
from fulldress.scan.reading import MAX_PARSED, Script, is_vendored, named, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="dependencies-unlocked",
    family="provenance",
    title="Dependencies are chosen on the day, without a lock file",
    severity="medium",
    confidence="likely",
)


class _Tool(NamedTuple):
    """A program that installs what a manifest names."""

    manifest: str
    locks: tuple[str, ...]
    installs: frozenset[str]
    """Its words for it; ``""``: without any word."""
    strict: tuple[str, ...]
    """Words and options with which it refuses to run without a lock file."""
    anew: tuple[str, ...] = ()
    """Words with which it passes over the lock file."""
    names: tuple[str, ...] = ()
    """Keys of the manifest, if it is JSON, that hold dependencies."""


_NPM = ("dependencies", "devDependencies", "optionalDependencies")
_TOOLS = {
    "npm": _Tool("package.json", ("package-lock.json", "npm-shrinkwrap.json"),
                 frozenset({"install", "i", "ci", "clean-install"}), ("ci", "clean-install"), names=_NPM),
    "yarn": _Tool("package.json", ("yarn.lock",), frozenset({"", "install"}), ("--immutable", "--frozen-lockfile"),
                  names=_NPM),
    "pnpm": _Tool("package.json", ("pnpm-lock.yaml",), frozenset({"install", "i"}), ("--frozen-lockfile",), names=_NPM),
    "bun": _Tool("package.json", ("bun.lock", "bun.lockb"), frozenset({"install"}), ("--frozen-lockfile",), names=_NPM),
    "composer": _Tool("composer.json", ("composer.lock",), frozenset({"install", "update"}), (), ("update",), ("require",)),
    "bundle": _Tool("Gemfile", ("Gemfile.lock",), frozenset({"", "install"}), ("--deployment", "--frozen")),
    "poetry": _Tool("pyproject.toml", ("poetry.lock",), frozenset({"install", "sync", "update"}), (), ("update",)),
    "pipenv": _Tool("Pipfile", ("Pipfile.lock",), frozenset({"install", "sync"}), ("sync", "--deploy")),
    "uv": _Tool("pyproject.toml", ("uv.lock",), frozenset({"sync"}), ("--frozen", "--locked")),
    "cargo": _Tool("Cargo.toml", ("Cargo.lock",), frozenset({"build", "run"}), ("--locked", "--frozen")),
}  # fmt: skip
_PINNED = late(r"===?\s*[^\s*;]+\s*(;|$|\\|--hash)|\s@\s|^\s*(-|\.|/|https?:|git\+|file:)")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each command that installs."""
    for script in (*scripts(context), *tasks(context)):
        if role(context, script.entry.place) != "upgrade":
            continue
        for command in script.commands:
            argv = list(shell.unwrapped(command))
            name = argv[0].rpartition("/")[2] if argv else ""
            if name in _TOOLS:
                yield from _of_tool(context, script, command, argv, _TOOLS[name])
            elif re.fullmatch(r"pip3?(\.\d+)?", name) and "install" in argv:
                yield from _of_pip(context, script, command, argv)


def _of_tool(context: Context, script: Script, command: Command, argv: list[str], tool: _Tool) -> Iterator[Finding]:
    words = [word for word in argv[1:] if not word.startswith("-")]
    verb = words[0] if words else ""
    adds = tool.manifest == "package.json" and len(words) > 1  # a package by name: another rule's
    if verb not in tool.installs or adds or "--offline" in argv or "-g" in argv or "--global" in argv:
        return
    manifests = [entry for entry in named(context, tool.manifest) if _own(entry) and _asks(context, entry, tool)]
    if not manifests:
        return
    open_ones = [entry for entry in manifests if not _locked(context, entry, tool)]
    strict = any(word in argv for word in tool.strict)
    if verb in tool.anew:
        say = f"`{argv[0].rpartition('/')[2]} {verb}` chooses versions anew, whatever the lock file says"
        yield _finding(script, command, "medium", say, manifests[0])
    elif open_ones:
        wanted = " or ".join(tool.locks)
        say = f"{short(open_ones[0].place)} has no {wanted}"
        yield _finding(script, command, "high" if strict else "medium", say, open_ones[0], stops=strict)


def _own(entry: Entry) -> bool:
    place = entry.place
    return not (is_vendored(place) or is_test(place) or is_example(place) or entry.kind == "container")


def _asks(context: Context, entry: Entry, tool: _Tool) -> bool:
    """True when the manifest names dependencies at all."""
    text = context.text(entry) if entry.size <= MAX_PARSED else None
    if text is None:
        return False
    if not tool.names:
        return (
            not entry.place.endswith("pyproject.toml")
            or re.search(r"(?m)^[ \t]*(\[tool\.poetry|\[project\])", text) is not None
        )
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and any(said.get(name) for name in tool.names)


def _locked(context: Context, manifest: Entry, tool: _Tool) -> bool:
    """True with a lock file beside the manifest, or above it: a workspace has one for all."""
    folder = manifest.place.rpartition("/")[0]
    while True:
        if any(context.entry(f"{folder}/{lock}".lstrip("/")) is not None for lock in tool.locks):
            return True
        if not folder or folder.endswith("!"):
            return False
        folder = folder.rpartition("/")[0]


def _of_pip(context: Context, script: Script, command: Command, argv: list[str]) -> Iterator[Finding]:
    """``pip install -r FILE`` whose lines are not pinned, and that no constraint bounds."""
    if {"--require-hashes", "-c", "--constraint", "--no-index"} & set(argv):
        return
    for at, word in enumerate(argv[:-1]):
        file = argv[at + 1].rpartition("/")[2] if word in ("-r", "--requirement") else ""
        for entry in [e for e in named(context, file) if _own(e)] if file else []:
            lines = [line.partition("#")[0].strip() for line in (context.text(entry) or "").split("\n")]
            free = [line for line in lines if line and not _PINNED.search(line)]
            if free:
                say = f"{len(free)} of the requirements in {short(entry.place)} are not pinned: {', '.join(free[:4])}"
                yield _finding(script, command, "medium", say, entry)
            break


def _finding(
    script: Script, command: Command, severity: Severity, say: str, manifest: Entry, *, stops: bool = False
) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"Dependencies are installed without a lock: {say}",
        place=script.entry.place,
        line=command.line,
        excerpt=secrets.hidden(command.text)[:200],
        consequence="The command stops: it works with a lock file only."
        if stops
        else f"The versions of the window are not those of the rehearsal ({short(manifest.place)}).",
        fix="Ask the vendor for the lock file or for the dependencies themselves.",
    )


_WANTS = '{"name": "app", "dependencies": {"express": "^4.18.0"}}'
_UP = "#!/bin/sh\nset -e\ncd /opt/app\n"
BAD = (
    {"install.sh": _UP + "npm ci --omit=dev\n", "app/package.json": _WANTS},
    {"install.sh": _UP + "npm install\n", "app/package.json": _WANTS},
    {"install.sh": _UP + "composer install --no-dev\n", "app/composer.json": '{"require": {"monolog/monolog": "^3"}}'},
    {"install.sh": _UP + "composer update\n", "app/composer.json": '{"require": {"a/b": "^3"}}', "app/composer.lock": "{}"},
    {"install.sh": _UP + "bundle install --deployment\n", "app/Gemfile": "gem 'rails'\n"},
    {"install.sh": _UP + "pip3 install -r requirements.txt\n", "requirements.txt": "django>=4\nrequests==2.31.0\n"},
)
GOOD = (
    {"install.sh": _UP + "npm ci\n", "app/package.json": _WANTS, "app/package-lock.json": "{}"},
    {"install.sh": _UP + "yarn install --immutable\n", "app/ui/package.json": _WANTS, "app/yarn.lock": ""},
    {"install.sh": _UP + "npm install -g npm@10\n", "app/package.json": _WANTS},
    {"install.sh": _UP + "npm ci\n", "app/package.json": '{"name": "app"}'},
    {"app/package.json": _WANTS},
    {"install.sh": _UP + "npm ci\n", "app/node_modules/x/package.json": _WANTS},
    {
        "install.sh": _UP + "pip install -r requirements.txt\n",
        "requirements.txt": "a==1.0 ; python_version > '3'\n-e .\n# b\n",
    },
    {"install.sh": _UP + "pip install --no-index --find-links w -r requirements.txt\n", "requirements.txt": "django>=4\n"},
    Sample(files={"docs/install.sh": _UP + "npm ci\n", "app/package.json": _WANTS}),
)
