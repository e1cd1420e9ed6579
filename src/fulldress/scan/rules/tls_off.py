"""The check of the other side's certificate or host key is switched off.

## What it does
Reads commands by their syntax (`curl -k`, `wget --no-check-certificate`, `ssh -o StrictHostKeyChecking=no`, `git -c
http.sslVerify=false`, `sslmode=` below `verify-full`), settings and programs (`verify=False`, `rejectUnauthorized: false`,
`NODE_TLS_REJECT_UNAUTHORIZED`, `InsecureSkipVerify`, trust-all managers), and
protocols and ciphers that are broken (`SSLProtocol`, `ssl_protocols`, Tomcat's, Spring's). Calls to this host itself, Unix
sockets and libraries do not count. One finding for each kind in a file, which names the further lines.

## Why it matters
The connection is encrypted to whoever answers: anyone on the way reads the credential and changes what is downloaded.

## Example
```
curl -k -u lims:$PASSWORD https://files.example.net/feed
```

## Fix
Take the switch out, and preinstall the issuing certificate or the host key. `fulldress adapt` drops `-k` and
`--no-check-certificate`, and raises `sslmode` to `verify-full`; the host must know the issuer by then.

## References
- CWE-295 Improper Certificate Validation; PostgreSQL documentation, SSL Support
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.network.endpoints import urls
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, current_text, edited, is_code, script_at, scripts, with_line
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="tls-off",
    family="endpoint",
    title="Certificate check switched off",
    severity="medium",
    confidence="certain",
)
_SSLMODE = late(r"(?i)\b(ssl_?mode[\"']?\s*[=:]\s*[\"']?)(disable|allow|prefer|require|verify-ca)\b")
_SETTINGS = late(
    r"""(?ix) \bverify\s*=\s*False\b
    | NODE_TLS_REJECT_UNAUTHORIZED["'\]]{0,2}\s*[=:]\s*["']?0 | rejectUnauthorized["']?\s*:\s*false
    | InsecureSkipVerify\s*:\s*true | \bssl[._]?verify(?:peer|host)?["']?\s*(?:=>|=|:)\s*["']?(?:false|0|off|no)\b
    | \bverify_ssl["']?\s*(?:=>|=|:)\s*["']?(?:false|0|off|no)\b
    | CURLOPT_SSL_VERIFY(?:PEER|HOST)\s*(?:,|=>)\s*(?:false|0)
    | CERT_NONE\b | VERIFY_NONE\b | _create_unverified_context | check_hostname\s*=\s*False
    | StrictHostKeyChecking[ =]+no\b
    | ALLOW_ALL_HOSTNAME_VERIFIER | NoopHostnameVerifier | TrustAllStrategy
    | ServerCertificate(?:Custom)?ValidationCallback\s*\+?=.{0,80}true | DangerousAcceptAnyServerCertificateValidator
    | checkServerTrusted\s*\([^)]*\)\s*(?:throws\s[\w.,\s]{1,80})?\{\s*\}
    | Verify-(?:Peer|Host)["']?\s+["']?false | ^\s*TLS_REQCERT\s+(?:never|allow) | [?&;](?:useSSL|tls|ssl)=false\b
    | verify_peer(?:_name)?["']?\s*=>\s*(?:false|0)
    | PYTHONHTTPSVERIFY\s*=\s*["']?0 | GIT_SSL_NO_VERIFY\s*=\s*["']?(?:1|true) | trustServerCertificate\s*=\s*true
    | \bssl_?ca_?verify\s*=\s*(?:off|false) | AutoAddPolicy\(\) | tls_?insecure["']?\s*[=:]\s*["']?true
    | insecure_skip_verify["']?\s*[=:]\s*true
    | \b(?:proxy|uwsgi|grpc)_ssl_verify\s+off\b | ^\s*SSLProxyVerify\s+none\b
    | ^\s*SSLProtocol\s[^#]*(?<!-)\b(?:SSLv[23]|TLSv1(?:\.1)?)(?![.\d])
    | ^\s*SSLProtocol\s+all(?:\s+-(?!TLSv1(?:\.1)?(?![.\d]))\S+)*\s*$
    | ^\s*(?:SSLCipherSuite|ssl_ciphers)\s[^#]*(?<![!\w-])(?:RC4|DES-CBC|EXP(?:ORT)?|NULL|aNULL|LOW|MD5)\b
    | \b(?:protocols|sslEnabledProtocols|enabled-protocols|sslProtocols?)["']?\s*[=:]
      \s*["']?[^"'<>]*\b(?:SSLv[23]|TLSv1(?:\.1)?)(?![.\d])
    | \b(?:validate_certs|sslverify|ssl_verify_peer)["']?\s*[=:]\s*["']?(?:no|false|off|0)\b
    | \bstrict-ssl["']?\s*[=:\s]\s*["']?false\b | \btrust_?all(?:_?cert\w*)?["']?\s*[=:]\s*["']?true\b
    | \bSslMode["']?\s*[=:]\s*["']?(?:None|Disabled)\b
    | ^\s*ssl_protocols\s[^;#]*\b(?:SSLv[23]|TLSv1(?:\.1)?)(?![.\d])
    | Hostname(?:Verifier|verifier)\W{1,4}\(?\s*\w+\s*,\s*\w+\s*\)?\s*->\s*true
    | PERL_LWP_SSL_VERIFY_HOSTNAME\W{1,6}0\b | \bverify_hostname["']?\s*=>\s*0\b
    """
)
LOOKS_FOR = (
    Pattern(r"(?i)\bssl_?mode[\"']?\s{0,4}[=:]\s{0,4}[\"']?(disable|allow|prefer|require|verify-ca|none)\b"),
    Pattern(r"^\s{0,40}(SSLProxyVerify\s{1,4}none|SSLProtocol\s|SSLCipherSuite\s|ssl_ciphers\s)"),
    Pattern(
        r"\b(protocols|sslEnabledProtocols|enabled-protocols|sslProtocols?)[\"']?\s{0,4}[=:][^\n]{0,60}(SSLv[23]|TLSv1)\b"
    ),
    Pattern(r"\b(validate_certs|sslverify|ssl_verify_peer|strict-ssl|trust_?all(_?cert\w{0,12})?)[\"']?\s{0,4}[=:]"),
    Pattern(
        r"\bverify\s{0,2}=\s{0,2}False\b|NODE_TLS_REJECT_UNAUTHORIZED|rejectUnauthorized|InsecureSkipVerify|CURLOPT_SSL_VERIFY"
    ),
    Pattern(r"(?i)\b(ssl[._]?verify(peer|host)?|verify_ssl|tls_?insecure|insecure_skip_verify)[\"']?\s{0,4}(=>|=|:)"),
    Pattern(
        r"CERT_NONE|VERIFY_NONE|_create_unverified_context|check_hostname\s{0,2}=\s{0,2}False"
        r"|StrictHostKeyChecking[ =]{1,4}no"
    ),
    Pattern(
        r"ALLOW_ALL_HOSTNAME_VERIFIER|NoopHostnameVerifier|TrustAllStrategy|ServerCertificate(Custom)?ValidationCallback|AutoAddPolicy\(\)"
        r"|DangerousAcceptAnyServerCertificate|checkServerTrusted\s{0,2}\(|Verify-(Peer|Host)|TLS_REQCERT\s|[?&;](useSSL|tls|ssl)=false"
    ),
    Pattern(
        r"(proxy|uwsgi|grpc)_ssl_verify\s{1,8}off|\bverify_peer(_name)?[\"']?\s{0,4}=>|^\s{0,20}ssl_protocols\s|PERL_LWP_SSL_VERIFY_HOSTNAME|verify_hostname\s{0,4}=>"
    ),
    Pattern(r"Hostname[Vv]erifier[^\n]{0,60}->\s{0,4}true"),
    Pattern(r"PYTHONHTTPSVERIFY|GIT_SSL_NO_VERIFY|trustServerCertificate\s{0,2}="),
)
_LOOPBACK = late(r"(?i)(^|[/@.=\s])(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)([:/\s'\"?]|$)|host=/|unix:|/var/run/|\.sock\b")
_SWITCHES = {
    "curl": (late(r"^-[a-zA-Z]*k[a-zA-Z]*$"), ("--insecure", "--proxy-insecure")),
    "wget": (None, ("--no-check-certificate",)),
    "aws": (None, ("--no-verify-ssl",)),
    "pip": (None, ("--trusted-host",)),
    "pip3": (None, ("--trusted-host",)),
    "apt-get": (None, ("--allow-unauthenticated", "--force-yes")),
    "helm": (None, ("--insecure-skip-tls-verify",)),
    "kubectl": (None, ("--insecure-skip-tls-verify", "--insecure-skip-tls-verify=true")),
}
_WEAK = late(r"(?i)protocol|cipher")
_VALUED = "AbcCdDeEFhHKmoPQrtTuUwxXyYz"
"""Short options of curl that take a value: a ``k`` behind one of them is part of the value."""
_CONSEQUENCE = "Anyone on the way reads and changes what is sent, the credential included."
_FIX = "Take the switch out, and preinstall the issuer's certificate or the host key."


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind of switch in a file."""
    seen: set[tuple[str, str]] = set()
    for script in (*scripts(context), *embedded(context)):
        for command in script.commands:
            what = _switched(command)
            if what and standing(script.entry.place) == "acting" and (script.entry.place, what) not in seen:
                seen.add((script.entry.place, what))
                severity = "high" if _exposes(command, what) else META.severity
                curable = _curable(command) and script_at(context, script.entry.place) is not None
                yield _finding(script.entry.place, command.line, what, command.text, severity, curable=curable)
    lines: dict[tuple[str, str], list[tuple[int, str, bool]]] = {}
    for entry, number, line in acting_lines(context, *LOOKS_FOR):
        if standing(entry.place) != "acting" or script_at(context, entry.place) is not None or _LOOPBACK.search(line):
            continue
        mode, setting = _SSLMODE.search(line), _SETTINGS.search(line)
        what = f"sslmode={mode[2].lower()}" if mode else " ".join(setting[0].split()) if setting else ""
        if what and not _declared(line):
            lines.setdefault((entry.place, what), []).append((number, line, mode is not None))
    for (place, what), found in lines.items():
        number, line, raised = found[0]
        code = is_code(place)
        finding = _finding(place, number, what, line, "low" if code else META.severity, curable=raised and not code)
        yield _also(finding, [n for n, _, _ in found[1:]])


def _also(finding: Finding, lines: list[int]) -> Finding:
    """The finding with the further lines that do the same."""
    if not lines:
        return finding
    said = ", ".join(str(n) for n in lines[:8]) + (" ..." if len(lines) > 8 else "")
    also = f"{finding.consequence} So does line {said}." if len(lines) == 1 else f"{finding.consequence} So do lines {said}."
    return msgspec.structs.replace(finding, consequence=also)


def _exposes(command: Command, what: str) -> bool:
    """True when a credential is sent, or what is downloaded is run, over a connection that nobody checked."""
    if not what.startswith(("curl", "wget")):
        return False
    credential = re.search(r"(?i)\s(-u|--user|--oauth2-bearer)\b|authorization\s*:|token|passw", command.text) is not None
    return credential or command.pipes_to.rpartition("/")[2] in (*shell.SHELLS, "sudo", "python3", "tar")


def _declared(line: str) -> bool:
    """True for a parameter's default or a comparison: it says what could be, and does nothing."""
    if re.match(r"\s*\"(pre|post)?(test|lint|dev)[\w:-]*\"\s*:", line):
        return True  # npm's scripts for developers
    return re.search(r"^\s*(def|if|elif|return|assert|case|while)\b|==|\bhelp\s*=|isinstance\(|\braise\b", line) is not None


def _finding(place: str, line: int, what: str, text: str, severity: Severity, *, curable: bool) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence if severity != "low" else "likely",
        title=f"{'old TLS is allowed' if _WEAK.search(what) else 'certificates are not checked'}: {what}",
        place=place,
        line=line,
        excerpt=secrets.hidden(text.strip()),
        consequence=_CONSEQUENCE,
        fix=_FIX,
        curable=curable,
    )


def _switched(command: Command) -> str:
    """What switches the check off in a command that leaves this host, or ``""``."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    hosts = [u.host for word in argv for u in urls(word)]
    if hosts and all(_LOOPBACK.search(f"/{host}/") for host in hosts):
        return ""
    short, long = _SWITCHES.get(name, (None, ()))
    for word in argv[1:]:
        if word in long or (short is not None and short.match(word) and _is_flag(word)):
            return f"{name} {word if word.startswith('--') else '-k'}"
        if name in ("ssh", "scp", "sftp", "rsync", "sshpass", "autossh") and re.search(
            r"(?i)StrictHostKeyChecking[= ]no", word
        ):
            return "StrictHostKeyChecking=no"
        if name == "ssh-keyscan" and any("known_hosts" in r for r in (*command.redirects, *command.pipes_args)):
            return "ssh-keyscan into known_hosts"
        if name == "git" and re.search(r"(?i)http\.sslVerify( |=)(false|0)", " ".join(argv)):
            return "git http.sslVerify=false"
        if name in ("npm", "yarn", "pnpm") and re.search(r"\bstrict-ssl[ =](?:\"|')?false", " ".join(argv)):
            return f"{name} strict-ssl=false"
        if (mode := _SSLMODE.search(word)) is not None and not _LOOPBACK.search(word):
            return f"sslmode={mode[2].lower()}"
    for assignment in (*command.assignments, *(argv[1:] if name in ("export", "env") else ())):
        if re.match(
            r"(NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY)=[\"']?0|GIT_SSL_NO_VERIFY=[\"']?(1|true)", assignment
        ):
            return assignment
        if (mode := re.match(r"PGSSLMODE=[\"']?(disable|allow|prefer|require|verify-ca)", assignment)) is not None:
            return f"sslmode={mode[1]}"
    return ""


def _is_flag(word: str) -> bool:
    return not any(char in _VALUED for char in word[1 : word.index("k")])


def _curable(command: Command) -> bool:
    name = shell.unwrapped(command)[0].rpartition("/")[2]
    return name in ("curl", "wget") or "PGSSLMODE" in command.text or _SSLMODE.search(command.text) is not None


def cure(context: Context, finding: Finding) -> Cure | None:
    """Take the switch out of every command of the script like this one; raise ``sslmode`` to ``verify-full``."""
    text, script = current_text(context, finding.place), script_at(context, finding.place)
    if text is None:
        return None
    if script is None:
        changed = "\n".join(_raised(line) for line in text.split("\n"))
    else:
        edits = [e for c in script.commands if _switched(c) for e in _dropped(c, script.text)]
        changed = shell.splice(script.text, edits)
        lines = {c.line for c in script.commands if _switched(c).startswith("sslmode")}
        for number in lines:
            changed = with_line(changed, number, _raised)
        if not shell.parses(changed) and shell.parses(script.text):
            return None
    if changed == text:
        return None
    return edited(finding.place, changed, "certificates are checked again; the host must trust the issuer before this runs")


def _raised(line: str) -> str:
    line = _SSLMODE.sub(lambda m: f"{m[1]}verify-full", line)
    return re.sub(r"\b(PGSSLMODE=[\"']?)(disable|allow|prefer|require|verify-ca)\b", r"\1verify-full", line)


def _dropped(command: Command, text: str) -> Iterator[Edit]:
    """Edits that take the words (or the letter) out."""
    start = shell.wrapped_by(command)
    name = command.argv[start].rpartition("/")[2]
    if name not in ("curl", "wget"):
        return
    short, long = _SWITCHES[name]
    raw = shell.encode(text)
    for index, word in enumerate(command.argv[start + 1 :], start + 1):
        begin, end = command.spans[index]
        if word in long or word == "-k":
            begin = begin - 1 if raw[begin - 1 : begin] == b" " else begin
            yield Edit(begin, end, "")
        elif short is not None and short.match(word) and _is_flag(word):
            yield Edit(begin, end, word.replace("k", "", 1))


BAD = (
    {"apache/a.conf": "SSLProxyVerify none\n", "apache/b.conf": "SSLProtocol all -TLSv1.2\n"},
    {"apache/a.conf": "SSLCipherSuite RC4-SHA:DES-CBC3-SHA\n", "nginx/b.conf": "location / { proxy_ssl_verify off; }\n"},
    {"tomcat/server.xml": '<SSLHostConfig protocols="SSLv3,TLSv1.2">\n'},
    {"app/application.properties": "server.ssl.enabled-protocols=TLSv1,TLSv1.2\n"},
    {"site.yml": "- get_url:\n    validate_certs: no\n", "x/.npmrc": "strict-ssl=false\n"},
    {"bin/e.sh": "#!/bin/sh\ngit config --global http.sslVerify false\nnpm config set strict-ssl false\n"},
    {"a/x.cs": "h.ServerCertificateCustomValidationCallback = (m, c, n, e) => true;\n"},
    {"a/x.php": "<?php curl_setopt_array($c, [CURLOPT_SSL_VERIFYHOST => 0]);\n$s = ['ssl' => ['verify_peer' => false]];\n"},
    {"up.sh": "#!/bin/sh\nssh-keyscan git.lab.internal >> ~/.ssh/known_hosts\n"},
    {"app/s.py": 'U = "mongodb://m1.lab.internal/x?tls=false"\n'},
    {"a.js": "process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = 0;\n"},
    {"app/s.py": 'O = {"sslmode": "prefer"}\n', "chart/values.yaml": "db:\n  sslMode: disable\n"},
    {"etc/apt/apt.conf.d/10x": 'Acquire::https::Verify-Peer "false";\n'},
    {"etc/ldap/ldap.conf": "URI ldaps://ldap1\nTLS_REQCERT never\n"},
    {"conf/db.properties": "u=jdbc:mysql://db.lab.example/x?useSSL=false&a=b\n"},
    {"src/T.java": "public void checkServerTrusted(X509Certificate[] c, String a) throws CertificateException { }\n"},
    {"src/C.cs": "handler.ServerCertificateCustomValidationCallback = (m, c, ch, e) => true;\n"},
    {"bin/a.sh": "#!/bin/sh\ncurl -sSk https://h.partner.example/x -o f\ncurl -k -u $U:$P https://h.partner.example/x\n"},
    {"bin/b.sh": "#!/bin/sh\nwget --no-check-certificate https://h.partner.example/x\n"},
    {"bin/c.sh": "#!/bin/sh\nssh -o StrictHostKeyChecking=no imp@files.partner.example ls\n"},
    {"conf/db.ini": "url = postgresql://db.lab.example/app?sslmode=require\n"},
    {"bin/d.sh": "#!/bin/sh\npsql 'host=db1 sslmode=disable dbname=x'\nPGSSLMODE=prefer psql -h db1 x\n"},
    {"app/x.py": "r = requests.get(url, verify=False)\n", "web/x.js": "new https.Agent({ rejectUnauthorized: false })\n"},
    {"lib/systemd/system/a.service": "[Service]\nEnvironment=NODE_TLS_REJECT_UNAUTHORIZED=0\nExecStart=/usr/bin/a\n"},
)
GOOD = (
    {"package.json": '{"scripts": {\n"test": "NODE_TLS_REJECT_UNAUTHORIZED=0 jest"\n}}\n'},
    {"src/T.java": "public void checkServerTrusted(X509Certificate[] c, String a) {\n  t.checkServerTrusted(c, a);\n}\n"},
    {"etc/ldap/ldap.conf": "TLS_REQCERT demand\n#TLS_REQCERT never\n", "a.conf": 'Acquire::https::Verify-Peer "true";\n'},
    {"bin/a.sh": "#!/bin/sh\ncurl -k https://localhost:8443/health\ncurl -K conf https://h.partner.example/\n"},
    {"apache/a.conf": "SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1\nSSLProtocol TLSv1.2 TLSv1.3\nSSLProxyVerify require\n"},
    {"apache/a.conf": "SSLCipherSuite HIGH:!aNULL:!MD5:!RC4\n# SSLProtocol SSLv3\n", "a.yml": "validate_certs: yes\n"},
    {"tomcat/server.xml": '<SSLHostConfig protocols="TLSv1.2+TLSv1.3">\n', "x/.npmrc": "strict-ssl=true\n"},
    {"bin/b.sh": "#!/bin/sh\ncurl -okeep https://h.partner.example/x\npsql 'host=/var/run/postgresql sslmode=disable'\n"},
    {
        "conf/db.ini": "url = postgresql://db/app?sslmode=verify-full\n# sslmode=disable\nlocal = postgresql://localhost/x?sslmode=disable\n"
    },
    {"site-packages/requests/x.py": "get(u, verify=False)\n", "tests/test_a.py": "get(u, verify=False)\n"},
    {"app/x.py": "def get(url, verify=False):\n    return 1\n"},
)
