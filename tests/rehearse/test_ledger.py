"""From the journal to calls, side effects and the tally."""

from __future__ import annotations

from itertools import count
from typing import Any

from fulldress.model.plan import StepTiming
from fulldress.rehearse.ledger import calls, effects, step_at, tally
from fulldress.rehearse.outside import Endpoint, Entry
from fulldress.rehearse.stubs.rest import Rest

NUMBERS = count(1)


def entry(what: str, **fields: Any) -> Entry:
    number = next(NUMBERS)
    return Entry(seq=number, at=float(number), what=what, **fields)


class Party:
    """A third party: asks the real stub and keeps the journal it would write."""

    def __init__(self, name: str = "hooks.example", port: int = 80, **policy: Any) -> None:
        self.rest = Rest(Endpoint(**policy))
        self.endpoint = f"{name}:{port}"
        self.protocol = "https" if port == 443 else "http"
        self.journal: list[Entry] = []

    def ask(self, method: str, path: str, body: bytes = b"") -> str:
        reply = self.rest.ask(method, path, body)
        fields = {"method": method, "path": path, "status": reply.status, **reply.notes}
        self.journal.append(entry("request", endpoint=self.endpoint, protocol=self.protocol, **fields))
        return str(reply.notes.get("created", ""))


def test_a_webhook_left_behind_has_an_undo() -> None:
    party = Party()
    made = party.ask("POST", "/v1/webhooks", b'{"url": "http://me"}')
    (effect,) = effects(party.journal)
    assert (effect.kind, effect.endpoint, effect.resource) == ("webhook", "hooks.example:80", made)
    assert (effect.closed, effect.undo) == (False, f"DELETE http://hooks.example/v1/webhooks/{made}")


def test_a_webhook_deleted_again_is_closed() -> None:
    party = Party()
    made = party.ask("POST", "/v1/webhooks", b"{}")
    party.ask("DELETE", f"/v1/webhooks/{made}")
    assert [one.closed for one in effects(party.journal)] == [True]


def test_another_webhook_stays_open() -> None:
    party = Party()
    first, second = party.ask("POST", "/hooks", b"{}"), party.ask("POST", "/hooks", b"{}")
    party.ask("DELETE", f"/hooks/{first}")
    assert {one.resource: one.closed for one in effects(party.journal)} == {first: True, second: False}


def test_a_flag_flipped_is_put_back_to_its_declared_value() -> None:
    party = Party("flags.example", 443, initial={"/v1/flags/x": {"enabled": False}})
    party.ask("PUT", "/v1/flags/x", b'{"enabled": true}')
    (effect,) = effects(party.journal)
    assert (effect.kind, effect.resource, effect.closed) == ("flag", "x", False)
    assert effect.undo == 'PUT https://flags.example/v1/flags/x {"enabled":false}'
    party.ask("PUT", "/v1/flags/x", b'{"enabled": false}')
    assert [one.closed for one in effects(party.journal)] == [True]


def test_a_flag_put_back_without_the_fields_that_the_service_owns_is_closed() -> None:
    party = Party(initial={"/f": {"name": "x", "enabled": False}})
    party.ask("PUT", "/f", b'{"enabled": true}')
    assert [one.closed for one in effects(party.journal)] == [False]
    party.ask("PUT", "/f", b'{"enabled": false}')
    assert [one.closed for one in effects(party.journal)] == [True]


def test_a_flag_put_to_the_value_it_has_is_no_effect() -> None:
    party = Party(initial={"/v1/flags/x": {"enabled": False}})
    party.ask("PUT", "/v1/flags/x", b'{ "enabled" : false }')
    assert effects(party.journal) == []


def test_a_second_change_does_not_hide_the_first_value() -> None:
    party = Party(initial={"/f": {"a": 1}})
    party.ask("PUT", "/f", b'{"a": 2}')
    party.ask("PUT", "/f", b'{"a": 3}')
    (effect,) = effects(party.journal)
    assert (effect.closed, effect.undo) == (False, 'PUT http://hooks.example/f {"a":1}')


def test_opened_closed_and_opened_again_are_two_effects() -> None:
    party = Party(initial={"/f": {"a": 1}})
    for body in (b'{"a": 2}', b'{"a": 1}', b'{"a": 3}'):
        party.ask("PUT", "/f", body)
    assert [one.closed for one in effects(party.journal)] == [True, False]


def test_what_was_not_there_is_deleted() -> None:
    party = Party()
    party.ask("PUT", "/v1/flags/new", b"{}")
    (effect,) = effects(party.journal)
    assert effect.undo == "DELETE http://hooks.example/v1/flags/new"
    party.ask("DELETE", "/v1/flags/new")
    assert [one.closed for one in effects(party.journal)] == [True]


def test_deleting_what_was_there_is_an_effect() -> None:
    party = Party(initial={"/v1/flags/x": {"a": 1}})
    party.ask("DELETE", "/v1/flags/x")
    (effect,) = effects(party.journal)
    assert (effect.method, effect.undo) == ("DELETE", 'PUT http://hooks.example/v1/flags/x {"a":1}')


def test_looking_is_no_effect() -> None:
    party = Party(initial={"/x": 1})
    party.ask("GET", "/x")
    party.ask("GET", "/unknown")
    assert effects(party.journal) == []


def test_events_are_one_closed_effect_without_undo_per_place() -> None:
    party = Party(events=("/v1/events",))
    for _ in range(3):
        party.ask("POST", "/v1/events", b"{}")
    (effect,) = effects(party.journal)
    assert (effect.kind, effect.resource, effect.undo, effect.closed) == ("other", "3 messages", "", True)


def test_what_a_change_means_may_be_declared() -> None:
    party = Party(kinds={"/v1/things": "credential"})
    party.ask("POST", "/v1/things", b"{}")
    assert effects(party.journal)[0].kind == "credential"


def test_uploads_and_mails() -> None:
    sftp = {"protocol": "sftp", "endpoint": "s.example:22"}
    journal = [
        entry("file", method="PUT", path="/a.tmp", kind="upload", **sftp),
        entry("file", method="RENAME", path="/a.tmp", detail="/a", kind="upload", **sftp),
        entry("file", method="PUT", path="/b", kind="upload", **sftp),
        entry("file", method="REMOVE", path="/b", kind="upload", **sftp),
        entry("mail", path="x@y.example", protocol="smtp", endpoint="m.example:25", kind="mail"),
    ]
    assert [(one.kind, one.resource, one.closed, one.undo) for one in effects(journal)] == [
        ("upload", "/a", False, "rm sftp://s.example:22/a"),
        ("upload", "/b", True, "rm sftp://s.example:22/b"),
        ("mail", "x@y.example", False, "none: a mail cannot be recalled"),
    ]


def test_calls_name_the_step_under_way() -> None:
    steps = [StepTiming(id="register", title="", kind="script", phase="do", started=10, ended=20, code=0)]
    assert (step_at(9, steps), step_at(15, steps), step_at(21, steps)) == ("", "register", "")
    party = Party()
    party.ask("POST", "/hooks", b"{}")
    at = party.journal[0].at
    steps = [StepTiming(id="register", title="", kind="script", phase="do", started=at - 1, ended=at + 1, code=0)]
    assert calls(party.journal, steps)[0].step == "register"
    assert effects(party.journal, steps)[0].opened_by == "register"


def test_a_connection_in_which_nothing_was_said_is_a_call_too() -> None:
    journal = [
        entry("connect", connection=1, protocol="tcp", endpoint="a:80"),
        entry("request", connection=1, protocol="http", endpoint="a:80", method="GET"),
        entry("connect", connection=2, protocol="tcp", endpoint="b:22", detail="refuse", hard_coded=True),
        entry("trouble", connection=2, protocol="tcp"),
    ]
    found = calls(journal)
    assert [(one.protocol, one.endpoint) for one in found] == [("http", "a:80"), ("tcp", "b:22")]
    assert found[1].detail == "refuse; address hard-coded"


def test_multicast_and_broadcast_reach_nobody() -> None:
    kernel = {"224.0.0.251:5353/udp": 4, "ff02::fb:5353/udp": 4, "255.255.255.255:67/udp": 1}
    assert tally([], kernel).reconciled


def test_a_broken_question_is_an_answered_one_to_the_tally() -> None:
    assert tally([entry("trouble", protocol="dns")], {"10.0.0.53:53/udp": 1}).reconciled


def test_the_tally_finds_what_left_unrecorded() -> None:
    journal = [
        entry("connect", address="198.18.0.10", port=80, endpoint="a:80"),
        entry("dns", protocol="dns", endpoint="a:53"),
    ]
    kernel = {"198.18.0.10:80/tcp": 1, "10.0.0.1:53/udp": 2}
    assert tally(journal, kernel).reconciled
    found = tally(journal, {**kernel, "9.9.9.9:443/tcp": 1, "8.8.8.8:123/udp": 1})
    assert found.unaccounted == ("8.8.8.8:123/udp", "9.9.9.9:443/tcp")
    assert not found.reconciled
