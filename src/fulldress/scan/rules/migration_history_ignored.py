"""The migration tool is told not to notice what it is there to notice.

## What it does
Finds settings and commands that switch a migration tool's own memory off: Flyway without validation, with migrations out of
order, or that empties the schema when a checksum differs; Liquibase change sets that may fail or run each time, any checksum
accepted, checksums cleared, locks released by force; Alembic stamps, Django's `--fake`, Rails' protection switched off,
Prisma and Doctrine that make the schema fit by force, EF Core's database created beside its migrations.

## Why it matters
These tools compare what they ran with what they have. Told not to, they pass over a change that failed here or was made by
hand, and the next one builds on a schema that exists nowhere else.

## Example
```
flyway.validateOnMigrate=false
```

## Fix
Leave the check on. Where it stops, find out why on a copy, and repair that one entry by hand, with a note.

## References
- Flyway: validateOnMigrate, outOfOrder; Liquibase: failOnError, runAlways, validCheckSum, release-locks
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, anywhere

META = RuleMeta(
    slug="migration-history-ignored",
    family="migration",
    title="Migration tool is told to look away",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(r"(?i)\b(validate-?_?on-?_?migrate|clean-?_?on-?_?validation-?_?error|out-?_?of-?_?order)[\"']?\s{0,4}[=:]"),
    Pattern(r"(?i)\bfailOnError[\"']?\s{0,4}[=:]|\brunAlways[\"']?\s{0,4}[=:]|\bvalidCheckSum\b"),
    Pattern(r"\bflyway\s[^\n]{0,200}\brepair\b|(?i:ignore-?Migration-?Patterns)[\"']?\s{0,4}[=:]"),
    Pattern(r"(?i)\b(release-?locks|clear-?check-?sums|changelog-?sync(-to-tag)?)\b"),
    Pattern(
        r"\bmigrate\s[^\n]{0,80}--fake\b|\balembic\s[^\n]{0,60}\bstamp\s|\bDISABLE_DATABASE_ENVIRONMENT_CHECK\b"
        r"|\bdb\s{1,4}push\s[^\n]{0,40}(--accept-data-loss|--force-reset)|\bschema:update\s[^\n]{0,40}--force\b"
        r"|\bdb:(schema:load|structure:load|reset)\b|\bmigrate:(fresh|reset)\b|\bEnsureCreated(Async)?\("
    ),
)
_FLYWAY = late(r"\.(ya?ml|properties|conf|toml|env|sh|bash|xml|gradle)$|(^|[!/])[^/.]+$")
_CHANGELOG = late(r"\.(xml|ya?ml|json|sql)$")
_RUN = late(
    r"\.(sh|bash|ya?ml|service|ps1|bat|cmd|py)$|ockerfile|[Mm]akefile|(^|[!/])(pre|post)(inst|rm|in|un)$|(^|[!/])[^/.]+$"
)
_HOLE = "What differs here from the vendor's own database stays different, and the next change builds on it."
_LEAVE = "Leave the check on; where it stops, find out why on a copy and repair that one entry."

ROWS = (
    Row(
        _FLYWAY,
        late(r"(?i)clean-?_?on-?_?validation-?_?error[\"']?\s*[=:]\s*[\"']?true"),
        "high",
        "empties the schema when a migration's checksum differs",
        "One changed file, and production is empty.",
        "Take it out; Flyway itself no longer has it.",
    ),
    Row(
        _FLYWAY,
        late(r"(?i)validate-?_?on-?_?migrate[\"']?\s*[=:]\s*[\"']?false"),
        "medium",
        "does not notice migrations that were changed or are missing",
        _HOLE,
        _LEAVE,
    ),
    Row(
        _FLYWAY,
        late(r"(?i)out-?_?of-?_?order[\"']?\s*[=:]\s*[\"']?true"),
        "low",
        "runs migrations in another order than the vendor did",
        _HOLE,
        _LEAVE,
        anywhere(r"(?i)flyway"),
    ),
    Row(
        _FLYWAY,
        late(r"(?i)ignore-?Migration-?Patterns[\"']?\s*[=:]\s*[\"'\[-]*\s*[\"']?(?:\*|\w+):(?:missing|\*|ignored|future)"),
        "medium",
        "does not notice migrations that are missing or were never run",
        _HOLE,
        _LEAVE,
    ),
    Row(
        _RUN,
        late(r"\bflyway\s.*\brepair\b"),
        "medium",
        "makes Flyway forget what failed",
        _HOLE,
        "Look at what failed on a copy first, and repair that one entry.",
    ),
    Row(
        _CHANGELOG,
        late(r"(?i)\bfailOnError[\"']?\s*[=:]\s*[\"']?false"),
        "medium",
        "passes over a change that failed",
        _HOLE,
        "Take failOnError out, and write a precondition where a change may be there already.",
        anywhere(r"(?i)databaseChangeLog|liquibase|changeSet"),
    ),
    Row(
        _CHANGELOG,
        late(r"(?i)\brunAlways[\"']?\s*[=:]\s*[\"']?true"),
        "low",
        "changes the data again at each deployment",
        "What is done once in a test is done at every start here, with all its locks.",
        "Let it run once, or on change.",
        anywhere(r"(?i)databaseChangeLog|liquibase|changeSet"),
    ),
    Row(
        _CHANGELOG,
        late(r"(?i)\bvalidCheckSum\b[^\n]*\b(?:ANY|1:any)\b"),
        "low",
        "accepts a change set whatever was changed in it",
        _HOLE,
        _LEAVE,
    ),
    Row(
        _RUN,
        late(r"(?i)(?:^|\s)release-?locks\b"),
        "high",
        "takes the lock away from whoever is migrating",
        "Two runs change the schema at the same time, which the lock is there to prevent.",
        "Find out who holds it (DATABASECHANGELOGLOCK), and release it by hand when nobody does.",
        anywhere(r"(?i)liquibase"),
    ),
    Row(
        _RUN,
        late(r"(?i)(?:^|\s)(?:clear-?check-?sums|changelog-?sync(?:-to-tag)?)\b"),
        "medium",
        "makes Liquibase forget what it ran",
        _HOLE,
        _LEAVE,
        anywhere(r"(?i)liquibase"),
    ),
    Row(
        _RUN,
        late(r"\bmigrate\s.*--fake\b(?!-initial)|\balembic\s.*\bstamp\s"),
        "medium",
        "says that migrations ran which did not",
        _HOLE,
        "Run them; where one is there already, say so for that one and check the schema.",
    ),
    Row(
        _RUN,
        late(
            r"\bDISABLE_DATABASE_ENVIRONMENT_CHECK\b\W{1,4}1|\bdb\s+push\s.*(?:--accept-data-loss|--force-reset)"
            r"|\bschema:update\s.*--force\b|\bdb:(?:schema:load|structure:load|reset)\b|\bmigrate:(?:fresh|reset)\b"
        ),
        "high",
        "makes the schema anew, whatever is in it",
        "Tables and columns that the new version does not know are dropped with their rows.",
        "Run the migrations instead.",
    ),
    Row(
        late(r"\.(cs|vb)$"),
        late(r"\bEnsureCreated(?:Async)?\("),
        "low",
        "makes the schema beside its migrations",
        "A database made so has no history: no migration can be run on it any more.",
        "Use migrations only.",
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"db/flyway.conf": "flyway.validateOnMigrate=false\n"},
    {"conf/application.yml": "spring:\n  flyway:\n    clean-on-validation-error: true\n"},
    {"db/migrate.sh": "#!/bin/sh\nflyway -outOfOrder=true migrate\n"},
    {"db/changelog.xml": '<databaseChangeLog>\n<changeSet id="1" author="a" failOnError="false">\n'},
    {"db/changelog.xml": '<databaseChangeLog>\n<changeSet id="1" author="a" runAlways="true">\n'},
    {"db/changelog.xml": "<changeSet>\n<validCheckSum>ANY</validCheckSum>\n"},
    {"db/run.sh": "#!/bin/sh\nliquibase --url=x \\\n   release-locks\n"},
    {"db/run.sh": "#!/bin/sh\njava -jar f.jar \\\n  -ignoreMigrationPatterns='*:missing' migrate\n"},
    {"db/run.sh": "#!/bin/sh\nflyway -url=x repair && flyway migrate\n"},
    {"db/run.sh": "#!/bin/sh\nliquibase clear-checksums\n"},
    {"up.sh": "#!/bin/sh\npython manage.py migrate --fake shop 0042\n"},
    {"up.sh": "#!/bin/sh\nDISABLE_DATABASE_ENVIRONMENT_CHECK=1 rails db:schema:load\n"},
    {"up.sh": "#!/bin/sh\nnpx prisma db push --accept-data-loss\n"},
    {"up.sh": "#!/bin/sh\nphp artisan migrate:fresh --force\n"},
    {"src/Startup.cs": "  db.Database.EnsureCreated();\n"},
)
GOOD = (
    {"db/flyway.conf": "flyway.validateOnMigrate=true\nflyway.outOfOrder=false\n# flyway.validateOnMigrate=false\n"},
    {"db/changelog.xml": '<databaseChangeLog>\n<changeSet id="1" author="a" failOnError="true" runOnChange="true">\n'},
    {"build/build.xml": '<project>\n<copy failOnError="false"/>\n', "conf/x.yml": "outOfOrder: true\n"},
    {"db/run.sh": "#!/bin/sh\nliquibase update\nliquibase status\n", "up.sh": "#!/bin/sh\nrails db:migrate\n"},
    {"up.sh": "#!/bin/sh\npython manage.py migrate --fake-initial\nalembic upgrade head\n# alembic stamp head\n"},
    {"tests/run.sh": "#!/bin/sh\nphp artisan migrate:fresh\n", "README.md": "Run liquibase release-locks\n"},
)
