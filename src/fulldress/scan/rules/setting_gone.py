"""A setting, an option or an interface is used that a newer version of the server no longer knows.

## What it does
Knows settings that well-known servers have removed: PostgreSQL, MySQL, PHP, nginx, Apache httpd, OpenSSH, Dovecot, Redis,
options of the JVM, beta interfaces of Kubernetes; with the version that took them away. Where the inventory knows the
server's version, an older one is no finding, and a newer one is `high`; else it is `medium`.

## Why it matters
Most servers refuse to start with a setting that they do not know; they were running when the file was laid down, so it
shows at the next restart only.

## Example
```
wal_keep_segments = 64        # PostgreSQL 13 and later do not start
```

## Fix
Write what took its place, for the version that runs here.

## References
- PostgreSQL: Release notes, Migration; OpenJDK: JEP 363, JEP 486; Kubernetes: Deprecated API Migration Guide
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.reading import is_comment, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table

META = RuleMeta(
    slug="setting-gone",
    family="configuration",
    title="Setting that newer versions do not know",
    severity="medium",
    confidence="likely",
)
_NAMES = (
    *(
        "postgres",
        "pgsql",
        "conf.d/",
        "recovery",
        ".auto.conf",
        ".cnf",
        "my.ini",
        "mysql",
        "mariadb",
        "apache",
        "httpd",
        "sites-",
        "vhost",
    ),
    *("htaccess", "sshd_config", "php", ".user.ini", "nginx", "dovecot", "redis"),
)
"""One of these is in the place of every file whose settings are known here."""
_SWITCHES = (".vmoptions", ".options", ".service", ".env", ".properties")
_MANIFESTS = (".yaml", ".yml", ".tpl")


_WORDS = (
    *(
        "_segments",
        "max_fsm",
        "with_oids",
        "precedence_warning",
        "cleanup_age",
        "parallel_mode",
        "temp_directory",
        "trigger_file",
    ),
    *(
        "standby_mode",
        "snapshot_threshold",
        "user_namespace",
        "query_cache",
        "innodb_file_f",
        "innodb_large",
        "innodb_locks_u",
    ),
    *(
        "log_warnings",
        "old_passwords",
        "secure_auth",
        "secure-auth",
        "tx_isolation",
        "sync_frm",
        "master_info",
        "default_auth",
    ),
    *(
        "no_auto_create",
        "order allow",
        "order deny",
        "sslmutex",
        "acceptmutex",
        "virtualhost",
        "lockfile",
        "privilegesep",
        "rsaauth",
        "keyregen",
    ),
    *(
        "serverkeybits",
        "protocol ",
        "ssl on",
        "spdy_",
        "magic_quotes",
        "register_globals",
        "safe_mode",
        "asp_tags",
        "track_errors",
    ),
    *("func_overload", "mcrypt", "ssl_protocols", "vm-enabled", "-xx:", "-djava.", "v1beta", "v2beta", "v1alpha"),
)
"""One of these is in every line that may hold one, in lower case."""


class _Gone(NamedTuple):
    files: re.Pattern[str]
    line: re.Pattern[str]
    product: str
    since: tuple[int, ...]
    installed: re.Pattern[str]
    """Names of packages whose version tells; of databases by their engine."""
    instead: str
    stops: bool = True


_PG = late(r"(?i)postgres[^!]*\.conf|pgsql[^!]*\.conf|(^|[!/])conf\.d/[^/]+\.conf$|recovery[^/]*\.conf$|\.auto\.conf$")
_MY = late(r"(?i)\.cnf$|(^|[!/])my\.ini$|(mysql|mariadb)[^!]*\.(conf|ini)$")
_HTTPD = late(
    r"(?i)(apache|httpd)[^!]*\.conf|(^|[!/])(sites-(available|enabled)|vhosts?(\.d)?)/[^/]+$|\.htaccess$|vhost[^/]*\.conf$"
)
_SSHD = late(r"(?i)sshd_config")
_PHP = late(r"(?i)php[^!]*\.ini$|(^|[!/])php[^!]*\.conf$|\.user\.ini$")
_NGINX = late(r"(?i)nginx[^!]*")
_JVM = late(r"(?i)\.(sh|bash|conf|service|env|options|vmoptions|properties|bat|cmd|ya?ml|xml|cfg|ini)$|(^|[!/])[^/.]+$")
_YAML = late(r"\.(ya?ml|json|tpl)$")
_PG_NAMES = late(r"^postgresql(-server)?(-?\d+)?$")
_MY_NAMES = late(r"^(mysql|mysql-community)-server")
_JAVA = late(r"^$")


def _pg(since: int, names: str, instead: str) -> _Gone:
    return _Gone(_PG, late(rf"^\s*(?:{names})\b\s*[=\s]"), "PostgreSQL", (since,), _PG_NAMES, instead)


def _my(since: tuple[int, ...], names: str, instead: str) -> _Gone:
    return _Gone(_MY, late(rf"(?i)^\s*(?:{names})\b"), "MySQL", since, _MY_NAMES, instead)


def _jvm(since: int, option: str, instead: str, *, stops: bool = True) -> _Gone:
    return _Gone(_JVM, late(option), "Java", (since,), _JAVA, instead, stops)


TABLE = (
    _pg(13, "wal_keep_segments", "wal_keep_size"),
    _pg(10, "checkpoint_segments|max_fsm_pages|max_fsm_relations", "max_wal_size; the others have no successor"),
    _pg(12, "default_with_oids|standby_mode|trigger_file", "standby.signal; OIDs of rows are gone"),
    _pg(14, "operator_precedence_warning", "nothing: take it out"),
    _pg(15, "stats_temp_directory", "nothing: take it out"),
    _pg(16, "vacuum_defer_cleanup_age|force_parallel_mode|promote_trigger_file", "hot_standby_feedback, pg_promote()"),
    _pg(17, "old_snapshot_threshold|db_user_namespace", "nothing: take it out"),
    _my((8, 0), r"query_cache_\w+|innodb_file_format\w*|innodb_large_prefix|log_warnings|old_passwords"
        r"|secure[_-]auth|tx_isolation"
        r"|sync_frm|innodb_locks_unsafe_for_binlog"
            r"|sql[_-]mode\s*=.*NO_AUTO_CREATE_USER", "transaction_isolation, log_error_verbosity"),
    _my((8, 4), r"master_info_repository|default_authentication_plugin", "authentication_policy"),
    _Gone(_HTTPD, late(r"^\s*Order\s+(?i:allow|deny)"), "Apache httpd", (2, 4), late(r"^(apache2|httpd)$"),
          "Require (or mod_access_compat, where it is loaded)", stops=False),
    _Gone(_HTTPD, late(r"^\s*(?:SSLMutex|LockFile|AcceptMutex"
        r"|NameVirtualHost)\b"), "Apache httpd", (2, 4), late(r"^(apache2|httpd)$"),
          "Mutex; NameVirtualHost has no successor"),
    _Gone(_SSHD, late(r"^\s*(?:UsePrivilegeSeparation|RSAAuthentication|RhostsRSAAuthentication"
        r"|KeyRegenerationInterval|ServerKeyBits"
                      r"|Protocol\s+[12])\b"), "OpenSSH", (7, 6), late(r"^openssh-server$"),
                          "nothing: take it out", stops=False),
    _Gone(_PHP, late(r"(?i)\b(?:magic_quotes_gpc|register_globals|safe_mode|asp_tags|track_errors"
        r"|mbstring\.func_overload|mcrypt\.\w+)\b"),
          "PHP", (8,), late(r"^php\d?(\.\d)?(-fpm|-cli)?$"), "nothing: the program must do without", stops=False),
    _Gone(_NGINX, late(r"^\s*(?:ssl\s+on\s*;|spdy_\w+\s)"), "nginx", (1, 25), late(r"^nginx"), "listen ... ssl"),
    _Gone(late(r"(?i)dovecot[^!]*\.conf"), late(r"^\s*ssl_protocols\b"), "Dovecot", (2, 3), late(r"^dovecot-core$"),
        "ssl_min_protocol"),
    _Gone(late(r"(?i)redis[^!]*\.conf"), late(r"^\s*vm-enabled\b"), "Redis", (2, 6), late(r"^redis(-server)?$"),
        "nothing: take it out"),
    _jvm(17, r"-XX:(?:Max)?PermSize", "MaxMetaspaceSize"),
    _jvm(14, r"-XX:\+(?:UseConcMarkSweepGC|UseParNewGC|CMS\w*)", "G1, which is the default"),
    _jvm(9, r"-XX:\+(?:PrintGCDateStamps|UseGCLogFileRotation|PrintGCDetails)|-Djava\.(?:endorsed"
        r"|ext)\.dirs", "-Xlog:gc*; modules"),
    _jvm(13, r"-XX:\+AggressiveOpts", "nothing: take it out"),
    _jvm(24, r"-Djava\.security\.manager\b(?!=disallow)", "nothing: the program must do without"),
    _Gone(_YAML, late(r"^[\"']?apiVersion[\"']?:\s*[\"']?(?!flowcontrol)[\w.]+/v\d(?:alpha"
        r"|beta)\d"), "Kubernetes", (1, 26), late(r"^kube(let|ctl|adm)$"),
          "the v1 of the same interface"),
)  # fmt: skip
"""The first line that fits tells. ``installed`` of Java is asked of the runtimes instead."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    told: set[tuple[str, str]] = set()
    for entry, number, line in _lines(context):
        gone = next((g for g in TABLE if g.files.search(entry.place) and g.line.search(line)), None)
        if gone is None or (entry.place, gone.instead) in told:
            continue
        known = _runs(context, gone)
        if known is not None and known < gone.since:
            continue
        told.add((entry.place, gone.instead))
        yield _finding(entry.place, number, line, gone, known)


def _lines(context: Context) -> Iterator[tuple[Entry, int, str]]:
    """Lines of settings, of units and of scripts that may hold one."""
    for entry in settings_table.settings_files(context):
        place = entry.place
        if place.endswith(_MANIFESTS) or any(name in place for name in _NAMES):
            text = context.text(entry) or ""
            if not text.startswith("#!"):
                yield from _saying(entry, text)
        elif place.endswith(_SWITCHES) and "-XX:" in (text := context.text(entry) or ""):
            yield from _saying(entry, text)
    for script in scripts(context):
        says = "-XX:" in script.text or "-Djava." in script.text
        if says and role(context, script.entry.place) != "library":
            yield from _saying(script.entry, script.text)


_ONLY_IF, _END_IF = late(r"(?i)^\s*<If(?:Module|Version|Define)\b"), late(r"(?i)^\s*</If(?:Module|Version|Define)\b")
"""A section of Apache httpd that asks for the version, or for what it can: there the old words may stand."""


def _saying(entry: Entry, text: str) -> Iterator[tuple[Entry, int, str]]:
    lower = text.lower()
    said = [word for word in _WORDS if word in lower]
    inside = 0
    for number, line in enumerate(text.split("\n"), 1) if said else ():
        inside += len(_ONLY_IF.findall(line)) - len(_END_IF.findall(line))
        if inside <= 0 and not is_comment(line) and any(word in line.lower() for word in said):
            yield entry, number, line


def _finding(place: str, number: int, line: str, gone: _Gone, known: tuple[int, ...] | None) -> Finding:
    version = ".".join(map(str, gone.since))
    severity: Severity = "medium" if known is None or not gone.stops else "high"
    runs = f"{'.'.join(map(str, known))} runs here" if known is not None else "which version runs here is not known"
    return Finding(
        rule=META.slug,
        severity=severity if gone.stops else "low",
        confidence=META.confidence,
        title=f"{place.rpartition('/')[2]} has a setting that {gone.product} does not know since {version}",
        place=place,
        line=number,
        excerpt=secrets.hidden(line.strip())[:200],
        consequence=("It does not start with it; " if gone.stops else "It is ignored, or warned of; ") + f"{runs}.",
        fix=f"Write what took its place: {gone.instead}.",
    )


def _runs(context: Context, gone: _Gone) -> tuple[int, ...] | None:
    """The version that runs on the estate's hosts, the oldest of several; None when nobody knows."""
    found: list[tuple[int, ...]] = []
    for host in context.estate.hosts if context.estate is not None else ():
        texts = [p.version for p in host.packages if gone.installed.search(p.name)]
        if gone.product == "Java":
            texts = [v for k, v in host.runtimes.items() if k == "java"]
        if gone.product == "PostgreSQL":
            texts += [d.server_version for d in host.databases if d.engine == "postgresql"]
        found += [v for t in texts if (v := _version(t))]
    return min(found) if found else None


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"(?:\d+:)?(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part) if match is not None else ()


BAD = (
    {"etc/postgresql/15/main/conf.d/x.conf": "wal_keep_segments = 64\n"},
    {"conf/my.cnf": "[mysqld]\nquery_cache_size = 64M\n"},
    {"apache2/sites-available/x.conf": "<Directory /a>\n    Order allow,deny\n</Directory>\n"},
    {"bin/setenv.sh": 'JAVA_OPTS="-Xmx2g -XX:MaxPermSize=256m"\n'},
    {"k8s/a.yaml": "apiVersion: extensions/v1beta1\nkind: Ingress\n"},
    {"nginx/x.conf": "server {\n  ssl on;\n}\n", "etc/ssh/sshd_config": "UsePrivilegeSeparation yes\n"},
    {"php/php.ini": "register_globals = On\n"},
)
GOOD = (
    {
        "web/.htaccess": "<IfModule mod_authz_core.c>\nRequire all denied\n</IfModule>\n"
        "<IfModule !mod_authz_core.c>\nOrder allow,deny\nDeny from all\n</IfModule>\n"
    },
    {"etc/postgresql/15/main/conf.d/x.conf": "# wal_keep_segments = 64\nwal_keep_size = 1GB\n"},
    {"conf/my.cnf": "[mysqld]\ninnodb_buffer_pool_size = 1G\n", "conf/app.ini": "log_warnings = 1\n"},
    {"bin/setenv.sh": 'JAVA_OPTS="-Xmx2g -XX:+UseG1GC"\n', "k8s/a.yaml": "apiVersion: apps/v1\nkind: Deployment\n"},
    {
        "apache2/x.conf": "Require all granted\n",
        "docs/apache2.conf": "Order allow,deny\n",
        "examples/my.cnf": "log_warnings=1\n",
    },
)
