"""Builds the vendor's ``Full-upgrade-package-dten.zip``, byte-identical on every run and machine.

``python -m demo.package`` writes ``demo/build/``: the package; ``vendor.toml``, which the customer wrote down before it
came; and ``vendor-portal/``, what the vendor's customer portal offers (the missing intermediates, the root, the old
key, the forum thread). Every trap inside is listed in ``demo/README.md``.
"""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from demo import pki
from demo.archives import Member, at, deb_bytes, elf_saying, java_class, zip_bytes
from demo.lims_tree import release_files

HERE = Path(__file__).parent
BUILD = HERE / "build"
NAME = "Full-upgrade-package-dten.zip"

RECENT = at("2026-11-12 10:40:00")
STALE = at("2023-02-14 09:26:40")
"""Three product cycles ago: the vendor releases one major version a year."""

_DTENCTL = "dtenctl 2.8.1 (2023-02-14) endpoint=http://telemetry.dten-cloud.example/v1/ping\n"


def _vendor(path: str) -> bytes:
    return (HERE / "vendor" / path).read_bytes()


def bridge_jar() -> bytes:
    """The Java bridge, with its endpoint and its password inside."""
    main = java_class("example/dten/Bridge", ["dten-bridge 2.8", "http://10.20.1.15:9090/bridge"])
    return zip_bytes(
        [
            Member("META-INF", None, 0o755, STALE),
            Member("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nImplementation-Version: 2.8\r\n\r\n", 0o644, STALE),
            Member("example/dten/Bridge.class", main, 0o644, STALE),
            Member("bridge.properties", _vendor("jar/bridge.properties"), 0o644, STALE),
        ]
    )


def lims_deb() -> bytes:
    """``dten-lims_5.0_all.deb``: the release, a cron job and a unit that names another which no longer exists."""
    release = "opt/dten-lims/releases/5.0"
    files = [Member(f"{release}/{path}", data, mode, RECENT) for path, (data, mode) in release_files("5.0").items()]
    files.append(Member(f"{release}/bin/dten-import", _vendor("deb/dten-import"), 0o755, RECENT))
    files.append(Member("etc/cron.d/dten-import", _vendor("deb/dten-import.cron"), 0o644, RECENT))
    files.append(Member("lib/systemd/system/dten-report.service", _vendor("deb/dten-report.service"), 0o644, RECENT))
    control = _vendor("deb/control").decode()
    return deb_bytes(control, {"postinst": _vendor("deb/postinst")}, ["etc/cron.d/dten-import"], files)


def _contents() -> dict[str, tuple[bytes, datetime]]:
    """Everything but checksums and their signature, by place."""
    certs = pki.certificates()
    manifest = _vendor("manifest.json")
    signed_at = datetime.fromtimestamp(pki.SIGNED_AT, UTC)
    found = {path: (_vendor(path), RECENT) for path in ("README.txt", "manifest.json")}
    for folder in ("migrations", "scripts"):
        for source in sorted((HERE / "vendor" / folder).iterdir()):
            found[f"{folder}/{source.name}"] = (source.read_bytes(), RECENT)
    found["manifest.json.p7s"] = (pki.cms_detached(manifest, certs.signing_leaf, "signing", signed_at), RECENT)
    found["certs/dten-signing.pem"] = (pki.pem(certs.signing_leaf), RECENT)
    found["certs/dten-tls.pem"] = (pki.pem(certs.tls_leaf), RECENT)
    found["KEYS/dten-release-2026.asc"] = (pki.NEW_RELEASE_KEY.certificate().encode(), RECENT)
    found["packages/dten-lims_5.0_all.deb"] = (lims_deb(), RECENT)
    found["lib/dten-bridge.jar"] = (bridge_jar(), STALE)
    found["bin/dtenctl"] = (elf_saying(_DTENCTL), STALE)
    return found


def package_bytes() -> bytes:
    """The whole package."""
    found = _contents()
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {place}\n" for place, (data, _) in sorted(found.items())).encode()
    found["SHA256SUMS"] = (sums, RECENT)
    found["SHA256SUMS.asc"] = (pki.NEW_RELEASE_KEY.sign(sums, pki.SIGNED_AT).encode(), RECENT)
    members = [Member(folder, None, 0o755, RECENT) for folder in sorted({p.split("/")[0] for p in found if "/" in p})]
    for place, (data, modified) in found.items():
        executable = place.endswith(".sh") or place.startswith("bin/")
        members.append(Member(place, data, 0o755 if executable else 0o644, modified))
    return zip_bytes(sorted(members))


def vendor_toml() -> str:
    """The customer's record of the vendor, made before the package arrived: the old key only."""
    return (
        'name = "DTEN Software GmbH"\n'
        'products = ["dten-lims"]\n'
        'contact = "+43 1 555 0100 (contract 4711, release management)"\n'
        'contact-recorded = "2024-03-05"\n\n'
        "[[pin]]\n"
        f'fingerprint = "{pki.OLD_RELEASE_KEY.fingerprint}"\n'
        'kind = "openpgp"\n'
        'not_before = "2023-02-14"\n'
        'note = "DTEN Release 2023, read over the telephone"\n\n'
        "# This site has no way out: somebody carries copies of what the vendor publishes into these folders.\n"
        "[[channel]]\n"
        'name = "forum"\nkind = "folder"\nurl = "channels/forum"\ngroup = "community forum"\n\n'
        "[[channel]]\n"
        'name = "portal"\nkind = "folder"\nurl = "channels/portal"\ngroup = "customer portal"\n'
    )


def portal_files() -> dict[str, bytes]:
    """What the vendor's portal offers."""
    certs = pki.certificates()
    fingerprint = pki.NEW_RELEASE_KEY.fingerprint.upper()
    thread = _vendor("forum-thread.txt").decode().replace("@NEW@", fingerprint)
    prints = "".join(f"{c.fingerprint(SHA256()).hex()}  {c.subject.rfc4514_string()}\n" for c in certs[:-1])
    return {
        "novatrust-issuing-ca-g7.pem": pki.pem(certs.signing_ca),
        "novatrust-tls-ca-t2.pem": pki.pem(certs.tls_ca),
        "novatrust-root-ca-r3.pem": pki.pem(certs.root),
        "fingerprints.txt": prints.encode(),
        "dten-release-2023.asc": pki.OLD_RELEASE_KEY.certificate().encode(),
        "forum-thread.txt": thread.encode(),
    }


def build(target: Path = BUILD) -> Path:
    """Write the package and what belongs beside it; returns the package's path."""
    portal = target / "vendor-portal"
    portal.mkdir(parents=True, exist_ok=True)
    for name, data in portal_files().items():
        (portal / name).write_bytes(data)
    (target / "vendor.toml").write_text(vendor_toml())
    path = target / NAME
    path.write_bytes(package_bytes())
    return path


def main(target: Path = BUILD) -> int:
    """Build and print the package's digest."""
    path = build(target)
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD))
