"""The load from the logs of a mirror, and what happens when they cannot tell."""

from __future__ import annotations

import bz2
import gzip
from collections import Counter
from pathlib import Path

import pytest

from fulldress.errors import FulldressError, NothingToDo, UsageError
from fulldress.formats.accesslog import APACHE_FORMAT, LOG_FORMAT
from fulldress.measure.twosample import dispersion
from fulldress.model.release import Declared as Estate
from fulldress.rehearse.declared import DeclaredTable, LogTable, TrafficFile, UsersTable
from fulldress.rehearse.declared_traffic import declared_model
from fulldress.rehearse.loading import load_of, log_files
from fulldress.rehearse.schedule import schedule
from fulldress.rehearse.setting import Load
from fulldress.store.codec import read_toml

ESTATE = Estate(access_log="/var/log/nginx/access.log")
DECLARED = TrafficFile(
    declared=(
        DeclaredTable(request="GET /api/results/{id}", per_minute=180, paths=("/api/results/1", "/api/results/2")),
        DeclaredTable(request="GET /", per_minute=60),
    )
)
TEN = 1795255200


def nginx(count: int = 1200, start: int = 0, extra: str = " 0.050 {at:.3f}") -> str:
    """Two requests a second of forty clients."""
    head = '10.0.0.{who} - - [21/Nov/2026:10:00:00 +0000] "GET /r/{n} HTTP/1.1" 200 512 "-" "Firefox"'
    rows = []
    for n in range(start, start + count):
        rows.append((head + extra).format(who=n % 40, n=n % 7, at=TEN + n / 2 + n * 7919 % 3000 / 1000))
    return "\n".join(rows) + "\n"


def tree(path: Path, **files: bytes) -> Path:
    folder = path / "var/log/nginx"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return path


def load(path: Path, declared: TrafficFile = TrafficFile()) -> Load:  # noqa: B008 - immutable
    return load_of(path, ESTATE, declared, seconds=60, multiple=1, seed=1)


def refused(path: Path) -> FulldressError:
    with pytest.raises(FulldressError) as caught:
        load(path)
    return caught.value


def test_a_log_becomes_a_schedule_with_figures(tmp_path: Path) -> None:
    found = load(tree(tmp_path, access_log=nginx().encode()))
    assert len(found.planned) == pytest.approx(120, abs=3)
    assert {"mix of endpoints", "bursts at 1 s"} <= {one.name for one in found.figures}
    assert "Clients are told apart in 100% of the requests" in " ".join(found.notes)


def test_rotated_and_packed_logs_are_read_too(tmp_path: Path) -> None:
    folder = tree(tmp_path, access_log_1=nginx(600, 600).encode())
    (folder / "var/log/nginx/access.log.2.gz").write_bytes(gzip.compress(nginx(300, 300).encode()))
    (folder / "var/log/nginx/access.log.3.bz2").write_bytes(bz2.compress(nginx(300, 0).encode()))
    assert len(load(folder).planned) == pytest.approx(120, abs=3)


def test_a_damaged_archive_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tree(tmp_path, access_log=nginx().encode())
    (folder / "var/log/nginx/access.log.2.gz").write_bytes(gzip.compress(nginx().encode())[:-200])
    assert "access.log.2.gz was read to where it is damaged" in " ".join(load(folder).notes)


def test_an_older_log_without_times_is_said_and_the_new_one_is_used(tmp_path: Path) -> None:
    folder = tree(tmp_path, access_log=nginx().encode(), access_log_1=nginx(extra="").encode())
    assert "access.log.1 was not used" in " ".join(load(folder).notes)


def test_a_link_out_of_the_mirror_is_not_followed(tmp_path: Path) -> None:
    folder = tree(tmp_path / "mirror")
    (tmp_path / "secret").write_text(nginx())
    (folder / "var/log/nginx/access.log").symlink_to(tmp_path / "secret")
    assert log_files(folder, ["/var/log/nginx/access.log"]) == []


class TestRefusals:
    def test_no_log(self, tmp_path: Path) -> None:
        error = refused(tree(tmp_path))
        assert isinstance(error, NothingToDo)
        assert "[[declared]]" in error.fix

    def test_too_few_requests(self, tmp_path: Path) -> None:
        error = refused(tree(tmp_path, access_log=nginx(40).encode()))
        assert "40 requests" in str(error)
        assert "[[declared]]" in error.fix

    def test_too_short_a_time(self, tmp_path: Path) -> None:
        assert "in 2 minutes" in str(refused(tree(tmp_path, access_log=nginx(200).encode())))

    def test_another_format_shows_the_one_that_would_do(self, tmp_path: Path) -> None:
        error = refused(tree(tmp_path, access_log=nginx(extra="").encode()))
        assert "$request_time and $msec" in str(error)
        assert LOG_FORMAT in error.fix
        assert APACHE_FORMAT in error.fix
        assert "[[declared]]" in error.fix

    def test_a_declared_format_that_cannot_tell(self, tmp_path: Path) -> None:
        declared = TrafficFile(log=LogTable(format=("$request $status",)), declared=DECLARED.declared)
        with pytest.raises(UsageError, match="request_time"):
            load(tree(tmp_path, access_log=nginx().encode()), declared)


class TestDeclared:
    @pytest.mark.parametrize("content", [b"", nginx(40).encode(), nginx(extra="").encode(), b"noise\n" * 9])
    def test_is_used_when_the_log_cannot_tell_and_says_so(self, tmp_path: Path, content: bytes) -> None:
        found = load(tree(tmp_path, access_log=content), DECLARED)
        assert found.source.startswith("declared")
        assert found.figures == ()
        assert "not measured" in " ".join(found.notes)
        assert len(found.planned) == pytest.approx(240, rel=0.35)
        assert {one.path for one in found.planned} == {"/", "/api/results/1", "/api/results/2"}

    def test_is_not_used_when_the_log_can(self, tmp_path: Path) -> None:
        found = load(tree(tmp_path, access_log=nginx().encode()), DECLARED)
        assert "was not used" in " ".join(found.notes)
        assert found.figures

    def test_has_the_rate_mix_and_burstiness(self) -> None:
        model = declared_model(TrafficFile(declared=DECLARED.declared, users=UsersTable(burstiness=3.0)))
        planned = schedule(model, seconds=3480, seed=1)
        assert len(planned) / 58 == pytest.approx(240, rel=0.05)
        assert sum(one.endpoint == "GET /" for one in planned) / len(planned) == pytest.approx(0.25, abs=0.02)
        assert dispersion([one.at_s for one in planned], 3480, 10) == pytest.approx(3.0, rel=0.25)

    def test_has_visits_with_pauses(self) -> None:
        users = UsersTable(think_seconds=4.0, requests_per_visit=5.0, burstiness=1.0)
        planned = schedule(declared_model(TrafficFile(declared=DECLARED.declared, users=users)), seconds=3000, seed=1)
        assert len(planned) / 50 == pytest.approx(240, rel=0.08)
        seen: set[int] = set()
        thinks = []
        for one in planned:
            if one.session is not None:
                thinks += [one.session.think_s] if one.session.id in seen else []
                seen.add(one.session.id)
        assert sum(thinks) / len(thinks) == pytest.approx(4.0, rel=0.1)

    @pytest.mark.parametrize(
        "row",
        [
            DeclaredTable(request="/a", per_minute=1),
            DeclaredTable(request="GET /a", per_minute=0),
            DeclaredTable(request="GET /a/{id}", per_minute=1),
            DeclaredTable(request="GET /a/{id}", per_minute=1, paths=("a",)),
        ],
    )
    def test_nonsense_is_refused(self, row: DeclaredTable) -> None:
        with pytest.raises(UsageError):
            declared_model(TrafficFile(declared=(row,)))


def test_the_file_as_the_manual_shows_it(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs/traffic.md").read_text()
    blocks = [part.split("```")[0] for part in manual.split("```toml\n")[1:]]
    assert blocks
    (tmp_path / "traffic.toml").write_text("\n".join(blocks))
    found = read_toml(tmp_path / "traffic.toml", TrafficFile)
    assert found.declared
    assert found.login.request
    assert found.take


def test_a_declared_load_says_its_rates_by_the_names_that_its_requests_have(tmp_path: Path) -> None:
    made = load_of(tmp_path, ESTATE, DECLARED, seconds=600, multiple=2, seed=1)
    assert made.declared == {"GET /api/results/{id}": 360.0, "GET /": 120.0}
    sent = Counter(one.endpoint for one in made.planned)
    assert sent.keys() == made.declared.keys()
    assert sent.total() / 10 == pytest.approx(480, rel=0.1)


def test_a_load_from_a_log_has_no_declared_rates(tmp_path: Path) -> None:
    assert not load(tree(tmp_path, access_log=nginx().encode())).declared
