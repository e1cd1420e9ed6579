"""A setting of a service lets in whoever comes, or shows what nobody should see.

## What it does
Knows single settings of frameworks and services: debug pages and any host name (Django, ASP.NET), cookies over plain HTTP,
code from addresses (PHP), AJP without a secret, JMX without a login, every actuator endpoint, Redis without protection,
supervisord's and rsync's doors, `trust` for the network in `pg_hba.conf`, durability switched off in PostgreSQL, databases
of Terraform that the internet reaches, that keep no backup or snapshot, buckets and clusters that go with all that is
in them,
changes that do not wait for the window; forms without a token and messages as pickles (Python), every statement in the
log. Tests, examples and libraries do not count.

## Why it matters
It is one line, it works in every test, and on the day it stands open: a debug page shows the settings, a JMX port runs code.

## Example
```
DEBUG=True
management.endpoints.web.exposure.include=*
```

## Fix
Write the safe value into the configuration that goes live; ask the vendor why it was otherwise.

## References
- CWE-489 Active Debug Code; CWE-306 Missing Authentication; CWE-1327 Binding to an Unrestricted IP Address
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, above, anywhere

META = RuleMeta(
    slug="unsafe-setting",
    family="configuration",
    title="Setting that leaves a service open",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(r"^\s{0,8}(export\s|Environment=)?(DJANGO_)?DEBUG\s{0,4}[=:]\s{0,4}[\"']?([Tt]rue|1|on|yes)\b"),
    Pattern(r"\bALLOWED_HOSTS\s{0,4}=\s{0,4}[\[(]?\s{0,4}[\"']?\*|\bCORS_(ALLOW_ALL_ORIGINS|ORIGIN_ALLOW_ALL)\s{0,4}="),
    Pattern(
        r"\b(SESSION|CSRF)_COOKIE_SECURE\s{0,4}=|\ballow_url_include\b|<compilation\s[^>\n]{0,200}debug=|<customErrors\s"
    ),
    Pattern(r"\bsecretRequired=|jmxremote\.authenticate=false|exposure\.include|\bprotected-mode[\s\"']{1,4}no\b"),
    Pattern(r"^\s{0,8}port\s{0,4}=\s{0,4}(\*|0\.0\.0\.0)?:\d|^\s{0,8}hosts allow\s{0,4}=\s{0,4}(\*|0\.0\.0\.0)"),
    Pattern(r"^\s{0,4}host(ssl|nossl)?\s{1,20}\S{1,60}\s{1,20}\S{1,60}\s{1,20}(0\.0\.0\.0/0|::/0|all)\s{1,20}trust\b"),
    Pattern(r"^\s{0,4}(fsync|full_page_writes)\s{0,4}=\s{0,4}'?off"),
    Pattern(
        r"^\s{0,20}(publicly_accessible|skip_final_snapshot)\s{0,20}=\s{0,4}true|cidr_blocks\s{0,20}=\s{0,4}\[\s{0,4}\""
    ),
)
_SETTINGS_PY = late(
    r"(?i)(^|[!/])settings/[^/]+\.py$|(^|[!/])[^/]*(settings|prod(uction)?|config)[^/]*\.py$|(^|[!/])\.env[^/]*$|\.env$"
)
_WRITE = "Write the safe value into what goes live; ask the vendor why it was otherwise."
_DEBUG = "A failing request shows settings, paths and pieces of the program to whoever made it."
_PUBLIC = late(r"^\s*(?:from_port|to_port)\s*=\s*(?:80|443)\s*$")


def _inwards(lines: Sequence[str], number: int) -> bool:
    """A rule for what comes in, and not for a web server's port."""
    block = lines[max(0, number - 9) : number + 5]
    return any("ingress" in line for line in block) and not any(_PUBLIC.match(line) for line in block)


ROWS = (
    Row(
        _SETTINGS_PY,
        late(r"^\s*(?:export\s|Environment=)?(?:DJANGO_)?DEBUG\s*[=:]\s*[\"']?(?:[Tt]rue|1|on|yes)\b"),
        "medium",
        "switches debugging on",
        _DEBUG,
        _WRITE,
    ),
    Row(
        _SETTINGS_PY,
        late(r"\bALLOWED_HOSTS\s*=\s*[\[(]?\s*[\"']?\*"),
        "low",
        "accepts any host name",
        "Links in mails and caches can be made to lead elsewhere.",
        _WRITE,
    ),
    Row(
        _SETTINGS_PY,
        late(r"\bCORS_(?:ALLOW_ALL_ORIGINS|ORIGIN_ALLOW_ALL)\s*=\s*True"),
        "low",
        "lets every origin ask",
        "Any site that a user looks at may read answers meant for him.",
        _WRITE,
    ),
    Row(
        _SETTINGS_PY,
        late(r"\b(?:SESSION|CSRF)_COOKIE_SECURE\s*=\s*(?:False|0)"),
        "medium",
        "sends cookies over plain HTTP",
        "Who is on the way takes over a session.",
        _WRITE,
    ),
    Row(
        late(r"\.(conf|ini|htaccess)$|(^|[!/])\.(htaccess|user\.ini)$"),
        late(r"\ballow_url_include[\s=\"]+(?:On|1)\b"),
        "high",
        "lets PHP run code from addresses",
        "One unchecked parameter runs anybody's program.",
        "Take it out: allow_url_include is Off since PHP 5.2, and gone in later versions.",
    ),
    Row(
        late(r"(?i)(^|[!/])web(\.[\w-]+)?\.config$"),
        late(r"(?i)<compilation\s[^>]*debug=\"true\"|<customErrors\s[^>]*mode=\"Off\""),
        "medium",
        "switches debugging on",
        _DEBUG,
        _WRITE,
    ),
    Row(
        late(r"\.xml$"),
        late(r"\bsecretRequired=\"false\""),
        "medium",
        "takes AJP requests without a secret",
        "Whoever reaches the port speaks as the web server, with any user name (CVE-2020-1938).",
        "Bind it to the loopback address and set a secret, or take the connector out.",
        anywhere(r"AJP/"),
    ),
    Row(
        late(r"\.(sh|bash|conf|service|env|bat|cmd|properties|ya?ml|in|vmoptions|options)$|(^|[!/])[^/.]+$"),
        late(r"jmxremote\.authenticate=false"),
        "high",
        "opens JMX without a login",
        "Whoever reaches the port runs code as the service.",
        "Switch authentication and TLS on, or bind it to the loopback address.",
    ),
    Row(
        late(r"\.(properties|ya?ml|env)$"),
        late(r"exposure\.include\s*[=:]\s*[\"']?\*"),
        "medium",
        "exposes every actuator endpoint",
        "Heap dumps and environment, secrets included, for whoever asks.",
        "Expose health and info only, on a port of its own.",
    ),
    Row(
        late(r"\.(conf|ya?ml|sh|service|cnf)$|ockerfile"),
        late(r"\bprotected-mode[\s\"']+no\b"),
        "medium",
        "switches Redis' protection off",
        "Without a password anybody who reaches the port writes files on the host.",
        "Leave it on; set a password and bind it to the network that needs it.",
    ),
    Row(
        late(r"(?i)supervis[^/]*\.(conf|ini)$"),
        late(r"^\s*port\s*=\s*(?:\*|0\.0\.0\.0)?:\d"),
        "medium",
        "opens supervisord's control to the network",
        "Whoever gets in starts and stops programs, often as root.",
        "Use the Unix socket, or bind it to the loopback address.",
        above(r"\[inet_http_server\]", 8),
    ),
    Row(
        late(r"(?i)rsyncd[^/]*\.conf$"),
        late(r"^\s*hosts allow\s*=\s*(?:\*|0\.0\.0\.0)"),
        "medium",
        "lets every host in over rsync",
        "Files are read, or written, by whoever comes.",
        "Name the hosts that may.",
    ),
    Row(
        late(r"pg_hba[^/]*"),
        late(r"\strust\b"),
        "high",
        "trusts the whole network",
        "Whoever reaches the port is any user of the database, without a password.",
        "Use scram-sha-256 and the networks that need it.",
    ),
    Row(
        late(r"postgresql[^/]*\.conf|\.auto\.conf$|conf\.d/[^/]*\.conf$"),
        late(r"^\s*(?:fsync|full_page_writes)\s*=\s*'?off"),
        "high",
        "lets a power cut destroy the database",
        "After a crash the cluster may not start, or have wrong rows.",
        "Leave it on.",
    ),
    Row(
        late(r"\.tf$"),
        late(r"^\s*publicly_accessible\s*=\s*true"),
        "medium",
        "makes a database reachable from the internet",
        "Only its password is left between everybody and the data.",
        _WRITE,
    ),
    Row(
        late(r"\.tf$"),
        late(r"^\s*skip_final_snapshot\s*=\s*true"),
        "medium",
        "leaves no snapshot of a database that is destroyed",
        "A replacement that was not meant so takes the data with it.",
        "Set a final_snapshot_identifier, and prevent_destroy.",
    ),
    Row(
        late(r"\.tf$"),
        late(r"cidr_blocks\s*=\s*\[\s*\"(?:0\.0\.0\.0/0|::/0)\""),
        "medium",
        "opens a port to the world",
        "Whoever scans the internet finds it.",
        "Name the networks that need it.",
        _inwards,
    ),
)
BY_NAME = (
    Row(
        late(r"\.tf$"),
        late(
            r"^\s*(?:force_destroy|delete_automated_backups)\s*=\s*true|^\s*(?:deletion_protection|prevent_destroy)\s*=\s*false"
        ),
        "medium",
        "lets a store go with all that is in it",
        "One plan that replaces it, read in haste, and the data is gone.",
        "Leave it protected; take the protection away by hand on the day that it must go.",
    ),
    Row(
        late(r"\.tf$"),
        late(r"^\s*backup_retention_period\s*=\s*0\b|^\s*point_in_time_recovery_enabled\s*=\s*false"),
        "medium",
        "keeps no backup of a database",
        "There is no way back to the state before the upgrade.",
        "Keep at least as many days as a wrong row stays unnoticed.",
    ),
    Row(
        late(r"\.tf$"),
        late(r"^\s*(?:apply_immediately|allow_major_version_upgrade)\s*=\s*true"),
        "low",
        "changes a database at once, not in its window",
        "It restarts when somebody applies the plan, while people work.",
        "Leave it to the maintenance window.",
    ),
    Row(
        late(r"\.tf$"),
        late(r"^\s*storage_encrypted\s*=\s*false"),
        "low",
        "stores a database without encryption",
        "It cannot be switched on later without a copy.",
        _WRITE,
    ),
    Row(
        _SETTINGS_PY,
        late(r"\b\w*CSRF\w*\s*=\s*False\b(?<!SECURE = False)(?<!HTTPONLY = False)"),
        "medium",
        "takes forms without a token",
        "Any page that a user looks at can act in his name.",
        _WRITE,
    ),
    Row(
        late(r"\.py$|\.env$|\.ya?ml$"),
        late(r"(?i)\b(?:accept_content|task_serializer|result_serializer|session_serializer)\s*=.*pickle"),
        "medium",
        "takes messages that are programs (pickle)",
        "Who can write to the broker or to a cookie runs code as the service.",
        "Use JSON.",
    ),
    Row(
        late(r"(?i)postgres[^!]*\.conf$|conf\.d/[^/]*\.conf$|\.auto\.conf$"),
        late(r"^\s*log_statement\s*=\s*'?(?:all|mod)\b"),
        "low",
        "writes every statement into the log",
        "Personal data and passwords lie in the log, which fills the disk.",
        "Leave it at ddl or none, and sample slow statements instead.",
    ),
    Row(
        late(r"(?i)postgres[^!]*\.conf$|conf\.d/[^/]*\.conf$|\.auto\.conf$"),
        late(r"^\s*password_encryption\s*=\s*'?(?:md5|off|on)\b"),
        "low",
        "keeps passwords as MD5",
        "Passwords that are set from now on can be guessed from a dump.",
        "Leave scram-sha-256.",
    ),
)
"""Of files that are read whole: they are few, and known by their names."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)
    yield from settings_table.named(context, META, (".tf", "postgres", "conf.d/", ".env", "celery"), BY_NAME)
    programs = [
        e for e in context.ending("config.py", "settings.py", "celery.py", "prod.py", "production.py") if e.kind == "file"
    ]
    yield from settings_table.read_whole(context, META, programs, BY_NAME)


BAD = (
    {".env.production": "DEBUG=True\nALLOWED_HOSTS=*\n"},
    {"app/settings/prod.py": "SESSION_COOKIE_SECURE = False\nCORS_ALLOW_ALL_ORIGINS = True\n"},
    {"apache/a.conf": "php_admin_value allow_url_include On\n"},
    {"site/web.config": '<compilation debug="true" targetFramework="4.8" />\n'},
    {"conf/server.xml": '<Connector port="8009" protocol="AJP/1.3" secretRequired="false"/>\n'},
    {"bin/setenv.sh": 'O="-Dcom.sun.management.jmxremote.port=9010 -Dcom.sun.management.jmxremote.authenticate=false"\n'},
    {"conf/application.properties": "management.endpoints.web.exposure.include=*\n"},
    {"etc/redis.conf": "protected-mode no\n", "etc/supervisord.conf": "[inet_http_server]\nport = *:9001\n"},
    {"etc/rsyncd.conf": "[a]\nhosts allow = *\n", "etc/pg_hba.conf": "host all all 0.0.0.0/0 trust\n"},
    {"etc/postgresql.conf": "fsync = off\n"},
    {"tf/main.tf": "publicly_accessible = true\nskip_final_snapshot = true\n"},
    {
        "tf/b.tf": "  force_destroy = true\n",
        "tf/c.tf": "  backup_retention_period = 0\n",
        "tf/d.tf": "  apply_immediately = true\n",
    },
    {"app/settings.py": "WTF_CSRF_ENABLED = False\n", "app/celeryconfig.py": 'accept_content = ["json", "pickle"]\n'},
    {"etc/postgresql/15/main/conf.d/a.conf": "log_statement = 'all'\npassword_encryption = md5\n"},
    {"tf/sg.tf": 'type = "ingress"\nfrom_port = 5432\ncidr_blocks = ["0.0.0.0/0"]\n'},
)
GOOD = (
    {".env.production": "DEBUG=False\n# DEBUG=True\nALLOWED_HOSTS=a.example\n", "x/tool.py": "DEBUG = True\n"},
    {"app/settings/prod.py": "SESSION_COOKIE_SECURE = True\n", "tests/settings.py": "DEBUG = True\n"},
    {".env.example": "DEBUG=True\n", "README.md": "DEBUG=True\n", "site-packages/x/settings.py": "DEBUG = True\n"},
    {"conf/server.xml": '<Connector port="8009" protocol="AJP/1.3" secretRequired="true" secret="x"/>\n'},
    {"conf/application.properties": "management.endpoints.web.exposure.include=health,info\n"},
    {"etc/redis.conf": "protected-mode yes\n", "etc/supervisord.conf": "[inet_http_server]\nport = 127.0.0.1:9001\n"},
    {"etc/pg_hba.conf": "local all postgres trust\nhost all all 10.0.0.0/8 scram-sha-256\n"},
    {"tf/sg.tf": 'type = "ingress"\nfrom_port = 443\nto_port = 443\ncidr_blocks = ["0.0.0.0/0"]\n'},
    {
        "tf/b.tf": "  deletion_protection = true\n  backup_retention_period = 14\n",
        "app/settings.py": "WTF_CSRF_ENABLED = True\n",
    },
    {"tf/out.tf": 'type = "egress"\ncidr_blocks = ["0.0.0.0/0"]\nskip_final_snapshot = false\n'},
)
