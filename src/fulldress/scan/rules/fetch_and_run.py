"""The installation fetches code from the network and runs it.

## What it does
Finds downloads that are piped into a shell or interpreter, `eval` and process substitution of a download, and package
managers that install by name from a public registry (pip, npm, gem, apt, dnf, docker pull of a moving tag).

## Why it matters
What runs on the day is not what was scanned and rehearsed; the day's network decides, and nobody has signed it.

## Example
```
curl -fsSL https://get.example.net/install.sh | bash
```

## Fix
Have the vendor put the artefact into the package, pinned by digest, and install it from there.

## References
- CWE-494 Download of Code Without Integrity Check
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.shell import Command
from fulldress.model.finding import Confidence, Finding
from fulldress.scan import secrets
from fulldress.scan.reading import scripts
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="fetch-and-run",
    family="endpoint",
    title="Code is fetched from the network and run",
    severity="high",
    confidence="certain",
)
FETCHERS = {"curl", "wget", "fetch"}
RUNNERS = shell.SHELLS | {"python", "python3", "perl", "ruby", "node", "php", "sudo", "xargs", "env"}
_SUBSTITUTED = re.compile(r"(?:<\(|\$\(|`)\s*(?:curl|wget)\b")
_LOCAL = re.compile(r"^(\.{0,2}/|.*\.(whl|deb|rpm|tar\.gz|tgz|gem|zip)$|\$)")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each command that brings code in from the network."""
    for script in scripts(context):
        for command in script.commands:
            what, confidence = _fetched(command)
            if what:
                yield Finding(
                    rule=META.slug,
                    severity="high" if confidence == "certain" else "medium",
                    confidence=confidence,
                    title=what,
                    place=script.entry.place,
                    line=command.line,
                    excerpt=secrets.hidden(command.text),
                    consequence="What runs on the day is not what was scanned and rehearsed.",
                    fix="Have the vendor ship it inside the package, and install it from there.",
                )


def _fetched(command: Command) -> tuple[str, Confidence]:
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name in FETCHERS and command.pipes_to.rpartition("/")[2] in RUNNERS:
        return f"{name} piped into {command.pipes_to}", "certain"
    if (name in shell.SHELLS or name in ("eval", "source", ".")) and _SUBSTITUTED.search(command.text):
        return f"{name} runs what it downloads", "certain"
    package = _from_registry(name, argv[1:])
    return (f"{name} installs {package} from the network", "likely") if package else ("", "possible")


def _from_registry(name: str, rest: tuple[str, ...]) -> str:
    """What a package manager would get from the network, or ``""``."""
    names = [w for w in rest if not w.startswith("-")]
    offline = any(w.startswith(("--no-index", "--no-download", "--offline")) for w in rest)
    if not names or offline:
        return ""
    wanted = [w for w in names[1:] if not _LOCAL.match(w)]
    if re.fullmatch(r"pip3?(\.\d+)?|npm|gem|yarn|pnpm", name) and names[0] in ("install", "add", "i"):
        return wanted[0] if wanted else ""
    if name in ("python", "python3") and rest[:3] == ("-m", "pip", "install"):
        return next((w for w in names[2:] if not _LOCAL.match(w)), "")
    if name in ("apt", "apt-get", "dnf", "yum", "apk", "zypper") and names[0] in (
        "install",
        "upgrade",
        "dist-upgrade",
        "add",
    ):
        return wanted[0] if wanted else ("" if names[0] == "install" else "upgrades")
    if name in ("docker", "podman") and names[0] == "pull" and "@sha256:" not in names[-1]:
        return names[-1]
    return ""


BAD = (
    {"scripts/a.sh": "#!/bin/bash\ncurl -fsSL https://get.partner.example/i.sh | sudo bash -s -- -y\n"},
    {"scripts/b.sh": "#!/bin/bash\nbash <(wget -qO- https://get.partner.example/i.sh)\n"},
    {"scripts/c.sh": '#!/bin/sh\neval "$(curl -s https://get.partner.example/env)"\n'},
    {"postinst": "#!/bin/sh\npip3 install --upgrade requests\napt-get install -y libfoo\n"},
)
GOOD = (
    {"scripts/a.sh": "#!/bin/bash\ncurl -fsS https://h.partner.example/x | jq .\n"},
    {"scripts/b.sh": "#!/bin/bash\npip install --no-index ./x.whl\napt-get install -y ./x.deb\ndpkg -i x.deb\n"},
    {"scripts/c.sh": "#!/bin/bash\npip install ./x.whl\npip --version\n"},
)
