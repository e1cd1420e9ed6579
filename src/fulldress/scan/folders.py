"""What the folders of a path say of what lies in them: documentation, third-party code, tests, examples, translations. Pure.

Names of folders recur all over a package: each is judged once, and so is each folder.
"""

from __future__ import annotations

from functools import lru_cache

from fulldress.formats.late import late

PROSE, VENDORED, TRANSLATION, TEST, EXAMPLE = 1, 2, 4, 8, 16

_NAMES = (
    (PROSE, late(r"(?i)docs?|man\d?")),
    (VENDORED, late(r"site-packages|dist-packages|node_modules|_?vendor(ed)?|bower_components|__pycache__")),
    (TRANSLATION, late(r"(?i)i18n|l10n|locales?|lang|langs|languages|translations?|nls|po")),
    (TEST, late(r"(?i)ansible_test")),
    (EXAMPLE, late(r"(?i)config_templates")),
)
_ALSO_ROOTS = (
    (
        TEST,
        late(
            r"(?i)tests?|testing|testdata|test[_-]?data|test[_-]resources|test_util\w*|_?fixtures?|vectors?|mocks?|spec|specs|"
            r"__tests__|unittests?|cassettes"
        ),
    ),
    (
        EXAMPLE,
        late(
            r"(?i)examples?|samples?|demos?|docs?|documentation|templates?|skeletons?|tutorials?|cookbook|contrib",
        ),
    ),
)
"""Names that count right behind a ``!`` as well."""
_ANY = late("(?i)" + "|".join(pattern.pattern.removeprefix("(?i)") for _, pattern in (*_NAMES, *_ALSO_ROOTS)))


MOST_DEEP = 100
"""Folders deeper than that are judged without the help of those around them."""


@lru_cache(maxsize=1 << 15)
def folder_kinds(folder: str) -> int:
    """What is said by any folder on the way to what lies in this one (given without a slash at its end), as flags."""
    if folder.count("/") > MOST_DEEP:
        said = 0
        for name in folder.split("/"):
            said |= _name_kinds(name)
        return said
    around, _, name = folder.rpartition("/")
    said = _name_kinds(name) if name[-1:] != "!" else 0  # an archive is what it lies in
    return said | folder_kinds(around) if around else said


@lru_cache(maxsize=1 << 14)
def _name_kinds(name: str) -> int:
    behind = name.rpartition("!")[2]
    if not _ANY.fullmatch(behind):
        return 0
    said = sum({kind for kind, pattern in _NAMES if pattern.fullmatch(name)})
    for kind, pattern in _ALSO_ROOTS:
        if pattern.fullmatch(behind):
            said |= kind
    return said
