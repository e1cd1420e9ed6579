"""What is told at a glance is what the whole expression would tell."""

from __future__ import annotations

import pytest

from fulldress.model.package import Entry
from fulldress.scan import places
from fulldress.scan.credentials import credentialfiles
from fulldress.scan.database import migration_files
from fulldress.scan.rules import name_misleads, phone_home

LINES = (
    *(
        "x ENGINE = InnoDB",
        "id int auto_increment",
        "/*!40101 SET */",
        "DELIMITER ;;",
        "create table `a`",
        "  set NAMES utf8;",
    ),
    *(
        "Set @@sql_mode = 1;",
        "SET GLOBAL x = 1",
        " use shop;",
        "FLUSH TABLES",
        "select * from mysql.user",
        "MODIFY COLUMN a int",
    ),
    *(
        "pragma foreign_keys",
        "AutoIncrement",
        "from sqlite_master",
        "  go  ",
        "NVARCHAR(3)",
        "identity (1, 1)",
        "[DBO].t",
        "sp_rename",
    ),
    *("varchar2(3)", "number (3)", "/", "END;\n/", "execute immediate 'x'", "\u017fet names x;", "modify a int"),
)


@pytest.mark.parametrize("line", LINES)
def test_a_dialect_is_never_passed_over(line: str) -> None:
    text = f"{line}\nselect 1;\n{line}\n"
    told = {name for name, pattern in migration_files._DIALECTS if pattern.search(text)}
    assert told <= migration_files._likely(text)


def test_plain_sql_is_searched_for_no_dialect() -> None:
    assert (
        migration_files._likely("BEGIN;\nALTER TABLE t ADD COLUMN used int; -- because\nSET lock_timeout = '2s';\n") == set()
    )


NAMES = (
    *(
        "po_x",
        "i18n-a",
        "Messages_de.properties",
        "app.strings.json",
        "x_de.properties",
        "a.PO",
        "b.ftl",
        "languages.x",
        "post.py",
    ),
    *("test_a.py", "a_TEST.go", "a.spec.ts", "conftest.py", "unit_tests.rb", "inspect.py", "a.tests.js", "contest.py"),
    *(
        "a.example",
        "b.SAMPLE",
        "x.dist",
        "y.tmpl",
        "z.JINJA2",
        "k.in",
        "m.default",
        "n-template.yml",
        "examples-1.json",
        "plain.yml",
    ),
    *(
        "a.schema.json",
        "openapi.yml",
        "x.XSD",
        "app.min.js",
        "yarn.lock",
        "package-lock.json",
        "go.sum",
        "x-lock.yaml",
        "a.d.ts",
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_passed_over(name: str) -> None:
    place = f"srv/x/{name}"
    assert places.is_translation(place) == (places._TRANSLATION.search(name) is not None)
    assert places.is_test(place) == (places._TEST.search(name) is not None)
    assert places.is_example(place) == (places._EXAMPLE.search(name) is not None)
    assert places.is_schema(place) == (places._SCHEMA.search(place) is not None)


@pytest.mark.parametrize(
    "address",
    (
        *(
            "stats.a.example/v1",
            "a.example/collect",
            "segment.io/x",
            "in.heap.io",
            "a.example/LICENCE-check/",
            "activate.a.example",
        ),
        *(
            "a.example/auto-update.xml",
            "a.example/releases/latest",
            "version-check.example",
            "a.example/latest.json",
            "o1.sentry.io",
        ),
        *(
            "crash-reports.a.example",
            "a.example/phonehome",
            "callhome.example",
            "beacon.a.example",
            "a.example/checkin",
            "usage.x.y",
        ),
        *(
            "a.example/index.html",
            "www.example.org",
            "entitlement.example",
            "a.example/appcast",
            "trackers.example/tracking",
        ),
    ),
)
def test_a_purpose_is_never_passed_over(address: str) -> None:
    told = next((purpose for purpose, pattern in phone_home._PURPOSE.items() if pattern.search(address)), "")
    assert phone_home._purpose(address) == told


@pytest.mark.parametrize(
    "place",
    (
        *(
            "userlist.txt",
            "etc/ipsec.secrets",
            "sasl_passwd",
            "smtp_auth",
            "rsyncd.scrt",
            "etc/ppp/pap-secrets",
            "user-data.yml",
        ),
        *(
            "cloud-config",
            "a.expect",
            ".PGPASS.conf",
            "_netrc",
            "x.htpasswd",
            "USERS.AUTH",
            ".docker/config.json",
            ".dockercfg",
        ),
        *(
            "root/.kube/config",
            "a-kubeconfig.yml",
            "admin.conf",
            "tomcat-users.xml",
            "wp-config.php",
            ".git-credentials",
            ".my.cnf",
        ),
        *(
            "backup.cnf",
            ".aws/credentials",
            ".s3cfg",
            ".boto",
            ".passwd-s3fs",
            "credentials.csv",
            "rclone.conf",
            ".npmrc",
            ".pypirc",
        ),
        *(
            "pip.conf",
            ".yarnrc",
            ".gem/credentials",
            ".smbcredentials",
            ".credentials",
            "davfs2/secrets",
            ".smb",
            "a/b!my.cnf",
        ),
    ),
)
def test_a_credential_file_is_never_passed_over(place: str) -> None:
    for deep in (place, f"a/{place}", f"x/config/y.deb!/{place}"):
        told = next((kind for kind in credentialfiles.KINDS if kind.place.search(deep)), None)
        assert told is not None
        assert credentialfiles.kind_of(deep) == told


@pytest.mark.parametrize("windows", (False, True))
@pytest.mark.parametrize(
    "place",
    (
        *(
            "-rf",
            "a/-x",
            "~a",
            "a/~root/b",
            "a!/-v",
            "PROGRA~1/x",
            "a\u2044b",
            "a\u200bb/c",
            "con",
            "a/NUL.txt",
            "com1/x",
            "a/lpt9!/b",
        ),
        *("a./b", "a /b", "a.!/b", "a ", "b.", "aux/compact", "plain/name", "com/sun/x.class", "v1.2/x"),
    ),
)
def test_a_misleading_name_is_never_passed_over(place: str, windows: bool) -> None:
    entry = Entry(place=place, kind="file")
    judged: dict[str, str] = {"": ""}
    folder, _, name = place.rpartition("/")
    ways = [*name_misleads._above(folder, windows, judged, {"": []}), name_misleads._judged(name, windows, judged)]
    assert not any(ways) or name_misleads._suspects((entry,), windows) == [entry]
