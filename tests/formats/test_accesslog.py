"""Access logs: what nginx writes, and what clients smuggle into it."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.errors import UsageError
from fulldress.formats.accesslog import APACHE_FORMAT, LOG_FORMAT, Request, Tally, parse
from fulldress.formats.logfields import client
from fulldress.formats.logformat import compile_format

CORPUS = Path(__file__).parents[2] / "../shared/corpora/logs/apache_logs"
HEAD = '10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET /api/results/7?x=1 HTTP/1.1" 200 512 "-" "curl/8"'
GOOD = f"{HEAD} 0.250 1795255200.500"


def read(*lines: str) -> tuple[list[Request], Tally]:
    tally = Tally()
    return list(parse(lines, tally)), tally


def test_a_line_of_the_fulldress_format() -> None:
    ((request,), tally) = read(GOOD + "\n")
    assert request == Request(
        at=1795255200.25,
        seconds=0.25,
        method="GET",
        path="/api/results/7?x=1",
        status=200,
        size=512,
        client=client("10.0.0.1", "curl/8", "-"),
    )
    assert (tally.lines, tally.requests, tally.broken) == (1, 1, 0)


@pytest.mark.parametrize(
    "line",
    [
        '{"request":"GET /a HTTP/1.1","status":"200","body_bytes_sent":"5","request_time":"0.5","msec":"1000.5"}',
        '{"request_method":"GET","request_uri":"/a","status":200,"body_bytes_sent":5,"request_time":0.5,"msec":1000.5}',
        '{"method":"GET","path":"/a","status":200,"body_bytes_sent":5,"request_time":0.5,"msec":1000.5,"extra":[1]}',
    ],
)
def test_json_lines(line: str) -> None:
    ((request,), _) = read(line)
    assert request == Request(at=1000.0, seconds=0.5, method="GET", path="/a", status=200, size=5)


def test_quotes_users_and_further_fields_do_not_confuse() -> None:
    line = GOOD.replace("- - [", '- jane doe "x" [').replace('"curl/8"', r'"say \"hi\" [x] 1 2"') + " upstream=1"
    ((request,), _) = read(line)
    assert (request.at, request.path) == (1795255200.25, "/api/results/7?x=1")


def test_an_unsent_body_has_size_0() -> None:
    ((request,), _) = read(GOOD.replace(" 512 ", " - "))
    assert request.size == 0


@pytest.mark.parametrize(
    ("logged", "path"),
    [
        (r"/a\x22b\x1b[31m", "/a%22b%1B[31m"),
        ("/a\x1b[31mb", "/a%1B[31mb"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("/a\x00b", "/a%00b"),
        ("/‮gnp.exe", "/%E2%80%AEgnp.exe"),
    ],
)
def test_paths_come_out_as_printable_ascii(logged: str, path: str) -> None:
    ((request,), _) = read(GOOD.replace("/api/results/7?x=1", logged))
    assert request.path == path


@pytest.mark.parametrize(
    "line",
    [
        "complete nonsense",
        '10.0.0.1 - - [x] "" 400 0 "-" "-" 0.0 1000.0',
        r'10.0.0.1 - - [x] "\x16\x03\x01" 400 0 "-" "-" 0.0 1000.0',
        '10.0.0.1 - - [x] "GET http://evil/ HTTP/1.1" 200 0 "-" "-" 0.0 1000.0',
        '10.0.0.1 - - [x] "get / HTTP/1.1" 200 0 "-" "-" 0.0 1000.0',
        GOOD.replace(" 200 ", " 999 "),
        GOOD[:40],
        "{not json",
        '{"request":"GET / HTTP/1.1","status":"x","request_time":"1","msec":"1000"}',
        '{"status":200,"request_time":"1","msec":"1000"}',
        '{"request":"GET / HTTP/1.1","status":200,"request_time":"nan","msec":"1000"}',
        GOOD.replace("/api", "/" + "a" * 9000),
        "x" * 100_000,
    ],
)
def test_a_broken_line_is_counted_and_passed_over(line: str) -> None:
    requests, tally = read(GOOD, line, GOOD)
    assert len(requests) == 2
    assert (tally.broken, tally.first_broken) == (1, 2)


def test_a_log_without_times_is_refused_with_the_format_to_use() -> None:
    with pytest.raises(UsageError, match=r"\$request_time and \$msec") as caught:
        read(HEAD, HEAD)
    assert caught.value.slug == "access-log-without-times"
    assert "log_format fulldress" in caught.value.fix
    assert "$request_time $msec" in caught.value.fix


@pytest.mark.parametrize("missing", ["request_time", "msec"])
def test_json_without_a_time_names_it(missing: str) -> None:
    line = '{"request":"GET / HTTP/1.1","status":200,"request_time":"1","msec":"1000"}'.replace(f'"{missing}"', '"other"')
    with pytest.raises(UsageError, match=rf"\${missing}"):
        read(line)


def test_a_long_log_without_times_is_refused_early() -> None:
    def endless():
        while True:
            yield HEAD

    with pytest.raises(UsageError):
        list(parse(endless()))


def test_older_lines_without_times_are_passed_over() -> None:
    requests, tally = read(HEAD, HEAD, GOOD)
    assert (len(requests), tally.untimed) == (1, 2)


def test_a_file_that_is_no_log_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        read("a", "b")
    assert caught.value.slug == "access-log-unreadable"


def test_an_empty_log_has_no_requests() -> None:
    assert read("", "\n")[0] == []


@given(st.text(max_size=300))
def test_no_line_whatever_breaks_the_reader(line: str) -> None:
    requests, _ = read(GOOD, line)
    assert all(request.path.isascii() and request.path.isprintable() for request in requests)


def test_a_public_log_in_plain_combined_format_is_refused_for_its_missing_times() -> None:
    if not CORPUS.exists():
        pytest.skip("no ../shared/corpora here")
    with CORPUS.open(errors="surrogateescape") as lines, pytest.raises(UsageError) as caught:
        list(parse(lines))
    assert caught.value.slug == "access-log-without-times"


def test_a_public_log_given_times_is_read_to_the_last_line() -> None:
    if not CORPUS.exists():
        pytest.skip("no ../shared/corpora here")
    tally = Tally()
    with CORPUS.open(errors="surrogateescape") as lines:
        requests = list(parse((f"{line.rstrip()} 0.010 1431857103.000" for line in lines), tally))
    assert tally.lines == 10_000
    assert len(requests) + tally.broken == 10_000
    assert tally.broken < 10


APACHE = '10.0.0.2 - jane [21/Nov/2026:11:00:00 +0100] "GET /a?x=1 HTTP/1.1" 200 12 "-" "Firefox"'
TEN = 1795255200
"""2026-11-21 10:00 UTC."""


class TestApache:
    def test_the_time_is_the_arrival(self) -> None:
        ((request,), tally) = read(f"{APACHE} 250000 {TEN}500000")
        assert (request.at, request.seconds, tally.coarse) == (TEN + 0.5, 0.25, 0)

    def test_a_time_with_a_fraction_and_zone(self) -> None:
        ((request,), _) = read(APACHE.replace(":00 +0100", ":00.750000 +0100") + " 250000")
        assert (request.at, request.seconds) == (TEN + 0.75, 0.25)

    def test_a_bare_number_is_not_guessed_at(self) -> None:
        with pytest.raises(UsageError, match="begin:usec") as caught:
            read(APACHE + " 250000")
        assert LOG_FORMAT in caught.value.fix
        assert APACHE_FORMAT in caught.value.fix
        assert "[[declared]]" in caught.value.fix

    def test_a_virtual_host_stands_before_it(self) -> None:
        ((request,), _) = read(f"www.example.org:443 {APACHE} 250000 {TEN}500000")
        ((bare,), _) = read(f"{APACHE} 250000 {TEN}500000")
        assert request == bare

    @pytest.mark.parametrize(
        "line",
        [
            '{"time":"2026-11-21T11:00:00.5+01:00","method":"GET","path":"/a","query":"?x=1","status":200,"duration_us":250000}',
            '{"begin_usec":1795255200500000,"request":"/a","query":"?x=1","method":"GET","status":"200","D":250000}',
        ],
    )
    def test_json(self, line: str) -> None:
        ((request,), _) = read(line)
        assert (request.at, request.seconds, request.path) == (TEN + 0.5, 0.25, "/a?x=1")


@pytest.mark.parametrize(
    "tail",
    [
        'rt=0.250 uct="0.001" urt="0.200" msec=1795255200.500',
        "1795255200.500 0.250 0.200",
        '"10.1.1.1" 0.250 1795255200.500',
    ],
)
def test_times_are_told_apart_by_their_shape(tail: str) -> None:
    ((request,), _) = read(f"{HEAD} {tail}")
    assert (request.at, request.seconds) == (1795255200.25, 0.25)


def test_servers_may_be_mixed_in_a_file() -> None:
    requests, tally = read(
        GOOD, f"{APACHE} 250000 {TEN}500000", '{"request":"GET /a HTTP/1.1","status":200,"request_time":1,"msec":9.5}'
    )
    assert [one.at for one in requests] == [1795255200.25, TEN + 0.5, 8.5]
    assert tally.broken == tally.untimed == 0


class TestClients:
    def test_are_told_apart_by_address_and_agent(self) -> None:
        requests, _ = read(GOOD, GOOD.replace("10.0.0.1", "10.0.0.9"), GOOD.replace("curl/8", "curl/9"), GOOD)
        assert requests[0].client == requests[3].client
        assert len({one.client for one in requests}) == 3

    def test_a_user_name_is_stronger_than_an_address(self) -> None:
        requests, _ = read(
            GOOD.replace("- - [", "- eva ["), GOOD.replace("- - [", "- eva [").replace("10.0.0.1", "10.0.0.9")
        )
        assert requests[0].client == requests[1].client

    def test_json_has_cookies_and_forwarded_addresses(self) -> None:
        base = '{"request":"GET /a HTTP/1.1","status":200,"request_time":1,"msec":9.5,"remote_addr":"10.0.0.1"'
        requests, _ = read(
            base + "}",
            base + ',"cookie_sid":"a"}',
            base + ',"cookie_sid":"b"}',
            base + ',"http_x_forwarded_for":"10.2.0.1, x"}',
        )
        assert len({one.client for one in requests}) == 4

    def test_a_log_without_addresses_tells_nobody_apart(self) -> None:
        ((request,), _) = read('{"request":"GET /a HTTP/1.1","status":200,"request_time":1,"msec":9.5}')
        assert request.client == 0


class TestDeclaredFormats:
    def test_nginx(self) -> None:
        one = compile_format("log_format x '$msec|$request_time|$status|$request|$cookie_sid';")
        ((request,),) = [list(parse(["1795255200.500|0.250|200|GET /a HTTP/1.1|abc"], formats=[one]))]
        assert (request.at, request.path, request.status) == (1795255200.25, "/a", 200)
        assert request.client == client("", "", "abc")

    def test_apache_with_whole_seconds_is_placed_in_its_second(self) -> None:
        one = compile_format('LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\" %D" timed')
        tally = Tally()
        (request,) = parse([APACHE + " 250000"], tally, formats=[one])
        assert (int(request.at), request.seconds, tally.coarse) == (TEN, 0.25, 1)
        assert request == next(parse([APACHE + " 250000"], formats=[one]))

    def test_apache_with_a_time_of_several_pieces(self) -> None:
        one = compile_format('[%{%d/%b/%Y:%H:%M:%S}t.%{usec_frac}t %{%z}t] "%r" %>s %{ms}T')
        (request,) = parse(['[21/Nov/2026:11:00:00.500000 +0100] "GET /a HTTP/1.1" 200 250'], formats=[one])
        assert (request.at, request.seconds) == (TEN + 0.5, 0.25)

    def test_our_own_advice_can_be_read(self) -> None:
        assert next(parse([GOOD], formats=[compile_format(LOG_FORMAT)])) == next(parse([GOOD]))
        line = f"{APACHE} 250000 {TEN}500000"
        assert next(parse([line], formats=[compile_format(APACHE_FORMAT)])) == next(parse([line]))

    @pytest.mark.parametrize(
        ("text", "lacks"), [("$remote_addr $request $status $request_time", r"\$msec"), ("%h %t %r %>s", "%D"), ("%h", "%t")]
    )
    def test_what_is_missing_is_named(self, text: str, lacks: str) -> None:
        with pytest.raises(UsageError, match=lacks):
            compile_format(text)

    def test_a_time_without_a_zone_counts_in_the_estates(self) -> None:
        one = compile_format('%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t "%r" %>s %D')
        (request,) = parse(['2026-11-21T11:00:00.5 "GET /a HTTP/1.1" 200 9'], formats=[one], zone=ZoneInfo("Europe/Vienna"))
        assert request.at == TEN + 0.5
