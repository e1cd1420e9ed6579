"""A setting is the developers': the program shows its inside, or a browser is told less than it should be.

## What it does
Finds programs that are started as in development (`ASPNETCORE_ENVIRONMENT`, `NODE_ENV`, `RAILS_ENV`, `APP_ENV` ...),
debug switches of Laravel, WordPress, Symfony and PHP (`APP_DEBUG`, `WP_DEBUG`, `display_errors`), cookies without `secure`,
web servers that list a whole tree, and old hashes for passwords. Files that are for developers by their name, tests,
examples and libraries do not count.

## Why it matters
Each error page is then a page of the manual: settings, paths, statements, sometimes the password. It works, so nobody asks.

## Example
```
environment:
  ASPNETCORE_ENVIRONMENT: Development
```

## Fix
Write the value for production; where the program starts differently with it, rehearse that.

## References
- CWE-489 Active Debug Code; CWE-614 Sensitive Cookie Without 'Secure'; CWE-548 Exposure Through Directory Listing
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, above

META = RuleMeta(
    slug="development-setting",
    family="configuration",
    title="Setting of the developers",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(r"<directoryBrowse\s{1,4}enabled=\"true\"|\bcookie\s{0,2}:\s{0,2}\{[^}\n]{0,80}\bsecure\s{0,2}:\s{0,2}false"),
    Pattern(r"\ballow_?[oO]rigins[\"']?\s{0,4}[:=]\s{0,4}\[\s{0,2}[\"']\*"),
    Pattern(
        r"\bconfig\.(force_ssl\s{0,4}=\s{0,4}false|hosts\.clear|log_level\s{0,4}=\s{0,4}:debug)|\bSECURE_SSL_REDIRECT\s{0,4}=\s{0,4}False"
    ),
    Pattern(
        r"\b(debugdisplay\s{0,2}=\s{0,2}[1t]|cronclionly\s{0,2}=\s{0,2}(false|0)|handlerSSL=\"false\")"
        r"|^\s{0,12}Options\s[^\n]{0,60}(\+Indexes|\bAll\b|\sIndexes)"
    ),
    Pattern(r"\bno_token:\s{0,2}true\b|^\s{0,4}sql_mode\s{0,4}=\s{0,4}(\"\"|''|$)|^\s{0,12}Require\s{1,4}all\s{1,4}granted"),
    Pattern(
        r"(?i)\b(ASPNETCORE_ENVIRONMENT|DOTNET_ENVIRONMENT|NODE_ENV|RAILS_ENV|RACK_ENV|FLASK_ENV|APP_ENV|SYMFONY_ENV|CI_ENVIRONMENT)"
        r"[\"']?(\s{0,4}[=:]\s{0,4}|\s{1,4}value=|\s)[\"']?(dev|development|local|test|debug)\b"
    ),
    Pattern(
        r"(?i)^\s{0,20}(export\s{1,4}|-\s|Environment=\"?|ENV\s)?[\"']?(APP_DEBUG|FLASK_DEBUG|WP_DEBUG)[\"']?\s{0,4}[=:]\s{0,4}[\"']?(true|1|on)\b"
    ),
    Pattern(r"(?i)\bdefine\(\s{0,2}['\"]WP_DEBUG(_DISPLAY)?['\"]\s{0,2},\s{0,2}true"),
    Pattern(
        r"(?i)^\s{0,8}(php_(admin_)?(value|flag)(\s|\[))?\s{0,4}display_errors\]?\s{0,4}[= ]\s{0,4}[\"']?(on|1|stdout)\b"
    ),
    Pattern(
        r"\bconsider_all_requests_local\s{0,4}=\s{0,4}true|\bsession\.cookie_(secure|httponly)\s{0,4}=\s{0,4}(0|[Oo]ff|[Ff]alse)"
    ),
    Pattern(r"(?i)\b(cookie[._-]?secure|secure[._-]?cookies?|requireSSL)[\"']?\s{0,4}[=:]\s{0,4}[\"']?(false|0|off|no)\b"),
    Pattern(r"^\s{0,4}password_encryption\s{0,4}=?\s{0,4}'?(md5|off|on)\b|\bautoindex\s{1,4}on\s{0,2};"),
)
_KEYS = late(
    r"\.(toml|ya?ml|json|ini|conf|cfg|properties|env|sh|service|config|xml)$|ockerfile|(^|[!/])\.env[^/]*$|(^|[!/])[^/.]+$"
)
_LIVE_FILES = late(
    r"(?i)(\.(ya?ml|env|sh|service|conf|config|properties)|ockerfile[^/]*|(^|[!/])\.env(\.prod[^/]*)?)$"
    r"(?<!\.local\.env)(?<!\.dev\.env)(?<!\.dev\.yml)(?<!\.dev\.yaml)(?<!\.test\.yml)(?<!\.local\.yml)(?<!override\.yml)"
    r"(?<!\.ci\.yml)(?<!-dev\.yml)(?<!-dev\.yaml)(?<!-local\.yml)(?<!-test\.yml)(?<!\.test\.env)(?<!development\.yml)"
)
_SHOWS = "A failing request shows settings, paths and pieces of the program to whoever made it."
_LIVE = "Write the value for production; where the program starts differently with it, rehearse that."
_COOKIE = "Who is on the way takes over a session."


ROWS = (
    Row(
        _LIVE_FILES,
        late(
            r"(?i)\b(?:ASPNETCORE_ENVIRONMENT|DOTNET_ENVIRONMENT|NODE_ENV|RAILS_ENV|RACK_ENV|FLASK_ENV|APP_ENV|SYMFONY_ENV|CI_ENVIRONMENT)"
            r"[\"']?(?:\s*[=:]\s*|\s+value=|\s)[\"']?(?:dev|development|local|debug)\b(?!\s+(?:npm|yarn|node|npx|bundle|rails|rake)\b)"
        ),
        "medium",
        "starts the program as in development",
        _SHOWS,
        _LIVE,
    ),
    Row(
        _LIVE_FILES,
        late(r"(?i)\b(?:APP_DEBUG|FLASK_DEBUG|WP_DEBUG)[\"']?\s*[=:]\s*[\"']?(?:true|1|on)\b"),
        "medium",
        "switches debugging on",
        _SHOWS,
        _LIVE,
    ),
    Row(
        late(r"\.php$"),
        late(r"(?i)\bdefine\(\s*['\"]WP_DEBUG(?:_DISPLAY)?['\"]\s*,\s*true"),
        "medium",
        "switches debugging on",
        _SHOWS,
        _LIVE,
    ),
    Row(
        late(r"\.(ini|conf|htaccess)$|(^|[!/])\.(htaccess|user\.ini)$"),
        late(r"(?i)\bdisplay_errors\]?\s*[= ]\s*[\"']?(?:on|1|stdout)\b"),
        "medium",
        "shows errors to whoever asks",
        _SHOWS,
        _LIVE,
    ),
    Row(
        late(r"(?i)prod[^/]*\.rb$|application\.rb$"),
        late(r"\bconsider_all_requests_local\s*=\s*true"),
        "medium",
        "shows errors to whoever asks",
        _SHOWS,
        _LIVE,
    ),
    Row(
        late(r"(?i)prod[^/]*\.(rb|py)$|application\.rb$|settings[^/]*\.py$"),
        late(r"\bconfig\.force_ssl\s*=\s*false|\bSECURE_SSL_REDIRECT\s*=\s*False"),
        "medium",
        "lets sessions go over plain HTTP",
        _COOKIE,
        _LIVE,
    ),
    Row(
        late(r"(?i)prod[^/]*\.rb$|application\.rb$"),
        late(r"\bconfig\.hosts\.clear"),
        "low",
        "takes any host name",
        "Links in mails can be made to lead elsewhere.",
        _LIVE,
    ),
    Row(
        late(r"(?i)prod[^/]*\.rb$|application\.rb$"),
        late(r"\bconfig\.log_level\s*=\s*:debug"),
        "low",
        "logs every parameter and statement",
        "What users type stands in the log, and fills the disk.",
        _LIVE,
    ),
    Row(
        late(r"\.php$"),
        late(r"\bdebugdisplay\s*=\s*[1t]"),
        "medium",
        "shows errors to whoever asks",
        _SHOWS,
        _LIVE,
    ),
    Row(
        late(r"\.php$"),
        late(r"\bcronclionly\s*=\s*(?:false|0)"),
        "medium",
        "lets anybody start the jobs by a web page",
        "Whoever asks often enough keeps the server busy, at any hour.",
        _LIVE,
    ),
    Row(
        late(r"(?i)\.config$"),
        late(r"<directoryBrowse\s+enabled=\"true\""),
        "low",
        "lists folders to whoever asks",
        "What lies there by chance, dumps and keys among it, is found and read.",
        "Take directoryBrowse out.",
    ),
    Row(
        late(r"\.(js|ts|mjs|cjs)$"),
        late(r"\bcookie\s*:\s*\{[^}]*\bsecure\s*:\s*false"),
        "low",
        "sends cookies over plain HTTP",
        _COOKIE,
        _LIVE,
    ),
    Row(
        late(r"\.(py|js|ts|ya?ml|json|toml)$"),
        late(r"\ballow_?[oO]rigins[\"']?\s*[:=]\s*\[\s*[\"']\*"),
        "low",
        "lets every site act for the user who looks at it",
        "With the cookie of the user it may read and change what is meant for him.",
        "Name the sites that may.",
        lambda lines, number: any(
            late(r"(?i)allow_?credentials[\"']?\s*[:=]\s*true").search(one) for one in lines[max(0, number - 4) : number + 4]
        ),
    ),
    Row(
        late(r"\.xml$"),
        late(r"\bhandlerSSL=\"false\""),
        "medium",
        "lets sessions go over plain HTTP",
        _COOKIE,
        _LIVE,
    ),
    Row(
        late(r"\.rb$"),
        late(r"\bno_token:\s*true\b"),
        "medium",
        "lets anybody stop and start the server",
        "Who reaches the port controls it.",
        "Give it a token, and bind it to the loopback address.",
    ),
    Row(
        late(r"(?i)\.(cnf|ini)$"),
        late(r"^\s*sql_mode\s*=\s*(?:\"\"|''|)\s*$"),
        "low",
        "takes bad values without an error",
        "Dates and numbers that do not fit are cut to fit, for every application of the server.",
        "Leave the server's default, or set it for the application's sessions only.",
    ),
    Row(
        late(r"(?i)(apache|httpd|sites-|vhost|conf\.d|conf-)[^!]*\.conf$|(^|[!/])\.htaccess$"),
        late(r"^\s*Options\s.*(?:\+Indexes|\bAll\b|\sIndexes)"),
        "low",
        "lists folders to whoever asks",
        "What lies there by chance, dumps and keys among it, is found and read.",
        "Write Options -Indexes.",
    ),
    Row(
        late(r"(?i)(apache|httpd|sites-|vhost|conf\.d|conf-)[^!]*\.conf$"),
        late(r"^\s*Require\s+all\s+granted"),
        "medium",
        "gives every file of a whole tree to whoever asks",
        "What lies below it, settings and backups among it, can be fetched by its name.",
        "Name the one folder that is meant.",
        above(r"<Directory\s+\"?/(?:srv|var|home|opt|etc|mnt|data|usr)?/?\"?\s*>", 4),
    ),
    Row(
        _KEYS,
        late(
            r"(?i)\bsession\.cookie_(?:secure|httponly)\s*=\s*(?:0|off|false)"
            r"|\b(?:cookie[._-]?secure|secure[._-]?cookies?|requireSSL)[\"']?\s*[=:]\s*[\"']?(?:false|0|off|no)\b"
        ),
        "low",
        "sends cookies over plain HTTP",
        _COOKIE,
        _LIVE,
    ),
    Row(
        late(r"(?i)postgres[^!]*\.conf$|\.auto\.conf$"),
        late(r"^\s*password_encryption\s*=?\s*'?(?:md5|off|on)\b"),
        "low",
        "keeps passwords as MD5",
        "A copy of the table is enough to log in; new versions of PostgreSQL take it out.",
        "Use scram-sha-256, and have the passwords set anew.",
    ),
    Row(
        late(r"nginx|\.conf$"),
        late(r"\bautoindex\s+on\s*;"),
        "low",
        "lists a whole tree to whoever asks",
        "What lies there by chance, dumps and keys among it, is found and read.",
        "Name the one folder that is meant, or take autoindex out.",
        above(r"\b(?:alias|root)\s+/(?:srv|var|home|opt|etc|mnt|data|usr|tmp)?(?:/(?:lib|log|www))?/?\s*;", 5),
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"docker-compose.prod.yml": "services:\n  a:\n    environment:\n      ASPNETCORE_ENVIRONMENT: Development\n"},
    {"x.service": "[Service]\nEnvironment=NODE_ENV=development\nExecStart=/usr/bin/node x\n"},
    {".env.production": "APP_ENV=local\n"},
    {".env": "APP_DEBUG=true\n"},
    {"web/wp-config.php": "<?php\ndefine( 'WP_DEBUG', true );\n"},
    {"etc/php/8.2/fpm/conf.d/99-x.ini": "display_errors = On\n"},
    {"etc/php/8.2/fpm/pool.d/x.conf": "[x]\nphp_flag[display_errors] = on\n"},
    {"config/environments/production.rb": "  config.consider_all_requests_local = true\n"},
    {"conf/application.properties": "server.servlet.session.cookie.secure=false\n"},
    {"etc/php/conf.d/x.ini": "session.cookie_secure = 0\n"},
    {"etc/postgresql/postgresql.conf": "password_encryption = md5\n"},
    {"nginx/a.conf": "location /f/ { alias /srv/; autoindex on; }\n"},
    {"iis/web.config": '<directoryBrowse enabled="true" />\n'},
    {"node/server.js": "app.use(session({ cookie: { secure: false } }));\n"},
    {"app/settings.py": 'CORS = {"allow_origins": ["*"], "allow_credentials": True}\n'},
    {"config/environments/production.rb": "  config.force_ssl = false\n"},
    {"config/environments/production.rb": "  config.hosts.clear\n"},
    {"config/environments/production.rb": "  config.log_level = :debug\n"},
    {"moodle/config.php": "<?php\n$CFG->debugdisplay = 1;\n"},
    {"moodle/config.php": "<?php\n$CFG->cronclionly = false;\n"},
    {"sp/shibboleth2.xml": '<Sessions lifetime="28800" handlerSSL="false">\n'},
    {"config/puma.rb": "activate_control_app 'tcp://0.0.0.0:9293', { no_token: true }\n"},
    {"etc/mysql/60-x.cnf": '[mysqld]\nsql_mode = ""\n'},
    {"web/.htaccess": "Options +Indexes\n"},
    {"apache/x.conf": "<Directory /srv>\n  Require all granted\n</Directory>\n"},
)
GOOD = (
    {"app/settings.py": 'CORS = {"allow_origins": ["*"]}\n', "node/a.js": "x({ cookie: { secure: true } });\n"},
    {"config/environments/production.rb": "  config.force_ssl = true\n  config.log_level = :info\n  # config.hosts.clear\n"},
    {"config/environments/development.rb": "  config.force_ssl = false\n  config.hosts.clear\n"},
    {"apache/x.conf": "<Directory /srv/www/x>\n  Options -Indexes\n  Require all granted\n</Directory>\n"},
    {"docker-compose.dev.yml": "services:\n  a:\n    environment:\n      ASPNETCORE_ENVIRONMENT: Development\n"},
    {"x.service": "[Service]\nEnvironment=NODE_ENV=production\n", "package.json": '{"dev": "NODE_ENV=development vite"}\n'},
    {".env": "APP_DEBUG=false\nAPP_ENV=production\n", ".env.example": "APP_DEBUG=true\n", "README.md": "APP_DEBUG=true\n"},
    {"web/wp-config.php": "<?php\ndefine('WP_DEBUG', false);\n", "x.ini": "display_errors = Off\n; display_errors = On\n"},
    {"conf/application.properties": "server.servlet.session.cookie.secure=true\n", "tests/.env": "APP_DEBUG=true\n"},
    {"etc/postgresql/postgresql.conf": "#password_encryption = md5\npassword_encryption = scram-sha-256\n"},
    {"nginx/a.conf": "location /pub/ {\n  alias /srv/www/pub/;\n  autoindex on;\n}\n"},
)
