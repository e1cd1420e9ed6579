"""What cron makes of lines that are no good jobs."""

from __future__ import annotations

import pytest

from fulldress.formats import cronlint


def troubles(text: str, *, system: bool = True) -> list[tuple[int, str]]:
    return [(flaw.line, flaw.trouble) for flaw in cronlint.flaws(text, system=system)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0 3 * * * root /bin/x\n", []),
        ("30 7-23 * * *   root\t[ -x /x ] && y\n", []),
        ("0 3 * * * root /bin/x", [(1, "newline")]),
        ("# end\n0 3 * * * root x\n# end", []),
        ("0 3 * * * /bin/x --all\n", [(1, "user")]),
        ("@daily curl http://x\n", [(1, "user")]),
        ("0 3 * * * root date +%F\n", [(1, "percent")]),
        ("0 3 * * * root date +\\%F\n", []),
        ("61 3 * * * root x\n", [(1, "fields")]),
        ("A=b%c\nPATH = /bin\n", []),
    ],
)
def test_flaws_of_a_system_crontab(text: str, found: list[tuple[int, str]]) -> None:
    assert troubles(text) == found


def test_a_users_crontab_has_no_user_field() -> None:
    assert troubles("0 3 * * * /bin/x\n", system=False) == []


def test_settings_lose_their_quotes() -> None:
    text = "SHELL=/bin/sh\n MAILTO = \"\"\n'A B'='x y'\n*/5 * * * * root A=b x\n# C=d\n"
    assert [(s.name, s.value, s.line) for s in cronlint.settings(text)] == [
        ("SHELL", "/bin/sh", 1),
        ("MAILTO", "", 2),
        ("A B", "x y", 3),
    ]


def test_mending() -> None:
    assert cronlint.with_user("*/5 * * * *  /bin/x", "app") == "*/5 * * * *  app /bin/x"
    assert cronlint.with_user("@daily /bin/x", "app") == "@daily app /bin/x"
    assert cronlint.escaped("date +%F \\%H") == "date +\\%F \\%H"
