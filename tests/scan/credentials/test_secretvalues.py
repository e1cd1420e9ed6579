"""What counts as a secret: names, values, places, and how findings of one file become one."""

from __future__ import annotations

import pytest

from fulldress.scan.credentials.anytext import secrets_of, shaped
from fulldress.scan.credentials.secrets import hidden, is_secret_key, worth
from fulldress.scan.places import standing
from fulldress.scan.rules import secret_in_config
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import sweep

WORD = "Zm8-" + "sKw2pQ"


@pytest.mark.parametrize("key", ["db.password", "API_KEY", "smtpPass", "aws_secret_access_key", "dbpassword", "PASSWORD2"])
def test_names_of_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    ["NextToken", "input_token", "corsBypass", "combinedRealm.getPassword", "token_ttl", "passwordPolicy", "invalidToken"],
)
def test_names_that_only_sound_like_it(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize("value", [WORD, "geheim1", "a1b2c3d4e5", "Summer2023!", "kJhGfDsAqWeRtYuIoP"])
def test_values_that_are_secrets(value: str) -> None:
    assert worth(value) == "real"


@pytest.mark.parametrize("value", ["changeit", "admin123", "postgres", "hunter"])
def test_values_that_everybody_tries(value: str) -> None:
    assert worth(value) == "weak"


@pytest.mark.parametrize(
    "value",
    [
        "${X}",
        "{{ x }}",
        "Neues Passwort",
        "NextToken",
        "db-credentials",
        "com.foo.Bar",
        "get_password()",
        "/etc/x",
        "<your password>",
        "ENC[abc]",
        "os.environ['X1']",
        "your-password-1",
        "sha512-abc1",
        "Zugangsschlüssel",
        "true",
        "%(password)s",
        "abc ${X1} d",
    ],
)
def test_values_that_are_none(value: str) -> None:
    assert worth(value) == ""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("conf/app.ini", "acting"),
        ("lib/x.jar!/app.properties", "acting"),
        ("web/i18n/de.json", "silent"),
        ("x.jar!/org/LocalStrings_fr.properties", "silent"),
        ("botocore/data/ec2/2016-09-15/paginators-1.json", "silent"),
        ("README.md", "silent"),
        ("site-packages/x/settings.ini", "library"),
        ("site-packages/x/tests/a.ini", "silent"),
        ("tests/data/a.ini", "example"),
        ("conf/app.ini.example", "example"),
    ],
)
def test_standing_of_places(place: str, expected: str) -> None:
    assert standing(place) == expected


def test_many_secrets_of_a_file_are_one_finding() -> None:
    text = "".join(f"A{n}_PASSWORD={WORD}{n}\n" for n in range(9))
    report = sweep(context_of({"conf/app.env": text}), [secret_in_config])
    assert len(report.findings) == 1
    assert report.findings[0].title.startswith("9 secrets in app.env")
    assert WORD not in repr(report)


def test_few_stay_findings_of_their_own() -> None:
    text = "".join(f"A{n}_PASSWORD={WORD}{n}\n" for n in range(2))
    assert len(sweep(context_of({"conf/app.env": text}), [secret_in_config]).findings) == 2


@pytest.mark.parametrize(
    "text", [f"-U imp%{WORD} x", f"IDENTIFIED BY '{WORD}'", f"redis://:{WORD}@cache", f"ldapsearch -x -w {WORD}"]
)
def test_more_forms_are_hidden(text: str) -> None:
    assert WORD not in hidden(text)


def test_decoded_commands_are_understood() -> None:
    assert [value for _, value in secrets_of(f"curl -u svc:{WORD} https://h.partner.example/\n")] == [WORD]


@pytest.mark.parametrize(
    "text", ["Content-MD5", "PBKDF2WithHmacSHA1", "TLSv1.2", "LocalStrings2", "ISO_8859_1", "HIGH:!aNULL:!MD5"]
)
def test_names_do_not_have_the_form_of_a_password(text: str) -> None:
    assert not shaped(text)


def test_passwords_do() -> None:
    assert shaped(WORD)
    assert shaped("Winter23!" + "abcd5")
