"""A setting lets a server lose what it has already confirmed.

## What it does
Knows the settings with which databases, caches and brokers trade safety for speed: PostgreSQL without fsync, WAL archive or
enough WAL (also by `ALTER SYSTEM`), MySQL's log flushed once a second and its binary log never, Redis that goes on when it
cannot save or keeps nothing on disk, Kafka that elects a leader which lacks records or asks one broker only, Mongo without a
journal, etcd without fsync, a database of a compose file that lives in memory. Tests, examples and libraries do not count.

## Why it matters
Everything works, and fast, until power, host or container goes: then rows and messages are gone whose senders were told that
they are safe, or the standby and the backup have a gap that nobody sees before the restore.

## Example
```
unclean.leader.election.enable=true
```

## Fix
Leave the server's own default. Where speed is needed, agree on the loss with whoever owns the data, and write it down.

## References
- PostgreSQL: Reliability and the Write-Ahead Log; MySQL: innodb_flush_log_at_trx_commit; Redis: Persistence
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, above, anywhere

META = RuleMeta(
    slug="acknowledged-data-lost",
    family="configuration",
    title="Setting that lets a server lose what it confirmed",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(
        r"(?i)\bALTER\s{1,4}SYSTEM\s{1,4}SET\s{1,4}(fsync|full_page_writes|synchronous_commit|archive_mode|wal_level)\b"
    ),
    Pattern(r"^\s{0,4}(archive_mode|wal_level|synchronous_commit)\s{0,4}=?\s{0,4}'?(off|minimal)\b"),
    Pattern(r"(?i)^\s{0,4}(innodb_(flush_log_at_trx_commit|doublewrite)|sync_binlog|(loose-)?skip[-_]log[-_]bin)\b"),
    Pattern(r"\b(stop-writes-on-bgsave-error|appendonly)\s{1,4}no\b|\bconfig\s{1,4}set\s{1,4}save\b|\bsave\s\"\""),
    Pattern(r"\bunclean\.leader\.election\.enable|\bmin\.insync\.replicas\s{0,4}[=:]|--replication-factor[ =]1\b"),
    Pattern(r"^\s{0,40}(-\s{0,4})?[\"']?(tmpfs|acks|unsafe-no-fsync)[\"']?\s{0,4}[:=]|index\.translog\.durability"),
    Pattern(r"(?i)^\s{0,8}journal:\s{0,4}$|[\s\"'](--nojournal|--unsafe-no-fsync)\b"),
)
_KEYS = late(r"\.(properties|ya?ml|json|conf|cfg|cnf|ini|env|toml|sh|service)$|(^|[!/])[^/.]+$")
_POSTGRES = late(r"(?i)postgres[^!]*\.conf$|\.auto\.conf$|(^|[!/])postgresql\.conf[^/]*$")
_MYSQL = late(r"(?i)\.(cnf|ini)$")
_REDIS = late(r"(?i)(redis|valkey|keydb|sentinel)[^!]*\.conf$|\.(sh|bash|ya?ml)$")
_COMPOSE = late(r"\.ya?ml$")
_CRASH = "After a crash rows are gone, or the cluster does not start."
_GAP = "Backup and standby end here; nobody sees it before a restore is needed."
_KEEP = "Leave the server's default, or agree on the loss with whoever owns the data."
_DATABASE = r"/var/lib/(?:postgresql|mysql|mongodb|mariadb|redis)\b|/data/db\b|/bitnami/(?:postgresql|mysql|mariadb|mongodb)"

ROWS = (
    Row(
        late(r"(?i)\.(sql|sh|bash|psql)$"),
        late(r"(?i)\bALTER\s+SYSTEM\s+SET\s+(?:fsync|full_page_writes)\s*(?:=|TO)\s*'?(?:off|false|0)"),
        "high",
        "lets a power cut destroy the database",
        _CRASH,
        _KEEP,
    ),
    Row(
        late(r"(?i)\.(sql|sh|bash|psql)$"),
        late(r"(?i)\bALTER\s+SYSTEM\s+SET\s+(?:archive_mode\s*(?:=|TO)\s*'?(?:off|false)|wal_level\s*(?:=|TO)\s*'?minimal)"),
        "medium",
        "breaks the archive of the database's log off",
        _GAP,
        _KEEP,
    ),
    Row(
        _POSTGRES,
        late(r"^\s*(?:archive_mode\s*=?\s*'?off|wal_level\s*=?\s*'?minimal)\b"),
        "medium",
        "breaks the archive of the database's log off",
        _GAP,
        "Keep the values of the installation; check that WAL archiving and the standby run after the upgrade.",
    ),
    Row(
        _POSTGRES,
        late(r"^\s*synchronous_commit\s*=?\s*'?off\b"),
        "low",
        "confirms what is not on disk yet",
        "The last confirmed transactions are gone after a crash.",
        _KEEP,
    ),
    Row(
        _MYSQL,
        late(
            r"(?i)^\s*(?:innodb_flush_log_at_trx_commit\s*=\s*[02]|sync_binlog\s*=\s*0|innodb_doublewrite\s*=\s*(?:0|off))\b"
        ),
        "medium",
        "confirms what is not on disk yet",
        "The last confirmed transactions are gone after a crash; replicas and the binary log part.",
        _KEEP,
    ),
    Row(
        _MYSQL,
        late(r"(?i)^\s*(?:loose-)?skip[-_]log[-_]bin\b(?!\s*=\s*(?:0|off))"),
        "medium",
        "switches MySQL's binary log off",
        _GAP,
        _KEEP,
    ),
    Row(
        _REDIS,
        late(r"\bstop-writes-on-bgsave-error\s+no\b"),
        "medium",
        "goes on taking writes that Redis cannot save",
        "A full disk is not noticed; what came in since is gone with the process.",
        _KEEP,
    ),
    Row(
        _REDIS,
        late(r"\bappendonly\s+no\b.*\bsave\s+\"\"|\bsave\s+\"\".*\bappendonly\s+no\b|\bconfig\s+set\s+save\s+(?:\"\"|'')"),
        "medium",
        "keeps nothing of Redis on disk",
        "Sessions, locks and waiting jobs are gone with the next restart.",
        _KEEP,
    ),
    Row(
        _KEYS,
        late(r"\bunclean\.leader\.election\.enable[\"']?\s*[=:]\s*[\"']?true"),
        "medium",
        "lets Kafka throw away confirmed records",
        "A broker that lags behind becomes the leader, and the others drop what it does not have.",
        _KEEP,
    ),
    Row(
        _KEYS,
        late(r"^\s*[\"']?acks[\"']?\s*[:=]\s*[\"']?0\b"),
        "low",
        "does not wait until Kafka has a record",
        "What a broker did not take is gone, and the sender does not know.",
        "Set acks=all.",
        anywhere(r"(?i)kafka|bootstrap[._-]servers"),
    ),
    Row(
        late(r"\.(sh|bash)$"),
        late(r"kafka-topics(?:\.sh)?\s.*--create\b.*--replication-factor[ =]1\b"),
        "low",
        "makes a topic of which there is one copy",
        "With that broker the records are gone, and while it restarts nobody writes.",
        "Give it the replication factor of the others.",
    ),
    Row(
        _KEYS,
        late(r"index\.translog\.durability[\"']?\s*[=:]\s*[\"']?async"),
        "low",
        "confirms what is not on disk yet",
        "The last confirmed documents are gone after a crash.",
        _KEEP,
    ),
    Row(
        _COMPOSE,
        late(rf"\btmpfs[\"']?\s*:\s*.*(?:{_DATABASE})"),
        "high",
        "keeps a database in memory",
        "With the next restart of the container every row is gone.",
        "Give it a volume.",
    ),
    Row(
        _COMPOSE,
        late(r"^\s*[\"']?tmpfs[\"']?\s*:\s*$"),
        "high",
        "keeps a database in memory",
        "With the next restart of the container every row is gone.",
        "Give it a volume.",
        lambda lines, number: any(late(_DATABASE).search(one) for one in lines[number : number + 3] if "- " in one),
    ),
    Row(
        late(r"(?i)mongo[^/]*\.(conf|ya?ml|cfg)$"),
        late(r"^\s*journal:\s*$"),
        "medium",
        "runs Mongo without its journal",
        _CRASH,
        _KEEP,
        lambda lines, number: any("enabled: false" in one for one in lines[number : number + 2]),
    ),
    Row(
        late(r"\.(service|conf|sh|env|ya?ml)$"),
        late(r"[\s\"'](?:--nojournal|--unsafe-no-fsync)\b(?!=false)"),
        "medium",
        "lets a crash destroy the store",
        _CRASH,
        _KEEP,
    ),
    Row(
        late(r"(?i)(redis|valkey)[^!]*\.conf$"),
        late(r"^\s*appendonly\s+no\b"),
        "low",
        "keeps nothing of Redis on disk",
        "Sessions, locks and waiting jobs are gone with the next restart.",
        _KEEP,
        above(r"^\s*save\s+\"\"", 400),
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"sql/20_tune.sql": "ANALYZE x;\nALTER SYSTEM SET fsync = off;\n"},
    {"up.sh": "#!/bin/sh\npsql -c 'ALTER SYSTEM SET wal_level TO minimal'\n"},
    {"etc/postgresql/15/main/postgresql.conf": "archive_mode = off\n"},
    {"etc/postgresql/15/main/conf.d/x/postgres-x.conf": "synchronous_commit = off\n"},
    {"etc/mysql/conf.d/x.cnf": "[mysqld]\ninnodb_flush_log_at_trx_commit = 2\n"},
    {"etc/mysql/conf.d/x.cnf": "[mysqld]\nskip-log-bin\n"},
    {"redis/redis.conf": "stop-writes-on-bgsave-error no\n"},
    {"redis/redis.conf": 'save ""\nappendonly no\n'},
    {"docker-compose.yml": 'services:\n  r:\n    command: redis-server --save "" --appendonly no\n'},
    {"up.sh": "#!/bin/sh\nredis-cli -h r config set save ''\n"},
    {"kafka/server.properties": "unclean.leader.election.enable=true\n"},
    {"k/producer.properties": "bootstrap.servers=k:9093\nacks=0\n"},
    {"kafka/topics.sh": "#!/bin/sh\nkafka-topics.sh --create --topic a --replication-factor 1\n"},
    {"es/index.json": '{"index.translog.durability": "async"}\n'},
    {"docker-compose.yml": "services:\n  db:\n    tmpfs: [/var/lib/postgresql/data]\n"},
    {"docker-compose.yml": "services:\n  db:\n    tmpfs:\n      - /var/lib/mysql\n"},
    {"etc/mongod.conf": "storage:\n  journal:\n    enabled: false\n"},
    {"etcd.service": "[Service]\nExecStart=/usr/bin/etcd --unsafe-no-fsync\n"},
)
GOOD = (
    {"sql/20_tune.sql": "-- ALTER SYSTEM SET fsync = off;\nALTER SYSTEM SET fsync = on;\nALTER SYSTEM SET a = 1;\n"},
    {"etc/postgresql/postgresql.conf": "#archive_mode = off\narchive_mode = on\nwal_level = replica\n"},
    {"etc/mysql/conf.d/x.cnf": "innodb_flush_log_at_trx_commit = 1\nsync_binlog = 1\n# skip-log-bin\n"},
    {"redis/redis.conf": "stop-writes-on-bgsave-error yes\nappendonly no\nsave 900 1\n", "a/app.conf": "appendonly no\n"},
    {"kafka/server.properties": "unclean.leader.election.enable=false\nacks=all\n", "x/a.properties": "acks=0\n"},
    {"docker-compose.yml": "services:\n  a:\n    tmpfs: [/tmp, /run]\n  b:\n    tmpfs:\n      - /tmp\n"},
    {"tests/docker-compose.yml": "services:\n  db:\n    tmpfs: [/var/lib/postgresql/data]\n"},
    {"kafka/topics.sh": "#!/bin/sh\nkafka-topics.sh --create --topic a --replication-factor 3\n"},
    {"etc/mongod.conf": "storage:\n  journal:\n    enabled: true\n"},
    {"docs/redis.md": "stop-writes-on-bgsave-error no\n"},
)
