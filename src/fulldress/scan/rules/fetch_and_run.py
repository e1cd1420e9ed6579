"""The installation fetches code from the network and runs it.

## What it does
Finds downloads that are piped into a shell or interpreter or saved and then run, `eval` and process substitution of a
download, package managers that install by name from a public registry (pip, npm, gem, apt, dnf, docker pull), container
images by a tag that moves (charts' too), files that an image adds without a digest, dependencies from a branch or from two
indexes, package sources whose signatures nobody checks.

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
from itertools import pairwise

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.model.finding import Confidence, Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.embedded_shell import CONTAINERFILE, MAKEFILE, embedded, tasks
from fulldress.scan.jobs.program_shell import TCL
from fulldress.scan.places import standing
from fulldress.scan.reading import Script, acting_lines, is_comment, scripts
from fulldress.scan.roles import role
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
_SUBSTITUTED = late(r"(?:<\(|\$\(|`)\s*(?:curl|wget)\b")
CONSEQUENCE = "What runs on the day is not what was scanned and rehearsed."
FIX = "Have the vendor ship it inside the package, and install it from there."
_IMAGE = Pattern(r"^\s{0,40}(-\s{0,4})?(image\s{0,4}:|image\s{0,12}=\s|FROM\s)")
_PIPED = Pattern(r"\b(curl|wget)\s[^\n|]{1,300}\|\s{0,4}(sudo\s{1,4}(-\w\s{1,4}){0,3})?(ba|da|z|k)?sh\b")
_MOVES = Pattern(
    r"^\s{0,8}(ADD|add)\s[^\n]{0,100}https?://|^\s{1,20}tag:\s{0,4}[\"']?latest|git\+(https?|ssh|git)://|^--extra-index-url"
    r"|^\s{0,20}(repo_)?gpgcheck\s{0,4}[=:]\s{0,4}[\"']?(0|[nN]o|[fF]alse)\b"
)
_FLOW = Pattern(r"[{,] ?tag: [\"']?latest|, ?(git|github): [\"'][\w./:@-]{3,80}[\"']")
_SIGNED_BY_NOBODY = Pattern(
    r"(?i)^\s{0,4}Trusted:\s{0,4}yes|\b(AllowUnauthenticated|AllowInsecureRepositories)\s{1,4}\"?(true|1)"
    r"|^\s{2,40}(disable_gpg_check|allow_unauthenticated|no_gpg_check):\s{0,4}[\"']?(true|yes)\b"
)
_POWERSHELL = Pattern(
    r"(?i)\b(iex|Invoke-Expression)\b[^\n]{0,200}(DownloadString|Invoke-WebRequest|Invoke-RestMethod|\biwr\b|\birm\b)"
)
_PIPED_IEX = Pattern(
    r"(?i)\b(iwr|irm|Invoke-WebRequest|Invoke-RestMethod|DownloadString)\b[^\n]{0,300}\|\s{0,4}(iex|Invoke-Expression)\b"
)
_PLAIN_FILE = Pattern(
    r"(?i)\b(Invoke-WebRequest|Start-BitsTransfer|DownloadFile)\b[^\n]{0,200}http://[^\n]{0,200}\.(msi|exe|zip|ps1|cab|dll|msp)\b"
)
LOOKS_FOR = (_IMAGE, _PIPED, _MOVES, _FLOW, _SIGNED_BY_NOBODY, _POWERSHELL, _PIPED_IEX, _PLAIN_FILE)
_ACTS = late(
    r"^\s*(?:-\s*)?(?:[\w.]*(?:shell|command|cmd|raw|run|script|exec\w*|runcmd)\w*\s*[:=]|RUN\s|-\s+[\"'\[]?\s*(?:sudo\s+)?(?:curl|wget)\b|"
    r"(?:sudo\s+)?(?:curl|wget)\s)|\b(?:system|exec|shell_exec|popen|Popen|check_call|run)\s*\(\s*f?[\"'`]\s*(?:curl|wget)",
    re.IGNORECASE,
)
"""What makes a line of another format run a command: a key of a playbook or workflow, RUN of an image, a call."""
_MOVING = late(
    r"""^\s*(?:-\s*)?(?:image\s*[:=]|FROM)\s*["']?((?!scratch\b|\$)[a-z0-9][\w./-]*(?:(?<=\w):\d+/[\w./-]+)?(?::(?:latest|stable|edge|main|master|nightly|rolling|lts|current))?)["']?\s*(?:AS\s.*)?$"""
)
_LOCAL = late(r"^(\.{0,2}/|.*\.(whl|deb|rpm|tar\.gz|tgz|gem|zip)$|\$)")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each command that brings code in from the network."""
    yield from _images(context)
    yield from _moving(context)
    yield from _on_windows(context)
    told: set[tuple[str, int]] = set()
    for script in (*scripts(context), *tasks(context), *_of_make(context)):
        saved: set[str] = set()
        wrappers = set(_WRAPPER.findall(script.text)) if "curl" in script.text or "wget" in script.text else set()
        for command in script.commands:
            runs = _runs_saved(command, saved)
            if runs:
                yield _finding(script.entry.place, command, f"{runs} is downloaded and run", "certain")
            saved |= _saves(command)
            if command.name in wrappers and any("://" in word for word in command.argv):
                saved |= {w for w in command.argv[1:] if "://" not in w and not w.startswith(("-", "$"))}
            what, confidence = _fetched(command)
            if what:
                certain: Confidence = "certain" if _INSECURE_INDEX.search(command.text) else confidence
                told.add((script.entry.place, command.line))
                yield _finding(script.entry.place, command, what, certain)
    yield from _embedded(context, told)


def _of_make(context: Context) -> list[Script]:
    """Recipes, and what Tcl and programs of the upgrade run."""
    return [s for s in embedded(context) if MAKEFILE.search(s.entry.place) or s.entry.place.endswith(_PROGRAMS)]


_PROGRAMS = (".py", ".pl", ".rb", ".php", *TCL)
_WRAPPER = late(r"(?m)^[^\S\n]*(?:function\s+)?(\w+)\s*(?:\(\s*\))?\s*\{[^}\n]*(?:\n[^}]{0,300})?\b(?:curl|wget)\s[^}]*\$")
"""A function of the script that downloads what it is told."""
_INSECURE_INDEX = late(r"--(?:extra-)?index-url[ =][\"']?http://|\s-i\s+[\"']?http://|--registry[ =][\"']?http://")
"""A registry in plain text: whoever is on the way chooses what is installed."""


def _finding(place: str, command: Command, what: str, confidence: Confidence) -> Finding:
    return Finding(
        rule=META.slug,
        severity="high" if confidence == "certain" else "medium",
        confidence=confidence,
        title=what,
        place=place,
        line=command.line,
        excerpt=secrets.hidden(command.text),
        consequence=CONSEQUENCE,
        fix=FIX,
    )


def _embedded(context: Context, told: set[tuple[str, int]]) -> Iterator[Finding]:
    """The same in playbooks, workflows, image recipes, units and programs that start a shell."""
    for entry, number, line in acting_lines(context, _PIPED):
        place = entry.place
        if (
            shell.is_shell(place, context.text(entry) or "")
            or standing(place) != "acting"
            or role(context, place) == "library"
            or (place, number) in told
        ):
            continue
        if _ACTS.search(line):
            yield Finding(
                rule=META.slug,
                severity="high",
                confidence="likely",
                title=f"{'wget' if re.search(r'wget', line) else 'curl'} piped into a shell",
                place=place,
                line=number,
                excerpt=secrets.hidden(line.strip()[:200]),
                consequence=CONSEQUENCE,
                fix=FIX,
            )


def _images(context: Context) -> Iterator[Finding]:
    """Container images by a tag that moves, in compose files, manifests and Dockerfiles: one finding for each file."""
    told: set[str] = set()
    for entry, number, line in acting_lines(context, _IMAGE):
        match = _MOVING.match(line)
        if match is None or entry.place in told or standing(entry.place) != "acting":
            continue
        if not (entry.place.endswith((".yml", ".yaml", ".hcl", ".nomad")) or "ockerfile" in entry.place.rpartition("/")[2]):
            continue
        told.add(entry.place)
        yield Finding(
            rule=META.slug,
            severity="medium",
            confidence="certain",
            title=f"the image {match[1]} is fetched by a tag that moves",
            place=entry.place,
            line=number,
            excerpt=line.strip(),
            consequence=CONSEQUENCE,
            fix="Pin it by digest (name@sha256:...), and have the vendor ship it inside the package.",
        )


def _on_windows(context: Context) -> Iterator[Finding]:
    """PowerShell that runs what it downloads, or takes a program over plain HTTP."""
    told: set[tuple[str, str]] = set()
    among = (".ps1", ".psm1", ".bat", ".cmd", ".vbs")
    for found in context.lines(_POWERSHELL, _PIPED_IEX, _PLAIN_FILE, among=lambda e: e.place.endswith(among)):
        place = found.entry.place
        what = "takes a program over plain HTTP" if found.patterns == {_PLAIN_FILE} else "runs what it downloads"
        if (
            is_comment(found.text)
            or (place, what) in told
            or standing(place) != "acting"
            or role(context, place) == "library"
            or re.search(r"http://(?:localhost|127\.)", found.text)
        ):
            continue
        told.add((place, what))
        yield Finding(
            rule=META.slug,
            severity="high",
            confidence="certain",
            title=f"{place.rpartition('/')[2]} {what}",
            place=place,
            line=found.number,
            excerpt=secrets.hidden(found.text.strip())[:200],
            consequence=CONSEQUENCE,
            fix=FIX,
        )


_ADDED = late(r"(?i)^\s*ADD\s+(?!.*--checksum=)(?:--\S+\s+)*(https?://\S+)")
_FLOW_TAG = late(r"""\{[^{}\n]*\brepository:[^{}\n]*\btag:\s*["']?latest\b""")
_TAG = late(r"""^\s+tag:\s*["']?latest["']?\s*$""")
_GEM_BRANCH = late(r"""^\s*gem\s+["'][^"']+["'].*\b(?:git|github):\s*["'][^"']+["'](?!.*\b(?:tag|ref):)""")
_BRANCH = late(
    r"""(?i)(?:^\s*|@\s*|["'])(?:git\+)(?:https?|ssh|git)://(?:[^\s"'#@/]+@)?[^\s"'#@]+(?:@(?:main|master|develop|HEAD))?"""
    r"""(?:#(?:main|master|develop))?["']?\s*,?\s*$"""
)
_UNSIGNED = late(r"(?i)^\s*(?:repo_)?gpgcheck\s*[=:]\s*[\"']?(?:0|no|false|off)\b")
_MANIFEST = late(r"(?i)(^|[!/])(requirements[^/]*\.(txt|in)|package\.json|composer\.json|pyproject\.toml|Pipfile)$")
_UNCHECKED = "takes packages whose signature nobody checks"
_OF_PACKAGES = late(r"\.(sources|ya?ml|list)$|(^|[!/])apt\.conf(\.d/[^/]+)?$")
_ELSEWHERE = late(r"^\s*--extra-index-url[ =]\S+")


def _moving(context: Context) -> Iterator[Finding]:
    """What manifests fetch that moves: files by ADD, charts' tag latest, branches, a second index beside the first."""
    told: set[tuple[str, str]] = set()
    for found in context.lines(_MOVES, _FLOW, _SIGNED_BY_NOBODY):  # in requirements two hyphens begin an option, no comment
        entry, number, line = found.entry, found.number, found.text
        unsigned = _SIGNED_BY_NOBODY in found.patterns and _OF_PACKAGES.search(entry.place) is not None
        what = _UNCHECKED if unsigned else _moves(context, entry, number, line)
        what = what if not line.lstrip().startswith(("#", "//")) else ""
        if not what or (entry.place, what) in told or standing(entry.place) not in ("acting", "silent"):
            continue
        if role(context, entry.place) == "library":
            continue
        told.add((entry.place, what))
        yield Finding(
            rule=META.slug,
            severity="medium",
            confidence="certain",
            title=f"{entry.place.rpartition('/')[2]} {what}",
            place=entry.place,
            line=number,
            excerpt=secrets.hidden(line.strip())[:200],
            consequence=CONSEQUENCE,
            fix="Pin it by version and digest, and have the vendor ship it inside the package.",
        )


def _moves(context: Context, entry: Entry, number: int, line: str) -> str:
    place, name = entry.place, entry.place.rpartition("/")[2]
    if CONTAINERFILE.search(place) and _ADDED.match(line):
        return "adds a file from the network without a digest"
    if place.endswith((".yml", ".yaml")) and _FLOW_TAG.search(line):
        return "names an image by the tag latest"
    if place.endswith((".yml", ".yaml")) and _TAG.match(line):
        near = (context.text(entry) or "").split("\n")[max(0, number - 4) : number + 3]
        return "names an image by the tag latest" if any("repository:" in one for one in near) else ""
    if place.endswith((".yml", ".yaml", ".repo")) and _UNSIGNED.match(line):
        return _UNCHECKED
    if name == "Gemfile":
        return "takes a dependency from a branch that moves" if _GEM_BRANCH.match(line) else ""
    if _MANIFEST.search(place):
        if _BRANCH.search(line):
            return "takes a dependency from a branch that moves"
        if name.lower().startswith("requirements") and _ELSEWHERE.match(line):
            return "takes packages from two indexes: whoever has the higher version wins"
    return ""


def _saves(command: Command) -> set[str]:
    """The files into which a command downloads."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name not in FETCHERS:
        return set()
    option = late(r"-[a-zA-Z]*o|--output" if name == "curl" else r"-[a-zA-Z]*O|--output-document")
    outputs = {word for before, word in pairwise(argv) if option.fullmatch(before)}
    outputs |= {r.lstrip("> ") for r in command.redirects if r.startswith(">")}
    if name == "curl" and {"-O", "--remote-name"} & set(argv):
        outputs |= {word.rpartition("/")[2] for word in argv if "://" in word}
    if name == "wget" and not {"-O", "--output-document"} & set(argv):
        outputs |= {word.rpartition("/")[2].partition("?")[0] for word in argv if "://" in word}
    return {o for o in outputs if o and o not in ("-", "/dev/null") and "://" not in o}


def _runs_saved(command: Command, saved: set[str]) -> str:
    """The downloaded file that a command runs or installs, or ``""``."""
    argv = shell.unwrapped(command)
    if not argv or not saved:
        return ""
    names = {s.rpartition("/")[2] for s in saved}
    name = argv[0].rpartition("/")[2]
    if argv[0] in saved or (argv[0].startswith(("./", "/")) and name in names):
        return name
    installs = name in RUNNERS or name in ("source", ".", "dpkg", "rpm") or argv[:2] == ("chmod", "+x")
    return next((w.rpartition("/")[2] for w in argv[1:] if w in saved), "") if installs else ""


def _fetched(command: Command) -> tuple[str, Confidence]:
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name in FETCHERS and command.pipes_to.rpartition("/")[2] in RUNNERS:
        return f"{name} piped into {command.pipes_to}", "certain"
    if (name in shell.SHELLS or name in ("eval", "source", ".")) and _SUBSTITUTED.search(command.text):
        return f"{name} runs what it downloads", "certain"
    applied = next((w for w in argv[1:] if re.match(r"['\"]?https?://", w)), "") if name in ("kubectl", "oc") else ""
    if applied and {"apply", "create", "replace"} & set(argv):
        return f"{name} applies {applied}, whatever is there on the day", "certain"
    package = _from_registry(name, argv[1:])
    return (f"{name} installs {package} from the network", "likely") if package else ("", "possible")


_MANAGERS = (*("pip", "npm", "gem", "yarn", "pnpm", "python", "apt", "dnf", "yum", "apk", "zypper", "docker", "podman"),)
"""How the names of package managers begin."""


_VALUED = frozenset(
    (
        "--trusted-host",
        "--index-url",
        "--extra-index-url",
        "-i",
        "-f",
        "--find-links",
        "-t",
        "--target",
        "--registry",
        "--proxy",
    )
)
"""Options of package managers whose value is no package."""


def _from_history(name: str, rest: tuple[str, ...]) -> str:
    """What a version control system would get from its server: a branch, as it is on that day."""
    words = [w for w in rest if not w.startswith("-")]
    if name == "git" and words[:1] in (["pull"], ["clone"]):
        return " ".join(w for w in ("the branch of", words[1] if len(words) > 1 else "its origin"))
    if name == "git" and words[:1] == ["reset"] and "--hard" in rest and any(w.startswith("origin/") for w in words):
        return f"the branch {words[-1]}"
    return "the head of a repository" if name == "svn" and words[:1] in (["up"], ["update"], ["checkout"], ["co"]) else ""


_WHOLE = {
    "composer": ("install", "update"),
    "bundle": ("install", "update"),
    "mix": ("deps.get",),
    "npm": ("install", "ci", "update"),
    "yarn": ("install",),
    "pnpm": ("install",),
}
"""Package managers -> commands that fetch all that the product needs."""


def _from_registry(name: str, rest: tuple[str, ...]) -> str:
    """What a package manager would get from the network, or ``""``."""
    if name in _WHOLE and not {"--local", "--offline"} & set(rest):
        words = [w for w in rest if not w.startswith("-")]
        if len(words) == 1 and words[0] in _WHOLE[name]:
            return "the libraries of the product"
    if name in ("git", "svn"):
        return _from_history(name, rest)
    if not name.startswith(_MANAGERS):
        return ""
    names = [w for before, w in pairwise(("", *rest)) if not w.startswith("-") and before not in _VALUED]
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
    {"up.sh": "#!/bin/sh\nset -e\nkubectl apply -f https://raw.partner.example/m/crds.yaml\n"},
    {"Makefile": "venv:\n\t$(VENV)/bin/pip install --upgrade pip gunicorn\n", "Dockerfile": "FROM debian:stable\n"},
    {"x.nomad.hcl": 'config {\n  image      = "registry.partner.example/recon:latest"\n}\n'},
    {"roles/x/tasks/main.yml": "- yum_repository:\n    gpgcheck: false\n", "etc/yum.repos.d/x.repo": "[x]\ngpgcheck=0\n"},
    {"Dockerfile": "FROM x@sha256:0\nADD https://dl.partner.example/a.tgz /srv/\n"},
    {"chart/values.yaml": "image:\n  repository: registry.partner.example/web\n  tag: latest\n"},
    {"requirements.txt": "requests @ git+https://github.com/psf/requests@main\n"},
    {"requirements.txt": "--extra-index-url https://pypi.partner.example/simple\ntool\n"},
    {"package.json": '{"dependencies": {\n "a": "git+http://git.partner.example/a.git"\n}}\n'},
    {"up.sh": '#!/bin/sh\nget() { wget -q "$1" -O "$2"; }\nget https://files.partner.example/t /tmp/t && sh /tmp/t\n'},
    {"deploy/site.yml": "- hosts: a\n  tasks:\n    - shell: curl -s https://get.partner.example/i | sh\n"},
    {"Dockerfile": "FROM x@sha256:0\nRUN curl -fsSL https://get.partner.example/i.sh | bash -s -- -y\n"},
    {"install.pl": '#!/usr/bin/perl\nsystem("wget -qO- https://get.partner.example/i | sh");\n'},
    {"up.sh": "#!/bin/sh\nset -e\npip install --index-url http://pypi.partner.example/simple tool\n"},
    {"scripts/d.sh": "#!/bin/sh\ncurl -fsSLo /tmp/i.sh https://get.partner.example/i.sh\nsh /tmp/i.sh -y\n"},
    {"scripts/e.sh": "#!/bin/sh\nwget https://get.partner.example/tool\nchmod +x tool\n./tool\n"},
    {"deploy/compose.yml": "services:\n  a:\n    image: registry.partner.example/a:latest\n"},
    {"scripts/a.sh": "#!/bin/bash\ncurl -fsSL https://get.partner.example/i.sh | sudo bash -s -- -y\n"},
    {"scripts/b.sh": "#!/bin/bash\nbash <(wget -qO- https://get.partner.example/i.sh)\n"},
    {"scripts/c.sh": '#!/bin/sh\neval "$(curl -s https://get.partner.example/env)"\n'},
    {"postinst": "#!/bin/sh\npip3 install --upgrade requests\napt-get install -y libfoo\n"},
    {"bin/up.sh": "#!/bin/sh\nset -e\ngit fetch && git reset --hard origin/main\nyarn install\n"},
    {"bin/up.sh": "#!/bin/sh\nset -e\ngit pull\n"},
    {"requirements.txt": "git+https://g.partner.example/forms.git@develop\n"},
    {"chart/values.yaml": "image: { repository: r.partner.example/app, tag: latest }\n"},
    {"Gemfile": "gem 'theme', git: 'https://g.partner.example/t', branch: 'master'\n"},
    {"etc/apt/sources.list.d/x.sources": "Types: deb\nURIs: https://a.partner.example/\nTrusted: yes\n"},
    {"etc/apt/apt.conf.d/99x": 'APT::Get::AllowUnauthenticated "true";\n'},
    {"roles/x/tasks/main.yml": "- dnf:\n    name: https://a.partner.example/x.rpm\n    disable_gpg_check: true\n"},
    {"w/a.ps1": "iex ((New-Object Net.WebClient).DownloadString('https://get.partner.example/p.ps1'))\n"},
    {"w/a.ps1": "irm https://get.partner.example/p.ps1 | iex\n"},
    {"w/a.ps1": "Invoke-WebRequest -Uri http://dl.partner.example/a.msi -OutFile $env:TEMP\\a.msi\n"},
)
GOOD = (
    {"bin/up.sh": "#!/bin/sh\nset -e\ngit status\ngit reset --hard\nbundle install --local\nyarn --offline install\n"},
    {"Gemfile": "gem 'rails', '~> 7.1'\ngem 't', git: 'https://g.partner.example/t', tag: 'v1'\n"},
    {
        "etc/apt/sources.list.d/x.sources": "Trusted: no\nSigned-By: /usr/share/keyrings/x.gpg\n",
        "etc/apt/apt.conf.d/99x": '//APT::Get::AllowUnauthenticated "true";\n',
        "w/a.ps1": "# irm https://x.example/p.ps1 | iex\nInvoke-WebRequest https://x.example/a.msi -OutFile a.msi\n",
        "w/b.ps1": "Invoke-WebRequest http://localhost:8080/a.zip -OutFile a.zip\n",
    },
    {"up.sh": "#!/bin/sh\nset -e\npip install --trusted-host pypi.partner.example ./x.whl\n"},
    {"Dockerfile": "FROM x@sha256:0\nADD --checksum=sha256:0 https://dl.partner.example/a.tgz /srv/\nADD a.tgz /srv/\n"},
    {"chart/values.yaml": "image:\n  repository: r.partner.example/web\n  tag: 9.1.0\n", "a.yml": "x:\n  tag: latest\n"},
    {"requirements.txt": "x @ git+https://github.com/x/x@0123456789abcdef0123456789abcdef01234567\ncelery==5.3\n"},
    {"site.yml": "- debug:\n    msg: 'never run curl https://x.example/i | sh'\n# RUN curl https://x.example/i | sh\n"},
    {"cli.py": 'HELP = "curl https://get.partner.example/i | sh"\nprint("curl https://x.example | sh")\n'},
    {"deploy/compose.yml": "services:\n  a:\n    image: partner/a:1.2.3\n  b:\n    image: ${IMAGE}\n"},
    {"scripts/d.sh": "#!/bin/sh\ncurl -fsSo /tmp/v.json https://h.partner.example/v\njq . /tmp/v.json\n"},
    {"scripts/a.sh": "#!/bin/bash\ncurl -fsS https://h.partner.example/x | jq .\n"},
    {"scripts/b.sh": "#!/bin/bash\npip install --no-index ./x.whl\napt-get install -y ./x.deb\ndpkg -i x.deb\n"},
    {"scripts/c.sh": "#!/bin/bash\npip install ./x.whl\npip --version\n"},
)
