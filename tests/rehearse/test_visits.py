"""Visits in a log, and sessions drawn from them: order, pauses, logins, values from answers."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from fulldress.errors import UsageError
from fulldress.formats.accesslog import Request
from fulldress.rehearse.declared import LoginRequest, LoginTable, TakeTable, TrafficFile, secret
from fulldress.rehearse.fitting import fit
from fulldress.rehearse.likeness import figures
from fulldress.rehearse.model_traffic import Planned, TrafficModel
from fulldress.rehearse.schedule import drawn, schedule
from fulldress.rehearse.traffic import start_load
from fulldress.rehearse.visits import blocks, chains

from .server import Server, plain

MIDNIGHT = 1_795_132_800.0
STEPS = ("/login", "/list", "/item/7", "/item/7/edit")


def request(at: float, path: str = "/a", client: int = 1, seconds: float = 0.1, method: str = "GET") -> Request:
    return Request(at=MIDNIGHT + at, seconds=seconds, method=method, path=path, status=200, size=100, client=client)


def office(seed: int = 1, seconds: int = 3600) -> list[Request]:
    """People come in waves, and walk from the login over the list to an item, thinking 3 s on the average."""
    draw = random.Random(seed)
    found, who, at = [], 0, 0.0
    while at < seconds:
        at += draw.expovariate(0.2 if int(at / 15) % 2 else 0.8)
        who += 1
        moment = at
        for path in STEPS[: draw.randint(1, 4)]:
            found.append(request(moment, path, who))
            moment += 0.1 + draw.expovariate(1 / 3)
    return sorted(found, key=lambda one: one.at)


@pytest.fixture(scope="module")
def model() -> TrafficModel:
    return fit(office())


def of(model: TrafficModel, declared: TrafficFile, seconds: float = 600) -> list[list[Planned]]:
    """The sessions of a schedule, each in its order; single requests are sessions of one."""
    found: dict[object, list[Planned]] = {}
    for place, one in enumerate(drawn(model, seconds=seconds, seed=1, hour="busiest", declared=declared).planned):
        found.setdefault(one.session.id if one.session else f"alone {place}", []).append(one)
    return list(found.values())


class TestChains:
    def chains_of(self, *requests: Request) -> tuple[list[list[float]], int]:
        (block,) = blocks(fit(requests).pool("peak"), 5)
        found, singles = chains(block)
        return [[round(step.think, 2) for step in chain] for chain in found], len(singles)

    def test_the_pause_is_from_the_answer_to_the_next_request(self) -> None:
        assert self.chains_of(request(1), request(3.1), request(4.2)) == ([[0, 2.0, 1.0]], 0)

    def test_clients_are_apart(self) -> None:
        assert self.chains_of(request(1), request(2, client=2), request(3.1)) == ([[0, 2.0], [0]], 0)

    def test_requests_at_once_are_chains_of_their_own(self) -> None:
        assert self.chains_of(request(1, seconds=2), request(2, seconds=0.5), request(4)) == ([[0, 1.0], [0]], 0)

    def test_a_proxy_is_no_client(self) -> None:
        assert self.chains_of(*(request(1 + n / 10, seconds=9) for n in range(10)))[1] == 10

    def test_what_asks_more_often_than_people_is_no_client(self) -> None:
        assert self.chains_of(*(request(1 + n / 10, seconds=0) for n in range(300)))[1] == 300

    def test_requests_without_a_client_are_single(self) -> None:
        assert self.chains_of(request(1, client=0), request(2)) == ([[0]], 1)

    def test_a_hole_in_the_log_ends_a_stretch(self) -> None:
        minutes = fit([request(60 * n + 1) for n in range(12)]).hours[0]
        kept = [minutes[0], minutes[1], minutes[5], *minutes[6:]]
        assert [[one.start - minutes[0].start for one in block] for block in blocks(kept, 3)][:3] == [
            [0, 1],
            [5, 6, 7],
            [8, 9],
        ]


class TestSessions:
    def test_follow_the_ways_of_the_log(self, model: TrafficModel) -> None:
        ways = Counter(f"{a.path} {b.path}" for visit in of(model, TrafficFile()) for a, b in pairwise(visit))
        assert set(ways) == {f"{a} {b}" for a, b in pairwise(STEPS)}
        assert min(ways.values()) > 20

    def test_keep_the_real_paths_and_pauses(self, model: TrafficModel) -> None:
        thinks = [one.session.think_s for visit in of(model, TrafficFile()) for one in visit[1:] if one.session]
        assert sum(thinks) / len(thinks) == pytest.approx(3, rel=0.15)

    def test_bursts_are_within_a_tenth_of_the_logs(self, model: TrafficModel) -> None:
        planned = schedule(model, seconds=58 * 60, hour="busiest", seed=3)
        found = {one.name: one.measured for one in figures(model, planned, seconds=58 * 60, hour="busiest")}
        assert found["bursts at 1 s"] < 0.1
        assert found["bursts at 10 s"] < 0.1
        assert found["bursts at 60 s"] < 0.1

    def test_half_a_load_has_whole_visits(self, model: TrafficModel) -> None:
        full = schedule(model, seconds=600, seed=1, hour="busiest")
        half = schedule(model, seconds=600, seed=1, hour="busiest", multiple=0.5)
        assert len(half) / len(full) == pytest.approx(0.5, abs=0.12)

    def test_the_same_seed_gives_the_same(self, model: TrafficModel) -> None:
        assert schedule(model, seconds=300, seed=5) == schedule(model, seconds=300, seed=5)

    def test_a_log_without_clients_gives_single_requests(self) -> None:
        log = [request(at, client=0) for at in range(600)]
        assert all(one.session is None for one in schedule(fit(log), seconds=60, seed=1))


LOGIN = LoginTable(
    request=(
        LoginRequest(request="GET /login", take=(TakeTable(name="csrf", where="text", what='"([0-9a-f]+)"'),)),
        LoginRequest(
            request="POST /login",
            form={"user": "{user.name}", "password": "{user.password}", "csrf": "{{csrf}}"},
            take=(TakeTable(name="token", what="/token"),),
            expect=200,
        ),
    ),
    users=({"name": "env:SOMEONE", "password": "env:SECRET"},),
    headers={"Authorization": "Bearer {{token}}"},
)


class TestLogin:
    @pytest.fixture(autouse=True)
    def secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOMEONE", "eva")
        monkeypatch.setenv("SECRET", "a&b")

    def test_comes_before_everything_that_needs_it(self, model: TrafficModel) -> None:
        for visit in of(model, TrafficFile(login=LOGIN), 120):
            assert [one.endpoint for one in visit[:2]] == ["GET /login", "POST /login"]
            assert visit[1].body == b"user=eva&password=a%26b&csrf={{csrf}}"
            assert all(one.headers == (("Authorization", "Bearer {{token}}"),) for one in visit[2:])
            assert all(one.endpoint not in ("GET /login", "POST /login") for one in visit[2:])
            assert len({one.session.id for one in visit if one.session}) == 1

    def test_what_needs_none_gets_none(self) -> None:
        model = fit([request(at, "/open", at // 10 + 1) for at in range(600)])
        login = LoginTable(request=LOGIN.request, users=LOGIN.users, needs=("GET /api/*",))
        assert all(one.endpoint == "GET /open" for visit in of(model, TrafficFile(login=login), 120) for one in visit)

    def test_added_requests_are_counted(self, model: TrafficModel) -> None:
        found = drawn(model, seconds=120, seed=1, declared=TrafficFile(login=LOGIN))
        assert set(found.added) <= {"GET /login", "POST /login"}
        assert found.added["POST /login"] > 0

    def test_a_credential_in_the_file_is_refused(self, model: TrafficModel) -> None:
        login = LoginTable(request=LOGIN.request, users=({"name": "eva", "password": "geheim"},))
        with pytest.raises(UsageError, match="credential") as caught:
            drawn(model, seconds=60, seed=1, declared=TrafficFile(login=login))
        assert "geheim" not in f"{caught.value} {caught.value.why} {caught.value.fix}"

    def test_a_missing_variable_is_named(self) -> None:
        with pytest.raises(UsageError, match="NOBODY_SET_THIS"):
            secret("env:NOBODY_SET_THIS")


class TestTaken:
    WRITES = TrafficFile(
        writes={"POST /item/{id}": {"csrf": "{{csrf}}", "value": "{int:3:3}"}},
        take=(TakeTable(name="csrf", endpoint="GET /item/{id}/edit", where="text", what="csrf=(.*)"),),
    )

    def model(self, *, edits: bool) -> TrafficModel:
        log = []
        for n in range(120):
            log += [request(5 * n, "/item/7/edit", n + 1)] if edits or not n else []
            log.append(request(5 * n + 2, "/item/7", n + 1, method="POST"))
        return fit(log)

    def test_the_visits_own_form_gives_the_value(self) -> None:
        for visit in of(self.model(edits=True), self.WRITES, 300):
            assert [one.method for one in visit] == ["GET", "POST"]
            assert visit[0].session is not None
            assert [take.name for take in visit[0].session.take] == ["csrf"]
            assert visit[1].body == b'{"csrf":"{{csrf}}","value":3}'

    def test_a_form_that_nobody_opened_is_opened(self) -> None:
        found = drawn(self.model(edits=False), seconds=300, seed=1, hour="busiest", declared=self.WRITES)
        assert found.added["GET /item/{id}/edit"] > 10

    def test_a_value_that_nothing_gives_is_refused(self) -> None:
        with pytest.raises(UsageError, match="csrf"):
            schedule(self.model(edits=True), seconds=60, seed=1, writes={"POST /item/{id}": {"csrf": "{{csrf}}"}})


def test_a_login_with_a_token_works_against_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEONE", "eva")
    monkeypatch.setenv("SECRET", "a&b")
    log = [request(n / 2, "/api/list", n + 1) for n in range(700)]
    planned = drawn(fit(log), seconds=3, seed=1, hour="busiest", declared=TrafficFile(login=LOGIN)).planned

    def answer(method: str, path: str) -> bytes:
        if (method, path) == ("GET", "/login"):
            return plain(b'csrf "abc123"', extra="Set-Cookie: sid=s1; Path=/\r\n")
        return plain(b'{"token": "t1"}')

    with Server(answer) as server:
        report = start_load(server.address, planned, directory=tmp_path).wait()
    assert report.failed == 0
    lists = [head for head in server.heads if head.startswith("GET /api/list")]
    assert lists
    assert all("Authorization: Bearer t1" in head and "sid=s1" in head for head in lists)
    logins = {body for _, method, _, body in server.seen if method == "POST"}
    assert logins == {b"user=eva&password=a%26b&csrf=abc123"}
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"a%26b" not in kept
    assert b"a&b" not in kept
