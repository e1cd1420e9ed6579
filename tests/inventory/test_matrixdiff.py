"""What two versions' shipped configuration says of keys; renames are guesses and marked."""

from __future__ import annotations

from fulldress.formats.keyreader import keys
from fulldress.inventory.matrixdiff import Proposed, propose, shipped
from fulldress.model.estate import ConfigKey
from fulldress.model.package import Entry, PackageLock

OLD = """[hybrid]
legacy_mode = on
[http]
threads = 4
timeout = 30s
[partner]
url = https://partner.example/api
password = old-secret
[cache]
dir = /var/cache/lims
"""
NEW = """[hybrid]
enable = false
[http]
threads = 8
request_timeout = 30s
[partners]
url = https://partner.example/api
password = new-secret
[cache]
dir = /var/cache/lims
"""


def side(text: str, file: str = "etc/lims/lims.conf") -> dict[str, list[ConfigKey]]:
    return {file: keys(text, file=file)}


def said(found: list[Proposed]) -> set[tuple[str, str, str, str, bool]]:
    return {(p.row.key, p.row.change, p.row.instead, p.row.value, p.guessed) for p in found}


def test_removed_added_changed_and_renamed() -> None:
    found = said(propose(side(OLD), side(NEW), product="lims", since="5.0"))
    assert found == {
        ("hybrid.legacy_mode", "removed", "", "", False),
        ("hybrid.enable", "added", "", "false", False),
        ("http.threads", "default-changed", "4", "8", False),
        ("http.timeout", "renamed", "http.request_timeout", "", True),
        ("partner.url", "renamed", "partners.url", "", True),
        ("partner.password", "renamed", "partners.password", "", True),
    }


def test_no_secret_is_written() -> None:
    found = propose(side("[a]\npassword = one\n"), side("[a]\npassword = two\n"), product="p", since="1")
    assert found == []
    (row,) = propose(side("x = 1\n"), side("x = 1\napi_key = abc\n"), product="p", since="1")
    assert (row.row.key, row.row.value) == ("api_key", "")


def test_a_file_that_only_moved_is_compared_with_itself() -> None:
    old, new = side("a = 1\n", "etc/lims.conf"), side("a = 2\n", "etc/lims/lims.conf")
    assert said(propose(old, new, product="p", since="1")) == {("a", "default-changed", "1", "2", False)}


def test_the_same_configuration_gives_nothing() -> None:
    assert propose(side(OLD), side(OLD), product="p", since="1") == []


def test_which_files_of_a_package_are_configuration() -> None:
    content = {
        "lims-5.0/packages/lims_5.0_all.deb!/etc/lims/lims.conf": "a = 1\n",
        "lims-5.0/conf/web.yaml.dist": "b: 1\n",
        "lims-5.0/README.md": "c = 1\n",
        "lims-5.0/install.sh": "d=1\n",
        "lims_5.0.deb!/usr/share/doc/lims/example.conf": "e = 1\n",
        "lims_5.0.deb!/etc/cron.d/lims": "f = 1\n",
    }
    entries = tuple(Entry(place=place, kind="file", sha256=place, size=len(text)) for place, text in content.items())
    lock = PackageLock(name="p.zip", sha256="0", size=1, format="zip", entries=entries, bytes_inspected=1)
    found = shipped(lock, lambda entry: content[entry.place].encode())
    assert {name: [key.key for key in found[name]] for name in found} == {
        "etc/lims/lims.conf": ["a"],
        "lims/conf/web.yaml": ["b"],
    }
