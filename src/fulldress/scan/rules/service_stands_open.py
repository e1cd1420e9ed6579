"""A service of the package lets in whoever reaches it.

## What it does
Reads the settings of message brokers and of what stands beside them: Mosquitto without logins or on every address, IBM MQ
commands that switch channel authentication off or let a channel act as the administrator, JDWP on every address, Spring's
actuator whole, Kestrel, HAProxy and Consul on every address, Consul's ACLs that allow by default, Liberty's administrator
with a password in the package, OPC UA without security, directories of backups served, programs that update themselves;
a login that is switched off by its key in any settings file, MySQL without grants, Docker's interface in the network, Redis
users without a password, SNMP communities that everybody knows or may write with, directories that anybody may change,
ports of
databases that a compose file publishes, RabbitMQ's guest from everywhere, Traefik's and Grafana's pages for everybody.

## Why it matters
It works in every test, because a test network has no strangers. In production it is open from the first start.

## Example
```
listener 1883 0.0.0.0
allow_anonymous true
```

## Fix
Bind it to the address that needs it, switch the login on, and add the port to firewall and monitoring on purpose.

## References
- CWE-306 Missing Authentication; CWE-1327 Binding to an Unrestricted IP Address
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, above, anywhere

META = RuleMeta(
    slug="service-stands-open",
    family="configuration",
    title="Service that lets in whoever comes",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(
        r"(?i)(auth|authentication|authorization|security)[._-]?enabled?[\"']?\s{0,4}[=:]\s{0,4}[\"']?(false|no|off|disabled|0)\b"
    ),
    Pattern(
        r"^\s{0,4}skip[-_]grant[-_]tables\b|\btcp://(0\.0\.0\.0|\*)?:237[56]\b|^\s{0,4}user\s{1,4}\S{1,60}\s{1,4}on\s[^\n]{0,60}\bnopass\b"
    ),
    Pattern(
        r"\bloopback_users\s{0,4}=\s{0,4}none\b|^\s{2,8}insecure:\s{1,4}true\b|^\[auth\.anonymous\]|^(telnetd|rlogind|ftpd)_enable=\"?YES"
    ),
    Pattern(r"^\s{0,4}(allow_anonymous\s{1,4}true|listener\s{1,4}\d{2,5})\b|\bCHLAUTH\(DISABLED\)|\bCONNAUTH\('\s{0,2}'\)"),
    Pattern(r"(?i)\bMCAUSER\('?(mqm|MUSR_MQADMIN|root)'?\)|jdwp=[^\n\"]{0,80}address=(\*|0\.0\.0\.0)"),
    Pattern(r"^\s{2,20}include:\s{0,4}[\"']?\*[\"']?\s{0,4}$|^\s{2,20}shutdown:\s{0,4}$|\"https?://(\*|\+|0\.0\.0\.0):\d"),
    Pattern(
        r"^\s{0,8}\"?(client_addr|default_policy)\"?\s{0,12}[=:]\s{0,4}\"(0\.0\.0\.0|allow)\"|^\s{1,8}bind\s{1,4}\*?:\d"
    ),
    Pattern(r"<user\s[^>\n]{0,80}password=\"|^\s{0,8}\"?security_?[Pp]olicy\"?\s{0,8}[=:]\s{0,4}\"?None\b"),
    Pattern(
        r"(?i)^\s{2,40}autoindex\s{1,4}on\s{0,4};|^\s{0,8}[\"']?auto[_-]?updates?[\"']?\s{0,8}[=:]\s{0,4}[\"']?(true|on|yes|1)\b"
    ),
)
_MOSQUITTO = late(r"(?i)mosquitto[^!]*\.conf$")
_MQSC = late(r"(?i)\.(mqsc|mqs|mqi)$")
_SETTINGS = late(r"\.(toml|ya?ml|json|ini|conf|cfg|properties)$")
_CLOSE = "Bind it to the address that needs it, and add the port to firewall and monitoring on purpose."
_ANYONE = "Everyone in the network reaches it from the first start, without a login."

ROWS = (
    Row(
        _SETTINGS,
        late(
            r"(?i)^\s*[\"']?(?:[\w.-]+[._-])?(?:auth|authentication|authorization|security)[._-]?enabled?[\"']?\s*[=:]"
            r"\s*[\"']?(?:false|no|off|disabled|0)\b"
        ),
        "medium",
        "switches the login off",
        _ANYONE,
        "Switch it on, and give each client an account of its own.",
    ),
    Row(
        late(r"\.(cnf|ini|conf)$"),
        late(r"^\s*skip[-_]grant[-_]tables\b"),
        "high",
        "lets everybody into the database server as anyone",
        "MySQL checks no password and no right until the line is gone.",
        "Take it out; a lost password is reset by an init file.",
    ),
    Row(
        late(r"\.(json|service|conf|sh|env|ya?ml)$|(^|[!/])docker$"),
        late(r"\btcp://(?:0\.0\.0\.0|\*)?:237[56]\b"),
        "high",
        "opens Docker's interface to the network",
        "Whoever reaches the port is root on the host.",
        "Leave the socket in the file system; others come in over SSH.",
    ),
    Row(
        late(r"\.(acl|conf)$"),
        late(r"^\s*user\s+\S+\s+on\s.*\bnopass\b"),
        "medium",
        "lets a user in without a password",
        _ANYONE,
        "Give the user a password (>...), and name the commands that it needs.",
    ),
    Row(
        late(r"(?i)rabbit[^!]*\.conf$"),
        late(r"\bloopback_users\s*=\s*none\b"),
        "medium",
        "lets guest in from everywhere",
        "guest with the password guest rules the broker; RabbitMQ keeps it to the host for that reason.",
        "Take the line out, and make users of your own.",
    ),
    Row(
        late(r"(?i)traefik[^!]*\.ya?ml$"),
        late(r"^\s+insecure:\s+true\b"),
        "medium",
        "opens Traefik's dashboard without a login",
        "Who reaches port 8080 sees every route and its middlewares.",
        "Leave api.insecure off; route the dashboard with a login.",
        above(r"^api:", 4),
    ),
    Row(
        late(r"(?i)grafana[^!]*\.ini$"),
        late(r"^\[auth\.anonymous\]"),
        "low",
        "lets everybody look without a login",
        _ANYONE,
        "Leave auth.anonymous off.",
        lambda lines, number: any(re.match(r"\s*enabled\s*=\s*true", one) for one in lines[number : number + 4]),
    ),
    Row(
        late(r"(^|[!/])rc\.conf(\.local|\.d/[^/]+)?$"),
        late(r"^(?:telnetd|rlogind|ftpd)_enable="),
        "medium",
        "starts a login that sends passwords in clear",
        "Anyone on the way reads them.",
        "Use SSH.",
    ),
    Row(
        _MOSQUITTO,
        late(r"^\s*allow_anonymous\s+true\b"),
        "medium",
        "lets everybody in without a login",
        _ANYONE,
        "Set password_file or certificates, and allow_anonymous false.",
    ),
    Row(
        _MOSQUITTO,
        late(r"^\s*listener\s+(?:\d+\s+(?:0\.0\.0\.0|::|\*)|1883\s*$)"),
        "medium",
        "opens the broker on every address",
        "What is published is read and written by whoever reaches the port.",
        _CLOSE,
    ),
    Row(
        _MQSC,
        late(r"\bCHLAUTH\(DISABLED\)|\bCONNAUTH\('\s*'\)"),
        "high",
        "switches the queue manager's authentication off",
        "Whoever reaches the listener reads and writes every queue.",
        "Leave it enabled, and write a rule (SET CHLAUTH) for the channel that needs it.",
    ),
    Row(
        _MQSC,
        late(r"(?i)\bMCAUSER\('?(?:mqm|MUSR_MQADMIN|root)'?\)"),
        "medium",
        "lets a channel act as the queue manager's administrator",
        "Who connects through it may change and empty every queue.",
        "Name an account that may use the queues of this application only.",
    ),
    Row(
        late(r"\.(service|conf|sh|env|bat|cmd|ya?ml|properties|vmoptions|options|xml)$|(^|[!/])[^/.]+$"),
        late(r"jdwp=[^\"\s]*address=(?:\*|0\.0\.0\.0)"),
        "medium",
        "opens Java's debug port on every address",
        "Whoever reaches the port runs code as the service.",
        "Take -agentlib:jdwp out; a debugger has no place there.",
    ),
    Row(
        late(r"\.ya?ml$"),
        late(r"^\s+include:\s*[\"']?\*[\"']?\s*$"),
        "medium",
        "exposes every actuator endpoint",
        "Heap dumps and environment, secrets included, for whoever asks.",
        "Expose health and info only.",
        above(r"exposure:", 3),
    ),
    Row(
        late(r"\.ya?ml$"),
        late(r"^\s+shutdown:\s*$"),
        "low",
        "lets a request stop the program",
        "Who reaches the actuator stops it.",
        "Leave endpoint.shutdown disabled.",
        lambda lines, number: (
            any("endpoint:" in one for one in lines[max(0, number - 4) : number])
            and any(re.match(r"\s+enabled:\s*true", one) for one in lines[number : number + 1])
        ),
    ),
    Row(
        late(r"appsettings[^/]*\.json$"),
        late(r"\"http://(?:\*|\+|0\.0\.0\.0):\d+"),
        "low",
        "listens on every address, without TLS",
        "Everyone in the network reaches it, and reads along.",
        _CLOSE,
    ),
    Row(
        late(r"\.(hcl|json)$"),
        late(r"\"?client_addr\"?\s*[=:]\s*\"0\.0\.0\.0\""),
        "low",
        "opens Consul's interface on every address",
        _ANYONE,
        _CLOSE,
    ),
    Row(
        late(r"\.(hcl|json)$"),
        late(r"\"?default_policy\"?\s*[=:]\s*\"allow\""),
        "low",
        "allows what no rule forbids",
        "A request without a token reads and writes the whole store.",
        "Set default_policy to deny.",
        above(r"\bacl\b", 5),
    ),
    Row(
        late(r"(?i)haproxy[^!]*\.cfg$"),
        late(r"^\s+bind\s+\*?:\d+"),
        "low",
        "listens on every address",
        "Everyone in the network reaches it from the first start; the port may be taken already.",
        _CLOSE,
    ),
    Row(
        late(r"(^|[!/])server\.xml$|quickStartSecurity"),
        late(r"<user\s[^>]*name=\"(?:wps?)?admin\w*\"[^>]*password=\"(?![\"${])(?!\{(?:aes|hash)\})"),
        "high",
        "has an administrator whose password everybody has",
        "Anyone who has the package logs in as the administrator.",
        "Set it from a variable that each installation fills in.",
    ),
    Row(
        _SETTINGS,
        late(r"\"?security_?[Pp]olicy\"?\s*[=:]\s*\"?None\b"),
        "low",
        "speaks OPC UA without signing",
        "Whoever is on the way reads and sets values of the plant.",
        "Use Basic256Sha256 with SignAndEncrypt.",
        anywhere(r"(?i)opc[._-]?(ua|tcp)"),
    ),
    Row(
        late(r"nginx|\.conf$"),
        late(r"^\s+autoindex\s+on\s*;"),
        "low",
        "lists a folder of backups to whoever asks",
        "Backups hold what everything else protects.",
        "Take the location out.",
        above(r"(?i)(alias|root|location)\s.*backup", 5),
    ),
    Row(
        _SETTINGS,
        late(r"(?i)^\s*[\"']?auto[_-]?updates?[\"']?\s*[=:]\s*[\"']?(?:true|on|yes|1)\b"),
        "medium",
        "lets the program update itself",
        "What runs tomorrow is not what was scanned and rehearsed, and comes outside the window.",
        "Switch it off; updates come as packages.",
        anywhere(r"https?://"),
    ),
)
BY_NAME = (
    Row(
        late(r"(?i)snmpd[^/]*\.conf"),
        late(r"(?i)^\s*(?:rocommunity6?\s+(?:public|private)\b|com2sec\s.*\b(?:public|private)\b)"),
        "low",
        "answers SNMP with a community that everybody knows",
        "Processes, addresses and mounts of the host are read by whoever asks.",
        "Use SNMPv3, or a community of your own and the station's address.",
    ),
    Row(
        late(r"(?i)snmpd[^/]*\.conf"),
        late(r"(?i)^\s*rwcommunity6?\s"),
        "medium",
        "lets SNMP write with a word that crosses the network in clear",
        "Who has read it once changes the host's settings from then on.",
        "Use SNMPv3 with authPriv, or let nobody write.",
    ),
    Row(
        late(r"(?i)\.ldif$|slapd[^!]*|(^|[!/])(acl|access)[^/]*\.(conf|txt)$"),
        late(r"(?i)\bto\s+(?:\*|dn\S*)\s(?:.*\s)?by\s+(?:\*|users|anonymous)\s+(?:write|manage|add|delete)\b"),
        "high",
        "lets anybody change the directory",
        "Whoever reaches the port gives himself the rights of every application that asks it.",
        "Give write to self and to named accounts, on named attributes.",
    ),
    Row(
        late(r"(?i)compose[^/]*\.ya?ml$"),
        late(
            r"^\s+-\s*[\"']?(?:0\.0\.0\.0:|\$\{?\w+\}?:)?(?:\d+:)?(?:1433|1521|2379|3306|5432|5672|5984|6379|8086|9042|9092|9200|11211|27017)[\"']?\s*$"
        ),
        "medium",
        "publishes a database or a broker on every address",
        "Docker opens it past the host's firewall; only a password is left, if there is one.",
        "Publish it on 127.0.0.1, or leave it in the network of the containers.",
        above(r"^\s+(?:ports:|-\s)", 2),
    ),
)
"""Of files that are read whole: they are few, and known by their names."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)
    yield from settings_table.named(context, META, ("snmpd", ".ldif", "slapd", "acl", "access", "compose"), BY_NAME)


BAD = (
    {"etc/snmp/snmpd.conf": "rocommunity public\n"},
    {"etc/snmp/snmpd.conf": "rwcommunity kX8f-2 10.0.0.0/8\n"},
    {"ldap/acl.ldif": "olcAccess: {1}to * by * write\n", "slapd.conf": "access to * by users manage\n"},
    {"docker/docker-compose.yml": 'services:\n  db:\n    ports:\n      - "5432:5432"\n'},
    {"a/a.json": '{\n  "AuthenticationEnabled": false,\n', "es/e.yml": "xpack.security.enabled: false\n"},
    {"etc/mysql/my.cnf": "[mysqld]\nskip-grant-tables\n", "etc/docker/daemon.json": '{"hosts": ["tcp://0.0.0.0:2375"]}\n'},
    {"etc/redis/users.acl": "user default on nopass ~* +@all\n", "etc/rabbitmq/rabbitmq.conf": "loopback_users = none\n"},
    {"etc/traefik/traefik.yml": "api:\n  insecure: true\n", "etc/grafana/grafana.ini": "[auth.anonymous]\nenabled = true\n"},
    {"bsd/rc.conf": 'telnetd_enable="YES"\n'},
    {"etc/mosquitto/conf.d/x.conf": "listener 1883 0.0.0.0\nallow_anonymous true\n"},
    {"mq/a.mqsc": "ALTER QMGR CHLAUTH(DISABLED)\nDEFINE CHANNEL('A') CHLTYPE(SVRCONN) +\n  MCAUSER('mqm') REPLACE\n"},
    {"x.service": "[Service]\nExecStart=/usr/bin/java -agentlib:jdwp=transport=dt_socket,address=*:5005 -jar /a.jar\n"},
    {"conf/application.yml": 'management:\n  endpoints:\n    web:\n      exposure:\n        include: "*"\n'},
    {"conf/application.yml": "management:\n  endpoint:\n    shutdown:\n      enabled: true\n"},
    {"app/appsettings.json": '{"Url": "http://*:5080"}\n'},
    {"consul/server.hcl": 'client_addr = "0.0.0.0"\nacl {\n  enabled = true\n  default_policy = "allow"\n}\n'},
    {"etc/haproxy/haproxy.cfg": "listen stats\n    bind :9000\n"},
    {"wlp/server.xml": '<basicRegistry>\n  <user name="admin" password="adminpwd"/>\n</basicRegistry>\n'},
    {"etc/x/x.toml": '[opcua]\nsecurity_policy = "None"\n'},
    {"etc/nginx/conf.d/a.conf": "location /b/ {\n    alias /var/backups/x/;\n    autoindex on;\n}\n"},
    {"etc/x/y.toml": 'auto_update = true\nchannel = "https://updates.partner.example/stable"\n'},
)
GOOD = (
    {"etc/snmp/snmpd.conf": "rocommunity kX8f-2 10.1.2.3\n# rwcommunity x\n", "x/a.yaml": "ports:\n  - 5432\n"},
    {"ldap/acl.ldif": "olcAccess: {0}to attrs=userPassword by self write by anonymous auth by * none\n"},
    {"docker/docker-compose.yml": 'services:\n  db:\n    ports:\n      - "127.0.0.1:5432:5432"\n'},
    {
        "a/a.json": '{\n  "AuthenticationEnabled": true,\n  "cacheEnabled": false\n',
        "es/e.yml": "# security.enabled: false\n",
    },
    {"etc/docker/daemon.json": '{"hosts": ["tcp://127.0.0.1:2375"]}\n', "etc/redis/users.acl": "user default off nopass\n"},
    {
        "etc/traefik/traefik.yml": "log:\n  insecure: true\n",
        "etc/grafana/grafana.ini": "[auth.anonymous]\nenabled = false\n",
    },
    {"etc/mosquitto/conf.d/x.conf": "listener 1883 127.0.0.1\n# allow_anonymous true\nallow_anonymous false\n"},
    {"etc/x/x.conf": "allow_anonymous true\n", "mq/a.mqsc": "* CHLAUTH(DISABLED)\nALTER QMGR CHLAUTH(ENABLED)\n"},
    {"x.service": "[Service]\nExecStart=/usr/bin/java -agentlib:jdwp=server=y,address=127.0.0.1:5005 -jar /a.jar\n"},
    {"conf/application.yml": 'management:\n  endpoints:\n    web:\n      exposure:\n        include: "health"\n'},
    {"a.yml": 'glob:\n  files:\n    include: "*"\nservices:\n  shutdown:\n    enabled: true\n'},
    {"consul/server.hcl": 'client_addr = "127.0.0.1"\nacl {\n  default_policy = "deny"\n}\n'},
    {"etc/haproxy/haproxy.cfg": "frontend a\n    bind 127.0.0.1:9000\n"},
    {"wlp/server.xml": '<user name="admin" password="${env.ADMIN}"/>\n<user name="admin" password="{aes}ABC"/>\n'},
    {"etc/nginx/conf.d/a.conf": "location /pub/ {\n    alias /srv/pub/;\n    autoindex on;\n}\n"},
    {"etc/x/y.toml": "auto_update = false\n", "docs/y.md": "auto_update = true\nhttps://x.example\n"},
)
