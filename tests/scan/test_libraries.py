"""Which libraries are inside, by metadata and by name."""

from __future__ import annotations

import pytest

from fulldress.scan.libraries import libraries, plain
from fulldress.scan.samples import context_of


def found(files: dict[str, str | bytes]) -> list[tuple[str, str, str, bool]]:
    return [(lib.kind, lib.name, lib.version, lib.own) for lib in libraries(context_of(files))]


@pytest.mark.parametrize(
    ("name", "library", "version"),
    [
        ("log4j-core-2.24.1.jar", "log4j-core", "2.24.1"),
        ("spring-core-6.1.0-RC2.jar", "spring-core", "6.1.0-RC2"),
        ("guava-33.0.0-jre.jar", None, None),
        ("a.b.c-1.0.Final.jar", "a.b.c", "1.0.Final"),
        ("app.jar", None, None),
        ("netty-4.1-linux-x86_64.jar", None, None),
        ("x-1.0-sources.jar", None, None),
    ],
)
def test_jars_by_their_names(name: str, library: str | None, version: str | None) -> None:
    assert found({f"lib/{name}": "x"}) == ([("jar", library, version, True)] if library else [])


def test_a_jar_without_a_version_by_its_coordinates() -> None:
    pom = "groupId=g\nartifactId=lib\nversion=3.2\n"
    assert found({"lib/app.jar": "x", "lib/app.jar!/META-INF/maven/g/lib/pom.properties": pom}) == [
        ("jar", "lib", "3.2", True)
    ]


def test_coordinates_of_several_are_shaded_and_give_no_name() -> None:
    pom = "artifactId={}\nversion=1\n"
    inside = {f"lib/app.jar!/META-INF/maven/g/{n}/pom.properties": pom.format(n) for n in "ab"}
    assert found({"lib/app.jar": "x", **inside}) == []


def test_packages_of_systems_and_languages() -> None:
    files: dict[str, str | bytes] = {
        "a.deb!/DEBIAN/control": "Package: a\nVersion: 1:2-3\nDescription: x\n Version: 9\n",
        "b.rpm!/RPM/control": "Name: b\nEpoch: 2\nVersion: 1.0\nRelease: 4\n",
        "c.whl!/c-5.dist-info/METADATA": "Name: C\nVersion: 5\n\nVersion: 6\n",
        "node_modules/@s/d/package.json": '{"name": "@s/d", "version": "7.0.0"}',
        "node_modules/e/package.json": "{",
    }
    assert found(files) == [
        ("deb", "a", "1:2-3", True),
        ("rpm", "b", "2:1.0-4", True),
        ("python", "C", "5", True),
        ("npm", "@s/d", "7.0.0", True),
    ]


def test_a_library_inside_another_is_not_the_packages_own() -> None:
    assert found({"war.jar!/lib/a-1.jar": "x"}) == [("jar", "a", "1", False)]


def test_names_are_compared_as_ecosystems_do() -> None:
    assert plain("Foo_Bar.baz") == plain("foo-bar--baz")
