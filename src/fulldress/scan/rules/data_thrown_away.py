"""A setting or a command of another program deletes data for good.

## What it does
Finds what deletes without SQL or a shell's `rm`: IBM MQ's `CLEAR QLOCAL` and `DELETE ... PURGE`, TimescaleDB's retention
policies, a Flyway that may empty the schema, Quartz that deletes the jobs of a group before it loads its own, a PostgreSQL
started without fsync, PowerShell that removes what lies below a variable.

## Why it matters
Messages on a queue are payments that nobody has booked yet; rows older than a policy are gone with its next run, without a
word in any log. A rollback of the package does not bring them back.

## Example
```
CLEAR QLOCAL('PAYMENTS.IN')
```

## Fix
Drain or copy first, and let a person decide on the night. Write retention down with whoever owns the data.

## References
- IBM MQ: CLEAR QLOCAL, DELETE QLOCAL; TimescaleDB: add_retention_policy; Flyway: cleanDisabled
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row

META = RuleMeta(
    slug="data-thrown-away",
    family="privilege",
    title="Data is deleted for good",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(r"(?i)(Remove-Item|^[^\S\n]*r[mi][ \t])[^\n]{0,81}\$(env:)?\w{1,40}[\\/]{1,2}\*"),
    Pattern(r"[\s\"']-c\s{0,4}(fsync|full_page_writes)=off\b"),
    Pattern(r"(?i)^\s{0,8}(CLEAR\s{1,4}(QL|QLOCAL|TOPICSTR)\s{0,2}\(|DELETE\s{1,4}Q\w{1,8}\s{0,2}\([^\n]{0,100}\bPURGE\b)"),
    Pattern(
        r"\badd_retention_policy\s{0,2}\(|\bclean-?[Dd]isabled[\"']?\s{0,4}[=:]\s{0,4}[\"']?false|cleanOnValidationError[\"']?\s{0,4}[=:]\s{0,4}[\"']?true|<delete-jobs-in-group>\s{0,4}\*"
    ),
)
_COPY = "Drain or copy it first, and let a person decide on the night."

ROWS = (
    Row(
        late(r"(?i)\.psm?1$"),
        late(r"(?i)^\s*(?:Remove-Item|rm|ri)\s.*[\s\"']\$(?:env:)?\w+[\\/]+\*(?=[\"'\s]|$)"),
        "medium",
        "removes everything below a path that begins with a variable",
        "When the variable is empty, the path begins at the root of the drive.",
        "Check that it is set (if (-not $x) { throw }), and name the folder.",
        lambda lines, number: "-recurse" in " ".join(lines[number - 1 : number + 2]).lower(),
    ),
    Row(
        late(r"\.(service|conf|sh|env|ya?ml)$"),
        late(r"[\s\"']-c\s*(?:fsync|full_page_writes)=off\b"),
        "high",
        "lets a power cut destroy the database",
        "After a crash the cluster may not start, or have wrong rows.",
        "Leave it on.",
    ),
    Row(
        late(r"(?i)\.(mqsc|mqs|mqi)$"),
        late(r"(?i)^\s*CLEAR\s"),
        "medium",
        "empties a queue",
        "Messages that nobody has processed yet are gone.",
        _COPY,
    ),
    Row(
        late(r"(?i)\.(mqsc|mqs|mqi)$"),
        late(r"(?i)^\s*DELETE\s.*\bPURGE\b"),
        "medium",
        "deletes a queue with the messages in it",
        "Messages that nobody has processed yet are gone.",
        _COPY,
    ),
    Row(
        late(r"(?i)\.sql$"),
        late(r"\badd_retention_policy\s*\("),
        "medium",
        "lets TimescaleDB drop old rows from now on",
        "The first run of its job deletes whole chunks; a rollback of the package does not bring them back.",
        "Agree on the retention with whoever owns the data, and take a backup before the first run.",
    ),
    Row(
        late(r"\.(ya?ml|properties|conf|toml|env)$"),
        late(r"clean-?[Dd]isabled[\"']?\s*[=:]\s*[\"']?false|cleanOnValidationError[\"']?\s*[=:]\s*[\"']?true"),
        "medium",
        "lets Flyway drop everything in the schema",
        "One wrong command, or one changed checksum, empties production.",
        "Leave clean disabled, as Flyway itself does since version 9.",
    ),
    Row(
        late(r"\.xml$"),
        late(r"<delete-jobs-in-group>\s*\*"),
        "low",
        "deletes every job that Quartz has stored",
        "Jobs that operators or other applications added are gone with the start.",
        "Name the group that the package owns.",
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"win/a.ps1": 'Remove-Item -Path "$Target\\*" `\n    -Recurse -Force\n'},
    {"etc/systemd/system/a.service.d/b.conf": "[Service]\nExecStart=/usr/bin/postgres -c fsync=off\n"},
    {"mq/a.mqsc": "CLEAR QLOCAL('PAYMENTS.IN')\n", "mq/b.mqsc": "DELETE QLOCAL('PAYMENTS.RETRY') PURGE\n"},
    {"db/a.sql": "SELECT add_retention_policy('telemetry', INTERVAL '90 days');\n"},
    {
        "conf/application.yml": "spring:\n  flyway:\n    clean-disabled: false\n",
        "flyway.conf": "flyway.cleanDisabled=false\n",
    },
    {"quartz_jobs.xml": "<pre-processing-commands>\n<delete-jobs-in-group>*</delete-jobs-in-group>\n"},
)
GOOD = (
    {"win/a.ps1": 'Remove-Item -Path "$Target\\*.log"\nRemove-Item "C:\\Kontor\\tmp\\*" -Recurse\n'},
    {"etc/systemd/system/a.service.d/b.conf": "[Service]\nExecStart=/usr/bin/postgres -c fsync=on\n"},
    {"mq/a.mqsc": "* CLEAR QLOCAL('KB.TEST') is for tests\nDEFINE QLOCAL('A') REPLACE\nDELETE QLOCAL('B') NOPURGE\n"},
    {"db/a.sql": "-- add_retention_policy('telemetry', INTERVAL '90 days')\nSELECT remove_retention_policy('telemetry');\n"},
    {"conf/application.yml": "spring:\n  flyway:\n    clean-disabled: true\n", "x.sql": "clear screen\n"},
    {"quartz_jobs.xml": "<delete-jobs-in-group>reports</delete-jobs-in-group>\n"},
)
