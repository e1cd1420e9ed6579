"""A setting or a command of another program deletes data for good.

## What it does
Finds what deletes without SQL or a shell's `rm -r`: `find -delete` and `rsync --delete` where things are kept, database
files
by name, `tar -C /`, `ls | xargs rm`, volumes and namespaces of a cluster, buckets, volumes of containers and of LVM and ZFS,
`terraform destroy`, queues and topics, indexes, what MongoDB, Cassandra and their like hold; also IBM MQ's `CLEAR
QLOCAL` and
`DELETE ... PURGE`, TimescaleDB's retention policies and dropped chunks, files that are deleted at a partner, a Flyway
that may
empty the schema, Quartz that deletes the jobs of a group before it loads its own, a PostgreSQL started without fsync,
PowerShell that removes what lies below a variable.

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
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.destruction import folder_lost
from fulldress.scan.discarded import discarded
from fulldress.scan.jobs.embedded_shell import CONTAINERFILE, embedded
from fulldress.scan.places import standing
from fulldress.scan.reading import scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, anywhere

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
        r"\badd_retention_policy\s{0,2}\(|\bclean-?[Dd]isabled[\"']?\s{0,4}[=:]\s{0,4}[\"']?false|"
        r"cleanOnValidationError[\"']?\s{0,4}[=:]\s{0,4}[\"']?true|<delete-jobs-in-group>\s{0,4}\*|\bdrop_chunks\s{0,2}\("
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
        late(r"(?i)\.(sql|sh|bash|ksh|service|yaml|yml)$|(^|[!/])[^/.]+$"),
        late(r"^(?!\s*(?:--|#)).*\bdrop_chunks\s*\("),
        "medium",
        "drops chunks of old rows for good",
        "Whole chunks go at once; no rollback of the package brings them back.",
        "Agree on the retention with whoever owns the data, and take a backup first.",
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
BY_NAME = (
    Row(
        late(r"(?i)(\.(sftp|lftp|ftp|batch|bat)|(^|[!/])[^/]*s?ftp[^/]*\.(txt|cmd|batch|in))$|(^|[!/])[lsf]+tp/[^/]+$"),
        late(r"(?i)^\s*-?m?(?:rm|delete|del)\s+\S*\*"),
        "medium",
        "deletes a partner's files after it fetched them",
        "It goes on when a fetch failed: what was not fetched is gone at the partner as well.",
        "Let the partner remove what you confirm, or move each file after its own fetch.",
        anywhere(r"(?i)^\s*(?:m?get|lcd|open)\s"),
    ),
    Row(
        late(r"(?i)tmpfiles[^!]*\.conf$"),
        late(
            r"^[dDevqQC][+!=~^$-]*\s+/(?:var/lib|srv|opt|home|data)/\S+\s+\S+\s+\S+\s+\S+\s+[~A-Za-z:]*\d+(?:us|ms|s|m|min|h|d|w)\b"
        ),
        "medium",
        "lets systemd delete files of the product by age, or at each boot",
        "What was not fetched in time is gone, and nobody sees it go.",
        "Give an age to caches only; d without an age keeps what is there.",
    ),
)
"""Of files that are read whole: they are few, and known by their names."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)
    yield from settings_table.named(context, META, ("ftp", ".batch", "tmpfiles"), BY_NAME)
    for script in (*scripts(context), *embedded(context)):
        place, what = script.entry.place, role(context, script.entry.place)
        if what in ("library", "init") or standing(place) != "acting" or place.endswith(("postrm", "prerm")):
            continue
        if CONTAINERFILE.search(place):
            continue  # an image is made, no host is changed
        for command in script.commands:
            lost, instead = discarded(command)
            if not lost or folder_lost(command):
                continue
            yield Finding(
                rule=META.slug,
                severity="medium" if what == "upgrade" else "low",
                confidence="likely",
                title=f"{place.rpartition('/')[2]}: {command.name} {lost}",
                place=place,
                line=command.line,
                excerpt=hidden(command.text)[:200],
                consequence="No rollback of the package brings it back.",
                fix=instead,
            )


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
    {"up.sh": "#!/bin/sh\nset -e\nfind /srv/app/records -mtime +3650 -delete\n"},
    {"Makefile": "purge:\n\tfind /var/lib/app/uploads -name '*.old' -exec rm -f {} +\n"},
    {"up.sh": "#!/bin/sh\nset -e\nrsync -a --delete new/ /var/lib/app/files/\nrm -f /var/lib/ldap/*.mdb\n"},
    {"up.sh": "#!/bin/sh\nset -e\ntar xzf static.tgz -C /\n", "b.sh": "#!/bin/sh\nset -e\nls -t | tail -5 | xargs rm\n"},
    {"up.sh": "#!/bin/sh\nset -e\nkubectl -n prod delete pvc --all\nhelm list\naws s3 rm s3://a/ --recursive\n"},
    {"up.sh": "#!/bin/sh\nset -e\ndocker-compose down -v\nterraform destroy -auto-approve\nzfs destroy tank/app\n"},
    {"up.sh": "#!/bin/sh\nset -e\nrabbitmqctl purge_queue orders\ncurl -XDELETE http://es1:9200/records\n"},
    {"up.sh": "#!/bin/sh\nset -e\nmongosh app --eval 'db.dropDatabase()'\ndd if=fw.img of=$1\n"},
    {"usr/lib/tmpfiles.d/a.conf": "d /var/lib/app/spool 0750 app app 10d\n"},
    {"sftp/fetch.batch": "lcd /in\nmget *.xml\nrm *.xml\n", "x.sql": "SELECT drop_chunks('reading', INTERVAL '1 year');\n"},
)
GOOD = (
    {"usr/lib/tmpfiles.d/a.conf": "d /var/lib/app 0750 app app -\nD /run/app 0755 a a -\ne /var/cache/a - - - 10d\n"},
    {"win/a.ps1": 'Remove-Item -Path "$Target\\*.log"\nRemove-Item "C:\\Kontor\\tmp\\*" -Recurse\n'},
    {"etc/systemd/system/a.service.d/b.conf": "[Service]\nExecStart=/usr/bin/postgres -c fsync=on\n"},
    {"mq/a.mqsc": "* CLEAR QLOCAL('KB.TEST') is for tests\nDEFINE QLOCAL('A') REPLACE\nDELETE QLOCAL('B') NOPURGE\n"},
    {"db/a.sql": "-- add_retention_policy('telemetry', INTERVAL '90 days')\nSELECT remove_retention_policy('telemetry');\n"},
    {"conf/application.yml": "spring:\n  flyway:\n    clean-disabled: true\n", "x.sql": "clear screen\n"},
    {"quartz_jobs.xml": "<delete-jobs-in-group>reports</delete-jobs-in-group>\n"},
    {"up.sh": "#!/bin/sh\nset -e\nfind /tmp -user app -mtime +2 -delete\nfind /var/lib/app/cache -delete\n"},
    {"up.sh": "#!/bin/sh\nset -e\nrsync -a new/ /var/lib/app/\nrsync -a --delete a/ build/\ntar xzf a.tgz -C /opt/app\n"},
    {"up.sh": "#!/bin/sh\nset -e\nkubectl delete pod web-1\nkubectl delete pvc x --dry-run=client\ndocker compose down\n"},
    {
        "up.sh": "#!/bin/sh\nset -e\nls -1 | xargs -d '\\n' rm\ncurl -X DELETE http://127.0.0.1:8080/cache\naws s3 ls s3://a/\n"
    },
    {"up.sh": "#!/bin/sh\nset -e\nterraform plan\nzfs list\ndd if=/dev/zero of=swap\nfind rel -print0 | xargs -0 rm\n"},
    {
        "Dockerfile": "FROM a:1\nRUN find /var/lib/app/data -delete\n",
        "postrm": "#!/bin/sh\nset -e\nrm -f /var/lib/app/x.db\n",
    },
)
