"""Sessions: one request after another, with what the earlier answers gave."""

from __future__ import annotations

import time

import msgspec
import pytest

from fulldress.measure.load import Outcome
from fulldress.rehearse.model_traffic import Expect, InSession, Planned, Take
from fulldress.rehearse.openloop import Engine, Options
from fulldress.rehearse.sessions import Session, Unfilled, followers

from .server import Server, plain


def play(server: Server, planned: list[Planned], timeout_s: float = 5.0) -> list[Outcome]:
    engine = Engine(planned, Options(host="127.0.0.1", port=server.port, timeout_s=timeout_s))
    engine.warm_up()
    engine.run(time.monotonic_ns(), time.time())
    return list(engine.outcomes())


def step(at: float, path: str, session: int = 1, think_s: float = 0.0, take: tuple[Take, ...] = ()) -> Planned:
    return Planned(at, "GET", path, None, path, session=InSession(session, think_s, take))


def sent(session: Session, planned: Planned) -> bytes:
    return session.shot(planned, "h").data


def test_a_request_is_due_when_its_user_has_seen_the_one_before_and_thought() -> None:
    def slow(_: str, path: str) -> bytes:
        time.sleep(0.2 if path == "/a" else 0)
        return plain()

    with Server(slow) as server:
        first, second, third = play(server, [step(0, "/a"), step(0.01, "/b", think_s=0.1), step(0.02, "/c")])
    assert second.due - (first.due + (first.latency or 0)) == pytest.approx(0.1, abs=0.001)
    assert third.due - (second.due + (second.latency or 0)) == pytest.approx(0, abs=0.001)
    assert (second.latency or 1) < 0.25, "counted from when it was due, not from its place in the schedule"
    assert [path for _, _, path, _ in server.seen] == ["/a", "/b", "/c"]


def test_sessions_start_by_the_clock_whatever_others_wait_for() -> None:
    with Server() as server:
        server.silent = True
        found = play(server, [step(n / 100, "/x", session=n) for n in range(20)], timeout_s=0.5)
    assert len(server.seen) == 20
    assert found[-1].due - found[0].due == pytest.approx(0.19, abs=0.01)


def test_a_login_gives_the_cookie_and_the_token_that_later_requests_carry() -> None:
    def answer(_: str, path: str) -> bytes:
        if path == "/login":
            return plain(b'{"user": {"id": 7, "csrf": "a/b \\"c\\""}}', extra="Set-Cookie: sid=s3cret; Path=/; HttpOnly\r\n")
        return plain()

    take = (Take("id", "json", "/user/id"), Take("csrf", "json", "/user/csrf"))
    tie = InSession(1)
    planned = [
        Planned(0, "POST", "/login", b"{}", "login", session=InSession(1, 0.0, take)),
        Planned(0.1, "POST", "/u/{{id}}", b'{"t":"{{csrf}}"}', "save", (("X-Csrf", "{{csrf}}"),), None, tie),
    ]
    with Server(answer) as server:
        found = play(server, planned)
    assert [one.failure for one in found] == ["", ""]
    _, method, path, body = server.seen[1]
    assert (method, path) == ("POST", "/u/7")
    assert msgspec.json.decode(body) == {"t": 'a/b "c"'}
    assert 'X-Csrf: a/b "c"\r\n' in server.heads[1]
    assert "Cookie: sid=s3cret\r\n" in server.heads[1]
    assert "Cookie" not in server.heads[0]


def test_values_are_taken_from_chunked_answers_too() -> None:
    page = b'HTTP/1.1 200 OK\r\nX-Id: 9\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nv="a<pause>\r\n3\r\nbc"\r\n0\r\n\r\n'
    take = (Take("v", "text", 'v="([a-z]+)"'), Take("id", "header", "X-Id"))
    with Server(lambda _, path: page if path == "/form" else plain()) as server:
        found = play(server, [step(0, "/form", take=take), step(0.1, "/{{v}}/{{id}}")])
    assert [one.failure for one in found] == ["", ""]
    assert server.seen[1][2] == "/abc/9"


def test_a_missing_value_fails_the_request_without_sending_it_and_the_session_goes_on() -> None:
    with Server() as server:
        found = play(server, [step(0, "/a"), step(0.1, "/{{nothing}}"), step(0.2, "/c")])
    assert [one.failure for one in found] == ["", "unfilled", ""]
    assert found[1].latency is None
    assert [path for _, _, path, _ in server.seen] == ["/a", "/c"]


def test_a_session_goes_on_after_a_time_out() -> None:
    with Server() as server:
        server.silent = True
        found = play(server, [step(0, "/a"), step(0.1, "/b")], timeout_s=0.2)
    assert [one.failure for one in found] == ["timed-out", "timed-out"]
    assert found[1].due - found[0].due == pytest.approx(0.2, abs=0.05)


def test_what_was_declared_of_an_answer_is_checked_in_and_outside_of_sessions() -> None:
    expect = Expect(200, 300, b"welcome")
    pages = {"/good": plain(b"you are welcome"), "/bad": plain(b"log in first"), "/gone": plain(b"welcome", "404 No")}
    with Server(lambda _, path: pages[path]) as server:
        for tie in (None, InSession(1)):
            planned = [Planned(n / 50, "GET", path, None, path, (), expect, tie) for n, path in enumerate(pages)]
            assert [one.failure for one in play(server, planned)] == ["", "unexpected", "unexpected"]


class TestSession:
    def test_a_value_cannot_break_out_of_a_path_or_a_header(self) -> None:
        session = Session()
        session.values["v"] = "a b/../?x\r\nEvil: 1"
        assert b"GET /u/a%20b%2F..%2F%3Fx%0D%0AEvil%3A%201 HTTP/1.1\r\n" in sent(session, step(0, "/u/{{v}}"))
        with pytest.raises(Unfilled):
            session.shot(Planned(0, "GET", "/", None, "", (("X", "{{v}}"),), None, InSession(1)), "h")

    def test_a_form_takes_it_quoted(self) -> None:
        session = Session()
        session.values["v"] = "a&b=c"
        kind = (("Content-Type", "application/x-www-form-urlencoded"),)
        assert sent(session, Planned(0, "POST", "/", b"t={{v}}", "", kind, None, InSession(1))).endswith(b"t=a%26b%3Dc")

    def test_cookies_replace_each_other_and_can_be_taken_back(self) -> None:
        session = Session()
        for line in ("a=1", "b=2; Max-Age=60", "a=3", "b=; Max-Age=0", "no cookie", "c=x\r\ny"):
            session.learn([("set-cookie", line)], b"", ())
        assert session.cookies == {"a": "3"}

    @pytest.mark.parametrize("pointer", ["/a/9", "/b", "/a/x", "/a/0/deep", "/a"])
    def test_a_pointer_that_leads_nowhere_gives_no_value(self, pointer: str) -> None:
        session = Session()
        session.learn([], b'{"a": [1, true]}', [Take("v", "json", pointer)])
        assert session.values == {}

    def test_a_pointer_with_escapes_leads_to_its_value(self) -> None:
        session = Session()
        session.learn([], b'{"a/b": [{"c~d": true}]}', [Take("v", "json", "/a~1b/0/c~0d")])
        assert session.values == {"v": "true"}

    def test_a_body_that_is_no_json_gives_no_value(self) -> None:
        session = Session()
        session.learn([], b"<html>", [Take("v", "json", "/a")])
        assert session.values == {}


def test_only_the_first_of_a_session_starts_by_the_clock() -> None:
    planned = [step(0.0, "/a"), Planned(0.1, "GET", "/x"), step(0.2, "/b"), step(0.05, "/c", session=2), step(0.3, "/d")]
    starts, after = followers(planned)
    assert list(starts) == [0, 3, 1]
    assert after == {0: 2, 2: 4}
