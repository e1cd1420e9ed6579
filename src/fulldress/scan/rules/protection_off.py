"""A settings file switches a protection off, whatever the program: told by the meaning of the key and its value.

## What it does
Reads `key = value`, `key: value`, `key value` and `"key": value` of settings files of every kind and knows what a key
means by
its words: checks of certificates, peers and host names that are off, what everybody may do without a login, protections
(CSRF, signatures, audit, locking after failed logins, encryption) that are disabled, writes that are not flushed to disk,
files that everybody may write, core dumps, networks that are "everybody", retries without end. Defaults of libraries,
examples and tests do not count; what another rule knows by its product is left to it.

## Why it matters
It is one word among a hundred lines, and it works in every test. The product's own documentation calls it a convenience.

## Example
```
csrf_protection: off
```

## Fix
Write the safe value into what goes live; ask the vendor why it was otherwise.

## References
- CWE-1188 Initialization of a Resource with an Insecure Default; CWE-693 Protection Mechanism Failure
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table

META = RuleMeta(
    slug="protection-off",
    family="configuration",
    title="Protection that a setting switches off",
    severity="medium",
    confidence="likely",
    yields_to=(
        "tls-off",
        "tls-setting-weak",
        "connection-unencrypted",
        "service-stands-open",
        "login-not-asked",
        "rights-too-wide",
        "unsafe-setting",
        "acknowledged-data-lost",
        "development-setting",
        "host-setting-weak",
    ),
)
_OFF = r"(?:false|no|off|none|never|disabled?|0)"
_ON = r"(?:true|yes|on|all|always|enabled?|1)"
_PAIR = late(
    r"""(?<![\w.$@-])(?P<key>[A-Za-z][\w.-]{1,80})["']?\]?\s{0,20}(?:=>|[:=>]|\s)\s{0,20}["']?(?P<value>[A-Za-z0-9][\w.-]{0,20})["']?(?=\s*(?:[,;}<#\])]|$|[A-Za-z_]))"""
)
_SHORT = late(
    r"""(?<![\w.$@-])(?P<key>[A-Za-z][\w.-]{1,80})["']?\]?\s{0,20}(?:=>|[:=>]|\s)\s{0,20}["']?(?P<value>[\w.-]{1,20})["']?\s*[,;}<#\])]?"""
)


_WORDS = (
    *(
        "verif",
        "valid",
        "reqcert",
        "insecure",
        "_ssl",
        "_tls",
        "self_sign",
        "selfsign",
        "anonymous",
        "guest",
        "csrf",
        "xsrf",
        "audit",
    ),
    *(
        "lockout",
        "signature",
        "integrity",
        "encryption",
        "rate_limit",
        "protection",
        "fsync",
        "full_page",
        "flush_log",
        "sync_binlog",
    ),
    *(
        "journal",
        "persisten",
        "durable",
        "disable_",
        "disable.",
        "permit_root",
        "/0",
        "infile",
        "console",
        "admin",
        "swagger",
        "graphiql",
        "jolokia",
        "umask",
        "066",
        "077",
        "suid_dump",
    ),
)
"""One of these is in every line that switches something off."""
_VALUES = (
    *("false", "no", "off", "none", "never", "disable", "disabled", "0", "2", "allow", "optional_no_ca"),
    *("true", "yes", "on", "all", "always", "enable", "enabled", "1"),
)
_ENDS = tuple(before + word for before in " =:>\"'\t" for word in _VALUES)


class _Kind(NamedTuple):
    key: re.Pattern[str]
    value: re.Pattern[str]
    severity: Severity
    title: str
    consequence: str


_WAY = "Anyone on the way reads and changes what is sent, the credential included."
KINDS = (
    _Kind(
        late(
            r"(?i)(?:(?:ssl|tls|https?|ldaps?|peer|server|proxy|cert\w*|host(?:name)?|broker|upstream|ca)[\w.:-]*(?:verif|validat|reqcert|check)"
            r"|(?:verif|validat|check|require|req)\w*[._:-]?(?:ssl|tls|peer|server|cert\w*|host(?:name)?|ca)(?!\w*depth))"
        ),
        late(rf"(?i)^(?:{_OFF}|allow|optional_no_ca)$"),
        "medium",
        "checks no certificate",
        _WAY,
    ),
    _Kind(
        late(
            r"(?i)(?:insecure|skip|ignore|disable|trust_?all|accept_?all|untrusted|self_?signed)[\w.:-]*(?:ssl|tls|cert|verif|host)"
            r"|(?:ssl|tls|cert\w*|https?)[\w.:-]*(?:insecure|self_?signed|trust_?all|accept_?all|untrusted)"
        ),
        late(rf"(?i)^{_ON}$"),
        "medium",
        "checks no certificate",
        _WAY,
    ),
    _Kind(
        late(
            r"(?i)(?:^|[._:-])(?:(?:allow|enable|permit)[._-]?)?(?:anonymous|guest)(?:[._-]?(?:access|login|enabled?|auth\w*|read|write|users?|bind"
            r"|publish|upload))*$|^permit_?(?:root|empty)\w*$"
            r"|(?:^|[._:-])(?:disable[._-]?(?:auth\w*|security|acls?|checks?)|auth\w*[._-]?disabled|security[._-]?disabled)$"
        ),
        late(rf"(?i)^{_ON}$"),
        "medium",
        "lets in whoever comes",
        "Nobody is asked for a password; who did what cannot be told afterwards.",
    ),
    _Kind(
        late(
            r"(?i)(?:^|[._:-])\w*(?:csrf|xsrf|xss|audit(?:ing|_?log\w*)?|lockout|signature|integrity|encryption|rate_?limit\w*|throttling|protection"
            r"|verify_?signatures?|antivirus)(?:[._-]?(?:enabled?|check\w*|protect\w*|verif\w*|validat\w*|mode|required|filter))*$"
        ),
        late(rf"(?i)^(?:{_OFF})$"),
        "medium",
        "switches a protection of the product off",
        "It was built because somebody needed it; without it the first who tries gets through.",
    ),
    _Kind(
        late(
            r"(?i)(?:^|[._:-])(?:fsync|full_page_writes|innodb_flush_log_at_trx_commit|sync_binlog|appendfsync|(?:no)?journal(?:[._-]?enabled)?"
            r"|persist(?:ence|ent)?(?:[._-]?enabled)?|durable)$"
        ),
        late(rf"(?i)^(?:{_OFF}|2)$"),
        "medium",
        "does not write to disk what it confirmed",
        "A power cut or a crash loses what users were told is saved.",
    ),
    _Kind(
        late(
            r"(?i)(?:^|[._-])(?:admin(?:[._-]?(?:ui|console|page|interface|api))?|h2[._-]?console|(?:web|debug)[._-]?console|debug[._-]?"
            r"(?:toolbar|endpoint|page)s?|swagger(?:[._-]?ui)?|graphiql|jolokia)[._-]?enabled?$|^local[_-]infile$"
        ),
        late(rf"(?i)^{_ON}$"),
        "low",
        "opens a page or a way in that production does not need",
        "Who finds it sees, or changes, what is the administrators' affair.",
    ),
    _Kind(
        late(
            r"(?i)(?:^|[._:-])(?:nojournal|unclean\.leader\.election\.enable|fs\.suid_dumpable|core_?dumps?(?:[._-]?enabled)?)$"
        ),
        late(rf"(?i)^(?:{_ON}|2)$"),
        "low",
        "gives up safety for speed or debugging",
        "Data may be lost, or memory with its secrets lies in a file.",
    ),
)
_EVERYBODY = late(
    r"(?i)(?:^|[\s\"'_.-])(?:allow\w*|permit\w*|trust\w*|accept\w*|\w*networks?|sources?\w*|acl|r[ow]community6?|from|mynetworks)\b.*[\s\"'=\[,](?:0\.0\.0\.0/0|::/0)(?![\d.])"
)
_MODES = late(
    r"(?i)^\s*(?:create\s+|[dDfF]\+?!?\s+/\S+\s+|[\"']?(?:\w+_)?(?:file_?|dir(?:ectory)?_?)?mode[\"']?\s*[:=]\s*[\"']?)(0?[0-7]?[0-7][0-7][2367])\b"
)
_NO_MASK = late(r"(?i)^\s*[\"']?umask[\"']?\s*[:=\s]\s*[\"']?0{1,4}[\"']?\s*$")
_ELSEWHERE = late(
    r"(?i)(?:^|[!/])(?:haproxy|redis|krb5|pg_hba)[^/]*$|\.(?:tf|hcl|sql|service|socket|timer|csv|map|lock|po|ts|css|html?)$|(?:^|[!/])package(?:-lock)?\.json$"
)
"""Files whose settings other rules know, or that hold none."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    told: set[tuple[str, str]] = set()
    for entry, number, line in settings_table.settings_lines(context, _WORDS):
        place = entry.place
        if not _wanted(place):
            continue
        for severity, title, consequence in _judged(line[:400]):
            if (place, title) in told:
                continue
            told.add((place, title))
            yield Finding(
                rule=META.slug,
                severity=severity,
                confidence=META.confidence,
                title=f"{place.rpartition('/')[2]} {title}",
                place=place,
                line=number,
                excerpt=secrets.hidden(line.strip())[:200],
                consequence=consequence,
                fix="Write the safe value into what goes live; ask the vendor why it was otherwise.",
            )


_TRIAL = late(r"(?i)(?:^|[!/])(?:[^/]*[._-])?tests?[._-][^/]*$")
"""Settings of a trial run, by their name."""


def _wanted(place: str) -> bool:
    return _ELSEWHERE.search(place) is None and not _TRIAL.search(place)


def _says(lower: str) -> bool:
    """True where some value is one that switches on or off, at a glance."""
    pieces = re.split("[,;<}]", lower) if any(sign in lower for sign in ",;<}") else [lower]
    return any(piece.rstrip(" \t\r\"')]}").endswith(_ENDS) for piece in pieces)


_DENIES = late(
    r"(?i)(?:^|[\W_])(?:no|not|non|skip|disabled?|ignore|without|insecure|deny)(?=[\W_])|(?:skip|disable|ignore|insecure)"
)
_SAYS_NO = late(rf"(?i)^{_OFF}$")


def _judged(line: str) -> Iterator[tuple[Severity, str, str]]:
    """(severity, title, consequence) of each thing that a line switches off."""
    seen: set[str] = set()
    for match in (*_PAIR.finditer(line), *_SHORT.finditer(line)) if _says(line.lower()) else ():
        for kind in KINDS:
            if kind.title in seen or not kind.key.search(match["key"]) or not kind.value.match(match["value"]):
                continue
            if not (_DENIES.search(match["key"]) and _SAYS_NO.match(match["value"])):  # two noes are a yes
                seen.add(kind.title)
                yield kind.severity, kind.title, kind.consequence
    if "/0" in line and _EVERYBODY.search(line) and not re.search(r"(?i)\bdeny|reject|drop\b|egress|destination", line):
        yield (
            "medium",
            "means everybody where it says who may",
            "Every address is let in; the firewall is the only thing left.",
        )
    mode = _MODES.match(line)
    if (mode is not None and not mode[1].lstrip("0").startswith("1")) or _NO_MASK.match(line):
        yield "medium", "lets everybody write", "Any user of the host may change it, and what reads it believes him."


BAD = (
    {"conf/app.yml": "security:\n  csrf_protection: off\n"},
    {"conf/app.properties": "app.audit.enabled=false\nldap.tls.verify=never\n"},
    {"etc/ldap/ldap.conf": "TLS_REQCERT never\n", "conf/x.json": '{"rejectUntrustedCerts": 1, "verifyHostname": false}\n'},
    {"etc/x.ini": "[ftp]\nanonymous_enable=YES\n"},
    {"conf/my.cnf": "[mysqld]\ninnodb_flush_log_at_trx_commit = 0\n"},
    {"etc/logrotate.d/app": "/var/log/app/*.log {\n    create 0666 app app\n}\n"},
    {"usr/lib/tmpfiles.d/app.conf": "d /var/lib/app/spool 0777 app app 10d\n"},
    {"etc/chrony/app.conf": "allow 0.0.0.0/0\n", "etc/snmp/snmpd.conf": "rwcommunity abc 0.0.0.0/0\n"},
    {"etc/postfix/main.cf": "mynetworks = 127.0.0.0/8, 0.0.0.0/0\n"},
    {"x/app.properties": "admin.enabled = true\n", "my.cnf": "[mysqld]\nlocal_infile = 1\n"},
    {"conf/app.toml": "[tls]\ninsecure_ssl = true\n"},
    {"config/settings.yaml": "signature_check: no\nencryption: none\n"},
)
GOOD = (
    {"etc/web.conf": "vars.status_disable_sslverify = false\nskip_cert_verify = no\nno-ssl-verify: false\n"},
    {"conf/app.yml": "security:\n  csrf_protection: on\n  # csrf_protection: off\n  verify_depth: 0\n"},
    {"conf/app.properties": "app.audit.enabled=true\naudit.days=0\nanonymous.count=1\nencryption=aes-256\n"},
    {"etc/x.ini": "anonymous_enable=NO\nlog_encrypted=0\nguest_account=nobody\n", "README.md": "csrf_protection: off\n"},
    {"examples/app.yml": "csrf_protection: off\n", "tests/app.yml": "ssl_verify: false\n"},
    {
        "etc/logrotate.d/app": "/var/log/app/*.log {\n    create 0640 app app\n}\n",
        "usr/lib/tmpfiles.d/a.conf": "d /run/a 0755 a a -\n",
    },
    {
        "usr/lib/tmpfiles.d/x.conf": "d /tmp/x 1777 root root 10d\n",
        "etc/chrony/app.conf": "allow 10.0.0.0/8\ndeny 0.0.0.0/0\n",
    },
    {"app/main.py": 'verify_ssl = False\ncsrf_protection = "off"\n', "conf/a.json": '{"sslVerify": true}\n'},
)
