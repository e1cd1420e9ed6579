"""A secret is written into a configuration file or a program of the package.

## What it does
Reads keys and values of properties, ini, env, YAML, JSON, TOML, XML, Terraform, unit and cron files and the literals of
programs, also inside nested archives, and looks for passwords in URLs (JDBC too). Variables, templates, encrypted
values, paths, translations, names and prose are no secrets; a common password is `medium`; examples and test data are
`low`; libraries' own files are left alone. More than three in one file are one finding.

## Why it matters
Every customer of the vendor and everyone who ever saw the package has it. It cannot be rotated without a new package.

## Example
```
jdbc.url=jdbc:postgresql://db/app?user=bridge&password=Bridge-2023
```

## Fix
Rotate the secret. `fulldress adapt` writes a reference to an environment variable in its place; the program that
reads the file must resolve it (or is started by something that does).

## References
- CWE-798 Use of Hard-coded Credentials; CWE-260 Password in Configuration File
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.credentialfiles import is_whole
from fulldress.scan.credentials.secretlines import FORMS_LOOK_LIKE, MARKUP, found_in
from fulldress.scan.credentials.secretreport import MANY, Spot, findings, redacted, severity_of
from fulldress.scan.credentials.vault import in_unit, out_of_unit, reference, secret_file
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, current_text, edited, is_code, memo, with_line
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="secret-in-config",
    family="secret",
    title="Secret in a configuration file",
    severity="high",
    confidence="certain",
)
NAMED = Pattern(
    r"(?i):[^\S\n]{0,4}[\"']?[\w.-]{0,60}(passw(or)?d|pwd|secret|token|api_?key|_key)[\"']?[^\S\n]{0,4},?[^\S\n]{0,4}$"
)
"""``- name: DB_PASSWORD``, its value on the next line: how containers are given their environment."""
LOOKS_FOR = (
    Pattern(
        r"(?i)(pass(word|wd|phrase)?|pwd|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|credentials?|"
        r"(auth|account|signing|encryption|master|storage|secret)[_.-]?key|bearer|"
        r"passwort|kennwort|mot[_.-]?de[_.-]?passe|contrase(n|\xc3\xb1)a|senha|wachtwoord|heslo|[_.-]pw|kek|_salt|enc_key)[\"')\]]{0,2}\s{0,8}[:=>]"
    ),
    NAMED,
    Pattern(r"://[^\s/:@'\"<>$]{0,200}:([^\s/@'\"<>]{1,200}@|[\"']\s{0,2}[+.&]\s{0,2}[\"'])"),
    Pattern(r"(?i)(key|name)\s?=\s?[\"'][^\"']{0,60}(pass|secret|token|key)[^\"']{0,20}[\"']\s{1,8}value\s?="),
    *(Pattern(regex) for regex in FORMS_LOOK_LIKE),
)
_COMMENT = late(r"<!--.*?-->", re.DOTALL)
_WRAPPED = late(r"(?m)^[^\S\n]*[\"']?kind[\"']?\s*:\s*[\"']?(Secret|SealedSecret)\b")
_ASSIGNMENTS = r"""\"[^\"]*\"|'[^']*'|\S+"""
"""The words of a unit's ``Environment=``."""
_EXPLAINS = late(
    r"""(?i)^([^\S\n]*(?:-\s+)?)["']?(?:descriptions?|help|documentation|docs?|details|notes?|examples?|summary|title)["']?\s*:\s*[|>][+0-9-]*\s*$"""
)
MAX_MARKUP = 2 << 20


def check(context: Context) -> Iterator[Finding]:
    """One finding for each line with a secret, or one for the file."""
    by_place: dict[str, list[Spot]] = {}
    for entry, number, line in acting_lines(context, *LOOKS_FOR, acting=_is_read):
        if number in _not_read(context, entry):
            continue
        spot = _spot(entry.place, number, line) or _below(context, entry, number, line)
        if spot is not None:
            by_place.setdefault(entry.place, []).append(spot)
    for place, spots in by_place.items():
        yield from findings(META.slug, place, spots)


_NAME = late(r"""^\s*(?:-\s+)?["']?(?:name|key)["']?\s?:\s*["']?([\w.-]+)["']?\s*,?\s*$""")
_VALUE = late(r"""^\s*["']?value["']?\s?:\s*(?:"([^"]*)"|'([^']*)'|([^\s"'{\[&*!|>][^\s#]*))\s*,?\s*$""")


_FOLDED = late(r"""^\s*(?:-\s+)?["']?([\w.-]+)["']?\s*:\s*[|>][+-]?\s*$""")


def _folded(context: Context, entry: Entry, number: int, name: str) -> Spot | None:
    """A value of one line under a block sign."""
    text, after = [*(context.text(entry) or "").split("\n")[number : number + 2], "", ""][:2]
    value = text.strip()
    goes_on = bool(after.strip()) and len(after) - len(after.lstrip()) >= len(text) - len(text.lstrip())
    severity = severity_of("real", standing(entry.place)) if secrets.worth(value) == "real" and not goes_on else None
    return Spot(number + 1, f"a secret under {name}", redacted(text, value), severity) if severity is not None else None


def _below(context: Context, entry: Entry, number: int, line: str) -> Spot | None:
    """The secret on the line below its name, in a list of names and values, or folded (``password: >-``)."""
    folded = _FOLDED.match(line) if entry.place.endswith((".yaml", ".yml")) else None
    if folded is not None and secrets.is_secret_key(folded[1]):
        return _folded(context, entry, number, folded[1])
    name = _NAME.match(line) if entry.place.endswith((".yaml", ".yml", ".json", ".j2")) else None
    if name is None or not secrets.is_secret_key(name[1]):
        return None
    kept = context.memo.get("lines below")  # of the last file: a list may name a thousand variables
    if not isinstance(kept, tuple) or kept[0] != entry.sha256:
        kept = context.memo["lines below"] = (entry.sha256, (context.text(entry) or "").split("\n"))
    below = kept[1][number : number + 1]
    found = _VALUE.match(below[0]) if below else None
    value = (found[1] or found[2] or found[3] or "") if found is not None else ""
    worth = secrets.worth(value)
    severity = severity_of(worth, standing(entry.place)) if worth == "real" else None
    if severity is None:
        return None
    return Spot(number + 1, f"a secret under {name[1]}", redacted(below[0], value), severity)


def _spot(place: str, number: int, line: str) -> Spot | None:
    found = list(found_in(place, line))
    if not found:
        return None
    first = min(found, key=lambda s: s.worth != "real")
    severity = severity_of(first.worth, standing(place))
    if severity is None or (is_code(place) and first.worth == "weak"):
        return None
    under = f" under {first.key}" if first.key else ""
    shown = redacted(line, *(s.value for s in found))
    return Spot(number, f"{first.what}{under}", shown, severity, first.confidence, not is_code(place))


def _is_read(entry: Entry) -> bool:
    """False for what another rule reads whole (credential files), or nobody."""
    return standing(entry.place) not in ("silent", "library") and not is_whole(entry.place)


def _not_read(context: Context, entry: Entry) -> frozenset[int] | range:
    """Lines that another rule reads (scripts, Kubernetes secrets) or nobody (comments in markup)."""
    return memo(context, (META.slug, entry.sha256, entry.place), lambda: _skipped(context, entry))


def _skipped(context: Context, entry: Entry) -> frozenset[int] | range:
    text = context.text(entry) if entry.size <= MAX_MARKUP else None
    if text is None:
        return frozenset()
    if shell.is_shell(entry.place, text) or (entry.place.endswith((".yaml", ".yml", ".json")) and _WRAPPED.search(text)):
        return range(1 << 40)
    if entry.place.endswith((".yaml", ".yml")):
        return frozenset(_described(text))
    if not entry.place.endswith(MARKUP):
        return frozenset()
    inside: set[int] = set()
    for match in _COMMENT.finditer(text):
        first = text.count("\n", 0, match.start()) + 1
        inside.update(range(first, first + match[0].count("\n") + 1))
    return frozenset(inside)


def _described(text: str) -> Iterator[int]:
    """The lines of the block texts under keys that explain something: what is in there is documentation."""
    indent = -1
    for number, line in enumerate(text.split("\n"), 1):
        depth = len(line) - len(line.lstrip())
        if indent >= 0 and line.strip() and depth <= indent:
            indent = -1
        if indent >= 0:
            yield number
        elif (head := _EXPLAINS.match(line)) is not None:
            indent = len(head[1])


def cure(context: Context, finding: Finding) -> Cure | None:
    """Put ``${VARIABLE}`` where the secrets stood; in a unit, read the secret file instead."""
    text = current_text(context, finding.place)
    if text is None or not finding.curable or finding.line > text.count("\n") + 1:
        return None
    here = [s.line for s in _spots(context, finding.place)]
    names: list[str] = []
    for number in here if len(here) > MANY else [finding.line]:
        text, added = _without(context, finding.place, text, number)
        names += added
    if not names:
        return None
    path = secret_file(context)
    if names == [path]:
        return edited(finding.place, text, f"secret taken out of the unit; it reads {path}")
    listed = ", ".join(dict.fromkeys(names))
    note = f"secret replaced by {listed}; put it into {path} and make sure the program resolves it"
    return edited(finding.place, text, note)


def _spots(context: Context, place: str) -> Iterator[Spot]:
    for entry, number, line in acting_lines(context, *LOOKS_FOR, acting=lambda e: e.place == place and _is_read(e)):
        if number not in _not_read(context, entry):
            spot = _spot(place, number, line)
            if spot is not None:
                yield spot


def _without(context: Context, place: str, text: str, number: int) -> tuple[str, list[str]]:
    """The text with references in one line, and the names that they have (a unit: the file that it reads)."""
    line = text.split("\n")[number - 1]
    found = list(found_in(place, line))
    if not found:
        return text, []
    path = secret_file(context)
    if in_unit(place, line):
        return with_line(text, number, lambda line: out_of_unit(line, [s.value for s in found], path)), [path]
    stem = place.rpartition("/")[2].partition(".")[0]
    names = []
    for secret in found:
        key = re.sub(r"(?i)[._-]?(url|uri|dsn)$", "", secret.key) if secret.named else secret.key or "secret"
        name = secrets.variable(stem, key, secret.named)
        names.append(name)
        refer = reference(place, text, name)
        bare = refer.startswith("{{") and re.search(rf":\s+{re.escape(secret.value)}\s*(#.*)?$", line)
        line = line.replace(secret.value, f'"{refer}"' if bare else refer)
    return with_line(text, number, lambda _line: line), names


BAD = (
    {"rabbitmq/advanced.config": '[{rabbit, [{default_user, <<"p">>}, {default_pass, <<"geheim-1x">>}]}].\n'},
    {"tf/main.tf": 'variable "db_password" { default = "geheim-1x" }\n'},
    {"raddb/users": 'bob  Cleartext-Password := "geheim1x"\n'},
    {"kafka/jaas.conf": 'KafkaServer {\n  a required\n    user_nb="geheim-1x";\n};\n'},
    {"a.exp": '#!/usr/bin/expect -f\nset password "geheim-1x"\n'},
    {"conf/ldap.toml": 'ldap_bind_pw = "geheim-1x"\n', "etc/cron.d/a": "ERP_PW=geheim-1x\n0 1 * * * root /bin/true\n"},
    {"conf/application.yml": "datasource:\n  password: >-\n    geheim-1\n  url: x\n"},
    {"etc/haproxy/a.cfg": "listen s\n    stats auth ops:geheim-1\n", "a.fish": "set -gx MQTT_PASS 'geheim-1'\n"},
    {"wlp/server.xml": '<keyStore id="k" password="{xor}Lz4sLCgwLTtyZ2Zn"/>\n'},
    {"consul/a.hcl": 'encrypt = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="\n'},
    {"consul/b.hcl": 'tokens {\n  initial_management = "7f4e0c1a-93b2-4d58-a6e7-0b1c2d3e4f50"\n}\n'},
    {"ci/Jenkinsfile": 'sh """\n  curl --fail -u deploy:geheim-1 https://n.partner.example/\n"""\n'},
    {"Jenkinsfile": 'sh "curl -u admin:7Qm2xV9kRt4LpZs8 https://nexus.lab.internal/x"\n'},
    {"setup.iss": 'Filename: "{app}\\x.exe"; Parameters: "/user=sa /password=7Qm2xV9kRt4LpZs8"\n'},
    {"k8s/d.yaml": 'kind: Deployment\n  env:\n    - name: WMS_TOKEN\n      value: "0a9f4c77d1e24b"\n'},
    {"a/web.config": '<machineKey validationKey="' + "0123456789ABCDEF" * 4 + '" validation="SHA1" />\n'},
    {"app/etc/env.php": "<?php return ['crypt' => ['key' => '0123456789abcdef0123456789abcdee']];\n"},
    {"lib/systemd/system/b.service": '[Service]\nEnvironment="SMTP_PASS=Preis#31" "LANG=C"\nExecStart=/bin/true\n'},
    {
        "app/conf.py": 'X = os.getenv("DB_PASSWORD", "geheim1")\n',
        "web/x.js": "t = process.env.API_TOKEN || 'geheim1x';\n",
    },
    {"appsettings.json": '{"Jwt": {"Key": "eine-lange-losung-4711-x"}}\n', "Makefile": "DB_PASS := geheim-1\n"},
    {"a.cmd": "net use Z: \\\\fs\\x geheim1 /user:imp\r\nnet user svc geheim1 /add\r\n"},
    {"k8s/app.yaml": "env:\n- name: APP_MODE\n  value: x1\n- name: DB_PASSWORD\n  value: 7Qm2xV9kRt4LpZs8\n"},
    {"conf/app.properties": "smtp.passwort=7Qm2xV9kRt4LpZs8\nldap.kennwort = 7Qm2xV9kRt4LpZs9\n"},
    {"conf/app.ini": "[db]\nmot_de_passe = 7Qm2xV9kRt4LpZs8\ncontraseña=7Qm2xV9kRt4LpZs9\n"},
    {"lib/b.jar!/bridge.properties": "jdbc.url=jdbc:postgresql://db:5432/app?user=bridge&password=Br1dge-2023\n"},
    {"conf/web.config": '<add key="SmtpPassword" value="geheim1"/>\n<a password=\'geheim1\'/>\n'},
    {"conf/app.env": "A_PASSWORD=geheim1\nB_PASSWORD=geheim1\nC_TOKEN=geheim1a\nexport D_SECRET=geheim1b\nE=1\n"},
    {"win/app.ini": "[db]\r\npassword=geheim1\r\n".encode("utf-16")},
    {
        "Dockerfile": "ENV DB_PASSWORD geheim1\n",
        "etc/ldap.conf": "bindpw geheim1\n",
        "hosts": "db1 ansible_password=geheim1 x=1\n",
    },
    {"a.ps1": '$p = ConvertTo-SecureString "geheim1" -AsPlainText\n', "a.go": 'Open("mysql", "app:geheim1@tcp(db)/x")\n'},
    {"a.xml": '<entry key="password">geheim1</entry>\n<password><![CDATA[geheim1]]></password>\n'},
    {"a.py": 'get(u, auth=("svc", "geheim1"))\n', "a.cmd": "net use Z: \\\\fs\\x /user:imp geheim1\r\n"},
    {"conf/cache.ini": "url = redis://:geheim1@cache:6379/0\n", "conf/weak.ini": "password = changeme\n"},
    {"conf/app.ini": "[db]\nuser = app\npassword = geheim1\n"},
    {"conf/app.yaml": "db:\n  password: 'geheim1'\n"},
    {"conf/app.json": '{"db":{"user":"app","password":"geheim1"},"x":1}\n'},
    {"conf/app.xml": "<db>\n  <password>geheim1</password>\n</db>\n"},
    {"deploy/site.yml": "- hosts: a\n  vars:\n    smtp_password: geheim-41x\n"},
    {"lib/systemd/system/a.service": "[Service]\nEnvironment=PORT=8080 API_SECRET=geheim1a\n"},
    {"lib/systemd/system/a.service": "[Service]\nEnvironment=DB_PASSWORD=geheim1\nExecStart=/bin/true\n"},
    {"etc/cron.d/app": "API_TOKEN=geheim12\n0 1 * * * root /bin/true\n"},
    {"app/settings.py": 'DB = {"password": "S3cret-9xQ"}\nURL = "postgresql://app:k8Wz-41x@db/app"\n'},
)
GOOD = (
    {"conf/application.yml": "a:\n  password: |\n    ${DB_PASSWORD}\nb:\n  token: >\n    words that\n    explain-1\n"},
    {"etc/haproxy/a.cfg": "  stats auth $USER:$PASS\n", "a.fish": "set -gx MQTT_PASS $argv[1]\nset -l token (cat /run/t)\n"},
    {
        "conf/a.env": "DB_PASSWORD=@@DB_PASSWORD@@\nB_TOKEN=__API_TOKEN__\n",
        "raddb/users": '#a Cleartext-Password := "geheim1x"\n',
    },
    {"ci/Jenkinsfile": "sh 'curl -u $USER:$PASS https://n.partner.example/'\n", "c.hcl": 'encrypt = "${GOSSIP}"\n'},
    {"app/x.php": "$p = '/password=(\\w+)/';\n$q = '/pwd:[a-z]9+/';\n"},
    {"Jenkinsfile": 'sh "curl -u $U:$P https://nexus.lab.internal/x"\nsh \'curl -u "${U}:${P}" https://n.lab/\'\n'},
    {"setup.iss": 'Parameters: "/user={param:user} /password={param:pw}"\nurl = "https://x.lab/password=reset"\n'},
    {"k8s/d.yaml": "env:\n    - name: WMS_TOKEN\n      valueFrom: x\n    - name: A_TOKEN\n      value: $(B_TOKEN)\n"},
    {"app/conf.py": 'X = os.getenv("DB_PASSWORD", "")\n', "web/x.js": "const t = process.env.API_TOKEN || '';\n"},
    {"a.cmd": "net use Z: /delete\r\nnet user svc /delete\r\nnet user svc * /add\r\n"},
    {"k8s/app.yaml": "env:\n- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: db}}\n- name: A_TOKEN\n  value: $(T)\n"},
    {"i18n/de.properties": "login.passwort=Passwort\nlogin.kennwort=Ihr Kennwort\n", "i18n/pt.properties": "senha=Senha\n"},
    {"conf/app.ini": "[db]\npassword = ${DB_PASSWORD}\npassword_file = /etc/x\n# password = geheim1\nsecret =\n"},
    {"conf/app.yaml": "db:\n  password: '{{ password }}'\n  token: ENC[abc]\n  passwordPolicy: strict\n"},
    {"conf/app.json": '{"password": "<your password>", "token_ttl": "3600"}\n'},
    {"app/settings.py": 'password = os.environ["DB_PASSWORD"]\nTOKEN = "_default"\nE = "pg://scott:tiger@host/db"\n'},
    {"app/engine.py": '"""Connect.\n\n    connect("pg://app:k8Wz-41x@db/app")\n"""\n'},
    {"lib/site-packages/x/engine.py": 'E = connect("pg://app:k8Wz-41x@db/app")\n'},
    {
        "package.json": '{"jsonwebtoken": "^8.5.1", "x-htpasswd": "12.0.0-next.5"}\n',
        "a.js": "const PREFIX_API_KEY = 'n8n_api_';\n",
    },
    {"conf/s.yaml": "properties:\n  a:\n    description: |\n      Use this:\n\n        'api_key': 'geheim1x'\n"},
    {
        "api/Block.php": "'action=block&user=a&token=123ABC'\n$u .= \"#?secret={$secret}\";\n"
        "protected $dummyPassword = 'geheim1';\n"
    },
    {"web/a.chunk.js": "x" * 1000 + ';y={token:"keyword.$0",password:"@words12"}\n'},
    {"README.md": "password = geheim1\n"},
    {"web/i18n/de.json": '{"password": "Kennwort1"}\n', "x/LocalStrings_fr.properties": "a.noPassword=Aucun mot1\n"},
    {"site-packages/botocore/data/ec2/paginators-1.json": '{"output_token": "NextToken1", "input_token": "Token2"}\n'},
    {"conf/server.xml": '<!--\n<Certificate certificateKeystorePassword="geheim1"/>\n-->\n'},
    {"conf/alembic.ini": "sqlalchemy.url = driver://user:pass@localhost/dbname\nx = http://joe:pw@example.com/\n"},
    {"conf/k.yaml": "secretName: db-credentials\ntoken: my.token.name\nhost_password: !vault |\n  $ANSIBLE_VAULT;1\n"},
    {"package.json": '{"dependencies": {"pbkdf2-password": "^1.2.1"}}\n', "e.php": '$url .= "#?secret={$secret}";\n'},
    {"completions/_tool": '"--secret=[Specify secrets to expose]:secret:__complete"\n', "x.php": "'a=b&token=123ABC'\n"},
    {"conf/app.yaml": "password_hint: geheim1\ninput_token: abc123def\npassword: ${PW:-geheim1}\n"},
)
