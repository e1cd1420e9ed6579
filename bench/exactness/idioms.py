"""Other idioms: 58 ways to write a password down that the planted set does not have, each with a harmless twin.

Written when the rules were finished for the planted set: they found 23 of the 58 then; what they find now was tuned on it.
The twin of a file has a reference (``${VAULT_WORD}``) where the password was; nothing may be said of it.
"""

from __future__ import annotations

import base64
import random
import string

from exactness import Row
from fulldress.scan.rule import Context
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import load_rules, sweep

SEED = 53_003


def encoded(text: str) -> str:
    """Base64."""
    return base64.b64encode(text.encode()).decode()


def measure() -> list[Row]:
    """Found, and twins reported."""
    numbers = random.Random(SEED)
    word = (
        "Kranich"
        + "".join(numbers.choice(string.digits) for _ in range(2))
        + "-"
        + "".join(numbers.choices("abcdefgh34", k=5))
    )
    family = [rule for rule in load_rules() if rule.META.family == "secret"]

    def loud(context: Context) -> bool:
        return any(f.severity in ("critical", "high", "medium") for f in sweep(context, family).findings)

    real, twins = idioms(word), idioms("${VAULT_WORD}")
    missed = [place for place, text in real.items() if not loud(context_of({place: text}))]
    said = [place for place, text in twins.items() if loud(context_of({place: text}))]
    found = len(real) - len(missed)
    return [
        Row("other idioms: secrets found", found, len(real), found >= 50, "at least 50 of 58", ", ".join(missed)),
        Row("other idioms: harmless twins reported", len(said), len(twins), not said, "0", ", ".join(said)),
    ]


def idioms(word: str) -> dict[str, str]:
    """place -> content with the word in it."""
    return {
        "config/database.yml": f"production:\n  adapter: postgresql\n  password: {word}\n",
        "application.yml": f'spring:\n  datasource:\n    url: jdbc:postgresql://db/app\n    password: "{word}"\n',
        "docker-compose.yml": f"services:\n  db:\n    environment:\n      - POSTGRES_PASSWORD={word}\n",
        "docker-compose.override.yml": f"services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: {word}\n",
        "Dockerfile": f"FROM x@sha256:1\nENV DB_PASSWORD={word}\n",
        "docker/Dockerfile.prod": f"ENV DB_PASSWORD {word}\n",
        "chart/values.yaml": f"postgresql:\n  auth:\n    postgresPassword: {word}\n",
        "Jenkinsfile": f"pipeline {{\n environment {{ DEPLOY_PASSWORD = '{word}' }}\n}}\n",
        "appsettings.json": f'{{"ConnectionStrings": {{"Main": "Server=db;User Id=app;Password={word};Encrypt=true"}}}}\n',
        "src/config.php": f"<?php return ['host'=>'db', 'password' => '{word}'];\n",
        "src/main.go": f'cfg := Config{{User: "app", Password: "{word}"}}\n',
        "src/open.go": f'db, err := sql.Open("mysql", "app:{word}@tcp(db:3306)/app")\n',
        "inventory/hosts": f"[db]\ndb1 ansible_user=root ansible_password={word} ansible_port=22\n",
        "bin/run.bat": f"@echo off\r\nset DB_PASSWORD={word}\r\n",
        "bin/run.ps1": f'$p = ConvertTo-SecureString "{word}" -AsPlainText -Force\n',
        "bin/use.cmd": f"net use Z: \\\\fs\\x /user:imp {word}\r\n",
        "lib/db.pl": f'my $d = DBI->connect("dbi:Pg:dbname=x", "app", "{word}");\n',
        "nginx.conf": f'location / {{ proxy_set_header Authorization "Basic {encoded(f"svc:{word}")}"; }}\n',
        "etc/ldap.conf": f"binddn cn=svc\nbindpw {word}\n",
        "etc/redis/redis.conf": f"requirepass {word}\n",
        "etc/postfix/sasl_passwd": f"[smtp.partner.example]:587 user:{word}\n",
        "etc/rsyncd.secrets": f"backup:{word}\n",
        "etc/pg_service.conf": f"[app]\nhost=db\npassword={word}\n",
        "etc/odbc.ini": f"[app]\nUID=app\nPWD={word}\n",
        "etc/wpa_supplicant.conf": f'network={{\n psk="{word}"\n}}\n',
        "etc/ppp/chap-secrets": f'client * "{word}" *\n',
        "src/Tls.java": f'System.setProperty("javax.net.ssl.keyStorePassword", "{word}");\n',
        "src/Props.java": f'props.put("password", "{word}");\n',
        "bin/setenv.sh": f'JAVA_OPTS="$JAVA_OPTS -Djavax.net.ssl.keyStorePassword={word}"\n',
        "conf/entry.xml": f'<entry key="password">{word}</entry>\n',
        "conf/bean.xml": f'<property name="password" value="{word}"/>\n',
        "conf/cdata.xml": f"<password><![CDATA[{word}]]></password>\n",
        "conf/conn.xml": f'<add name="m" connectionString="Data Source=db;User ID=a;Password={word}"/>\n',
        "app/settings.py": f"DATABASES = {{'default': {{'USER': 'app', 'PASSWORD': '{word}'}}}}\n",
        "app/c.py": f'auth=("svc", "{word}")\nr = requests.get(u, auth=("svc", "{word}"))\n',
        "app/d.rb": f'Mysql2::Client.new(host: "db", username: "app", password: "{word}")\n',
        "app/e.ts": f'const pool = new Pool({{ user: "app", password: "{word}" }});\n',
        "app/f.cs": f'var c = new SqlConnection("Server=db;User Id=app;Password={word};");\n',
        "etc/systemd/system/x.service": f"[Service]\nExecStart=/usr/bin/app --db-password {word}\n",
        "etc/systemd/system/y.service": f"[Service]\nExecStart=/usr/bin/curl -u svc:{word} https://h.partner.example\n",
        "sql/a.sql": f"\\set pw '{word}'\nGRANT ALL ON x.* TO 'a'@'%' IDENTIFIED BY '{word}';\n",
        "sql/b.sql": f"ALTER SYSTEM SET primary_conninfo = 'host=a user=r password={word}';\n",
        "kickstart.ks": f"rootpw --plaintext {word}\n",
        "preseed.cfg": f"d-i passwd/root-password password {word}\n",
        "cloud-init.yml": f"#cloud-config\nchpasswd:\n  list: |\n    root:{word}\n",
        "etc/fstab": f"//fs/x /mnt cifs username=imp,password={word} 0 0\n",
        "etc/mosquitto/conf.d/b.conf": f"remote_username a\nremote_password {word}\n",
        "etc/freeradius/clients.conf": f"client a {{\n secret = {word}\n}}\n",
        "etc/snmp/snmpd.conf": f'createUser u SHA "{word}" AES\n',
        "terraform.tfstate": f'{{"attributes": {{"password": "{word}"}}}}\n',
        "postman.json": f'{{"key": "password", "value": "{word}"}}\n',
        "log/app.log": f"2026-01-01 connect postgres://app:{word}@db/app failed\n",
        "root/.bash_history": f"mysql -uroot -p{word}\n",
        "bin/heredoc.sh": f"#!/bin/sh\nftp -n host <<EOF\nuser imp {word}\nquit\nEOF\n",
        "bin/expect.exp": f'#!/usr/bin/expect\nsend "{word}\\r"\n',
        "bin/var.sh": f"#!/bin/sh\nPASS='{word}'\nsshpass -p \"$PASS\" ssh a@b\n",
        "bin/pghere.sh": f"#!/bin/sh\npsql <<EOF\nALTER ROLE app PASSWORD '{word}';\nEOF\n",
        "bin/py.sh": f"#!/bin/sh\npython3 -c \"import x; x.connect(password='{word}')\"\n",
    }
