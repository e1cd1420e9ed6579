"""Access logs: what nginx writes, and what clients smuggle into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.errors import UsageError
from fulldress.formats.accesslog import Request, Tally, parse

CORPUS = Path(__file__).parents[2] / "../shared/corpora/logs/apache_logs"
HEAD = '10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET /api/results/7?x=1 HTTP/1.1" 200 512 "-" "curl/8"'
GOOD = f"{HEAD} 0.250 1795255200.500"


def read(*lines: str) -> tuple[list[Request], Tally]:
    tally = Tally()
    return list(parse(lines, tally)), tally


def test_a_line_of_the_fulldress_format() -> None:
    ((request,), tally) = read(GOOD + "\n")
    assert request == Request(at=1795255200.25, seconds=0.25, method="GET", path="/api/results/7?x=1", status=200, size=512)
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
