"""The planted package: 53 secrets of different kinds in different containers and encodings, and 8 traps.

Every value is random from the seed and well-formed; nothing secret-looking stands here in clear (strings are put
together from parts), so that scanners are quiet over this repository. ``phrasing`` chooses between two ways to write
each file (other names, keys, layouts): the first was there before the rules, the second is the hold-out.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import marshal
import random
import sqlite3
import string
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from exactness._stores import certificate, jks, p12

ALNUM = string.ascii_letters + string.digits
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
DASHES = "-----"


class Planting:
    """What is in the package: files by place, the value that each secret has, and which places are traps."""

    def __init__(self, seed: int, phrasing: int) -> None:
        self.random = random.Random(seed)
        self.phrasing = phrasing
        self.files: dict[str, bytes] = {}
        self.secrets: dict[str, tuple[str, str]] = {}
        """place -> (kind, value); the value is ``""`` where it has no textual form."""
        self.traps: dict[str, str] = {}

    def pick(self, *choices: str) -> str:
        """The choice of this phrasing."""
        return choices[self.phrasing]

    def chars(self, count: int, alphabet: str = ALNUM) -> str:
        """Random characters."""
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def password(self) -> str:
        """A password as people make them: a word, digits, a mark, some letters."""
        words = ["Winter", "Hafen", "Zebra", "Castle", "Orchid", "Falken", "Mango", "Tunnel"]
        word = self.random.choice(words)
        return f"{word}{self.chars(2, '23456789')}{self.random.choice('!-_')}{self.chars(4)}{self.chars(1, '2345')}"

    def token(self) -> str:
        """An opaque token."""
        return self.chars(10) + self.chars(1, string.digits) + self.chars(17)

    def secret(self, kind: str, place: str, content: str | bytes, value: str) -> None:
        """Plant a secret."""
        self.files[place] = content.encode() if isinstance(content, str) else content
        self.secrets[place] = (kind, value)

    def trap(self, kind: str, place: str, content: str | bytes) -> None:
        """Set a trap."""
        self.files[place] = content.encode() if isinstance(content, str) else content
        self.traps[place] = kind


def planted(seed: int, phrasing: int) -> Planting:
    """All 53 secrets and 8 traps."""
    p = Planting(seed, phrasing)
    for part in (_tokens, _keys, _stores, _files, _settings, _commands, _statements, _encoded, _binaries, _traps):
        part(p)
    assert len(p.secrets) == 53 and len(p.traps) == 8, (len(p.secrets), len(p.traps))
    return p


def as_zip(p: Planting) -> bytes:
    """The package."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, content in p.files.items():
            archive.writestr(zipfile.ZipInfo(place, (2026, 10, 1, 12, 0, 0)), content)
    return out.getvalue()


def _summed(p: Planting, prefix: str) -> str:
    """A token that ends with the CRC-32 of its 30 random characters in base 62."""
    body, rest, digits = p.chars(30), 0, ""
    rest = zlib.crc32(body.encode())
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return prefix + body + digits


def _tokens(p: Planting) -> None:
    token = _summed(p, "gh" + "p_")
    p.secret("GitHub token", p.pick("app/deploy.py", "tools/release.rb"), f'GH = "{token}"\n', token)
    token = _summed(p, "np" + "m_")
    registry = p.pick("registry.npmjs.org", "npm.partner.example")
    p.secret("npm token", p.pick("web/.npmrc", "ui/.npmrc"), f"//{registry}/:_authToken={token}\n", token)

    def b64(text: str | bytes) -> str:
        return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).decode().rstrip("=")

    head = b64('{"alg":"HS256","typ":"JWT"}')
    token = f"{head}.{b64(json.dumps({'sub': 'svc-import', 'iat': 1790000000}))}.{b64(p.random.randbytes(32))}"
    line = p.pick(f'const auth = "{token}";\n', f"fetch(u, {{headers: {{'Authorization': 'Bearer {token}'}}}});\n")
    p.secret("JWT", p.pick("web/client.js", "web/sync.mjs"), line, token)
    ident, key = "AK" + "IA" + p.chars(16, string.ascii_uppercase + "234567"), p.chars(40, ALNUM + "/+")
    text = f"[default]\naws_access_key_id = {ident}\naws_secret_access_key = {key}\n"
    other = f'export AWS_ACCESS_KEY_ID="{ident}"\nexport AWS_SECRET_ACCESS_KEY="{key}"\n'
    p.secret("AWS id and secret", p.pick("home/app/.aws/credentials", "etc/backup.env"), p.pick(text, other), key)
    token = "sk" + "_live_" + p.chars(24)
    p.secret("Stripe key", p.pick("shop/pay.php", "shop/pay.go"), f'$k = "{token}";\n', token)
    token = "xo" + "xb-" + f"{p.chars(12, '123456789')}-{p.chars(12, '123456789')}-{p.chars(24)}"
    p.secret(
        "Slack token",
        p.pick("conf/alerts.yaml", "conf/notify.toml"),
        p.pick(f"bot: {token}\n", f'hook = "{token}"\n'),
        token,
    )
    account = {
        "type": "service_" + "account",
        "project_id": "lab-sync",
        "private_key_id": p.chars(40, "0123456789abcdef"),
        "private_key": _pem(_rsa(), s.PrivateFormat.PKCS8),
        "client_email": "sync@lab-sync.iam.gserviceaccount.com",
    }
    p.secret(
        "GCP service account",
        p.pick("conf/gcp.json", "keys/sync-sa.json"),
        json.dumps(account, indent=p.phrasing or None),
        "",
    )
    key = base64.b64encode(p.random.randbytes(64)).decode()
    line = f"DefaultEndpointsProtocol=https;AccountName=labstore;AccountKey={key};EndpointSuffix=core.windows.net"
    xml = f'<configuration><appSettings><add key="Storage" value="{line}"/></appSettings></configuration>\n'
    p.secret("Azure storage key", p.pick("site/web.config", "site/blob.json"), p.pick(xml, json.dumps({"store": line})), key)


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: s.PrivateFormat, password: bytes = b"") -> str:
    lock = s.BestAvailableEncryption(password) if password else s.NoEncryption()
    return key.private_bytes(s.Encoding.PEM, form, lock).decode()


def _der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: s.PrivateFormat) -> bytes:
    return key.private_bytes(s.Encoding.DER, form, s.NoEncryption())


def _keys(p: Planting) -> None:
    curve = ec.derive_private_key(p.random.getrandbits(250), ec.SECP256R1())
    pem = _pem(_rsa(), (p.pick("a", "b") == "a" and s.PrivateFormat.PKCS8) or s.PrivateFormat.TraditionalOpenSSL)
    p.secret("PEM key", p.pick("tls/server.pem", "tls/bundle.crt"), pem, "")
    p.secret("OpenSSH key", p.pick("home/app/.ssh/id_ecdsa", "keys/deploy"), _pem(curve, s.PrivateFormat.OpenSSH), "")
    lines = [base64.b64encode(p.random.randbytes(48)).decode() for _ in range(3)]
    ppk = "PuTTY-User-Key-File-" + p.pick("2", "3") + ": ssh-ed25519\nEncryption: none\nComment: import\nPublic-Lines: 2\n"
    ppk += f"{lines[0]}\n{lines[1]}\nPrivate-Lines: 1\n{lines[2]}\nPrivate-MAC: {p.chars(64, '0123456789abcdef')}\n"
    p.secret("PuTTY key", p.pick("keys/import.ppk", "win/session.key"), ppk, lines[2])
    p.secret("DER PKCS#8 key", p.pick("keys/api.der", "keys/api.key"), _der(_rsa(), s.PrivateFormat.PKCS8), "")
    p.secret("DER PKCS#1 key", p.pick("keys/old.der", "res/blob.bin"), _der(_rsa(), s.PrivateFormat.TraditionalOpenSSL), "")
    p.secret("DER SEC1 key", p.pick("keys/ec.der", "keys/ec.bin"), _der(curve, s.PrivateFormat.TraditionalOpenSSL), "")
    body = base64.b64encode(b"\x94\x58" + p.random.randbytes(400)).decode()
    rows = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    head, tail = f"{DASHES}BEGIN PGP PRIVATE KEY BLOCK{DASHES}\n", f"\n=aB3d\n{DASHES}END PGP PRIVATE KEY BLOCK{DASHES}\n"
    p.secret("PGP private key", p.pick("keys/sign.asc", "repo/signing.gpg"), f"{head}\n{rows}{tail}", "")
    value = "AGE-SECRET-" + "KEY-1" + p.chars(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")
    p.secret("age key", p.pick("backup/age.txt", "backup/key.txt"), f"# created: 2026-01-01\n{value}\n", value)


def _stores(p: Planting) -> None:
    key = ec.derive_private_key(p.random.getrandbits(250), ec.SECP256R1())
    p.secret("PKCS#12 store, known password", p.pick("tls/app.p12", "tls/app.pfx"), p12(key, p.pick("changeit", "")), "")
    store = jks(p.random, certificate(key), p.pick("changeit", "changeme"))
    p.secret("JKS store, known password", p.pick("tls/app.jks", "conf/app.keystore"), store, "")


def _files(p: Planting) -> None:
    word = p.password()
    p.secret(".pgpass", p.pick("home/app/.pgpass", "etc/app/pgpass.conf"), f"db:5432:app:app:{word}\n", word)
    word = p.password()
    flat = f"machine files.partner.example login imp password {word}\n"
    tall = f"machine f.partner.example\n\tlogin imp\n\tpassword {word}\n"
    p.secret(".netrc", p.pick(".netrc", "root/_netrc"), p.pick(flat, tall), word)
    word = p.password()
    p.secret(
        "my.cnf",
        p.pick("root/.my.cnf", "etc/mysql/backup.cnf"),
        f"[client]\nuser=bak\npassword={p.pick(word, repr(word))}\n",
        word,
    )
    word = "$apr1$" + p.chars(8) + "$" + p.chars(22)
    p.secret(
        "htpasswd", p.pick("www/.htpasswd", "etc/nginx/htpasswd"), f"admin:{p.pick(word, '$2y$10$' + p.chars(53))}\n", ""
    )
    auth = base64.b64encode(f"ci:{p.password()}".encode()).decode()
    config = json.dumps({"auths": {"registry.partner.example": {"auth": auth}}})
    p.secret("docker config", p.pick("root/.docker/config.json", "ci/dockerconfig.json"), config, auth)
    token = p.token()
    kube = f"apiVersion: v1\nkind: Config\nusers:\n- name: ci\n  user:\n    {p.pick('token', 'password')}: {token}\n"
    p.secret("kubeconfig", p.pick("root/.kube/config", "conf/kubeconfig.yaml"), kube, token)
    word = p.password()
    user = p.pick(
        f'<user username="adm" password="{word}" roles="manager-gui"/>',
        f"<user name='adm' roles='manager-gui' password='{word}' />",
    )
    p.secret(
        "tomcat-users",
        p.pick("conf/tomcat-users.xml", "tomcat/conf/tomcat-users.xml"),
        f"<tomcat-users>\n{user}\n</tomcat-users>\n",
        word,
    )
    word = p.password()
    define = p.pick(f"define('DB_PASSWORD', '{word}');", f'define( "DB_PASSWORD", "{word}" );')
    p.secret(
        "wp-config", p.pick("www/wp-config.php", "blog/wp-config.php"), f"<?php\ndefine('DB_USER', 'wp');\n{define}\n", word
    )


def _settings(p: Planting) -> None:
    word = p.password()
    jar, path = io.BytesIO(), p.pick("app.properties", "META-INF/conf/db.properties")
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr(path, p.pick(f"db.user=app\ndb.password={word}\n", f"dataSource.pwd : {word}\n"))
    p.secret("properties in a jar in the package", p.pick("lib/bridge.jar", "webapps/app.war"), jar.getvalue(), word)
    word = p.password()
    p.secret(
        "YAML",
        p.pick("conf/app.yaml", "group_vars/all.yml"),
        p.pick(f"db:\n  user: app\n  password: {word}\n", f"smtp_password: '{word}' # mail\n"),
        word,
    )
    word = p.password()
    element = f"<ds>\n<password>{word}</password>\n</ds>\n"
    attribute = f'<Resource name="jdbc/x"\n  username="app" password="{word}"/>\n'
    p.secret("XML", p.pick("conf/ds.xml", "conf/context.xml"), p.pick(element, attribute), word)
    word = p.password()
    quoted = f'"API_SECRET={word}"'
    unit = f"[Service]\nEnvironment={p.pick(f'DB_PASSWORD={word}', quoted)}\nExecStart=/bin/true\n"
    p.secret(
        "unit Environment=", p.pick("lib/systemd/system/app.service", "etc/systemd/system/app.service.d/db.conf"), unit, word
    )
    word = p.password()
    p.secret(
        "cron environment",
        p.pick("etc/cron.d/app", "var/spool/cron/crontabs/app"),
        f"SYNC_PASSWORD={word}\n5 1 * * * {p.pick('root ', '')}/usr/bin/sync\n",
        word,
    )
    word = p.password()
    p.secret(
        "URL with a password",
        p.pick("conf/queue.conf", "conf/cache.ini"),
        p.pick(f"broker = amqp://app:{word}@mq:5672/\n", f"url = redis://:{word}@cache:6379/0\n"),
        word,
    )


def _commands(p: Planting) -> None:
    def script(kind: str, place: str, line: str, word: str) -> None:
        p.secret(kind, place, f"#!/bin/{p.pick('bash', 'sh')}\nset -e\n{line}\n", word)

    word = p.password()
    script(
        "sshpass -p",
        p.pick("bin/fetch.sh", "bin/push"),
        p.pick(f"sshpass -p '{word}' sftp imp@files", f"echo x | sshpass -p{word} scp a imp@f:"),
        word,
    )
    word = p.password()
    script(
        "mysql -p",
        p.pick("bin/dump.sh", "bin/load.sh"),
        p.pick(f"mysql -u root -p{word} app < x.sql", f"mysqldump -uroot -p'{word}' app | gzip > x.gz"),
        word,
    )
    word = p.password()
    script(
        "PGPASSWORD",
        p.pick("bin/stats.sh", "bin/vacuum.sh"),
        p.pick(f"PGPASSWORD={word} psql -h db -c x", f"env PGPASSWORD='{word}' pg_dump app"),
        word,
    )
    word = p.password()
    script(
        "curl -u",
        p.pick("bin/ping.sh", "bin/hook.sh"),
        p.pick(f"curl -u svc:{word} https://h.partner.example/x", f"curl --user 'svc:{word}' -sS https://h.partner.example"),
        word,
    )
    word = p.password()
    script(
        "smbclient user%password",
        p.pick("bin/share.sh", "bin/mount.sh"),
        p.pick(f"smbclient //fs/x -U imp%{word}", f"mount -t cifs -o username=imp,password={word} //fs/x /mnt"),
        word,
    )


def _statements(p: Planting) -> None:
    word = p.password()
    p.secret(
        "SQL role password",
        p.pick("sql/001_roles.sql", "db/grants.sql"),
        p.pick(f"CREATE ROLE app LOGIN PASSWORD '{word}';\n", f"ALTER USER app WITH ENCRYPTED\n PASSWORD '{word}';\n"),
        word,
    )
    word = p.password()
    p.secret(
        "SQL user mapping",
        p.pick("sql/002_link.sql", "db/fdw.sql"),
        p.pick(
            f"CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'x', password '{word}');\n",
            f"SELECT dblink_connect('host=db2 user=x password={word}');\n",
        ),
        word,
    )
    word = p.password()
    p.secret(
        "SQL IDENTIFIED BY",
        p.pick("sql/my.sql", "db/ora.sql"),
        p.pick(f"CREATE USER 'a'@'%' IDENTIFIED BY '{word}';\n", f'ALTER USER app IDENTIFIED BY "{word}";\n'),
        word,
    )
    word = p.password()
    java = p.pick(
        f'c = DriverManager.getConnection(url, "app", "{word}");',
        f'Connection c = DriverManager\n  .getConnection("jdbc:x:y", user,\n   "{word}");',
    )
    p.secret(
        "DriverManager.getConnection",
        p.pick("src/Db.java", "src/Pool.java"),
        f"class Db {{ void x() {{ {java} }} }}\n",
        word,
    )
    word = p.password()
    php = p.pick(f'$l = mysqli_connect("db", "app", "{word}", "lims");', f"$d = new PDO('mysql:host=db', 'app', '{word}');")
    p.secret("database call in PHP", p.pick("www/db.php", "www/lib/pdo.php"), f"<?php\n{php}\n", word)
    word = p.password()
    py = p.pick(
        f'conn = psycopg.connect(host="db", user="app", password="{word}")',
        f'bind = ldap3.Connection(s, "cn=svc", "{word}")',
    )
    p.secret("call in Python", p.pick("app/db.py", "app/directory.py"), f"import x\n{py}\n", word)
    word = p.pick("admin" + "123", "pass" + "word1")
    seed = p.pick(
        f"INSERT INTO users (login, password) VALUES ('admin', '{word}');\n",
        f"insert into app_user(id, name, passwd)\nvalues (1, 'admin', md5('{word}'));\n",
    )
    p.secret("seeded default user", p.pick("sql/seed.sql", "db/seeds.sql"), seed, word)


def _encoded(p: Planting) -> None:
    word = p.password()
    layer = base64.b64encode(f"curl -u svc:{word} https://h.partner.example/run\n".encode()).decode()
    p.secret(
        "base64 piped into a shell",
        p.pick("bin/boot.sh", "bin/init.sh"),
        f"#!/bin/sh\necho {layer} | base64 -d | {p.pick('sh', 'bash')}\n",
        word,
    )
    word = p.password()
    data = base64.b64encode(word.encode()).decode()
    manifest = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  {p.pick('password', 'DB_PASSWORD')}: {data}\n"
    p.secret(
        "Kubernetes Secret", p.pick("k8s/secret.yaml", "deploy/all.yml"), p.pick("", "kind: Service\n---\n") + manifest, word
    )
    word = p.password()
    p.secret(
        "UTF-16",
        p.pick("win/app.ini", "win/odbc.reg"),
        p.pick(f"[db]\r\npassword={word}\r\n", f'Windows Registry Editor\r\n"Password"="{word}"\r\n').encode("utf-16"),
        word,
    )
    word = p.password()
    blob = base64.b64encode(gzip.compress(f"db.password={word}\n".encode(), mtime=0)).decode()
    p.secret(
        "gzip in base64",
        p.pick("conf/state.json", "cloud/user-data.yml"),
        p.pick(json.dumps({"state": blob}), f"write_files:\n- encoding: gz+b64\n  content: {blob}\n"),
        word,
    )


def _binaries(p: Planting) -> None:
    builders: list[tuple[str, str, Callable[[str], bytes]]] = [
        (
            "ELF",
            p.pick("usr/bin/agent", "usr/lib/libagent.so"),
            lambda w: _elf(p.pick(f"postgresql://app:{w}@db/app", f"user=app password={w} host=db").encode()),
        ),
        (
            "Java class",
            p.pick("classes/Db.class", "classes/Pool.class"),
            lambda w: _class(p.pick("db.password", "jdbc:mysql://db/app?user=a&password="), w, p.phrasing),
        ),
        (
            "pyc",
            p.pick("app/__pycache__/db.cpython-311.pyc", "app/settings.pyc"),
            lambda w: _pyc(p.pick(f'PASSWORD = "{w}"', f'import x\nc = x.connect(user="a", password="{w}")')),
        ),
        (
            "SQLite",
            p.pick("data/app.db", "var/lib/app/state.sqlite"),
            lambda w: _sqlite(p.pick("api_token", "smtp_password"), w),
        ),
    ]
    for kind, place, build in builders:
        word = p.password()
        p.secret(kind, place, build(word), word)
    word = p.password()
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        content = f"[smtp]\nhost = mail\npassword = {word}\n".encode()
        member = tarfile.TarInfo("opt/app/mail.ini")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with zipfile.ZipFile(outer, "w") as nested:
        nested.writestr("payload.tar.gz", inner.getvalue())
    p.secret("ini in tar.gz in zip", p.pick("packages/mail.zip", "offline/mail-2.zip"), outer.getvalue(), word)


def _elf(text: bytes) -> bytes:
    """An x86-64 object with a ``.rodata`` section that holds the text."""
    names = b"\0.rodata\0.shstrtab\0"
    data = b"usage: %s\0" + text + b"\0"
    at = 64 + len(data)
    table = at + len(names)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, table, 0, 64, 56, 0, 64, 3, 2)
    sections = [
        bytes(64),
        struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0x1000, 64, len(data), 0, 0, 1, 0),
        struct.pack("<IIQQQQIIQQ", 9, 3, 0, 0, at, len(names), 0, 0, 1, 0),
    ]
    return head + data + names + b"".join(sections)


def _class(key: str, word: str, joined: int) -> bytes:
    """The head of a Java class: its constant pool holds the key and the value, or both in one."""
    texts = ["app/Db", "java/lang/Object", "Code", *([key + word] if joined else [key, word])]
    pool = b"".join(b"\x01" + struct.pack(">H", len(t)) + t.encode() for t in texts)
    pool += b"\x07\x00\x01\x07\x00\x02"
    n = len(texts)
    return (
        b"\xca\xfe\xba\xbe\0\0\0\x3d"
        + struct.pack(">H", n + 3)
        + pool
        + struct.pack(">HHHHHHH", 0x21, n + 1, n + 2, 0, 0, 0, 0)
    )


def _pyc(source: str) -> bytes:
    return bytes.fromhex("a70d0d0a") + bytes(12) + marshal.dumps(compile(source, "app.py", "exec"))


def _sqlite(key: str, word: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.db"
        database = sqlite3.connect(path)
        database.execute("create table settings (name text, value text)")
        database.executemany("insert into settings values (?, ?)", [("theme", "dark"), (key, word), ("lang", "de")])
        database.commit()
        database.close()
        return path.read_bytes()


def _traps(p: Planting) -> None:
    example = "AK" + "IA" + "IOSFODNN7" + "EXAMPLE"
    p.trap(
        "AWS's documented example key",
        p.pick("conf/aws.ini", "conf/s3.yaml"),
        p.pick(f"aws_access_key_id = {example}\n", f"key_id: {example}\n"),
    )
    p.trap(
        "variables",
        p.pick("conf/vars.properties", "conf/vars.env"),
        p.pick("db.password=${DB_PASSWORD}\napi.token=@TOKEN@\n", "DB_PASSWORD=$(cat /run/x)\nTOKEN=%TOKEN%\n"),
    )
    p.trap(
        "templates",
        p.pick("conf/tpl.yaml", "conf/tpl.json"),
        p.pick(
            "password: '{{ vault_db_password }}'\ntoken: ENC[AES256,data:Zm9v]\n",
            '{"password": "{{ .Values.db.password }}"}\n',
        ),
    )
    vault = "$ANSIBLE_VAULT;1.1;AES256\n" + "\n".join(p.chars(80, "0123456789") for _ in range(4)) + "\n"
    p.trap(
        "ansible vault",
        p.pick("group_vars/vault.yml", "host_vars/db.yml"),
        p.pick(vault, "db_password: !vault |\n  " + vault.replace("\n", "\n  ") + "\n"),
    )
    words = {"password": "Passwort", "newPassword": "Neues Passwort", "token": "Zugangsschlüssel"}
    p.trap(
        "translations",
        p.pick("web/i18n/de.json", "res/messages_de.properties"),
        p.pick(json.dumps(words), "login.password=Kennwort eingeben\nsecret=Geheimnis\n"),
    )
    p.trap(
        "prompts and ports",
        p.pick("bin/ok.sh", "bin/fine.sh"),
        p.pick(
            '#!/bin/sh\nmysql -u root -p"$VAR" app\npsql -p 5432 app\nmysql -p app\n',
            '#!/bin/sh\nsshpass -e ssh x\nread -r -s PASSWORD\ncurl -u "$U:$P" https://h\n',
        ),
    )
    digest = base64.b64encode(hashlib.sha512(p.random.randbytes(9)).digest()).decode()
    lock = {
        "packages": {"node_modules/a": {"resolved": "https://registry.npmjs.org/a.tgz", "integrity": f"sha512-{digest}"}}
    }
    p.trap("integrity hashes", p.pick("web/package-lock.json", "vendor.lock.json"), json.dumps(lock))
    pem = _pem(ec.derive_private_key(p.random.getrandbits(250), ec.SECP256R1()), s.PrivateFormat.PKCS8)
    p.trap(
        "test vector of a library",
        p.pick("lib/site-packages/tls/tests/vectors/key.pem", "ui/node_modules/tls/test/fixtures/agent1-key.pem"),
        pem,
    )
