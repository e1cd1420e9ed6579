"""The package changes whom the host trusts.

## What it does
Finds certificate authorities that the package puts into the system's trust store (`/usr/local/share/ca-certificates`,
`/etc/pki/ca-trust/source/anchors`, ...), commands that add some (`update-ca-certificates`, `trust anchor`,
`keytool -importcert` into Java's `cacerts`, `apt-key add`, keyrings of package managers), and says which of them the host
already trusts, when there is an inventory.

## Why it matters
Whoever holds an added authority's key can pose as any server towards every program of the host, long after the upgrade.

## Example
```
cp vendor-root.crt /usr/local/share/ca-certificates/ && update-ca-certificates
```

## Fix
Decide it as a change of its own: have the vendor name the authority, compare its fingerprint out of band, and prefer a store
that only the product reads.

## References
- CWE-296 Improper Following of a Certificate's Chain of Trust; update-ca-certificates(8)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.finding import Finding, Severity
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.network import certificates
from fulldress.scan.reading import scripts
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="trust-store-change",
    family="tls",
    title="Change of whom the host trusts",
    severity="medium",
    confidence="certain",
)
_STORE = late(
    r"(^|[/!])(usr/local/share/ca-certificates/|usr/share/ca-certificates/|etc/pki/ca-trust/source/|etc/ssl/certs/|"
    r"usr/share/pki/ca-trust-source/|etc/ca-certificates/trust-source/)"
)
_KEYRING = late(
    r"(^|[/!])(etc/apt/trusted\.gpg(\.d/[^/]+)?|etc/apt/keyrings/[^/]+|usr/share/keyrings/[^/]+|etc/pki/rpm-gpg/[^/]+)$"
)
FEW = 3
_CONSEQUENCE = "Whoever holds that key can pose as any server, or sign any package, for every program of the host."
_FIX = (
    "Compare its fingerprint out of band and decide it as a change of its own; prefer a store that only the product reads."
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each authority, keyring and command."""
    added = [found for found in certificates.certificates(context) if _STORE.search(found.entry.place)]
    ours = [found for found in added if "/mozilla/" not in found.entry.place]
    yield from [_authority(context, found) for found in ours] if len(ours) <= FEW else [_many(ours, "medium")]
    if len(ours) < len(added):
        yield _many([found for found in added if found not in ours], "info")
    for entry in context.holding("etc/apt/", "usr/share/keyrings/", "etc/pki/rpm-gpg/"):
        if _KEYRING.search(entry.place) and entry.kind != "container":
            name = entry.place.rpartition("/")[2]
            yield _finding(
                f"the package manager's keyring gets {name}", entry.place, 0, f"sha256 {entry.sha256[:32]}", "medium"
            )
    for script in (*scripts(context), *tasks(context)):
        for command in script.commands:
            what = _adds(command)
            if what:
                yield _finding(what, script.entry.place, command.line, command.text, META.severity)


def _many(found: list[certificates.Found], severity: Severity) -> Finding:
    """A bundle of authorities is one finding."""
    named = ", ".join(sorted(certificates.name(f.certificate) for f in found)[:3])
    title = f"{len(found)} certificates are put into the system's trust store: {named} ..."
    return _finding(title, found[0].entry.place, found[0].line, "", severity)


def _authority(context: Context, found: certificates.Found) -> Finding:
    fingerprint = certificates.fingerprint(found.certificate)
    hosts = context.estate.hosts if context.estate is not None else ()
    known = bool(hosts) and all(fingerprint in host.certificate_sha256 for host in hosts)
    name = certificates.name(found.certificate)
    severity: Severity = "info" if known else "high" if certificates.is_ca(found.certificate) else "medium"
    title = f"{name} is put into the system's trust store{' (the host trusts it already)' if known else ''}"
    return _finding(title, found.entry.place, found.line, f"sha256 {fingerprint}", severity)


def _adds(command: Command) -> str:
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    words = argv[1:]
    if name in ("update-ca-certificates", "update-ca-trust") and not {"--help", "check"} & set(words):
        return f"{name} renews the system's trust store"
    if name in ("cp", "install", "ln", "mv", "tee") and words and _STORE.search(words[-1]) and "/certs/" not in words[-1]:
        return f"{name} puts a certificate into the system's trust store"
    if name == "trust" and words[:1] == ("anchor",):
        return "trust anchor changes the system's trust store"
    if name == "keytool" and {"-importcert", "-import", "-trustcacerts"} & set(words) and any("cacerts" in w for w in words):
        return "keytool adds an authority to Java's trust store"
    if name == "apt-key" and words[:1] in (("add",), ("adv",)):
        return "apt-key adds a key that may sign any package"
    if name == "rpm" and "--import" in words:
        return "rpm --import adds a key that may sign any package"
    return ""


def _finding(title: str, place: str, line: int, shown: str, severity: Severity) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title,
        place=place,
        line=line,
        excerpt=shown,
        consequence=_CONSEQUENCE,
        fix=_FIX,
    )


AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIH2MIGpoAMCAQICARUwBQYDK2VwMBwxGjAYBgNVBAMMEVNhbXBsZSBJc3N1aW5n
IENBMB4XDTIwMDEwMTAwMDAwMFoXDTQ5MDEwMTAwMDAwMFowGTEXMBUGA1UEAwwO
VmVuZG9yIFJvb3QgQ0EwKjAFBgMrZXADIQADoQe/884Qvh1w3RjnS8CZZ+TWMJul
DV8d3IZkElUxuKMTMBEwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQC9Ad4WRADK
rg8u1psSUMkJz67vtKzs1DajBrl3PSN6IGPIhVR5SRfwGMPKBWc6DvtUhEdgUcXk
110XqB3WUvoM
-----END CERTIFICATE-----
"""
BAD = (
    {"app.deb!/usr/local/share/ca-certificates/vendor.crt": AUTHORITY},
    {"up.sh": "#!/bin/sh\nset -e\ncp conf/ca.pem /usr/local/share/ca-certificates/vendor.crt\n"},
    {"postinst": "#!/bin/sh\nset -e\nupdate-ca-certificates\n"},
    {"bin/a.sh": "#!/bin/sh\nkeytool -importcert -noprompt -file r.crt -keystore $JAVA_HOME/lib/security/cacerts\n"},
    {"etc/apt/trusted.gpg.d/vendor.gpg": "key", "bin/b.sh": "#!/bin/sh\nrpm --import vendor.asc\n"},
)
GOOD = (
    {"opt/app/tls/vendor.crt": AUTHORITY},
    {"postinst": "#!/bin/sh\n# update-ca-certificates\nkeytool -list -keystore app.jks\n"},
)
