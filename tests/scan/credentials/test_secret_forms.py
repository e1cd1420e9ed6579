"""Secrets in one line: behind a fallback, put together, veiled, several at once, in LDIF, typed in."""

from __future__ import annotations

import pytest

from fulldress.scan.credentials.secretlines import found_in


@pytest.mark.parametrize(
    ("place", "line", "value"),
    [
        ("a.py", 'X = os.getenv("LDAP_PW") or "Initial11"', "Initial11"),
        ("a.rb", "pw = ENV['DB_PASS'] || 'geheim77'", "geheim77"),
        ("a.pl", "my $p = $ENV{FTP_PASSWORD} // 'geheim77';", "geheim77"),
        ("a.py", '"postgresql://app:" + "geh1mnis" + "@db1.lab/x"', "geh1mnis"),
        ("a.pl", "our ($USER, $PASS) = ('hes', 'Zaehler-2004');", "Zaehler-2004"),
        ("a.pl", "enc_key => pack('H*', 'aabbccddeeff00112233445566778899'),", "aabbccddeeff00112233445566778899"),
        ("a.py", 'PARTNER_PW = b64decode("TWFya3Rrb21tLTc=")', "TWFya3Rrb21tLTc="),
        ("a.ldif", "userPassword: Migr-8811-tmp", "Migr-8811-tmp"),
        ("a.ldif", "userPassword:: Y2xlcmsyMDE2", "Y2xlcmsyMDE2"),
        ("a.ldif", "olcRootPW: Director-2016", "Director-2016"),
        ("a.tcl", 'set site(snmp,community) "zaehler7RW"', "zaehler7RW"),
        ("a.exp", 'send "Konz!admin1\\r"', "Konz!admin1"),
        ("a.service", "Environment=MQTT_PW=Mqtt-hes-1", "Mqtt-hes-1"),
        ("a.cli", "/x=Y:write-attribute(name=password,value=Vitrine-1889)", "Vitrine-1889"),
        ("docker-compose.yml", "      POSTGRES_PASSWORD: registra", "registra"),
    ],
)
def test_found(place: str, line: str, value: str) -> None:
    assert value in [secret.value for secret in found_in(place, line)]


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("a.py", 'X = os.getenv("LDAP_PW") or ""'),
        ("a.py", 'X = os.getenv("LDAP_HOST") or "ldap1.lab"'),
        ("a.ldif", "userPassword: {SSHA}abcdefgh12345678abcd"),
        ("a.ldif", "userPassword:: e1NTSEF9YWJjZGVmZ2gxMjM0NTY3OA=="),
        ("a.exp", 'send "exit\\r"'),
        ("a.exp", 'send "show version\\r"'),
        ("a.pl", "my ($a, $b) = ('hes', 'Zaehler-2004');"),
        ("a.yml", "      password: registra"),
    ],
)
def test_none(place: str, line: str) -> None:
    assert list(found_in(place, line)) == []
