"""What a path says of a file: translation, test data, example, schema, library. Pure.

A secret-looking value means something else in each of them; every secret and endpoint rule asks here, so that they agree.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from fulldress.scan.folders import EXAMPLE, TEST, TRANSLATION, folder_kinds
from fulldress.scan.reading import is_prose, is_vendored

Standing = Literal["acting", "example", "library", "silent"]

_TRANSLATION = re.compile(
    r"(?i)^(i18n|l10n|locales?|lang|langs|languages|translations?|nls|po)[._-][^/]*$"
    r"|(^|[_.-])(localstrings|messages?|strings|translations?|resources|texts)([_.-][a-z]{2}([_-][a-z]{2,4})?)?\."
    r"(properties|json|ya?ml|xml|resx|ini)$|_[a-z]{2}(_[A-Z]{2})?\.properties$|\.(po|pot|mo|resx|xlf|xliff|ftl|arb)$"
)
_TEST = re.compile(r"(?i)^(test_[^/]*|[^/]*_test|[^/]*[._-](test|spec|tests)|conftest|unit_tests?)\.\w+$")
_EXAMPLE = re.compile(
    r"(?i)\.(example|sample|dist|tmpl|tpl|template|mako|j2|jinja2?|erb|in|default|orig)$"
    r"|[._-](example|sample|template|dist)\.\w+$|^examples?-\d[^/]*\.json$"
)
_SCHEMA = re.compile(
    r"(?i)(\.schema\.json|(^|/)(openapi|swagger|paginators|service|waiters|examples?-\d|endpoint-rule-set|schemas?)[^/]*\.(json|ya?ml)|"
    r"(^|/)schemas?/[^/]+\.(json|xml|ya?ml)|\.(xsd|wsdl|dtd|pyi|map|d\.ts)|\.min\.(js|css)|[.-]lock(\.json|\.ya?ml)?|"
    r"(^|/)(package-lock|composer)\.(json|lock)|go\.sum)\Z"
)
_SCHEMA_ENDS = (
    *(".json", ".yaml", ".yml", ".xml", ".xsd", ".wsdl", ".dtd", ".pyi", ".map", ".d.ts", ".min.js", ".min.css", "lock"),
    "go.sum",
)
"""One of these ends every such path: most are told by that alone."""


def is_translation(place: str) -> bool:
    """True for files of texts in a language."""
    folder, _, name = place.rpartition("/")
    return folder_kinds(folder) & TRANSLATION != 0 or _TRANSLATION.search(name) is not None


def is_test(place: str) -> bool:
    """True for tests and their data."""
    folder, _, name = place.rpartition("/")
    return folder_kinds(folder) & TEST != 0 or _TEST.search(name) is not None


def is_example(place: str) -> bool:
    """True for examples, templates and what is filled in later."""
    folder, _, name = place.rpartition("/")
    return folder_kinds(folder) & EXAMPLE != 0 or _EXAMPLE.search(name) is not None


def is_schema(place: str) -> bool:
    """True for schemas, interface descriptions, lock files and generated code: names of things, no settings."""
    return place.lower().endswith(_SCHEMA_ENDS) and _SCHEMA.search(place) is not None


@lru_cache(maxsize=1 << 16)
def standing(place: str) -> Standing:
    """How much what stands in a file weighs. ``silent``: nothing in there is a setting of this package."""
    if is_prose(place) or is_translation(place) or is_schema(place):
        return "silent"
    if is_vendored(place):
        return "silent" if is_test(place) or is_example(place) else "library"
    return "example" if is_test(place) or is_example(place) else "acting"
