# ruff: noqa: E501 - a file's text is one string, however long
"""The text files of the independent set of planted secrets: what a vendor's package holds, with a hole for each value.

A template has ``@S@`` where its secret goes (and ``@T@`` where a second, unremarkable word of the same seed goes), so that
nothing here looks like a secret; the values are made at run time. Written from the words of the catalogue only.
"""

# ruff: noqa: E501 - one file a line reads better than a file over twenty
from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """One file with one secret."""

    path: str
    value: str
    """Which kind of value fills the hole: the name of a maker in ``planted_independent``."""
    body: str


TOKENS = (
    Text(
        "ops/publish.sh",
        "github",
        '#!/bin/bash\nset -eu\nexport GH_HOST=github.com\nexport GH_TOKEN=@S@\ngh release upload "$TAG" dist/*\n',
    ),
    Text(
        "web/.npmrc", "npm", "registry=https://registry.npmjs.org/\nsave-exact=true\n//registry.npmjs.org/:_authToken=@S@\n"
    ),
    Text(
        "ops/aws/credentials",
        "aws",
        "[default]\nregion = eu-central-1\naws_access_key_id = @T@\naws_secret_access_key = @S@\n",
    ),
    Text(
        "web/server/payments.js",
        "stripe",
        "const Stripe = require('stripe');\nconst stripe = new Stripe('@S@');\nmodule.exports = { stripe };\n",
    ),
    Text("etc/alerting.yml", "slack", "receivers:\n  - name: oncall\n    slack:\n      channel: '#ops'\n      bot: @S@\n"),
    Text(
        "Jenkinsfile",
        "gitlab",
        "pipeline {\n  agent any\n  environment {\n    TOKEN = '@S@'\n  }\n  stages { stage('Build') { steps { sh 'make' } } }\n}\n",
    ),
    Text("app/mailer.rb", "sendgrid", "require 'sendgrid-ruby'\n\nCLIENT = SendGrid::API.new(api_key: '@S@').client\n"),
    Text(
        "bin/health.sh",
        "jwt",
        '#!/bin/sh\nexec curl -fsS -H "Authorization: Bearer @S@" https://api.orbit-billing.com/health\n',
    ),
    Text(
        "srv/appsettings.json",
        "azure",
        '{\n  "Logging": {"LogLevel": {"Default": "Warning"}},\n  "Storage": "DefaultEndpointsProtocol=https;AccountName=orbitprod;AccountKey=@S@;EndpointSuffix=core.windows.net"\n}\n',
    ),
)

CREDENTIAL_FILES = (
    Text("home/orbit/.pgpass", "plain", "# host:port:db:user:password\ndb1.orbit-billing.com:5432:billing:orbit:@S@\n"),
    Text("home/orbit/.netrc", "plain", "machine files.orbit-billing.com\n  login deploy\n  password @S@\n"),
    Text(
        "etc/mysql/my.cnf", "words", "[client]\nuser = orbit\npassword = @S@\nhost = 10.20.0.14\n\n[mysqld]\nport = 3306\n"
    ),
    Text("etc/nginx/orbit.htpasswd", "apr1", "operator:@S@\n"),
    Text("etc/pip.conf", "words", "[global]\ntimeout = 20\nindex-url = https://build:@S@@pypi.orbit-billing.com/simple\n"),
    Text(
        "home/orbit/.docker/config.json",
        "basic",
        '{\n  "auths": {\n    "registry.orbit-billing.com": {\n      "auth": "@S@"\n    }\n  }\n}\n',
    ),
    Text(
        "ops/kubeconfig",
        "plain32",
        "apiVersion: v1\nkind: Config\nclusters:\n- name: prod\n  cluster: {server: 'https://k8s.orbit-billing.com:6443'}\nusers:\n- name: deployer\n  user:\n    token: @S@\n",
    ),
    Text(
        "tomcat/conf/tomcat-users.xml",
        "words",
        '<?xml version="1.0"?>\n<tomcat-users>\n  <role rolename="manager-gui"/>\n  <user username="admin" password="@S@" roles="manager-gui"/>\n</tomcat-users>\n',
    ),
    Text(
        "www/wp-config.php",
        "symbols",
        "<?php\ndefine( 'DB_NAME', 'portal' );\ndefine( 'DB_USER', 'portal' );\ndefine( 'DB_PASSWORD', '@S@' );\ndefine( 'DB_HOST', 'localhost' );\n",
    ),
)

CONFIGS = (
    Text(
        "etc/application.properties",
        "words",
        "server.port=8443\nspring.datasource.username=orbit\nspring.datasource.password=@S@\nspring.jpa.show-sql=false\n",
    ),
    Text(
        "etc/billing.yaml",
        "plain",
        "database:\n  host: db1\n  credentials:\n    user: billing\n    passwd: @S@\n  pool: 12\n",
    ),
    Text("etc/gateway.toml", "plain", '[listen]\nport = 8080\n\n[session]\nsigning_secret = "@S@"\n'),
    Text("etc/ldap.ini", "lower", "[ldap]\nuri = ldaps://ldap1\nbinddn = cn=svc,dc=orbit\nbindpw = @S@\n"),
    Text(
        "etc/broker.xml",
        "words",
        "<broker>\n  <connector uri='tcp://mq1:61616'>\n    <userName>orbit</userName>\n    <password>@S@</password>\n  </connector>\n</broker>\n",
    ),
    Text("deploy/prod.env", "plain", "NODE_ENV=production\nREDIS_HOST=cache1\nREDIS_PASS=@S@\n"),
    Text("deploy/terraform.tfvars", "words", 'region      = "eu-west-1"\ndb_username = "orbit"\ndb_password = "@S@"\n'),
    Text(
        "srv/Web.config",
        "words",
        '<configuration>\n  <connectionStrings>\n    <add name="Main" connectionString="Server=sql1;Database=Orbit;User Id=sa;Password=@S@;Encrypt=true" />\n  </connectionStrings>\n</configuration>\n',
    ),
    Text(
        "lib/systemd/system/orbit-api.service",
        "plain",
        "[Unit]\nDescription=Orbit API\n\n[Service]\nEnvironment=PORT=8080 API_SECRET=@S@\nExecStart=/usr/bin/orbit-api\n",
    ),
    Text(
        "etc/cron.d/orbit-backup", "words", "SHELL=/bin/sh\nBACKUP_PASSWORD=@S@\n15 2 * * * orbit /usr/lib/orbit/backup.sh\n"
    ),
    Text(
        "ansible/group_vars/all.yml",
        "words",
        "---\norbit_version: 4.2.0\norbit_db_user: orbit\norbit_db_password: @S@\norbit_listen: 8443\n",
    ),
    Text(
        "ansible/roles/db/tasks/main.yml",
        "plain",
        "- name: create the application's account\n  community.postgresql.postgresql_user:\n    name: orbit\n    password: '@S@'\n    state: present\n",
    ),
    Text(
        "deploy/docker-compose.yml",
        "words",
        "services:\n  db:\n    image: postgres:15\n    environment:\n      - POSTGRES_USER=orbit\n      - POSTGRES_PASSWORD=@S@\n",
    ),
    Text("deploy/values.json", "plain", '{"smtp": {"host": "mail1", "port": 587, "user": "noreply",\n  "pass": "@S@"}}\n'),
)

COMMANDS = (
    Text(
        "bin/pull-rates.sh",
        "plain",
        "#!/bin/sh\nset -e\nsshpass -p '@S@' sftp -oBatchMode=no rates@sftp.orbit-billing.com <<EOT\nget rates.csv\nEOT\n",
    ),
    Text("bin/nightly.sh", "plain", "#!/bin/bash\nmysql -h db1 -u orbit -p@S@ billing < /usr/share/orbit/nightly.sql\n"),
    Text(
        "debian/postinst",
        "words",
        '#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\n  PGPASSWORD=@S@ psql -h localhost -U orbit -d billing -f /usr/share/orbit/schema.sql\nfi\n',
    ),
    Text("bin/notify", "words", '#!/bin/sh\ncurl -sS -u orbit:@S@ --data @"$1" https://hooks.orbit-billing.com/v1/events\n'),
    Text(
        "bin/vacuum.sh",
        "plain",
        "#!/bin/sh\npsql 'postgresql://orbit:@S@@db1.orbit-billing.com:5432/billing' -c 'VACUUM ANALYZE'\n",
    ),
    Text("debian/preinst", "crypt", "#!/bin/sh\nset -e\nid orbit >/dev/null 2>&1 || useradd -r -m -p '@S@' orbit\n"),
    Text(
        "bin/export-key.sh",
        "words",
        "#!/bin/sh\nopenssl rsa -in /etc/orbit/tls.key -passin pass:@S@ -out /run/orbit/tls.key\n",
    ),
    Text(
        "bin/windows-share.sh",
        "words",
        "#!/bin/sh\nmount -t cifs //files1/rates /mnt/rates -o username=svc,password=@S@,vers=3.0\n",
    ),
    Text("bin/cache-flush.sh", "plain", "#!/bin/sh\nredis-cli -h cache1 -a @S@ FLUSHDB\n"),
    Text("scripts/run.bat", "words", "@echo off\r\nset DB_USER=orbit\r\nset DB_PASSWORD=@S@\r\njava -jar orbit.jar\r\n"),
    Text(
        "scripts/Install.ps1",
        "words",
        "$ErrorActionPreference = 'Stop'\n$pw = ConvertTo-SecureString '@S@' -AsPlainText -Force\nNew-LocalUser -Name orbit -Password $pw\n",
    ),
    Text(
        "ops/mirror.sh",
        "lower",
        "#!/bin/sh\ngit clone https://builder:@S@@git.orbit-billing.com/orbit/rules.git /opt/rules\n",
    ),
)

SQL = (
    Text(
        "sql/00_roles.sql",
        "words",
        "CREATE ROLE orbit_app LOGIN PASSWORD '@S@';\nGRANT CONNECT ON DATABASE billing TO orbit_app;\n",
    ),
    Text("sql/41_rotate.sql", "plain", "BEGIN;\nALTER ROLE orbit_report WITH ENCRYPTED PASSWORD '@S@';\nCOMMIT;\n"),
    Text(
        "sql/50_fdw.sql",
        "words",
        "CREATE SERVER ledger FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db2', dbname 'ledger');\nCREATE USER MAPPING FOR orbit_app SERVER ledger\n  OPTIONS (user 'ledger_ro', password '@S@');\n",
    ),
    Text(
        "sql/51_dblink.sql",
        "plain",
        "INSERT INTO rates SELECT * FROM dblink(\n  'host=db2 dbname=ledger user=ledger_ro password=@S@',\n  'SELECT code, rate FROM rates') AS t(code text, rate numeric);\n",
    ),
    Text(
        "sql/mysql/grants.sql",
        "words",
        "CREATE USER 'orbit'@'10.%' IDENTIFIED BY '@S@';\nGRANT SELECT ON billing.* TO 'orbit'@'10.%';\n",
    ),
    Text(
        "sql/90_seed.sql",
        "bcrypt",
        "INSERT INTO app_user (id, login, password_hash, is_admin) VALUES\n  (1, 'admin', '@S@', true);\n",
    ),
)

CODE = (
    Text(
        "src/main/java/com/orbit/Ledger.java",
        "words",
        'package com.orbit;\n\nimport java.sql.*;\n\nclass Ledger {\n  Connection open() throws SQLException {\n    return DriverManager.getConnection("jdbc:postgresql://db2/ledger", "orbit", "@S@");\n  }\n}\n',
    ),
    Text(
        "www/inc/db.php",
        "words",
        "<?php\n$link = mysqli_connect('db1', 'portal', '@S@', 'portal');\nif (!$link) { die('no database'); }\n",
    ),
    Text(
        "lib/orbit/ledger.py",
        "plain",
        'import psycopg\n\n\ndef connect():\n    return psycopg.connect(host="db2", user="orbit", password="@S@", dbname="ledger")\n',
    ),
    Text(
        "web/server/db.js",
        "words",
        "const mysql = require('mysql2');\nconst pool = mysql.createPool({\n  host: 'db1',\n  user: 'orbit',\n  password: '@S@',\n});\nmodule.exports = pool;\n",
    ),
    Text(
        "srv/Mailer.cs",
        "words",
        'using System.Net;\nclass Mailer {\n  public void Open(SmtpClient c) {\n    c.Credentials = new NetworkCredential("noreply", "@S@");\n  }\n}\n',
    ),
    Text(
        "cmd/agent/main.go",
        "plain",
        'package main\n\nimport "database/sql"\n\nfunc open() (*sql.DB, error) {\n\treturn sql.Open("mysql", "orbit:@S@@tcp(db1:3306)/billing")\n}\n',
    ),
    Text(
        "bin/rates.pl",
        "words",
        "#!/usr/bin/perl\nuse strict;\nuse DBI;\nmy $dbh = DBI->connect('dbi:Pg:dbname=billing;host=db1', 'orbit', '@S@', {RaiseError => 1});\n",
    ),
    Text(
        "app/sync.rb",
        "words",
        "require 'net/sftp'\n\nNet::SFTP.start('files1', 'deploy', password: '@S@') do |sftp|\n  sftp.download!('rates.csv', 'rates.csv')\nend\n",
    ),
    Text(
        "lib/orbit/directory.py",
        "lower",
        'import ldap\n\nconn = ldap.initialize("ldaps://ldap1")\nconn.simple_bind_s("cn=svc,dc=orbit,dc=com", "@S@")\n',
    ),
    Text(
        "src/main/java/com/orbit/Login.java",
        "default",
        'package com.orbit;\n\nclass Login {\n  boolean master(String user, String password) {\n    return "admin".equals(user) && "@S@".equals(password);\n  }\n}\n',
    ),
    Text(
        "lib/orbit/support.py",
        "default",
        'def allowed(user, password):\n    if user == "support" and password == "@S@":\n        return True\n    return check(user, password)\n',
    ),
)

ENCODED = (
    Text("bin/bootstrap.sh", "b64script", "#!/bin/sh\n# unpacks the settings\necho @S@ | base64 -d | sh\n"),
    Text(
        "k8s/secret.yaml",
        "b64",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: orbit-db\ntype: Opaque\ndata:\n  password: @S@\n",
    ),
    Text("etc/connector.conf", "hexconf", "# written by the installer\nversion=3\nblob=@S@\n"),
    Text(
        "lib/orbit/defaults.py",
        "gzb64",
        'import base64\nimport gzip\n\nSETTINGS = gzip.decompress(base64.b64decode("@S@"))\n',
    ),
    Text("etc/webhook.url", "urlenc", "callback=https%3A%2F%2Fhooks.orbit-billing.com%2Fin%3Fx%3D1%26password%3D@S@\n"),
)

TRAPS = (
    Text(
        "docs-data/s3.ini",
        "none",
        "[s3]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    ),
    Text(
        "tmpl/app.yml",
        "none",
        'db:\n  password: ${DB_PASSWORD}\n  secret: {{ vault_orbit_secret }}\n  token: \'{{ lookup("env", "TOKEN") }}\'\n  api_key: %(API_KEY)s\n',
    ),
    Text(
        "tmpl/app.env",
        "none",
        "DB_PASSWORD=${DB_PASSWORD:-}\nAPI_SECRET=$(cat /run/secrets/api)\nTOKEN_FILE=/run/secrets/token\nPASSWORD=<your password>\n",
    ),
    Text(
        "conf/encrypted.properties",
        "enc",
        "datasource.user=orbit\ndatasource.password=ENC[AES256_GCM,data:@S@,iv:@T@,type:str]\nmail.password=ENC(@S@)\n",
    ),
    Text("ansible/group_vars/vault.yml", "vault", "$ANSIBLE_VAULT;1.1;AES256\n@S@\n"),
    Text(
        "bin/client.sh",
        "none",
        '#!/bin/bash\nread -rs -p "Password: " PW\nmysql -u orbit -p"$PW" billing -e "select 1"\nmysql -u orbit -p billing\npsql -h db1 -p 5432 -U orbit billing\nsshpass -p "$SFTP_PASS" sftp rates@files1\nsshpass -f /etc/orbit/sftp.pass sftp rates@files1\ncurl -u "$USER:$TOKEN" https://hooks.orbit-billing.com/\nopenssl rsa -passin env:KEYPASS -in a.key\n',
    ),
    Text(
        "lib/python3/site-packages/ecdsa/test_vectors.json",
        "hex64",
        '{"algorithm": "ECDSA", "numberOfTests": 2, "testGroups": [{"key": "@T@",\n "tests": [{"tcId": 1, "privateKey": "@S@", "secret": "@T@", "result": "valid"}]}]}\n',
    ),
    Text(
        "web/locales/de.json",
        "none",
        '{\n  "password": "Passwort",\n  "passwordRepeat": "Passwort wiederholen",\n  "token": "Zugangsschlüssel",\n  "secret": "Geheimnis",\n  "api_key": "API-Schlüssel eingeben"\n}\n',
    ),
    Text(
        "srv/messages_en.properties",
        "none",
        "login.password=Password\nlogin.password.wrong=The password you entered is incorrect\nlogin.secret=Secret answer\nlogin.token=One-time token\n",
    ),
    Text(
        "web/package-lock.json",
        "sri",
        '{\n  "lockfileVersion": 3,\n  "packages": {\n    "node_modules/passport-token": {\n      "version": "1.2.0",\n      "resolved": "https://registry.npmjs.org/passport-token/-/passport-token-1.2.0.tgz",\n      "integrity": "sha512-@S@"\n    }\n  }\n}\n',
    ),
    Text("SHA256SUMS", "hex64", "@S@  bin/token-helper\n@T@  etc/password.conf\n"),
    Text(
        "conf/remote.yml",
        "none",
        "remotes:\n  - https://user:token@git.example.com/orbit.git\n  - https://username:password@host/path\n  - git@github.com:orbit/rules.git\n  - postgres://USER:PASSWORD@HOST:5432/DATABASE\n  - ssh://git@git.orbit-billing.com/rules.git\n",
    ),
    Text(
        "conf/sample.ini",
        "none",
        "[smtp]\nuser = noreply\npassword = <password>\n[api]\nkey = YOUR_API_KEY_HERE\ntoken = xxxxxxxxxxxxxxxxxxxx\nsecret = <insert secret here>\n",
    ),
    Text(
        "lib/orbit/env.py",
        "none",
        'import os\n\nPASSWORD = os.environ["ORBIT_PASSWORD"]\nTOKEN = os.getenv("ORBIT_TOKEN", "")\nSECRET_KEY_FILE = "/etc/orbit/secret.key"\npassword_field = "password"\nTOKEN_HEADER = "X-Orbit-Token"\nPASSWORD_RESET_URL = "/account/password/reset"\n',
    ),
    Text(
        "src/main/java/com/orbit/Fields.java",
        "none",
        'package com.orbit;\n\nclass Fields {\n  static final String PASSWORD = "password";\n  static final String TOKEN_PREFIX = "orb_";\n  static final String SECRET_PARAM = "client_secret";\n  String password = System.getenv("ORBIT_PASSWORD");\n  void set(String password) { this.password = password; }\n}\n',
    ),
    Text(
        "sql/60_policy.sql",
        "none",
        "ALTER ROLE orbit_app PASSWORD NULL;\nALTER ROLE orbit_app VALID UNTIL 'infinity';\nALTER TABLE app_user ADD COLUMN password_hash text;\nCOMMENT ON COLUMN app_user.password_hash IS 'bcrypt of the password';\nUPDATE app_user SET password = crypt(:'pw', gen_salt('bf'));\nCREATE USER MAPPING FOR orbit_app SERVER ledger OPTIONS (user 'ledger_ro', password :'ledger_pw');\n",
    ),
)
