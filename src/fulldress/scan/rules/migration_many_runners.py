"""Migrations run whenever an instance starts, and several instances start together.

## What it does
Reports migration commands in what starts an instance: ExecStartPre and ExecStart of a service, a container's entrypoint,
a Kubernetes workload with more than one replica (a Job or one replica with Recreate is left alone).

## Why it matters
Two instances migrate the same database at once. With a tool that takes no lock, a change happens twice or one instance
fails to start; with one that does, all but one wait, and may be killed by their health checks meanwhile.

## Example
```
# entrypoint.sh
python manage.py migrate && exec gunicorn app
```

## Fix
Migrate once, as a step of the release, before the instances start.

## References
- none
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.scan.database.migration_runs import RUNS_A_TOOL, ToolRun, tool_runs
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-many-runners",
    family="migration",
    title="Every instance migrates when it starts",
    severity="high",
    confidence="likely",
)
_DDL_AUTO = Pattern(
    r"(hibernate\.(ddl-auto|hbm2ddl\.auto)|ddl-auto)[\"']?(\s{1,4}value)?\s{0,4}[=:>]{1,2}\s{0,4}[\"']?(update|create|create-drop)\b"
)
_BEFORE_START = Pattern(r"^ExecStartPre=[^\n]{0,200}\b(db:)?migrat(e|ions?)\b")
LOOKS_FOR = (RUNS_A_TOOL, _DDL_AUTO, _BEFORE_START)

_ENTRY = late(r"(?i)(^|/)([\w-]*entry-?point[\w.-]*|docker-start[\w.-]*|procfile)$")
_DOCKER = late(r"(?i)(^|/)(dockerfile|containerfile)[^/]*$")
_WORKLOAD = late(r"(?m)^kind:\s*(Deployment|StatefulSet|DaemonSet|ReplicaSet)\b")
_REPLICAS = late(r"(?m)^[^\S\n]*replicas:\s*[\"']?(\d+)")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file."""
    told: set[str] = set()
    for run in tool_runs(context):
        if run.entry.place in told:
            continue
        found = _judged(context, run)
        if found is not None:
            told.add(run.entry.place)
            yield _finding(run, *found)
    for entry, number, line in acting_lines(context, _BEFORE_START):
        if entry.place.endswith((".service", ".conf")) and entry.place not in told and standing(entry.place) == "acting":
            told.add(entry.place)
            yield Finding(
                rule=META.slug,
                severity="medium",
                confidence=META.confidence,
                title=f"{entry.place.rpartition('/')[2]} migrates whenever the service starts",
                place=entry.place,
                line=number,
                excerpt=line.strip()[:200],
                consequence="A restart in the middle of the day, or a second host, changes the database; a migration"
                " that takes longer than the start may is killed half-way.",
                fix="Migrate once, as a step of the release, before the instances start.",
            )
    for entry, number, line in acting_lines(context, _DDL_AUTO):
        if standing(entry.place) == "acting" and entry.place.endswith(
            (".properties", ".yml", ".yaml", ".xml", ".env", ".conf")
        ):
            word = re.search(r"(?:auto)\W{1,8}(?:value\W{1,4})?(\w+(?:-drop)?)", line)
            yield Finding(
                rule=META.slug,
                severity="medium" if word is not None and word[1] == "update" else "high",
                confidence=META.confidence,
                title=f"Hibernate changes the schema when the program starts ({word[1] if word else 'ddl-auto'})",
                place=entry.place,
                line=number,
                excerpt=line.strip()[:200],
                consequence="Every instance that starts alters tables without a lock against the others, in no order."
                + (" create empties the tables first." if word is not None and word[1].startswith("create") else ""),
                fix="Set it to validate or none, and migrate once, as a step of the release.",
            )


def _judged(context: Context, run: ToolRun) -> tuple[str, Severity] | None:
    """(where it starts from, how bad), or None where only one instance migrates."""
    place, strong = run.entry.place, not run.tool.locks
    if place.endswith(".service"):
        if not re.match(r"\s*Exec(Start|StartPre|Condition)\s*=", run.text):
            return None
        many = place.endswith("@.service")
        return ("each instance of the unit", "high" if strong and many else "medium" if strong else "low")
    if re.search(r"\.ya?ml$", place):
        return _manifest(context, run, strong=strong)
    started = _DOCKER.search(place) and re.match(r"\s*(CMD|ENTRYPOINT)\b", run.text)
    if started or _ENTRY.search(place):
        return ("each container", "medium" if strong else "low")
    return None


def _manifest(context: Context, run: ToolRun, *, strong: bool) -> tuple[str, Severity] | None:
    text = context.text(run.entry) or ""
    at = 0
    for document in re.split(r"(?m)^---\s*$", text):
        lines = document.count("\n") + 1
        if at < run.line <= at + lines and (kind := _WORKLOAD.search(document)):
            count = _REPLICAS.search(document)
            many = kind.group(1) == "DaemonSet" or (count is not None and int(count.group(1)) > 1)
            if many:
                return (f"each replica of the {kind.group(1)}", "high" if strong else "low")
        at += lines
    return _service(text, run, strong=strong)


_COPIES = late(r"\b(?:replicas|scale)[\"']?\s*:\s*[\"']?(\d+)")


def _service(text: str, run: ToolRun, *, strong: bool) -> tuple[str, Severity] | None:
    """A service of a compose file of which there are several."""
    lines = text.split("\n")
    if not any(line.startswith("services:") for line in lines):
        return None
    heads = [n for n, line in enumerate(lines, 1) if re.match(r"  \S[^#]*:\s*$", line)]
    start = max((n for n in heads if n <= run.line), default=0)
    end = min((n for n in heads if n > run.line), default=len(lines) + 1)
    counts = [int(m[1]) for line in lines[start : end - 1] for m in _COPIES.finditer(line)]
    return ("each replica of the service", "high" if strong else "low") if any(n > 1 for n in counts) else None


def _finding(run: ToolRun, who: str, severity: Severity) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{META.title}: {run.tool.name} is run by {who}",
        place=run.entry.place,
        line=run.line,
        excerpt=run.text[:200],
        consequence="Instances that start together migrate the same database at once: "
        + (
            "all but one wait for the tool's lock, and may be killed as not ready meanwhile."
            if run.tool.locks
            else f"{run.tool.name} takes no lock, so that a change happens twice or one of them fails to start."
        ),
        fix="Migrate once, as a step of the release, before the instances start.",
    )


BAD = (
    {"lib/systemd/system/a.service": "[Service]\nExecStartPre=/opt/a/bin/actl migrate up --all\nExecStart=/opt/a/bin/a\n"},
    {
        "docker-compose.yml": 'services:\n  web:\n    command: sh -c "python manage.py migrate && gunicorn a"\n'
        "    deploy: {replicas: 3}\n  db:\n    image: x\n"
    },
    {"a.war!/WEB-INF/classes/application.properties": "spring.jpa.hibernate.ddl-auto=update\n"},
    {"META-INF/persistence.xml": '<property name="hibernate.hbm2ddl.auto" value="update"/>\n'},
    {"conf/application.yml": "spring:\n  jpa:\n    hibernate:\n      ddl-auto: create\n"},
    {"entrypoint.sh": "#!/bin/sh\npython manage.py migrate\nexec gunicorn app\n"},
    {"app@.service": "[Service]\nExecStartPre=/opt/app/bin/alembic upgrade head\nExecStart=/opt/app/run\n"},
    {
        "k8s/app.yaml": "apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: 3\n  template:\n    spec:\n"
        "      initContainers:\n      - command: ['alembic', 'upgrade', 'head']\n"
    },
)
GOOD = (
    {
        "docker-compose.yml": "services:\n  job:\n    command: python manage.py migrate\n  web:\n    deploy:\n"
        "      replicas: 3\n"
    },
    {"application.properties": "spring.jpa.hibernate.ddl-auto=validate\n#spring.jpa.hibernate.ddl-auto=update\n"},
    {"src/test/resources/application.properties": "spring.jpa.hibernate.ddl-auto=create-drop\n"},
    {"deploy.sh": "#!/bin/sh\npython manage.py migrate\n"},
    {"app.service": "[Service]\n# alembic upgrade head is run by hand\nExecStart=/opt/app/run\n"},
    {
        "k8s/job.yaml": "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n"
        "      - command: ['alembic', 'upgrade', 'head']\n"
    },
    {
        "k8s/app.yaml": "kind: Deployment\nspec:\n  replicas: 1\n  strategy:\n    type: Recreate\n  template:\n    spec:\n"
        "      initContainers:\n      - command: ['alembic', 'upgrade', 'head']\n"
    },
)
