"""The vendor's package is the same everywhere, holds every trap of the story, and its parts are valid."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import postgast
import pytest
from demo.lims_tree import release_files

from demo import package, pki

ROOT = Path(__file__).parents[2]
DEB = "packages/dten-lims_5.0_all.deb"


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    """Every file by its place, nested archives opened as ``place!/path``."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(package.package_bytes())) as outer:
        found |= {i.filename: outer.read(i) for i in outer.infolist() if not i.is_dir()}
    with zipfile.ZipFile(io.BytesIO(found["lib/dten-bridge.jar"])) as jar:
        found |= {f"jar!/{i.filename}": jar.read(i) for i in jar.infolist() if not i.is_dir()}
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", "/dev/stdin"], input=found[DEB], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(data.stdout)) as deb:
        for member in deb.getmembers():
            opened = deb.extractfile(member)
            if opened:
                found[f"deb!/{member.name.removeprefix('./')}"] = opened.read()
    return found


def test_the_same_bytes_in_another_process_place_and_time_zone(tmp_path: Path) -> None:
    env = {**os.environ, "TZ": "Pacific/Auckland", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    argv = ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-m", "demo.package", str(tmp_path)]
    subprocess.run(argv, check=True, env=env, cwd=tmp_path, capture_output=True)
    assert (tmp_path / package.NAME).read_bytes() == package.package_bytes()


def test_build_writes_what_belongs_beside_the_package(tmp_path: Path) -> None:
    assert package.build(tmp_path) == tmp_path / package.NAME
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert {"vendor.toml", "vendor-portal/novatrust-tls-ca-t2.pem", "vendor-portal/dten-release-2023.asc"} <= names
    record = (tmp_path / "vendor.toml").read_text()
    assert pki.OLD_RELEASE_KEY.fingerprint in record and pki.NEW_RELEASE_KEY.fingerprint not in record
    assert pki.NEW_RELEASE_KEY.fingerprint.upper() in (tmp_path / "vendor-portal/forum-thread.txt").read_text()


# trap, where, what must stand there; the table of demo/README.md
TRAPS = [
    ("loose versions", "manifest.json", '"postgresql":">=9"'),
    ("cryptic manifest", "manifest.json", '"libssl":"~"'),
    ("doubtful reboot", "manifest.json", '"reboot":"recommended"'),
    ("five minutes", "README.txt", "five minutes"),
    ("key in the package", "KEYS/dten-release-2026.asc", "BEGIN PGP PUBLIC KEY BLOCK"),
    ("signature", "SHA256SUMS.asc", "BEGIN PGP SIGNATURE"),
    ("silent fallback", "deb!/opt/dten-lims/releases/5.0/dten_lims/release.py", 'section.get("enable", "")'),
    ("sudo, in preflight", "scripts/10-preflight.sh", "sudo -u dten"),
    ("sudo and renamed unit", "scripts/20-migrate.sh", "sudo systemctl stop dten-lims-worker.service"),
    ("renamed unit", "scripts/30-services.sh", "systemctl start dten-lims-worker.service"),
    ("renamed unit, required", "deb!/lib/systemd/system/dten-report.service", "Requires=dten-lims-worker.service"),
    ("no migration lock", "scripts/20-migrate.sh", "psql -d dten -f migrations/0052_result_flag_index.sql"),
    ("03:00 job", "deb!/etc/cron.d/dten-import", "0 3 * * * dten"),
    ("retired server", "deb!/opt/dten-lims/releases/5.0/bin/dten-import", "import@sftp.old-labs.example"),
    ("sshpass", "scripts/10-preflight.sh", "sshpass -p 'Sommer2023!'"),
    ("bearer token", "scripts/40-register.sh", "Authorization: Bearer dtn_live_"),
    ("password in the jar", "jar!/bridge.properties", "jdbc:postgresql://10.20.1.15:5432/dten?user=bridge&password="),
    ("endpoint in a class", "jar!/example/dten/Bridge.class", "http://10.20.1.15:9090/bridge"),
    ("endpoint in a binary", "bin/dtenctl", "telemetry.dten-cloud.example"),
    ("host key checking off", "scripts/10-preflight.sh", "StrictHostKeyChecking=no"),
    ("unguarded removal", "scripts/30-services.sh", 'rm -rf "$OLD"/'),
    ("rewrite", "migrations/0051_result_public_id.sql", "DEFAULT gen_random_uuid() NOT NULL"),
    ("backfill", "migrations/0052_result_flag_index.sql", "UPDATE result SET flag"),
    ("plain index", "migrations/0052_result_flag_index.sql", "CREATE INDEX result_flag_idx"),
    ("set not null", "migrations/0053_result_reviewed.sql", "SET NOT NULL"),
    ("webhook", "scripts/40-register.sh", "-X POST http://hooks.lab-partner.example/v1/webhooks"),
    ("flag", "scripts/40-register.sh", "-X PUT http://flags.dten-cloud.example/v1/flags/hybrid-approval"),
    ("new strategy", "deb!/opt/dten-lims/releases/5.0/dten_lims/backoff.py", "EXTRA_RETRIES = 3"),
]


@pytest.mark.parametrize(("place", "text"), [t[1:] for t in TRAPS], ids=[t[0] for t in TRAPS])
def test_trap_is_there(members: dict[str, bytes], place: str, text: str) -> None:
    assert text.encode() in members[place]


def test_every_place_of_a_trap_is_named_in_the_readme() -> None:
    readme = (ROOT / "demo/README.md").read_text()
    for _, place, _ in TRAPS:
        assert place.rsplit("/", 1)[-1] in readme, place


def test_binaries_are_three_years_older_than_the_rest() -> None:
    with zipfile.ZipFile(io.BytesIO(package.package_bytes())) as outer:
        years = {i.filename: i.date_time[0] for i in outer.infolist() if not i.is_dir()}
    stale = {name for name, year in years.items() if year == 2023}
    assert stale == {"bin/dtenctl", "lib/dten-bridge.jar"}
    assert {years[n] for n in years if n not in stale} == {2026}


def test_no_script_stops_at_an_error(members: dict[str, bytes]) -> None:
    for place in (p for p in members if p.startswith("scripts/")):
        assert b"set -e" not in members[place]


def test_no_migration_takes_precautions(members: dict[str, bytes]) -> None:
    for place in (p for p in members if p.startswith("migrations/")):
        text = members[place].decode().lower()
        assert "lock_timeout" not in text and "advisory" not in text and "concurrently" not in text


def test_the_intermediates_are_not_in_the_package_but_in_the_portal(members: dict[str, bytes]) -> None:
    portal = package.portal_files()
    for name in ("novatrust-issuing-ca-g7.pem", "novatrust-tls-ca-t2.pem", "novatrust-root-ca-r3.pem"):
        assert not any(portal[name].strip() in data for data in members.values())
    assert members["certs/dten-tls.pem"].count(b"BEGIN CERTIFICATE") == 1


def test_checksums_cover_everything_but_themselves(members: dict[str, bytes]) -> None:
    listed = dict(reversed(line.split("  ")) for line in members["SHA256SUMS"].decode().splitlines())
    outer = {p for p in members if "!/" not in p} - {"SHA256SUMS", "SHA256SUMS.asc"}
    assert set(listed) == outer
    assert all(hashlib.sha256(members[p]).hexdigest() == listed[p] for p in outer)


def test_scripts_parse(members: dict[str, bytes]) -> None:
    scripts = [p for p in members if p.startswith(("scripts/", "deb!/opt/dten-lims/releases/5.0/bin/"))]
    assert len(scripts) == 10
    for place in scripts:
        subprocess.run(["bash", "-n"], input=members[place], check=True)


def test_migrations_parse_as_single_transactions(members: dict[str, bytes]) -> None:
    for place in (p for p in members if p.startswith("migrations/")):
        tree = postgast.parse(members[place].decode())
        kinds = [s.stmt.WhichOneof("node") for s in tree.stmts]
        assert kinds[0] == kinds[-1] == "transaction_stmt" and len(kinds) >= 5


def test_the_deb_holds_release_5_0_whole(members: dict[str, bytes]) -> None:
    base = "deb!/opt/dten-lims/releases/5.0/"
    for path, (data, _) in release_files("5.0").items():
        assert members[base + path] == data
    said = subprocess.run(["dpkg-deb", "-I", "/dev/stdin", "postinst"], input=members[DEB], capture_output=True, check=True)
    assert b"ln -sfn /opt/dten-lims/releases/5.0 /opt/dten-lims/current" in said.stdout
