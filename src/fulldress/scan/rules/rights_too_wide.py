"""An account, a container or a service gets more rights than its work needs.

## What it does
Reads declarations of rights: `cluster-admin` for an application, containers that run as uid 0 or mount the host's root,
grants of everything to a database user (`GRANT ALL ON *.*`, `GRANT DBA`, `SUPERUSER`), a PHP pool as root, units with
`CAP_SYS_ADMIN`, polkit rules that say yes to everything, playbooks that switch SELinux off or let everybody write.

## Why it matters
What goes wrong in it, or who gets into it, has all of these rights; nobody takes them back after the night.

## Example
```
GRANT ALL PRIVILEGES ON *.* TO 'shop'@'%';
```

## Fix
Ask the vendor which single right is needed, and give that one.

## References
- CWE-250 Execution with Unnecessary Privileges; CWE-732 Incorrect Permission Assignment
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
    slug="rights-too-wide",
    family="privilege",
    title="More rights than needed",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(
        r"\bcluster-admin\b|\brunAsUser[\"']?\s{0,4}:\s{0,4}0\b|\bhostPath\b|^\s{0,40}path:\s{0,4}[\"']?/[\"']?\s{0,4}$"
    ),
    Pattern(r"(?i)\bGRANT\s{1,4}(ALL|DBA|SYSDBA)\b|\b(CREATE|ALTER)\s{1,4}(ROLE|USER)\s[^\n;]{1,200}\bSUPERUSER\b"),
    Pattern(
        r"\brole_attr_flags:\s[^\n]{0,100}\bSUPERUSER\b|^\s{0,8}user\s{0,4}=\s{0,4}root\b|^\s{0,8}([Uu]ser|uid|cache_effective_user)\s{1,8}root\s{0,4};?\s{0,4}$|^UMask=0{1,3}[0-7]?[0-5]\s{0,4}$|^AmbientCapabilities=[^\n]{0,200}SYS_"
    ),
    Pattern(r"\bpolkit\.Result\.YES\b|^\s{2,40}state:\s{0,4}[\"']?(disabled|permissive)\b"),
    Pattern(r"^\s{2,40}mode:\s{0,4}[\"']?(0?[0-7][0-7][2367]\b|[augo]{0,3}\+\w{0,2}w)"),
)
_YAML = late(r"\.(ya?ml|json|tpl)$")
_PLAYBOOK = late(r"\.ya?ml$")
_SQL = late(r"(?i)\.(sql|pks|pkb|ddl)$")
_ASK = "Ask the vendor which single right is needed, and give that one."
_EVERYTHING = "Who gets into it has the whole database server."


def _says_yes(lines: Sequence[str], _number: int) -> bool:
    """A polkit rule that never asks which action it is."""
    return not any("action.id" in line for line in lines)


ROWS = (
    Row(
        _YAML,
        late(r"\bname[\"']?:\s*[\"']?cluster-admin\b"),
        "high",
        "makes an application ruler of the cluster",
        "Who gets into it has every secret and every node.",
        _ASK,
        anywhere(r"kind[\"']?:\s*[\"']?(Cluster)?RoleBinding"),
    ),
    Row(
        _YAML,
        late(r"\brunAsUser[\"']?\s*:\s*0\b"),
        "medium",
        "runs a container as root",
        "A hole in it, or in the kernel, is root's.",
        _ASK,
    ),
    Row(
        _YAML,
        late(r"\bhostPath[\"']?\s*:\s*\{\s*[\"']?path[\"']?\s*:\s*[\"']?/[\"']?\s*[,}]|^\s+path:\s*[\"']?/[\"']?\s*$"),
        "high",
        "mounts the host's root directory into a container",
        "Whoever gets into the container is root on the host.",
        _ASK,
        above(r"\bhostPath\b", 3),
    ),
    Row(
        _SQL,
        late(r"(?i)\bGRANT\s+ALL(?:\s+PRIVILEGES)?\s+ON\s+\*\.\*\s+TO\b|\bGRANT\s+(?:DBA|SYSDBA|ALL\s+PRIVILEGES)\s+TO\b"),
        "high",
        "grants a user everything in the database server",
        _EVERYTHING,
        _ASK,
    ),
    Row(
        _SQL,
        late(r"(?i)\b(?:CREATE|ALTER)\s+(?:ROLE|USER)\s[^;]*(?<!NO)\bSUPERUSER\b"),
        "high",
        "makes a superuser of the database",
        _EVERYTHING,
        _ASK,
    ),
    Row(
        _PLAYBOOK,
        late(r"\brole_attr_flags:\s.*(?<!NO)\bSUPERUSER\b"),
        "high",
        "makes a superuser of the database",
        _EVERYTHING,
        _ASK,
    ),
    Row(
        late(r"(?i)(pool\.d|php[^/]*fpm[^/]*)/[^/]+\.conf$|www\.conf$"),
        late(r"^\s*user\s*=\s*root\b"),
        "high",
        "runs PHP as root",
        "Every hole in a page is root's.",
        "Let it run as an account of its own.",
    ),
    Row(
        late(
            r"(?i)(^|[!/])(nginx|httpd|apache2|radiusd|squid|rsyncd|proftpd|vsftpd|named|unbound|mosquitto|redis|memcached|varnish"
            r"|my|mysqld?|mariadb|server|dovecot|zabbix_\w+)[^/]*\.(conf|cnf|cfg)$"
        ),
        late(r"(?i)^\s*(?:user|uid|cache_effective_user)\s*(?:=|\s)\s*root\s*;?\s*$"),
        "medium",
        "lets a server of the network run as root",
        "Every hole in it is root's.",
        "Let it run as the account that the distribution made for it.",
    ),
    Row(
        late(r"\.(service|conf)$"),
        late(r"^UMask=0*[0-7]?[01]\s*$"),
        "medium",
        "lets everybody write to the files that it makes",
        "Any user of the host may change what it reads later.",
        "Take UMask= out, or set it to 0027.",
    ),
    Row(
        late(r"\.(service|conf)$"),
        late(r"^AmbientCapabilities=.*\bCAP_SYS_(?:ADMIN|MODULE|PTRACE|RAWIO)\b"),
        "medium",
        "gives a service a capability that is as good as root",
        "Who gets into it has the host.",
        _ASK,
    ),
    Row(
        late(r"polkit[^!]*\.rules$"),
        late(r"\bpolkit\.Result\.YES\b"),
        "high",
        "says yes to every action",
        "Its users may do what root may, and are not asked for a password.",
        "Name the action (action.id) that is meant.",
        _says_yes,
    ),
    Row(
        _PLAYBOOK,
        late(r"^\s+state:\s*[\"']?(?:disabled|permissive)\b"),
        "high",
        "switches SELinux off",
        "What is switched off for the installation stays off.",
        _ASK,
        above(r"\bselinux:", 6),
    ),
    Row(
        _PLAYBOOK,
        late(r"^\s+mode:\s*[\"']?(?:0?[0-7][0-7][2367]\b(?<!1777)|[augo]*\+\w*w)"),
        "medium",
        "lets everybody write to a file of the product",
        "Any user of the host may change what runs.",
        "Give it to the account that needs it.",
        above(r"\b(?:copy|template|file|get_url|unarchive|lineinfile|blockinfile):", 9),
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"k8s/rbac.yaml": "kind: ClusterRoleBinding\nroleRef: {kind: ClusterRole, name: cluster-admin}\n"},
    {"k8s/a.yaml": "kind: Deployment\nspec:\n  securityContext:\n    runAsUser: 0\n"},
    {"charts/x/templates/a.yaml": "kind: Pod\n  volumes:\n    - hostPath: {path: /}\n"},
    {"k8s/b.yaml": "kind: Pod\n  volumes:\n    - hostPath:\n        path: /\n"},
    {"db/a.sql": "GRANT ALL PRIVILEGES ON *.* TO 'x'@'%';\n", "db/b.sql": "grant dba to gw;\n"},
    {"db/c.sql": "ALTER ROLE etl WITH LOGIN SUPERUSER;\n", "site.yml": "- user:\n    role_attr_flags: SUPERUSER\n"},
    {"php/pool.d/x.conf": "[x]\nuser = root\n"},
    {"x.service": "[Service]\nUMask=0000\nExecStart=/bin/true\n"},
    {"raddb/radiusd.conf": "prefix = /usr\nuser = root\n"},
    {"etc/nginx/nginx.conf": "user root;\nworker_processes 4;\n"},
    {"x.service": "[Service]\nAmbientCapabilities=CAP_SYS_ADMIN\nExecStart=/bin/true\n"},
    {"etc/polkit-1/rules.d/49-x.rules": "polkit.addRule(function(a, s) { return polkit.Result.YES; });\n"},
    {"site.yml": "- ansible.posix.selinux:\n    state: disabled\n"},
    {"roles/x/tasks/main.yml": '- template:\n    src: a.j2\n    dest: /etc/a\n    mode: "0666"\n'},
)
GOOD = (
    {"k8s/rbac.yaml": "kind: ClusterRoleBinding\nroleRef: {kind: ClusterRole, name: app-reader}\n"},
    {"k8s/a.yaml": "kind: Pod\n  securityContext:\n    runAsUser: 1000\n  volumes:\n    - hostPath: {path: /var/log}\n"},
    {"k8s/i.yaml": "kind: Ingress\n  paths:\n    - pathType: Prefix\n      path: /\n"},
    {"db/a.sql": "GRANT ALL ON shop.* TO 'x'@'localhost';\n-- GRANT DBA TO x;\nALTER ROLE etl NOSUPERUSER;\n"},
    {"x.service": "[Service]\nUMask=0027\nExecStart=/bin/true\n", "y.service": "[Service]\nUMask=0022\n"},
    {"etc/nginx/nginx.conf": "user www-data;\n# user root;\n", "radiusd.conf": "user = radiusd\n"},
    {"php/pool.d/x.conf": "[x]\nuser = www-data\n", "etc/app.conf": "user = root\n"},
    {"x.service": "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nExecStart=/bin/true\n"},
    {"etc/polkit-1/rules.d/49-x.rules": 'if (action.id == "x.restart") { return polkit.Result.YES; }\n'},
    {"site.yml": '- systemd:\n    state: disabled\n- file:\n    path: /x\n    mode: "0755"\n'},
    {"README.md": "GRANT ALL PRIVILEGES ON *.* TO x\n"},
)
