"""A setting or a program takes any certificate, or speaks an old protocol.

## What it does
Beside what `tls-off` knows: Lua's `verify = "none"`, `tls_min_version` below 1.2, HAProxy's `verify none` and `ssl-min-ver`,
Mosquitto's `bridge_insecure`, Kerberos with weak encryption, Kafka without the check of host names, cipher suites of
another age, trust managers that check nothing, .NET's validator that accepts everything, Consul without verification,
Windows' old protocols switched on again, `curl --insecure` in fish, `skip_verify` under any of its names, Keycloak without
TLS, Docker's insecure registries.

## Why it matters
Anyone on the way reads and changes what is sent, the credential included; a scanner of the security team reports it on the
day after.

## Example
```
server line2 line2.internal:8443 ssl verify none
```

## Fix
Check certificates against the issuer that the host trusts, and allow TLS 1.2 and later only.

## References
- CWE-295 Improper Certificate Validation; CWE-326 Inadequate Encryption Strength
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row

META = RuleMeta(
    slug="tls-setting-weak",
    family="endpoint",
    title="Setting that takes any certificate, or old TLS",
    severity="medium",
    confidence="certain",
    yields_to=("tls-off",),
)
LOOKS_FOR = (
    Pattern(
        r"\bverify_host_key:?\s{0,2}(=>)?\s{0,2}(:never|false)|\bopenssl_verify_mode:?\s{0,2}(=>)?\s{0,2}[\"':]{1,2}none"
        r"|\bssl_mode:\s{0,4}:?[\"']?:?(disabled|preferred)"
    ),
    Pattern(
        r"(?i)\b(insecure[_-]?)?(skip[_-]?)(tls[_-]?|ssl[_-]?|cert[_-]?)?verify[\"']?\s{0,4}[=:]\s{0,4}[\"']?(true|1|yes)\b"
    ),
    Pattern(
        r"=\s{0,4}verify_none\b|\"sslRequired\"\s{0,4}:\s{0,4}\"(none|NONE)\"|\"insecure-registries\"\s{0,4}:\s{0,4}\[\s{0,4}\""
    ),
    Pattern(
        r"(?i)\b(tls|ssl)[_.-]?(min[a-z]{0,4}[_.-]?)?(version"
        r"|protocols?)[\"']?\s{0,8}[=: ]\s{0,4}[\"']?(tls_?v?|sslv?)?[123][\"'._01\s,;]|\bssl-min-ver\s"
        r"|\bssl\s[^\n]{0,200}\bverify\s{1,4}none\b"
    ),
    Pattern(
        r"^\s{2,40}verify\s{0,8}=\s{0,4}[\"']none[\"']|^bridge_insecure\s{1,4}true|\ballow_weak_crypto\s{0,4}=|^\s{0,8}\w{0,20}_?enctypes\s{0,4}="
    ),
    Pattern(
        r"(?i)ssl\.endpoint\.identification\.algorithm|cipher[._-]?suites?[\"']?\s{0,4}[=:][^\n]{0,200}(3DES|RC4|_NULL_|_MD5)"
    ),
    Pattern(
        r"\bcheckServerTrusted\s{0,2}\(|DangerousAcceptAnyServerCertificateValidator|^\s{0,8}\"?verify_(outgoing|incoming|server_hostname)\"?\s{0,8}[=:]"
    ),
    Pattern(
        r"\bInsecureIgnoreHostKey\(|\bloadTrustMaterial\([^\n]{0,100}->\s{0,4}true|danger_accept_invalid_(certs|hostnames)\(true|badCertificateCallback"
    ),
    Pattern(r"(?i)(\b|_)host_key_checking[\"']?\s{0,4}[=:]\s{0,4}[\"']?(false|no|0|off)\b"),
    Pattern(
        r"(?i)[;\"' ](SSL Mode|SslMode)\s{0,2}=\s{0,2}(disabled?|none|prefer(red)?|allow)\b"
        r"|;\s{0,2}(Trust Server Certificate|Encrypt)\s{0,2}=\s{0,2}(true|yes|false|no|optional)\b"
    ),
    Pattern(
        r"^\s{0,4}ssl\s{0,4}=\s{0,4}'?off\b|^\s{0,4}require_secure_transport\s{0,4}=\s{0,4}(off|OFF|0)|^\s{0,4}(skip[-_]ssl|tls_reqcert\s{1,4}(never|allow))\b"
    ),
    Pattern(r"(?i)SCHANNEL\\{1,2}Protocols\\{1,2}(SSL|TLS 1\.[01])|\bcurl\s[^\n]{0,200}(--insecure\b|\s-k\s)"),
)
_KEYS = late(r"\.(toml|ya?ml|json|ini|conf|cfg|properties|xml|hcl|env)$|(^|[!/])[^/.]+$")
_STRINGS = late(r"\.(toml|ya?ml|json|ini|conf|cfg|properties|xml|config|env|sh|service|cs|vb)$|ockerfile")
_HAPROXY = late(r"(?i)haproxy[^!]*\.cfg$")
_CODE = late(r"\.(java|kt|kts|groovy|scala)$")
_WAY = "Anyone on the way reads and changes what is sent, the credential included."
_OLD = "Old protocols and ciphers can be broken by who is on the way; partners and auditors refuse them."
_CHECK = "Check the certificate, and preinstall its issuer's on the host."
_NEW = "Allow TLS 1.2 and later, with current ciphers, only."

ROWS = (
    Row(
        late(r"\.(cfg|ya?ml|ini|env|sh|bash|service)$|[Mm]akefile"),
        late(r"(?i)(?:\b|_)host_key_checking[\"']?\s*[=:]\s*[\"']?(?:false|no|0|off)\b"),
        "medium",
        "does not check the keys of the hosts that Ansible logs in to",
        "Who answers in a host's place gets the passwords and keys that the playbook brings.",
        "Put the host keys into known_hosts first.",
    ),
    Row(
        late(r"\.(go|java|kt|kts|groovy|scala|rs|dart)$"),
        late(
            r"\bInsecureIgnoreHostKey\(|\bloadTrustMaterial\(.*->\s*true|danger_accept_invalid_(?:certs|hostnames)\(true"
            r"|badCertificateCallback\s*=.*=>\s*true"
        ),
        "medium",
        "does not check who answers",
        _WAY,
        _CHECK,
    ),
    Row(
        late(r"\.(rb|rake|ya?ml|erb)$"),
        late(
            r"\bverify_host_key:?\s*(?:=>)?\s*(?::never|false)|\bopenssl_verify_mode:?\s*(?:=>)?\s*[\"':]{1,2}none"
            r"|\bssl_mode:\s*:?[\"']?:?(?:disabled|preferred)"
        ),
        "medium",
        "does not check who answers, or talks without TLS",
        _WAY,
        _CHECK,
    ),
    Row(
        _STRINGS,
        late(
            r"(?i)[;\"' ](?:SSL Mode|SslMode)\s*=\s*(?:disabled?|none|prefer(?:red)?|allow)\b"
            r"|;\s*Encrypt\s*=\s*(?:false|no|optional)\b"
        ),
        "medium",
        "talks to its database without TLS",
        "Passwords and rows cross the network for everybody on the way to read.",
        "Use SSL Mode=VerifyFull (Encrypt=Strict), and preinstall the issuer's certificate.",
        lambda lines, number: (
            not re.search(r"(?i)(?:host|server|data source)\s*=\s*(?:localhost|127\.|\.|\(local)", lines[number - 1])
        ),
    ),
    Row(
        _STRINGS,
        late(r"(?i);\s*Trust ?Server ?Certificate\s*=\s*(?:true|yes)\b"),
        "medium",
        "does not check its database's certificate",
        _WAY,
        _CHECK,
        lambda lines, number: (
            not re.search(r"(?i)(?:host|server|data source)\s*=\s*(?:localhost|127\.|\.|\(local)", lines[number - 1])
        ),
    ),
    Row(
        late(r"(?i)postgres[^!]*\.conf$|\.auto\.conf$|\.cnf$|ldap\.conf$"),
        late(
            r"^\s*(?:ssl\s*=\s*'?off|require_secure_transport\s*=\s*(?:off|OFF|0)|skip[-_]ssl|tls_reqcert\s+(?:never|allow))\b"
        ),
        "medium",
        "switches TLS, or its check, off for everybody",
        "Logins and rows cross the network for everybody on the way to read; clients that insist are locked out.",
        "Keep the value of the installation.",
    ),
    Row(
        late(r"\.(toml|ya?ml|json|ini|conf|cfg|properties|xml|hcl|env|config|alloy|river)$"),
        late(
            r"(?i)\b(?:insecure[_-]?)?skip[_-]?(?:tls[_-]?|ssl[_-]?|cert[_-]?)?verify[\"']?\s*[=:]\s*[\"']?(?:true|1|yes)\b|=\s*verify_none\b"
        ),
        "medium",
        "does not check certificates",
        _WAY,
        _CHECK,
    ),
    Row(
        late(r"\.json$"),
        late(r"\"sslRequired\"\s*:\s*\"(?:none|NONE)\""),
        "medium",
        "takes logins over plain HTTP",
        _WAY,
        "Set it to external or all.",
    ),
    Row(
        late(r"(^|[!/])daemon\.json$"),
        late(r"\"insecure-registries\"\s*:\s*\[\s*\"(?!localhost|127\.)"),
        "medium",
        "takes images from a registry that nobody checks",
        "Who is on the way decides what runs.",
        "Give the registry a certificate of an authority that the host trusts.",
    ),
    Row(
        late(r"\.lua$"),
        late(r"^\s+verify\s*=\s*[\"']none[\"']"),
        "medium",
        "does not check certificates",
        _WAY,
        _CHECK,
    ),
    Row(
        _KEYS,
        late(
            r"(?i)(?:tls|ssl)[_.-]?(?:min\w*[_.-]?)?(?:version|protocols?)[\"']?\s*[=:\s]\s*[\"']?(?:(?:TLS_?v?)?1[._]?[01]?|SSLv?[23])[\"']?\s*[,;]?\s*$"
        ),
        "medium",
        "allows old TLS",
        _OLD,
        _NEW,
    ),
    Row(_HAPROXY, late(r"\bssl-min-ver\s+(?:SSLv3|TLSv1\.[01])\b"), "medium", "allows old TLS", _OLD, _NEW),
    Row(
        _HAPROXY,
        late(r"^\s*(?:default-)?server\s.*\bssl\b.*\bverify\s+none\b"),
        "medium",
        "does not check certificates",
        _WAY,
        "Use verify required with a ca-file.",
    ),
    Row(
        late(r"(?i)mosquitto[^!]*\.conf$"),
        late(r"^bridge_insecure\s+true"),
        "medium",
        "does not check the name in the broker's certificate",
        _WAY,
        _CHECK,
    ),
    Row(
        late(r"krb5"),
        late(r"\ballow_weak_crypto\s*=\s*(?:true|yes|1|on)\b|enctypes\s*=.*\b(?:des|rc4|arcfour)"),
        "medium",
        "allows weak encryption of Kerberos tickets",
        "Tickets and with them passwords can be cracked offline.",
        "Give the accounts AES keys, and take the setting out.",
    ),
    Row(
        late(r"\.(ya?ml|properties|json|conf|env)$"),
        late(r"ssl\.endpoint\.identification\.algorithm[\"']?\s*[=:]\s*(?:[\"']\s*[\"'])?\s*,?\s*$"),
        "medium",
        "does not check the name in the broker's certificate",
        _WAY,
        "Leave it https.",
    ),
    Row(
        _KEYS,
        late(r"(?i)cipher[._-]?suites?[\"']?\s*[=:](?=.*(?:3DES|RC4|_NULL_|_MD5))(?!.*!3?DES)"),
        "low",
        "allows old ciphers",
        _OLD,
        _NEW,
    ),
    Row(
        _CODE,
        late(
            r"\bcheckServerTrusted\s*\([^)]*\)\s*(?:throws\s+[\w., ]+)?\s*(?:\{\s*(?://.*)?\}|=\s*Unit\b|:\s*Unit\s*=\s*Unit)"
        ),
        "medium",
        "has a trust manager that checks nothing",
        _WAY,
        _CHECK,
    ),
    Row(
        late(r"\.(cs|vb|fs|ps1)$"),
        late(r"DangerousAcceptAnyServerCertificateValidator"),
        "medium",
        "does not check certificates",
        _WAY,
        _CHECK,
    ),
    Row(
        late(r"\.(hcl|json)$"),
        late(r"\"?verify_(?:outgoing|incoming|server_hostname)\"?\s*[=:]\s*false"),
        "medium",
        "does not check its peers' certificates",
        _WAY,
        _CHECK,
    ),
    Row(
        late(r"(?i)\.ps1$"),
        late(r"(?i)SCHANNEL\\+Protocols\\+(?:SSL|TLS 1\.[01])"),
        "low",
        "allows old TLS",
        _OLD,
        _NEW,
        lambda lines, number: any(
            re.search(r"(?i)Enabled'?\"?.*\b[1-9a-f]|ValueData\s*=\s*'?[1-9]|-Value\s+1", one)
            for one in lines[number - 1 : number + 4]
        ),
    ),
    Row(
        late(r"(?i)\.reg$"),
        late(r"(?i)SCHANNEL\\+Protocols\\+(?:SSL|TLS 1\.[01])"),
        "low",
        "allows old TLS",
        _OLD,
        _NEW,
        lambda lines, number: any(re.search(r"(?i)\"Enabled\"=dword:0*[1-9a-f]", one) for one in lines[number : number + 3]),
    ),
    Row(
        late(r"\.fish$"),
        late(r"\bcurl\s(?!.*://(?:localhost|127\.)).*(?:--insecure\b|\s-k\s)"),
        "medium",
        "does not check certificates",
        _WAY,
        _CHECK,
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


BAD = (
    {"etc/mosquitto/a.conf": "tls_version tlsv1.1\n", "b.yml": "mqtt:\n  tls: {insecure_skip_verify: yes, ca: /x}\n"},
    {"t/traefik.yml": "serversTransport:\n  insecureSkipVerify: true\n", "g/grafana.ini": "[smtp]\nskip_verify = true\n"},
    {"r/rabbitmq.conf": "ssl_options.verify = verify_none\n", "k/realm.json": '{\n "sslRequired": "none",\n'},
    {"docker/daemon.json": '{"insecure-registries": ["registry.lab.internal:5000"]}\n'},
    {"lua/a.lua": 'https.request{\n    url = url,\n    verify = "none",\n}\n'},
    {"etc/x.toml": '[api]\ntls_min_version = "1.0"\n', "etc/y.yaml": "api:\n  tlsMinVersion: TLSv1.1\n"},
    {"etc/haproxy/haproxy.cfg": "global\n    ssl-default-bind-options ssl-min-ver TLSv1.0\n"},
    {"etc/haproxy/conf.d/x.cfg": "backend a\n    server l2 l2.partner.example:443 check ssl verify none\n"},
    {"etc/mosquitto/conf.d/b.conf": "connection a\nbridge_insecure true\n"},
    {"etc/krb5.conf": "[libdefaults]\n  allow_weak_crypto = true\n"},
    {"conf/application.yml": 'kafka:\n  properties:\n    ssl.endpoint.identification.algorithm: ""\n'},
    {"conf/a.properties": "ssl.endpoint.identification.algorithm=\nmq.ssl-cipher-suite=SSL_RSA_WITH_3DES_EDE_CBC_SHA\n"},
    {"src/A.kt": "override fun checkServerTrusted(chain: Array<X509Certificate>, type: String) = Unit\n"},
    {"src/A.java": "  public void checkServerTrusted(X509Certificate[] c, String a) throws CertificateException { }\n"},
    {"src/A.cs": "  = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator,\n"},
    {"consul/a.hcl": "verify_outgoing = false\n", "x/a.fish": "curl -s --insecure https://h.partner.example/v\n"},
    {"w/a.reg": '[HKLM\\SCHANNEL\\Protocols\\TLS 1.0\\Server]\n"Enabled"=dword:00000001\n'},
    {"w/a.ps1": "Key = 'HKLM:\\SCHANNEL\\Protocols\\TLS 1.0\\Server'\nValueName = 'Enabled'\nValueData = '1'\n"},
    {"config/deploy/production.rb": "server 'w1', ssh_options: { verify_host_key: :never }\n"},
    {"config/environments/production.rb": "  x = { address: 'mail', openssl_verify_mode: 'none' }\n"},
    {"config/database.yml": "production:\n  ssl_mode: :disabled\n"},
    {"ansible.cfg": "[defaults]\nhost_key_checking = False\n"},
    {"up.sh": "#!/bin/sh\nANSIBLE_HOST_KEY_CHECKING=False ansible-playbook site.yml\n"},
    {"src/a.go": "\tHostKeyCallback: ssh.InsecureIgnoreHostKey(),\n"},
    {"src/A.java": "SSLContexts.custom().loadTrustMaterial(null, (c, t) -> true).build();\n"},
    {"app/appsettings.json": '{"S": "Host=db1.lab;Database=s;SSL Mode=Disable"}\n'},
    {"app/appsettings.json": '{"S": "Server=db1.lab;Database=s;Trust Server Certificate=true"}\n'},
    {"etc/postgresql/postgresql.auto.conf": "ssl = off\n"},
    {"raddb/mods-available/eap": 'tls-config a {\n    tls_min_version = "1.0"\n}\n'},
)
GOOD = (
    {"ansible.cfg": "[defaults]\nhost_key_checking = True\n#host_key_checking = False\n"},
    {"app/appsettings.json": '{"S": "Host=db1;SSL Mode=VerifyFull", "T": "Server=localhost;X=1;SSL Mode=Disable"}\n'},
    {"src/a.go": "\tHostKeyCallback: ssh.FixedHostKey(k),\n", "etc/postgresql/postgresql.conf": "ssl = on\n#ssl = off\n"},
    {
        "t/traefik.yml": "serversTransport:\n  insecureSkipVerify: false\n",
        "r/rabbitmq.conf": "ssl_options.verify = verify_peer\n",
    },
    {"docker/daemon.json": '{"insecure-registries": ["localhost:5000"]}\n', "k/realm.json": '{"sslRequired": "external"}\n'},
    {"lua/a.lua": 'https.request{\n    verify = "peer",\n}\n-- verify = "none"\n'},
    {"etc/x.toml": 'tls_min_version = "1.2"\nssl_min_version = "TLSv1.3"\n'},
    {"etc/haproxy/haproxy.cfg": "ssl-default-bind-options ssl-min-ver TLSv1.2\nserver a b:1 ssl verify required\n"},
    {"etc/krb5.conf": "[libdefaults]\n  allow_weak_crypto = false\n  permitted_enctypes = aes256-cts-hmac-sha1-96\n"},
    {"conf/a.properties": "ssl.endpoint.identification.algorithm=https\nssl.cipher.suites=TLS_AES_256_GCM_SHA384\n"},
    {"src/A.java": "  public void checkServerTrusted(X509Certificate[] c, String a) {\n  i.checkServerTrusted(c, a);\n"},
    {"consul/a.hcl": "verify_outgoing = true\n", "x/a.fish": "curl --insecure https://localhost:8443/v\n"},
    {"w/a.reg": '[HKLM\\SCHANNEL\\Protocols\\TLS 1.0\\Server]\n"Enabled"=dword:00000000\n'},
)
