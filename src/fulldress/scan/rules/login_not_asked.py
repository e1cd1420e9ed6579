"""A setting lets somebody in whom nobody asked for a login, or from where nobody should come.

## What it does
Beside what `service-stands-open` knows: PostgreSQL's `pg_hba.conf` that trusts a network or takes weak logins from
everywhere (also as a line that a playbook or script writes), container images told to run a database without a password, SSH
settings that take keys from where the vendor keeps them, RADIUS that accepts everybody or has the world as its client,
brokers without rights, SNMP that may write, dashboards for the anonymous, Windows that logs in by itself or opens its remote
desktop.

## Why it matters
Nothing fails, so no test finds it: who should be in is in. Who should not be is too, from the first start on.

## Example
```
host  all  all  10.0.0.0/8  trust
```

## Fix
Ask for a login everywhere but on the host's own sockets, and name the addresses that may come.

## References
- CWE-306 Missing Authentication; PostgreSQL: The pg_hba.conf File; sshd_config(5)
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
    slug="login-not-asked",
    family="configuration",
    title="Setting that asks nobody for a login",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(
        r"\bhost(ssl|nossl|gssenc)?\s{1,20}\S{1,60}\s{1,20}\S{1,60}\s{1,20}[\d.:a-f/]{3,43}\s{1,20}(\d[\d.]{6,14}\s{1,20})?(trust|md5|password)\b"
    ),
    Pattern(
        r"\bPOSTGRES_HOST_AUTH_METHOD\b|\b(MYSQL|MARIADB)_(ALLOW_EMPTY_|ROOT_HOST)\w{0,20}|\bALLOW_(EMPTY_PASSWORD|ANONYMOUS_LOGIN)\b"
    ),
    Pattern(r"(?i)^\s{0,8}(AuthorizedKeysFile\s{1,8}/|StrictModes\s{1,8}no)\b"),
    Pattern(
        r"^\s{0,4}DEFAULT\s{1,20}Auth-Type\s{0,4}:?=\s{0,4}Accept|\bclient\s(0\.0\.0\.0/0|::/0|\*)\s{0,4}\{|^\s{0,8}auth_(bad|good)pass\s{0,4}=\s{0,4}yes"
    ),
    Pattern(r"\ballow\.everyone\.if\.no\.acl\.found|^\s{0,8}require_message_authenticator\s{0,4}=\s{0,4}(no|false)"),
    Pattern(r"\brocommunity6?\s|\brwcommunity6?\s|\bsnmp-server\s{1,4}community\s"),
    Pattern(
        r"(?i)\"(Allow)?Anonymous(Access|Login|Enabled)?\"\s{0,2}:\s{0,2}true|^\s{0,40}(allow[_-]?anonymous|anonymous[_-]?(access|login|enabled?)|allow[_-]guest)\s{0,4}[=:]\s{0,4}[\"']?(true|yes|1|on)\b"
    ),
    Pattern(r"(?i)^\"(fDenyTSConnections|AutoAdminLogon|LimitBlankPasswordUse|EnableFirewall|UserAuthentication)\"\s{0,2}="),
)
_ENV = late(r"\.(ya?ml|env|json|sh|service|conf)$|ockerfile|(^|[!/])\.env[^/]*$")
_HBA = late(r"pg_hba[^/]*$")
"""There the whole world is ``unsafe-setting``'s affair."""
_LINES = late(r"(?<!pg_hba)\.(ya?ml|sh|bash|conf)$|(^|[!/])(pre|post)(inst|in)$")
_WEAK = late(r"pg_hba[^/]*$|\.(ya?ml|sh|bash|conf)$|(^|[!/])(pre|post)(inst|in)$")
_SSHD = late(r"(^|[!/])sshd_config(\.d/[^/]+)?$")
_RADIUS = late(r"(?i)radius|raddb|(^|[!/])(users|authorize|clients\.conf|radiusd\.conf)$")
_REG = late(r"(?i)\.reg$")
_ANY = r"(?:0\.0\.0\.0/0|::/0|0\.0\.0\.0\s+0\.0\.0\.0|all)"
_AS_ANYONE = "Whoever reaches the port is any user of the database, without a password."
_KEYS = late(r"\.(toml|ya?ml|json|ini|conf|cfg|properties|env)$")
_ASK = "Ask for a login, and name the addresses that may come."
_NETWORK = "Everyone in the network reaches it from the first start, without a login."

ROWS = (
    Row(
        _HBA,
        late(
            r"\bhost\w*\s+\S+\s+\S+\s+(?!127\.|::1/|localhost|samehost|0\.0\.0\.0/0|::/0|all\s)[\d.:a-f/]{3,}(?:\s+\d[\d.]+)?\s+trust\b"
        ),
        "high",
        "trusts a network without a password",
        _AS_ANYONE,
        "Use scram-sha-256 and the networks that need it.",
    ),
    Row(
        _LINES,
        late(r"\bhost\w*\s+\S+\s+\S+\s+(?!127\.|::1/|localhost|samehost)[\d.:a-f/]{3,}(?:\s+\d[\d.]+)?\s+trust\b"),
        "high",
        "trusts a network without a password",
        _AS_ANYONE,
        "Use scram-sha-256 and the networks that need it.",
    ),
    Row(
        _WEAK,
        late(rf"\bhost(?!ssl)\w*\s+\S+\s+\S+\s+{_ANY}\s+(?:md5|password)\b"),
        "medium",
        "takes weak logins from everywhere",
        "Passwords cross the network in clear or as MD5, and anybody may try them.",
        "Use scram-sha-256 over TLS (hostssl) and the networks that need it.",
    ),
    Row(
        _ENV,
        late(
            r"\bPOSTGRES_HOST_AUTH_METHOD[\"']?\s*[:=]\s*[\"']?trust|\b(?:(?:MYSQL|MARIADB)_ALLOW_EMPTY_(?:ROOT_)?PASSWORD"
            r"|ALLOW_EMPTY_PASSWORD|ALLOW_ANONYMOUS_LOGIN)[\"']?\s*[:=]\s*[\"']?(?:yes|true|1)"
        ),
        "medium",
        "runs a server that asks for no password",
        _AS_ANYONE,
        "Give it a password from a secret.",
    ),
    Row(
        _SSHD,
        late(r"(?i)^\s*AuthorizedKeysFile\s+/(?!.*%[hu])(?!etc/ssh/)\S+"),
        "medium",
        "takes SSH keys from a place of the vendor's",
        "Who may log in is then decided by whoever writes that file, the next package for example.",
        "Take it out; give access by your own means, for as long as it is needed.",
    ),
    Row(
        _SSHD,
        late(r"(?i)^\s*StrictModes\s+no\b"),
        "low",
        "takes SSH keys from files that others may write",
        "Whoever may write there logs in.",
        "Take it out.",
    ),
    Row(
        _RADIUS,
        late(r"^\s*DEFAULT\s+Auth-Type\s*:?=\s*Accept"),
        "high",
        "accepts everybody",
        "Any name with any password is let into the network.",
        "Take it out; reject what no line knows.",
    ),
    Row(
        _RADIUS,
        late(r"^\s*client\s+(?:0\.0\.0\.0/0|::/0|\*)\s*\{"),
        "medium",
        "takes the whole world for its clients",
        "Whoever knows or guesses the secret may ask for log-ins and end sessions.",
        "Name the access servers.",
    ),
    Row(
        _RADIUS,
        late(r"^\s*require_message_authenticator\s*=\s*(?:no|false)"),
        "low",
        "takes answers that anybody on the way may forge",
        "Without Message-Authenticator an answer can be turned into Accept (CVE-2024-3596).",
        "Set it to yes, or auto while old clients are replaced.",
    ),
    Row(
        _RADIUS,
        late(r"^\s*auth_(?:bad|good)pass\s*=\s*yes"),
        "medium",
        "writes passwords into its log",
        "The wrong ones are nearly right, and many read logs.",
        "Leave it no.",
    ),
    Row(
        _KEYS,
        late(r"\ballow\.everyone\.if\.no\.acl\.found[\"']?\s*[=:]\s*[\"']?true"),
        "medium",
        "lets everybody at each topic that no rule names",
        "Whoever reaches the broker reads, writes and deletes it.",
        "Set it to false, and give each client its rights first.",
    ),
    Row(
        late(r"(?i)snmp[^!/]*\.conf$|\.cfg$|\.conf$"),
        late(r"^\s*(?:rwcommunity6?\s+\S+\s*$|snmp-server\s+community\s+(?:public|private)\b)"),
        "medium",
        "answers SNMP to whoever knows the usual word",
        "Anyone in the network reads what runs here; with rw he changes it.",
        "Use SNMPv3 with a user, or name the address of the monitoring.",
    ),
    Row(
        _KEYS,
        late(
            r"(?i)\"(?:Allow)?Anonymous(?:Access|Login|Enabled)?\"\s*:\s*true"
            r"|^\s*(?:allow[_-]?anonymous|anonymous[_-]?(?:access|login|enabled?)|allow[_-]guest)\s*[=:]\s*[\"']?(?:true|yes|1|on)\b"
        ),
        "medium",
        "lets in whoever comes, without a name",
        _NETWORK,
        _ASK,
    ),
    Row(
        _REG,
        late(r"(?i)^\"fDenyTSConnections\"\s*=\s*dword:0+\s*$"),
        "medium",
        "opens the remote desktop",
        _NETWORK,
        _ASK,
    ),
    Row(
        _REG,
        late(r"(?i)^\"AutoAdminLogon\"\s*=\s*(?:\"1\"|dword:0*1)"),
        "medium",
        "logs in by itself when the machine starts",
        "Whoever switches it on is that user, and the password stands in the registry.",
        _ASK,
    ),
    Row(
        _REG,
        late(r"(?i)^\"(?:LimitBlankPasswordUse|EnableFirewall|UserAuthentication)\"\s*=\s*dword:0+\s*$"),
        "medium",
        "switches a protection of the network off",
        _NETWORK,
        _ASK,
    ),
    Row(
        late(r"\.conf$"),
        late(r"^\s*rwcommunity6?\s+\S+\s+\S"),
        "low",
        "lets SNMP write",
        "Settings of the host can be changed by who knows one word, which crosses the network in clear.",
        "Use SNMPv3, and rocommunity.",
        anywhere(r"^\s*(?:rocommunity|sysLocation|agentAddress|view)\b"),
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"etc/postgresql/15/main/pg_hba.conf": "host all all 10.30.0.0/16 trust\n"},
    {"roles/db/tasks/main.yml": '- lineinfile:\n    path: /x/pg_hba.conf\n    line: "host all all 0.0.0.0/0 trust"\n'},
    {"up.sh": "#!/bin/sh\necho 'host all all 0.0.0.0/0 md5' >> /etc/postgresql/15/main/pg_hba.conf\n"},
    {"docker-compose.yml": "services:\n  db:\n    environment:\n      POSTGRES_HOST_AUTH_METHOD: trust\n"},
    {"k8s/env.yaml": 'MYSQL_ALLOW_EMPTY_PASSWORD: "yes"\n'},
    {"etc/ssh/sshd_config.d/10-x.conf": "Match User vendor\n  AuthorizedKeysFile /opt/x/keys\n"},
    {"etc/ssh/sshd_config": "StrictModes no\n"},
    {"raddb/users": "DEFAULT Auth-Type := Accept\n"},
    {"raddb/clients.conf": "client 0.0.0.0/0 {\n  secret = x\n}\n"},
    {"raddb/clients.conf": "client a {\n  require_message_authenticator = no\n}\n"},
    {"raddb/radiusd.conf": "log {\n  auth_badpass = yes\n}\n"},
    {"kafka/server.properties": "allow.everyone.if.no.acl.found=true\n"},
    {"etc/snmp/snmpd.conf": "rwcommunity geheim1\n"},
    {"etc/snmp/snmpd.conf": "rocommunity x 127.0.0.1\nrwcommunity y 10.0.0.0/8\n"},
    {"app/appsettings.json": '{"Dashboard": {"AllowAnonymous": true}}\n'},
    {"w/a.reg": '"fDenyTSConnections"=dword:00000000\n'},
    {"w/a.reg": '"AutoAdminLogon"="1"\n'},
    {"w/a.reg": '"EnableFirewall"=dword:00000000\n'},
)
GOOD = (
    {"pg_hba.conf": "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n"},
    {"pg_hba.conf": "hostssl all all 0.0.0.0/0 scram-sha-256\n# host all all 0.0.0.0/0 trust\nhost a b 10.1.0.0/16 md5\n"},
    {"docker-compose.yml": 'services:\n  db:\n    environment:\n      MYSQL_ALLOW_EMPTY_PASSWORD: "no"\n'},
    {"etc/ssh/sshd_config": "#PermitRootLogin yes\nPermitRootLogin no\nAuthorizedKeysFile .ssh/authorized_keys\n"},
    {
        "raddb/users": 'DEFAULT Auth-Type := Reject\nbob Cleartext-Password := "x"\n',
        "x/readme": "DEFAULT Auth-Type := Accept\n",
    },
    {"etc/snmp/snmpd.conf": "rocommunity s3 127.0.0.1\n#rocommunity public\n"},
    {"app/appsettings.json": '{"AllowAnonymous": false, "AnonymousUser": true}\n', "w/a.reg": '"AutoAdminLogon"="0"\n'},
    {"tests/docker-compose.yml": "services:\n  db:\n    environment:\n      POSTGRES_HOST_AUTH_METHOD: trust\n"},
)
