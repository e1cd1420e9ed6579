"""Cures applied one at a time over the current content, and the patches that show them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.adapt.packages import package
from tests.conftest import stand_aside

from fulldress.adapt.apply import Curer, adapt
from fulldress.cli.curework import hide_secrets
from fulldress.formats.redact import redacted
from fulldress.model.finding import Cure, Finding, StepDraft, cure_failure
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

Edit = Callable[[bytes], bytes | None]


@pytest.fixture
def lab(tmp_path: Path) -> tuple[PackageLock, BlobStore]:
    return package(tmp_path)


def found(slug: str, place: str, line: int, text: str, *, curable: bool = True) -> Finding:
    return Finding(
        rule=slug,
        severity="high",
        confidence="certain",
        title=text,
        place=place,
        line=line,
        consequence="c",
        fix="f",
        curable=curable,
        fingerprint=f"{slug}/{place}/{text}",
    )


class LineRule:
    """Finds lines with a word in one file, and cures the first of them by ``edit``."""

    def __init__(self, store: BlobStore, slug: str, place: str, word: bytes, edit: Edit, *steps: StepDraft) -> None:
        self.store, self.slug, self.place, self.word, self.edit, self.steps = store, slug, place, word, edit, steps
        self.cured: list[int] = []

    def lines(self, lock: PackageLock) -> list[bytes]:
        entry = lock.find(self.place)
        return self.store.read(entry.sha256).split(b"\n") if entry else []

    def check(self, lock: PackageLock) -> list[Finding]:
        return [
            found(self.slug, self.place, n, line.decode()) for n, line in enumerate(self.lines(lock), 1) if self.word in line
        ]

    def cure(self, lock: PackageLock, finding: Finding) -> Cure | None:
        self.cured.append(finding.line)
        lines = self.lines(lock)
        new = self.edit(lines[finding.line - 1])
        if new is None:
            del lines[finding.line - 1]
        else:
            lines[finding.line - 1] = new
        return Cure(edits={self.place: b"\n".join(lines)}, note=f"{self.slug} done", steps=self.steps)

    @property
    def curer(self) -> Curer:
        return Curer(self.slug, self.check, self.cure)


def no_sudo(store: BlobStore) -> LineRule:
    return LineRule(store, "sudo-assumption", "run.sh", b"sudo ", lambda line: line.replace(b"sudo ", b""))


def test_each_finding_of_a_rule_is_cured_over_the_current_content(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    result = adapt(lock, store, [no_sudo(store).curer])
    [adaptation] = result.adaptations
    assert adaptation.number == 1
    assert adaptation.findings == ("sudo-assumption/run.sh/sudo one", "sudo-assumption/run.sh/sudo two")
    assert (adaptation.patch, adaptation.places) == ("0001-sudo-assumption.patch", ("run.sh",))
    entry = result.lock.find("run.sh")
    assert entry and store.read(entry.sha256) == b"one\ntwo\nthree\n"
    assert result.answered == dict.fromkeys(adaptation.findings, 1)
    assert result.by_step == {}


def test_lines_that_move_are_found_again(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    rule = LineRule(store, "drop", "run.sh", b"sudo", lambda _: None)
    result = adapt(lock, store, [rule.curer])
    assert rule.cured == [1, 1]
    entry = result.lock.find("run.sh")
    assert entry and store.read(entry.sha256) == b"three\n"


def test_two_rules_may_want_the_same_line(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    second = LineRule(store, "renamed", "run.sh", b"one", lambda line: line.replace(b"one", b"1"))
    result = adapt(lock, store, [no_sudo(store).curer, second.curer])
    assert [a.patch for a in result.adaptations] == ["0001-sudo-assumption.patch", "0002-renamed.patch"]
    assert b"-one\n+1\n" in result.patches["0002-renamed.patch"]
    assert b"sudo" not in result.patches["0002-renamed.patch"]


def test_the_patches_in_order_turn_the_vendors_files_into_the_adapted_ones(
    lab: tuple[PackageLock, BlobStore], tmp_path: Path
) -> None:
    lock, store = lab
    second = LineRule(store, "tail", "run.sh", b"three", lambda _: b"3\nno newline at the end")
    result = adapt(lock, store, [no_sudo(store).curer, second.curer])
    (tmp_path / "run.sh").write_bytes(b"sudo one\nsudo two\nthree\n")
    for text in result.patches.values():
        try:
            subprocess.run(["patch", "-p1", "-s"], input=text, cwd=tmp_path, check=True)
        except FileNotFoundError:
            stand_aside("patch(1)")
    entry = result.lock.find("run.sh")
    assert entry and (tmp_path / "run.sh").read_bytes() == store.read(entry.sha256)


def test_a_cure_inside_a_deb_rebuilds_it(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    place = "packages/lab.deb!/usr/share/lab/cron"
    result = adapt(
        lock,
        store,
        [LineRule(store, "cron-off", place, b"* lab", lambda line: b"# " + line.replace(b"* lab", b"*lab")).curer],
    )
    assert result.adaptations[0].places == (place,)
    before, after = lock.find("packages/lab.deb"), result.lock.find("packages/lab.deb")
    assert before and after and before.sha256 != after.sha256
    assert f"--- a/{place}\n+++ b/{place}\n".encode() in result.patches["0001-cron-off.patch"]


def test_a_cure_by_a_plan_step_leaves_the_package_and_is_counted_apart(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    step = StepDraft(kind="config_key", title="set hybrid.enable", params={"key": "hybrid.enable", "value": "true"})
    one = found("key-required", "", 0, "hybrid.enable")
    result = adapt(
        lock, store, [Curer("key-required", lambda _: [one], lambda *_: Cure(note="set", steps=(step,), safety="safe"))]
    )
    [adaptation] = result.adaptations
    assert (adaptation.patch, adaptation.steps, adaptation.safety) == ("", (step,), "safe")
    assert result.patches == {}
    assert result.steps == (step,)
    assert result.by_step == {one.fingerprint: 1}
    assert result.lock.entries == lock.entries


def test_findings_that_cannot_be_cured_are_left_alone(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    sure = found("x", "run.sh", 1, "a", curable=False)
    unable = found("y", "run.sh", 1, "b")
    nothing = found("z", "run.sh", 1, "c")
    rules = [
        Curer("x", lambda _: [sure], lambda *_: pytest.fail("a finding that is not curable was cured")),
        Curer("y", lambda _: [unable], lambda *_: None),
        Curer("z", lambda _: [nothing], lambda *_: Cure(note="same", edits={"README.txt": b"read me\n"})),
    ]
    result = adapt(lock, store, rules)
    assert (result.adaptations, result.answered) == ((), {})


def test_a_rule_that_is_never_satisfied_ends(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    count = iter(range(10**9))

    def check(_: PackageLock) -> list[Finding]:
        return [found("endless", "run.sh", 1, str(next(count)))]

    endless = Curer("endless", check, lambda *_: Cure(note="n", edits={"run.sh": b"%d" % next(count)}))
    result = adapt(lock, store, [endless, no_sudo(store).curer])
    assert [a.slug for a in result.adaptations] == ["sudo-assumption"]
    [failure] = result.failures
    assert "something new after each" in failure.title


def test_a_cure_that_fails_is_reported_and_the_others_go_on(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    one = found("broken", "run.sh", 1, "a")
    outside = found("outside", "run.sh", 1, "b")
    rules = [
        Curer("broken", lambda _: [one], lambda _, finding: cure_failure(finding, "RuntimeError: boom")),
        Curer("outside", lambda _: [outside], lambda *_: Cure(note="n", edits={"none.zip!/x": b"x"})),
        Curer("hostile", lambda _: [outside], lambda *_: Cure(note="n", edits={"../../etc/x": b"x"})),
        no_sudo(store).curer,
    ]
    result = adapt(lock, store, rules)
    assert [a.slug for a in result.adaptations] == ["sudo-assumption"]
    assert [f.rule for f in result.failures] == ["cure-raised"] * 3
    assert "boom" in result.failures[0].title


def test_adaptations_keep_the_numbers_they_had(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    second = LineRule(store, "renamed", "run.sh", b"one", lambda line: line.replace(b"one", b"1"))
    result = adapt(lock, store, [no_sudo(store).curer, second.curer], numbers={"renamed": 2, "gone": 5})
    assert [(a.number, a.slug) for a in result.adaptations] == [(2, "renamed"), (6, "sudo-assumption")]
    assert set(result.patches) == {"0002-renamed.patch", "0006-sudo-assumption.patch"}


def test_a_name_with_blanks_and_an_archive_in_it_still_applies(lab: tuple[PackageLock, BlobStore], tmp_path: Path) -> None:
    lock, store = lab
    edits: dict[str, bytes | None] = {"packages/lab.deb!/etc/a new.conf": b"x = 1\n", "run.sh": b"-- gone\nthree\n"}
    text = adapt(lock, store, [_writer("new", edits)]).patches["0001-new.patch"]
    (tmp_path / "run.sh").write_bytes(b"sudo one\nsudo two\nthree\n")
    try:
        subprocess.run(["patch", "-p1", "-s"], input=text, cwd=tmp_path, check=True)
    except FileNotFoundError:
        stand_aside("patch(1)")
    assert (tmp_path / "packages/lab.deb!/etc/a new.conf").read_bytes() == b"x = 1\n"
    assert (tmp_path / "run.sh").read_bytes() == b"-- gone\nthree\n"


def test_a_patch_that_hides_something_says_that_it_does_not_apply(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    dirty = adapt(lock, store, [_writer("dirty", {"run.sh": b"api_token = hunter2hunter2\n"})], hide=redacted)
    assert b"# 1 line below would show a secret" in dirty.patches["0001-dirty.patch"]
    plain = adapt(lock, store, [_writer("plain", {"run.sh": b"x\n"})], hide=redacted)
    assert b"would show a secret" not in plain.patches["0001-plain.patch"]


def test_a_cure_that_does_not_cure_is_not_repeated_for_ever(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    count = iter(range(10**9))
    one = found("stubborn", "run.sh", 1, "same")
    rule = Curer("stubborn", lambda _: [one], lambda *_: Cure(note="n", edits={"run.sh": b"%d" % next(count)}))
    assert adapt(lock, store, [rule]).adaptations[0].findings == (one.fingerprint,)
    assert next(count) <= 101


def test_added_deleted_and_binary_files_in_a_patch(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    one = found("mixed", "", 0, "m")
    edits: dict[str, bytes | None] = {
        "README.txt": None,
        "new.txt": b"n\n",
        "lib/outer.zip!/in/x.jar!/a/B.class": b"\0\1",
    }
    rule = Curer(
        "mixed", lambda now: [one] if now.find("README.txt") else [], lambda *_: Cure(note="two\nlines", edits=edits)
    )
    text = adapt(lock, store, [rule]).patches["0001-mixed.patch"].decode()
    assert text.startswith("# 0001 mixed (review)\n# two lines\n")
    assert "--- a/README.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-read me\n" in text
    assert "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+n\n" in text
    assert "Binary files a/lib/outer.zip!/in/x.jar!/a/B.class and b/" in text
    assert text.count("# sha256 ") == 2


def test_no_secret_reaches_a_patch_and_the_changed_line_is_still_seen(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    key = b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0B\n-----END PRIVATE KEY-----\n"
    dirty = b"api_token = hunter2hunter2\n" + key + b"end\n"
    first = adapt(lock, store, [_writer("dirty", {"run.sh": dirty})], hide=redacted)
    clean = adapt(first.lock, store, [_writer("clean", {"run.sh": b"api_token = other3other3\nend\n"})], hide=redacted)
    for text in (first.patches["0001-dirty.patch"], clean.patches["0001-clean.patch"]):
        assert b"hunter2" not in text
        assert b"MIIEv" not in text
        assert b"kqhki" not in text
        assert b"other3" not in text
    assert b"-api_token = <secret>\n" in clean.patches["0001-clean.patch"]
    assert b"+api_token = <secret>\n" in clean.patches["0001-clean.patch"]


def _writer(slug: str, edits: dict[str, bytes | None]) -> Curer:
    done: list[int] = []

    def cure(*_: object) -> Cure:
        done.append(1)
        return Cure(note=slug, edits=edits)

    return Curer(slug, lambda _: [] if done else [found(slug, "run.sh", 1, slug)], cure)


def test_an_adaptation_reads_back_from_its_toml(lab: tuple[PackageLock, BlobStore]) -> None:
    from fulldress.formats.tomltext import dumps
    from fulldress.model.finding import Adaptation
    from fulldress.store.codec import to_plain

    lock, store = lab
    step = StepDraft(
        kind="http", title='say "hi"', when="after", params={"url": "http://x", "codes": [200, 201], "deep": {"a": True}}
    )
    one = found("r", "", 0, "t")
    [adaptation] = adapt(
        lock, store, [Curer("r", lambda _: [one], lambda *_: Cure(note="a\\b\n\x07", steps=(step, step)))]
    ).adaptations
    assert msgspec.toml.decode(dumps(to_plain(adaptation)), type=Adaptation) == adaptation


def test_no_patch_shows_what_a_command_reads_from_the_script() -> None:
    text = "#!/bin/sh\nchpasswd <<EOF\nimp:Kx8horse22\nEOF\nsudo -S true <<< 'Zw9tiger33'\ncurl -k https://x.partner.net/\n"
    values = hide_secrets.values("up.sh", text)
    assert {"Kx8horse22", "Zw9tiger33"} <= set(values)
    assert hide_secrets.values("notes.txt", text.partition("\n")[2]) == set()


def test_secrets_of_the_whole_file_are_hidden_in_its_patch(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    text = "#!/bin/sh\nchpasswd <<EOF\nimp:Kx8horse22\nEOF\n"
    first = adapt(lock, store, [_writer("one", {"up.sh": text.encode()})], hide=hide_secrets)
    second = adapt(first.lock, store, [_writer("two", {"up.sh": f"{text}true\n".encode()})], hide=hide_secrets)
    shown = (first.patches["0001-one.patch"] + second.patches["0001-two.patch"]).decode()
    assert "+true" in shown
    assert "Kx8horse22" not in shown
