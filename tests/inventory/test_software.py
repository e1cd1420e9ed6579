"""Installed software as the probe tells it: manifests of Java archives, locks of rpm's family, files and their packages."""

from __future__ import annotations

import pytest

from fulldress.formats import rpmlocks
from fulldress.inventory import software
from fulldress.inventory.sections import Section, Sections


def _packages(**sections: str) -> list[tuple[str, str, bool]]:
    found = software.packages(Sections([Section(name.replace("_", "-"), "", text) for name, text in sections.items()]))
    return [(package.name, package.version, package.held) for package in found]


def test_a_java_archive_without_a_version_in_its_name_tells_it_in_its_manifest() -> None:
    jars = "/opt/a/core.jar\n/opt/a/widget.jar\n/opt/a/fat.jar\n/opt/a/mute.jar\n"
    said = (
        "file\t/opt/a/core.jar\nImplementation-Title: core\nImplementation-Version: 3.4.5\n"
        "file\t/opt/a/widget.jar\nBundle-Version: 1\ngroupId=org.acme\nartifactId=acme-widget\nversion=9.1.2\n"
        "file\t/opt/a/fat.jar\nSpecification-Version: 7\nartifactId=a\nversion=1\nartifactId=b\nversion=2\n"
    )
    assert _packages(libraries=jars, jar=said) == [
        ("acme-widget", "9.1.2", False),
        ("core", "3.4.5", False),
        ("fat", "7", False),
        ("mute", "", False),
    ]


def test_keys_that_rpm_trusts_are_no_packages() -> None:
    assert _packages(rpm="gpg-pubkey\t0:fd431d51-4ae0493b\nbash\t0:5.1-2\n") == [("bash", "5.1-2", False)]


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        (
            "/etc/dnf/plugins/versionlock.list",
            "# by dnf\nbash-0:5.1.8-6.el9.*\n!curl-0:7.76-1.*\nkernel*\n",
            ["bash", "kernel*"],
        ),
        ("/etc/yum/pluginconf.d/versionlock.list", "0:java-1.8.0-openjdk-1.8.0.312.b07-1.el7_9.*\n", ["java-1.8.0-openjdk"]),
        (
            "/etc/dnf/versionlock.toml",
            'version = "1.0"\n[[packages]]\nname = "bash"\n[[packages.conditions]]\nkey = "evr"\n',
            ["bash"],
        ),
        ("/etc/dnf/versionlock.toml", "packages = 3", []),
        ("/etc/dnf/versionlock.toml", "no toml", []),
        (
            "/etc/zypp/locks",
            "# locks\n\ntype: package\nmatch_type: glob\nsolvable_name: kernel-default*\n\ntype: patch\nsolvable_name: p\n",
            ["kernel-default*"],
        ),
        ("/etc/dnf/dnf.conf", "[main]\ngpgcheck=1\nexclude=postgresql* nginx, redis\n", ["postgresql*", "nginx", "redis"]),
    ],
)
def test_locks_of_the_rpm_family(file: str, text: str, names: list[str]) -> None:
    assert rpmlocks.patterns(text, file=file) == names


def test_a_locked_package_is_held() -> None:
    sections = [
        Section("rpm", "", "postgresql-server\t0:13.1-1\nbash\t0:5-1\n"),
        Section("rpm-locks", "/etc/dnf/dnf.conf", "[main]\nexcludepkgs=postgresql*\n"),
    ]
    assert {p.name: p.held for p in software.packages(Sections(sections))} == {"postgresql-server": True, "bash": False}


def test_changed_and_missing_files_of_rpm() -> None:
    good, other = "a" * 64, "b" * 64
    files = f"a\t/etc/a.conf\t{good}\tc\na\t/usr/bin/a\t{good}\t\na\t/usr/bin/gone\t{good}\t\nb\t/etc/same\t{other}\tcn\n"
    sums = f"{other}  /etc/a.conf\n{other}  /usr/bin/a\n{other}  /etc/same\n"
    found = software.owned_files(Sections([Section("rpm-files", "", files), Section("rpm-sums", "", sums)]))
    assert [(c.path, c.package, c.found[:1], c.conffile) for c in found.changed] == [
        ("/etc/a.conf", "a", "b", True),
        ("/usr/bin/a", "a", "b", False),
        ("/usr/bin/gone", "a", "", False),
    ]
    assert found.checked == 4


def test_files_that_there_was_no_time_for_are_not_called_missing() -> None:
    sections = [
        Section("rpm-files", "", f"a\t/usr/bin/a\t{'a' * 64}\t\n"),
        Section("not-seen", "changed programs", "their checksums took more than 15 s: the list is not complete\n"),
    ]
    assert software.owned_files(Sections(sections)).changed == ()
