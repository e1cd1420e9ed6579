"""A program speaks a protocol that knows no encryption.

## What it does
Finds clients of FTP, Telnet, rlogin and TFTP in programs of any language (`Net::FTP`, `ftplib.FTP`, `FTPClient`,
`ftp_connect`, `FtpWebRequest`, `telnetlib`, `spawn telnet`), and HTTP clients that are given port 80. Calls to this host
itself, tests, examples and third-party libraries do not count. One finding for each kind in a file.

## Why it matters
There is no address with a scheme to be seen, so nobody asks: the password and the data cross the network for everybody on
the way to read, and to change.

## Example
```
Net::FTP.open('sis.uni.example', username: 'campus', password: PW)
```

## Fix
Have the vendor use SFTP, SSH or HTTPS; until then, keep the line inside a network of its own.

## References
- CWE-319 Cleartext Transmission of Sensitive Information
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="plain-protocol",
    family="endpoint",
    title="Program speaks a protocol without encryption",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(
        r"\bNet::(FTP|Telnet|TFTP)(->|\.)(new|open|start)\b|\bftplib\.FTP\(|\btelnetlib\.Telnet\(|\bnew\s(FTPClient|TelnetClient|FtpClient)\("
    ),
    Pattern(r"\bftp_connect\s?\(|\bFtpWebRequest\b|\bspawn\s{1,4}(telnet|rlogin|ftp)\s|\bftp\.Dial\("),
    Pattern(r"\b(Net::HTTP\.(new|start)|HTTPConnection)\(\s{0,2}[\"'][\w.-]{3,80}[\"']\s{0,2},\s{0,2}(port\s?=\s?)?80\b"),
)
_KINDS = (
    (late(r"(?i)\bNet::FTP\b|ftplib\.FTP\(|\bFTPClient\(|ftp_connect|FtpWebRequest|\bspawn\s+ftp\b|\bftp\.Dial\("), "FTP"),
    (late(r"(?i)telnet"), "Telnet"),
    (late(r"(?i)rlogin"), "rlogin"),
    (late(r"(?i)tftp"), "TFTP"),
    (late(r"HTTP"), "plain HTTP"),
)
_HERE = late(r"(?i)localhost|127\.0\.0\.1|::1")
_DECLARES = late(r"^\s*(?:(?:import|from|use|require|using|class|interface|public\s+class|def|function)\b|[\"'])")
"""A line that names it only: an import, a declaration, a text about it."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each protocol in a file."""
    told: set[tuple[str, str]] = set()
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=_program):
        what = next((name for form, name in _KINDS if form.search(line)), "")
        if not what or (entry.place, what) in told or _HERE.search(line) or _DECLARES.match(line):
            continue
        if standing(entry.place) != "acting" or role(context, entry.place) == "library":
            continue
        told.add((entry.place, what))
        severity: Severity = META.severity if what != "plain HTTP" else "low"
        yield Finding(
            rule=META.slug,
            severity=severity,
            confidence=META.confidence,
            title=f"{entry.place.rpartition('/')[2]} speaks {what}",
            place=entry.place,
            line=number,
            excerpt=secrets.hidden(line.strip())[:200],
            consequence="Anyone on the way reads and changes what is sent, the password included.",
            fix="Have the vendor use SFTP, SSH or HTTPS; until then, keep the line inside a network of its own.",
        )


def _program(entry: object) -> bool:
    place = str(getattr(entry, "place", ""))
    return is_code(place) or place.endswith((".exp", ".expect", ".ps1", ".psm1", ".cgi", ".rake"))


BAD = (
    {"lib/sis.rb": "Net::FTP.open(HOST, username: 'x') { |f| f.get('a') }\n"},
    {"m/collect.pl": "my $ftp = Net::FTP->new($host, Passive => 1) or next;\n"},
    {"a/pull.py": "import ftplib\nc = ftplib.FTP('files.partner.example')\n"},
    {"a/Pull.java": "  FTPClient c = new FTPClient();\n"},
    {"a/pull.php": "<?php\n$c = ftp_connect($host);\n"},
    {"m/sw.exp": "#!/usr/bin/expect -f\nspawn telnet sw1.lab.internal\n"},
    {"lib/p.rb": "http = Net::HTTP.new('api.partner.example', 80)\n"},
)
GOOD = (
    {"web/mode.js": 'var f = {\n"ftp_connect": [\n"resource ftp_connect(string host [, int port])",\n"Opens a stream"]};\n'},
    {"lib/sis.rb": "require 'net/ftp'\n# Net::FTP.open(HOST)\nNet::SFTP.start(HOST)\n", "README.md": "Net::FTP.new(x)\n"},
    {"a/pull.py": "c = ftplib.FTP_TLS('x')\nd = ftplib.FTP('localhost')\n", "tests/a.py": "ftplib.FTP('x')\n"},
    {"lib/p.rb": "http = Net::HTTP.new('api.partner.example', 443)\n", "site-packages/x/ftp.py": "ftplib.FTP(host)\n"},
)
