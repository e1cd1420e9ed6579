"""A setting lets the program use up what it shares: disk, a partner's patience, the host.

## What it does
Finds log files that nobody rotates (plain file appenders of Logback, Log4j and Python, Docker's `json-file` without a size),
logs at the level at which every statement and value is written, retries without a pause or without an end, health checks
that are switched off, and compose services that are given no limit where they are told to restart for ever. Tests, examples
and libraries do not count.

## Why it matters
The first night goes well. Then a disk is full and takes the database along, or a partner that answers slowly is asked a
thousand times a second and shuts the door: the upgrade is blamed weeks later, or never.

## Example
```
retry:
  max-attempts: 100
  backoff: 10ms
```

## Fix
Rotate by size, log at INFO, wait between two tries (twice as long each time, with some chance in it), and give up.

## References
- CWE-770 Allocation of Resources Without Limits; Google SRE Book: Addressing Cascading Failures
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row

META = RuleMeta(
    slug="runs-without-bounds",
    family="configuration",
    title="Setting without a bound on what is used up",
    severity="low",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(
        r"\bclass=\"(ch\.qos\.logback\.core|org\.apache\.log4j)\.FileAppender\"|^log4j\.appender\.\w{1,60}\s{0,4}=[^\n]{0,60}\.FileAppender"
    ),
    Pattern(r"\bclass[\"']?\s{0,4}[=:]\s{0,4}[\"']?logging\.FileHandler\b|\bdriver:\s{0,4}[\"']?json-file\b|\"log-driver\""),
    Pattern(
        r"(?i)\"(MinimumLevel|Default)\"\s{0,4}:\s{0,4}\"(Verbose|Trace)\"|^\s{0,40}[\"']?(logging\.)?(level\.)?root[\"']?\s{0,4}[=:]\s{0,4}[\"']?(trace|all)\b"
    ),
    Pattern(
        r"org\.hibernate\.(orm\.jdbc\.bind|type)[\w.]{0,40}[\"']?\s{0,4}[=:]\s{0,4}[\"']?(trace|TRACE|all|ALL|DEBUG|debug)"
    ),
    Pattern(r"^\s{0,4}log_statement\s{0,4}=?\s{0,4}'?all\b"),
    Pattern(
        r"(?i)^\s{0,40}[\"']?[\w.-]{0,40}(retry|retries|backoff|back-off)[\w.-]{0,40}[\"']?\s{0,4}[=:]\s{0,4}[\"']?"
        r"(0|[1-9]\d?)\s{0,2}(ms|milliseconds|millis)?[\"']?\s{0,4},?\s{0,4}$"
    ),
    Pattern(
        r"(?i)^\s{0,40}[\"']?[\w.-]{0,40}(retries|retry[\w.-]{0,12}|attempts)[\"']?\s{0,4}[=:]\s{0,4}[\"']?(-1|infinite|unlimited|forever)\b"
    ),
    Pattern(r"^\s{2,40}healthcheck:\s{0,4}(\{[^\n]{0,40}disable:\s{0,2}true|$)"),
)
_SETTINGS = late(r"\.(toml|ya?ml|json|ini|conf|cfg|properties|env)$")
_COMPOSE = late(r"(?i)compose[^!/]*\.ya?ml$|(^|[!/])stack[^!/]*\.ya?ml$")
_FULL = "The log grows until the disk is full, and what shares the disk stops."
_ROTATE = "Rotate it by size with a number of old files, or have logrotate do it (without copytruncate losing lines)."
_PAUSE = late(r"(?i)delay|pause|wait|interval|back-?_?off|sleep|period")


def _no_pause(lines: Sequence[str], number: int) -> bool:
    """The key is about the pause, not the number of tries; a unit of seconds or more is a pause."""
    line = lines[number - 1]
    key, _, value = re.sub(r"[\"']", "", line).partition("=" if "=" in line else ":")
    if not _PAUSE.search(key) or re.search(
        r"(?i)multipl|factor|max|count|attempts|exponent|jitter|seconds?$|secs?$|minutes?$|_s$", key.strip()
    ):
        return False
    given = re.match(r"\s*(\d+)\s*(\w*)", value)
    return given is not None and (given[1] == "0" or given[2].startswith("m") or re.search(r"(?i)ms|milli", key) is not None)


def _rolls(lines: Sequence[str], number: int) -> bool:
    """Nothing near bounds the size: no ``max-size`` of Docker's driver."""
    return not any("max-size" in one or "max_size" in one for one in lines[number - 1 : number + 8])


ROWS = (
    Row(
        late(r"\.(xml|properties)$"),
        late(r"\.FileAppender\b"),
        "low",
        "writes a log that nobody rotates",
        _FULL,
        _ROTATE,
    ),
    Row(
        late(r"\.(py|ini|conf|ya?ml|json|toml)$"),
        late(r"logging\.FileHandler\b"),
        "low",
        "writes a log that nobody rotates",
        _FULL,
        _ROTATE,
    ),
    Row(
        _COMPOSE,
        late(r"\bdriver:\s*[\"']?json-file\b"),
        "low",
        "lets Docker keep logs without an end",
        _FULL,
        "Set max-size and max-file.",
        _rolls,
    ),
    Row(
        late(r"(^|[!/])daemon\.json$"),
        late(r"\"log-driver\"\s*:\s*\"json-file\""),
        "low",
        "lets Docker keep logs without an end",
        _FULL,
        "Set max-size and max-file.",
        _rolls,
    ),
    Row(
        late(r"(?i)appsettings(?!\.(dev|test|local))[^/]*\.json$|nlog[^/]*\.json$"),
        late(r"(?i)\"(?:MinimumLevel|Default)\"\s*:\s*\"(?:Verbose|Trace)\""),
        "low",
        "logs everything",
        _FULL,
        "Log at Information.",
    ),
    Row(
        _SETTINGS,
        late(r"(?i)^\s*[\"']?(?:logging\.)?(?:level\.)?root[\"']?\s*[=:]\s*[\"']?(?:trace|all)\b"),
        "low",
        "logs everything",
        _FULL,
        "Log at INFO.",
        lambda lines, number: "level" in " ".join(lines[max(0, number - 3) : number]).lower(),
    ),
    Row(
        _SETTINGS,
        late(r"(?i)\borg\.hibernate\.(?:orm\.jdbc\.bind|type[\w.]*)[\"']?\s*[=:]\s*[\"']?(?:trace|debug|all)"),
        "low",
        "writes the values of every statement into the log",
        "Customers' data, and passwords of the application's own users, stand in a file that many may read.",
        "Take the line out.",
    ),
    Row(
        late(r"(?i)postgres[^!]*\.conf$|\.auto\.conf$"),
        late(r"^\s*log_statement\s*=?\s*'?all\b"),
        "low",
        "writes every statement into the log",
        _FULL,
        "Use log_min_duration_statement.",
    ),
    Row(
        _SETTINGS,
        late(r"(?i)(?:retries|retry[\w.-]*|attempts)[\"']?\s*[=:]\s*[\"']?(?:-1|infinite|unlimited|forever)\b"),
        "low",
        "never gives up trying",
        "A message that cannot be handled is tried for ever, and what waits behind it never comes.",
        "Give up after a few tries, and put it where a person looks.",
    ),
    Row(
        _COMPOSE,
        late(r"^\s+healthcheck:"),
        "low",
        "does not see when a service hangs",
        "The container counts as up while it answers nobody; the upgrade goes on to the next step.",
        "Leave the image's check, or write one.",
        lambda lines, number: any("disable: true" in one for one in lines[number - 1 : number + 1]),
    ),
    Row(
        _SETTINGS,
        late(r"(?i)retry|retries|back-?off"),
        "low",
        "tries again without a pause",
        "When the partner is slow or down, it is asked as fast as the processor can: it stays down, or shuts the door.",
        "Wait between two tries, twice as long each time, with some chance in it; give up after a few.",
        _no_pause,
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"conf/logback.xml": '<appender name="F" class="ch.qos.logback.core.FileAppender">\n'},
    {"conf/log4j.properties": "log4j.appender.F=org.apache.log4j.FileAppender\n"},
    {"conf/logging.yaml": "handlers:\n  file:\n    class: logging.FileHandler\n"},
    {"docker-compose.yml": "services:\n  a:\n    logging: { driver: json-file }\n"},
    {"docker/daemon.json": '{\n  "log-driver": "json-file",\n  "live-restore": true\n}\n'},
    {"app/appsettings.json": '{"Serilog": {"MinimumLevel": "Verbose"}}\n'},
    {"conf/application.properties": "logging.level.root=TRACE\n"},
    {"conf/application.yml": "logging:\n  level:\n    org.hibernate.type.descriptor.sql: trace\n"},
    {"etc/postgresql/postgresql.conf": "log_statement = 'all'\n"},
    {"conf/application.yml": "retry:\n  max-attempts: 100\n  backoff: 10ms\n"},
    {"app/appsettings.json": '{\n  "RetryCount": 50,\n  "RetryDelayMs": 0\n}\n'},
    {"conf/a.toml": 'max_retries = "infinite"\n'},
    {"docker-compose.yml": "services:\n  a:\n    healthcheck:\n      disable: true\n"},
)
GOOD = (
    {"conf/logback.xml": '<appender name="F" class="ch.qos.logback.core.rolling.RollingFileAppender">\n'},
    {"docker-compose.yml": "services:\n  a:\n    logging:\n      driver: json-file\n      max-size: 10m\n"},
    {"docker-compose.yml": "services:\n  a:\n    healthcheck:\n      test: curl -f http://localhost\n"},
    {"app/appsettings.Development.json": '{"Serilog": {"MinimumLevel": "Verbose"}}\n'},
    {"conf/application.yml": "logging:\n  level:\n    root: info\nretry:\n  max-attempts: 3\n  backoff: 500ms\n"},
    {"conf/a.properties": "retry.count=3\nretry.delay.seconds=5\nretries=5\nbackoff.multiplier=2\nretry.backoff=5s\n"},
    {"tests/appsettings.json": '{"Serilog": {"MinimumLevel": "Verbose"}}\n', "README.md": "retry_delay_ms = 0\n"},
)
