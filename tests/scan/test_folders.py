"""What folders say is what one expression over the whole path would say."""

from __future__ import annotations

import re

import pytest

from fulldress.scan.folders import EXAMPLE, PROSE, TEST, TRANSLATION, VENDORED, folder_kinds

WHOLE = {
    PROSE: r"(?i)(^|/)(usr/share/doc|docs?|man\d?)/",
    VENDORED: r"(^|/)(site-packages|dist-packages|node_modules|_?vendor(ed)?|bower_components|__pycache__)/",
    TRANSLATION: r"(?i)(^|/)(i18n|l10n|locales?|lang|langs|languages|translations?|nls|po)/",
    TEST: (
        r"(?i)(^|[/!])(tests?|testing|testdata|test[_-]?data|test[_-]resources|test_util\w*|_?fixtures?|vectors?|mocks?|spec|"
        r"specs|__tests__|unittests?|cassettes)/|(^|/)ansible_test/"
    ),
    EXAMPLE: (
        r"(?i)(^|[/!])(examples?|samples?|demos?|docs?|documentation|templates?|skeletons?|tutorials?|cookbook|contrib)/"
        r"|(^|/)config_templates/|(^|[/!])usr/share/doc/"
    ),
}
FOLDERS = (
    *(
        "",
        "a",
        "/",
        "/etc",
        "docs",
        "a/DOC/b",
        "usr/share/doc/x",
        "a!/usr/share/doc",
        "mandoc",
        "man3/x",
        "a.deb!/man",
        "a!docs",
    ),
    *("x/site-packages/y", "Vendor", "vendor", "a/vendored", "_vendor/b", "vendors", "a!vendor", "lib/__pycache__"),
    *("a/locale/de", "LANG", "po", "polo", "a.jar!/po", "a.jar!po"),
    *(
        "tests",
        "a!tests",
        "a!/tests/b",
        "a!b!spec/c",
        "test!a",
        "a/test_utilities",
        "test_utils-x",
        "ansible_test",
        "x!ansible_test",
    ),
    *("contrib/x", "a!demo", "Examples", "config_templates", "a!config_templates", "examples!", "my examples"),
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_name_is_judged_as_in_the_whole_path(folder: str) -> None:
    expected = {kind for kind, pattern in WHOLE.items() if re.search(pattern, f"{folder}/")}
    assert {kind for kind in WHOLE if folder_kinds(folder) & kind} == expected


def test_a_path_of_very_many_folders_is_read() -> None:
    assert folder_kinds("a/" * 100_000 + "tests") == TEST
