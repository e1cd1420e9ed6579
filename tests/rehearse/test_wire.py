"""HTTP/1.1 as bytes."""

from __future__ import annotations

import pytest

from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.wire import MOST_BODY, MOST_HEAD, Head, Reader, render, rendered, understood, unsendable


def test_a_request_as_bytes() -> None:
    assert render(Planned(0, "GET", "/a?b=1", None), "lims.example") == (
        b"GET /a?b=1 HTTP/1.1\r\nHost: lims.example\r\nUser-Agent: fulldress-rehearsal\r\nAccept: */*\r\n\r\n"
    )
    posted = render(Planned(0, "POST", "/a", b'{"a":1}'), "h")
    assert posted.endswith(b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}')


def test_declared_headers_replace_the_usual_ones() -> None:
    form = Planned(0, "POST", "/", b"a=1", "", (("content-type", "application/x-www-form-urlencoded"), ("Accept", "x/y")))
    sent = render(form, "h")
    assert b"application/json" not in sent
    assert sent.count(b"ccept: ") == 1
    assert b"content-type: application/x-www-form-urlencoded\r\n" in sent


def test_requests_that_are_alike_share_their_bytes() -> None:
    first, second, third = rendered([Planned(0, "GET", "/a"), Planned(1, "GET", "/a"), Planned(2, "GET", "/b")], "h")
    assert first is second
    assert first is not third


@pytest.mark.parametrize(
    "header", [("a b", "c"), ("Host", "other"), ("Content-Length", "7"), ("X", "a\r\nY: b"), ("X", "snow ☃")]
)
def test_a_header_that_would_break_the_request_is_unsendable(header: tuple[str, str]) -> None:
    assert unsendable([header])


def test_a_head_with_a_length_tells_the_whole_answer() -> None:
    head = b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 12\r\nConnection: close"
    assert understood(head) == Head(404, len(head) + 4 + 12, keep=False)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1", id="negative"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length : 1", id="space before the colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 1", id="folded"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 1", id="1.0"),
        pytest.param(b"HTTP/1.1 100 Continue\r\nContent-Length: 0", id="interim"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9", id="no body"),
        pytest.param(b"HTTP/1.1 2000 OK\r\nContent-Length: 1", id="status of four digits"),
        pytest.param(b"garbage", id="garbage"),
    ],
)
def test_any_other_head_is_left_to_the_parser(head: bytes) -> None:
    assert understood(head) is None


def test_a_head_without_end_is_no_http() -> None:
    reader = Reader(bodiless=False, wanted=False)
    assert reader.feed(b"HTTP/1.1 200 OK\r\n")
    line = b"X: " + b"y" * 16_000 + b"\r\n"
    assert sum(reader.feed(line) for _ in range(MOST_HEAD // len(line) + 5)) <= MOST_HEAD // len(line)


def test_of_a_large_body_only_the_beginning_is_kept() -> None:
    reader = Reader(bodiless=False, wanted=True)
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
    for _ in range(30):
        reader.feed(b"x" * 100_000)
    assert reader.complete
    assert len(reader.body) == MOST_BODY


def test_a_second_answer_behind_the_first_spoils_the_connection_not_the_answer() -> None:
    reader = Reader(bodiless=False, wanted=True)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert reader.feed(answer + answer.replace(b"200", b"500"))
    assert (reader.complete, reader.status, bytes(reader.body), reader.reusable) == (True, 200, b"ok", False)
