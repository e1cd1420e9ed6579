"""What a path says of a file: translation, test data, example, schema, library. Pure.

A secret-looking value means something else in each of them; every secret and endpoint rule asks here, so that they agree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from fulldress.formats.late import late
from fulldress.scan.folders import EXAMPLE, TEST, TRANSLATION, folder_kinds
from fulldress.scan.reading import is_prose, is_vendored

Standing = Literal["acting", "example", "library", "silent"]

_TRANSLATION = late(
    r"(?i)^(i18n|l10n|locales?|lang|langs|languages|translations?|nls|po)[._-][^/]*$"
    r"|(^|[_.-])(localstrings|messages?|strings|translations?|resources|texts)([_.-][a-z]{2}([_-][a-z]{2,4})?)?\."
    r"(properties|json|ya?ml|xml|resx|ini)$|_[a-z]{2}(_[A-Z]{2})?\.properties$|\.(po|pot|mo|resx|xlf|xliff|ftl|arb)$"
)
_TRANSLATION_ENDS = (
    *(".properties", ".json", ".yml", ".yaml", ".xml", ".resx", ".ini", ".po", ".pot", ".mo", ".xlf", ".xliff", ".ftl"),
    ".arb",
)
_TRANSLATION_BEGINS = ("i18n", "l10n", "locale", "lang", "translation", "nls", "po")
"""Every name of a translation ends or begins so: most names are told by that alone. The same below."""
_TEST = late(r"(?i)^(test_[^/]*|[^/]*_test|[^/]*[._-](test|spec|tests)|conftest|unit_tests?)\.\w+$")
_EXAMPLE = late(
    r"(?i)\.(example|sample|dist|tmpl|tpl|template|mako|j2|jinja2?|erb|in|default|orig)$"
    r"|[._-](example|sample|template|dist)\.\w+$|^examples?-\d[^/]*\.json$"
)
_DEPLOYED = late(r"(?i)(^|[!/])((charts?|helm)[\w.-]*/([^/]+/)*templates|roles/[^/]+/templates)/$")
"""Templates that are filled in on the day: Helm's and Ansible's."""
_EXAMPLE_ENDS = (".tmpl", ".tpl", ".mako", ".j2", ".jinja", ".jinja2", ".erb", ".in", ".default", ".orig")
_SCHEMA = late(
    r"(?i)(\.schema\.json|(^|/)(openapi|swagger|paginators|service|waiters|examples?-\d|endpoint-rule-set|schemas?)[^/]*\.(json|ya?ml)|"
    r"(^|/)schemas?/[^/]+\.(json|xml|ya?ml)|\.(xsd|wsdl|dtd|pyi|map|d\.ts)|\.min\.(js|css)|[.-]lock(\.json|\.ya?ml)?|"
    r"(^|/)(package-lock|composer)\.(json|lock)|go\.sum)\Z"
)
_SCHEMA_ENDS = (
    *(".json", ".yaml", ".yml", ".xml", ".xsd", ".wsdl", ".dtd", ".pyi", ".map", ".d.ts", ".min.js", ".min.css", "lock"),
    "go.sum",
)


def is_translation(place: str) -> bool:
    """True for files of texts in a language."""
    folder, _, name = place.rpartition("/")
    if folder_kinds(folder) & TRANSLATION:
        return True
    lower = name.lower()
    likely = lower.endswith(_TRANSLATION_ENDS) or lower.startswith(_TRANSLATION_BEGINS)
    return likely and _TRANSLATION.search(name) is not None


def is_test(place: str) -> bool:
    """True for tests and their data."""
    folder, _, name = place.rpartition("/")
    if folder_kinds(folder) & TEST:
        return True
    lower = name.lower()
    return ("test" in lower or "spec" in lower) and _TEST.search(name) is not None


def is_example(place: str) -> bool:
    """True for examples, templates and what is filled in later."""
    folder, _, name = place.rpartition("/")
    if "templates" in folder and _DEPLOYED.search(f"{folder}/"):
        return False
    if folder_kinds(folder) & EXAMPLE:
        return True
    lower = name.lower()
    likely = lower.endswith(_EXAMPLE_ENDS) or "ample" in lower or "template" in lower or "dist" in lower
    return likely and _EXAMPLE.search(name) is not None


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
