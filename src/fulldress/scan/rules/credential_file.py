"""A file that holds credentials is in the package.

## What it does
Knows the files that programs keep logins in (`.pgpass`, `.netrc`, `.my.cnf`, `htpasswd`, `.npmrc`, `.pypirc`, `pip.conf`,
Docker's and kubectl's configuration, `tomcat-users.xml`, `wp-config.php`, `.git-credentials`, `.s3cfg`, `rclone.conf`, AWS
credentials, Google service accounts, Mosquitto's logins, Kerberos keytabs) and reads each in its own format.
Templates with nothing filled in are fine.

## Why it matters
Somebody's own login was packed, or every installation gets the same one. The file also replaces the one that is there.

## Example
```
db.example.net:5432:lims:lims:...      # .pgpass
```

## Fix
Rotate the credential. `fulldress adapt` takes files that belong into a home directory out of the package; put the others
onto the host by your own means.

## References
- CWE-522 Insufficiently Protected Credentials; CWE-798
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.credentialfiles import NAME_PARTS, SERVICE_ACCOUNT, Credential, Kind, kind_of
from fulldress.scan.credentials.secretreport import severity_of
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="credential-file",
    family="secret",
    title="File with credentials in the package",
    severity="high",
    confidence="certain",
)
_ACCOUNT = Pattern(r'"private_key"\s{0,4}:\s{0,4}"-----BEGIN', once=True)
LOOKS_FOR = (_ACCOUNT,)
MAX_BYTES = 1 << 20
_PERSONAL = late(r"(^|[/!])[._](pgpass|netrc|git-credentials|npmrc|pypirc|my\.cnf|s3cfg|boto|aws/|docker/|kube/|dockercfg)")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file."""
    accounts = {e.place for e in context.matching(_ACCOUNT)}
    candidates = {e.place: e for e in (*context.naming(*NAME_PARTS), *context.matching(_ACCOUNT))}
    for entry in sorted(candidates.values(), key=lambda e: e.place):
        kind = kind_of(entry.place) or (SERVICE_ACCOUNT if entry.place in accounts else None)
        text = context.text(entry) if kind is not None and entry.size <= MAX_BYTES else None
        if kind is not None and text is not None:
            yield from _finding(entry, kind, text)
    yield from _keytabs(context)


def _keytabs(context: Context) -> Iterator[Finding]:
    """Kerberos keys of a service: binary, told by their first bytes."""
    for entry in context.ending(".keytab"):
        if entry.kind != "file" or entry.size > MAX_BYTES or standing(entry.place) != "acting":
            continue
        if not context.read(entry).startswith((b"\x05\x02", b"\x05\x01")):
            continue
        yield Finding(
            rule=META.slug,
            severity="high",
            confidence="certain",
            title=f"Kerberos keys of a service in {entry.place.rpartition('/')[2]}",
            place=entry.place,
            excerpt=f"keytab, {entry.size} bytes",
            consequence="Everyone who has the package can be that service, at every installation.",
            fix="Have the key changed in the domain, and write a keytab of its own on each host (ktutil, ktpass).",
        )


def _finding(entry: Entry, kind: Kind, text: str) -> Iterator[Finding]:
    found = [c for c in kind.read(text) if c.worth and not _documented(c)]
    if not found:
        return
    first = min(found, key=lambda c: c.worth != "real")
    severity = severity_of(first.worth, standing(entry.place))
    if severity is None:
        return
    many = f" ({len(found)} of them)" if len(found) > 1 else ""
    whose = f" of {first.whose}" if first.whose.strip(" at") else ""
    yield Finding(
        rule=META.slug,
        severity="medium" if severity == "high" and kind.name in ("htpasswd", "Mosquitto logins") else severity,
        confidence=META.confidence,
        title=f"{kind.name} with the credential{whose}{many} in {entry.place.rpartition('/')[2]}",
        place=entry.place,
        line=first.line,
        excerpt=_shown(text, first),
        consequence="Everyone who has the package can log in with it; every installation of the product has the same.",
        fix="Rotate it, and put the file onto the host by your own means.",
        curable=_PERSONAL.search(entry.place) is not None,
    )


def _documented(credential: Credential) -> bool:
    return credential.whose.lower() in ("user at host", "username at hostname")


def _shown(text: str, credential: Credential) -> str:
    line = text.split("\n")[credential.line - 1].strip()
    value = credential.value if credential.value in line else line.rpartition(":")[2]
    return line.replace(value, secrets.HIDDEN) if len(line) < 400 else f"{credential.whose} {secrets.HIDDEN}"


def cure(context: Context, finding: Finding) -> Cure | None:
    """Take a file out that belongs into somebody's home directory."""
    if not finding.curable or context.entry(finding.place) is None:
        return None
    return Cure(
        edits={finding.place: None}, note=f"{finding.place.rpartition('/')[2]} taken out: it is somebody's own login"
    )


_REST = {"VERSION": "1\n"}
BAD = (
    {"a.txt": "a", "etc/.npmrc": "//npm.lab.internal/repo/:_authToken=3f9a7c21-88de-4b1f-9c53-1e7ad02c55aa\n"},
    {"etc/mosquitto/passwd": "edge:$7$101$uG2cY1GzTHfXvC3o$yR1m6kq0m9T1yQm9wB4xZc0vC2zQ==\n"},
    Sample(files={"opt/x/x.keytab": b"\x05\x02\x00\x00\x00\x04abcd"}),
    {"a.txt": "a", "root/.my.cnf": '[client]\nuser = root\npassword="7Qm#2xV9"\n'},
    {"etc/postfix/sasl_passwd": "[smtp.partner.example]:587 user:geheim1\n", "etc/rsyncd.secrets": "bak:geheim1\n"},
    {"etc/ppp/chap-secrets": 'client * "geheim1" *\n', "cloud-init.yml": "chpasswd:\n  list: |\n    root:geheim1\n"},
    {"bin/login.exp": '#!/usr/bin/expect\nsend "geheim1\\r"\n'},
    {**_REST, "home/app/.pgpass": "# app\ndb:5432:app:app:geheim1\n"},
    {**_REST, ".netrc": "machine files.partner.example\n  login imp\n  password geheim1\n"},
    {**_REST, "root/.my.cnf": "[client]\nuser = bak\npassword = 'geheim1'\n"},
    {**_REST, "www/.htpasswd": "admin:$apr1$a8sJk2lQ$" + "9fKe8ZqLr0sXvBn3MwT4y1\n"},
    {**_REST, "root/.docker/config.json": '{"auths": {"r.partner.example": {"auth": "Y2k6Z2VoZWltMQ=="}}}\n'},
    {**_REST, "root/.kube/config": "users:\n- name: ci\n  user:\n    token: geheim1abc\n"},
    {**_REST, "conf/tomcat-users.xml": '<tomcat-users>\n<user username="adm" password="geheim1"/>\n</tomcat-users>\n'},
    {**_REST, "www/wp-config.php": "<?php\ndefine('DB_PASSWORD', 'geheim1');\n"},
    {**_REST, "root/.git-credentials": "https://ci:geheim1@git.partner.example\n"},
    {**_REST, "root/.aws/credentials": "[default]\naws_secret_access_key = geheim1/abc\n"},
)
GOOD = (
    {"etc/mosquitto/passwd": "# user:hash\n", "opt/x/x.keytab": "see the handbook\n"},
    {"etc/.npmrc": "//npm.lab.internal/:_authToken=${NPM_TOKEN}\n// a comment: _password=x\n"},
    {"home/app/.pgpass": "# host:port:database:user:password\n*:5432:*:app:${PGPASS}\n"},
    {"conf/tomcat-users.xml": '<tomcat-users>\n<!--\n<user username="adm" password="geheim1"/>\n--></tomcat-users>\n'},
    {"www/wp-config-sample.php": "<?php\ndefine('DB_PASSWORD', 'password_here');\n"},
    {"root/.npmrc": "//registry.partner.example/:_authToken=${NPM_TOKEN}\n"},
    {"root/.docker/config.json": '{"credsStore": "pass"}\n'},
    {"root/.my.cnf": "[client]\nuser = bak\npassword =\n"},
)
