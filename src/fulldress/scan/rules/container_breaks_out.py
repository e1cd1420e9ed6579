"""A container is started so that it is root on the host.

## What it does
Reads compose files, Kubernetes manifests and `docker run` (`podman run`) commands for what lifts a container's walls:
`privileged`, the host's root or `docker.sock` mounted into it, the host's process or network namespace, `CAP_SYS_ADMIN`.

## Why it matters
Whoever gets into such a container is root on the host: nothing that is said of "only a container" holds any more.

## Example
```
volumes:
  - /var/run/docker.sock:/var/run/docker.sock
```

## Fix
Ask the vendor which single right is needed: one capability, one device, one directory read-only.

## References
- CWE-250 Execution with Unnecessary Privileges; docker-run(1) --privileged
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="container-breaks-out",
    family="privilege",
    title="Container with the host's rights",
    severity="high",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(
        r"\bsecurity_opt\s{0,4}:\s{0,4}\[[^\n]{0,200}unconfined|^\s{0,40}-\s{0,4}[\"']?(seccomp|apparmor)[:=]unconfined"
    ),
    Pattern(r"\bprivileged[\"']?\s{0,4}:\s{0,4}[\"']?true"),
    Pattern(r"[\[,]\s{0,4}[\"']?/:/"),
    Pattern(r"\b(cap_)?add\s{0,4}:\s{0,4}\[[^\]\n]{0,80}(SYS_ADMIN|SYS_MODULE|SYS_PTRACE|ALL)\b"),
    Pattern(r"/docker\.sock\b|/containerd\.sock\b"),
    Pattern(r"^\s{0,40}-\s{0,4}[\"']?/:/"),
    Pattern(r"^\s{0,40}(pid|network_mode|ipc|userns_mode|hostPID|hostNetwork|hostIPC)\s{0,4}:\s{0,4}[\"']?(host|true)\b"),
    Pattern(r"^\s{0,40}-\s{0,4}[\"']?(CAP_)?(SYS_ADMIN|SYS_MODULE|SYS_PTRACE|ALL)[\"']?\s{0,4}$"),
)
_KINDS: tuple[tuple[re.Pattern[str], Severity, str], ...] = (
    (late(r"\b(?:seccomp|apparmor)[:=]unconfined"), "medium", "runs without the confinement of containers"),
    (late(r"(?:^\s*|[{,]\s*)[\"']?privileged[\"']?\s*:\s*[\"']?true"), "high", "is privileged"),
    (
        late(
            r"(?:^\s*(?:-\s*|source:\s*|path:\s*)|[\[,{]\s*(?:path:\s*)?)[\"']?/(?:var/)?run/(?:docker|containerd/containerd)\.sock"
        ),
        "high",
        "gets docker.sock",
    ),
    (late(r"(?:^\s*-|[\[,])\s*[\"']?/:/"), "high", "gets the host's root directory"),
    (late(r"^\s*(?:pid|hostPID)\s*:"), "medium", "sees the host's processes"),
    (late(r"^\s*(?:network_mode|hostNetwork)\s*:"), "low", "uses the host's network"),
    (
        late(r"(?:^\s*-|\badd\s*:\s*\[.*|cap_add\s*:\s*\[.*)\s*[\"']?(?:CAP_)?(?:SYS_ADMIN|SYS_MODULE|SYS_PTRACE|ALL)\b"),
        "medium",
        "gets a capability that is as good as root",
    ),
)
_CONTAINERS = late(
    r"(?m)^[^\S\n]*(services[^\S\n]*:|kind[^\S\n]*:[^\S\n]*[\"']?(Deployment|StatefulSet|DaemonSet|Pod|Job|CronJob)\b)"
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file, and for each command."""
    told: set[tuple[str, str]] = set()
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=lambda e: e.place.endswith((".yml", ".yaml"))):
        kind = next(((severity, what) for pattern, severity, what in _KINDS if pattern.search(line)), None)
        if kind is None or (entry.place, kind[1]) in told or standing(entry.place) != "acting":
            continue
        if re.search(r"(?i)drop\s*:", _above(context.text(entry) or "", number)):
            continue
        if _CONTAINERS.search(context.text(entry) or ""):
            told.add((entry.place, kind[1]))
            yield _finding(
                entry.place, number, line.strip(), f"a container of {entry.place.rpartition('/')[2]} {kind[1]}", kind[0]
            )
    for script in (*scripts(context), *tasks(context)):
        if role(context, script.entry.place) in ("library", "init"):
            continue
        for command in script.commands:
            what = _run(shell.unwrapped(command))
            if what:
                yield _finding(script.entry.place, command.line, command.text, f"a container is started that {what}", "high")


def _above(text: str, number: int) -> str:
    """The heading of a list: the nearest line above that is no item."""
    lines = text.split("\n")[: number - 1]
    return next((line for line in reversed(lines[-12:]) if not line.lstrip().startswith("-")), "")


def _run(argv: tuple[str, ...]) -> str:
    name = argv[0].rpartition("/")[2] if argv else ""
    if name not in ("docker", "podman", "nerdctl") or not {"run", "create"} & set(argv[1:4]):
        return ""
    mounts = [b for a, b in pairwise(argv) if a in ("-v", "--volume")]
    mounts += [w.partition("=")[2] for w in argv if w.startswith(("-v=", "--volume="))]
    if "--privileged" in argv or "--privileged=true" in argv:
        return "is privileged"
    if any(m.startswith("/:/") for m in mounts) or any(w.startswith("--mount") and "source=/," in w for w in argv):
        return "gets the host's root directory"
    added = [b for a, b in pairwise(argv) if a == "--cap-add"] + [w[10:] for w in argv if w.startswith("--cap-add=")]
    if any(re.fullmatch(r"(?i)(cap_)?(all|sys_admin|sys_module|sys_ptrace)", w) for w in added):
        return "gets a capability that is as good as root"
    return "gets docker.sock" if any("docker.sock:" in m for m in mounts) else ""


def _finding(place: str, line: int, text: str, title: str, severity: Severity) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title,
        place=place,
        line=line,
        excerpt=secrets.hidden(text)[:200],
        consequence="Whoever gets into the container is root on the host.",
        fix="Ask the vendor which single capability, device or directory is needed, and give that one.",
    )


BAD = (
    {"docker-compose.yml": 'services:\n  a:\n    security_opt: ["apparmor:unconfined", "seccomp=unconfined"]\n'},
    {"docker-compose.yml": "services:\n  a:\n    security_opt:\n      - seccomp:unconfined\n"},
    {"docker-compose.yml": 'services:\n  a:\n    volumes: ["./x:/x", "/:/host"]\n    cap_add: [NET_RAW, SYS_ADMIN]\n'},
    {"docker-compose.yml": "services:\n  a:\n    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n"},
    {"k8s/a.yaml": "kind: Pod\nspec:\n  containers:\n  - {name: a, securityContext: {privileged: true}}\n"},
    {"up.sh": "#!/bin/sh\nset -e\npodman run --cap-add=SYS_ADMIN x\n"},
    {"docker-compose.yml": "services:\n  a:\n    privileged: true\n"},
    {"docker-compose.yml": "services:\n  a:\n    volumes:\n      - /var/run/docker.sock:/var/run/docker.sock\n"},
    {"k8s/a.yaml": "kind: Deployment\nspec:\n  hostPID: true\n"},
    {"up.sh": "#!/bin/sh\nset -e\ndocker run --rm -v /:/host alpine chroot /host sh\n"},
)
GOOD = (
    {"docker-compose.yml": 'services:\n  a:\n    volumes: ["x:/x"]\n    cap_drop: [ALL]\n    cap_add: [NET_RAW]\n'},
    {"k8s/a.yaml": "kind: Pod\nspec:\n  securityContext: {capabilities: {drop: [ALL]}, privileged: false}\n"},
    {"docker-compose.yml": "services:\n  a:\n    privileged: false\n    cap_drop:\n      - ALL\n"},
    {"conf/a.yaml": "user:\n  privileged: true\n", "README.md": "docker run --privileged x\n"},
    {"up.sh": "#!/bin/sh\nset -e\ndocker run --rm -v /srv/a:/a x\n"},
)
