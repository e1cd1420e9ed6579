"""Personal data is taken out of the copy, from every place where PostgreSQL keeps it; a mask that fails is an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.rehearse.mirror.conftest import Live, ask

from fulldress.adapters.local import LocalHost
from fulldress.model.release import MaskRule, Mirroring
from fulldress.rehearse.mirror import MaskFailed, masking, postgres
from fulldress.rehearse.mirror.files import Source

pytestmark = pytest.mark.machine
NAME = "Erika Musterfrau"
RULE = MaskRule(
    title="names",
    database="postgres",
    sql="update account set name = 'Person ' || id",
    check=f"select 1 from account where name like '%{NAME}%'",
)


def holding(folder: Path, needle: bytes) -> list[str]:
    """Files whose bytes hold it."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and needle in p.read_bytes())


@pytest.fixture(scope="module")
def copy(live: Live, tree: Path) -> Path:
    """The tree with a copy in it that holds a name in a table, its index, its statistics and a view."""
    ask(live, f"update account set name = '{NAME}' where id <= 500")
    ask(live, "create index if not exists by_name on account (name); analyze account")
    ask(live, "drop materialized view if exists names; create materialized view names as select distinct name from account")
    ask(live, "create table if not exists audit (old text)")
    ask(
        live,
        "create or replace function keep() returns trigger language plpgsql as "
        "$$begin insert into audit values (old.name); return new; end$$; "
        "create or replace trigger keep after update of name on account for each row execute function keep()",
    )
    ask(live, "truncate audit; checkpoint")
    way = postgres.choose(LocalHost(), live.cluster, "backup-api")
    postgres.copy(LocalHost(), way, Source(""), tree, None, Mirroring())
    return tree


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            MaskRule(title="wrong", database="postgres", sql="update nothing set x = 1", check="select 1"),
            "masking failed: wrong",
        ),
        (MaskRule(title="less", database="postgres", sql="select 1", check="select id from account"), "not masked: less"),
        (MaskRule(title="lost", database="nowhere", sql="select 1", check="select 1"), "not in the mirror: nowhere"),
    ],
)
def test_a_mask_that_does_not_hold_is_an_error(copy: Path, live: Live, rule: MaskRule, words: str) -> None:
    with pytest.raises(MaskFailed, match=words):
        masking.apply(copy, [live.cluster], [rule], None)


def test_the_masking_server_has_no_network_and_sees_no_process_of_ours(copy: Path, live: Live) -> None:
    with masking.serving(copy, live.cluster) as server:
        program = "cat /proc/net/dev; ls -d /proc/[0-9]*; id -u"
        said = server.ask("postgres", f"create temp table said (line text); copy said from program '{program}'; table said")
    assert "lo:" in said and "eth" not in said and "\n0\n" not in f"\n{said}\n"
    assert said.count("/proc/") < 20


def test_a_standby_cannot_be_masked(live: Live, tmp_path: Path) -> None:
    data = tmp_path / "root" / live.cluster.data.lstrip("/")
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    (data / "standby.signal").touch()
    with pytest.raises(MaskFailed, match="standby"):
        masking.apply(tmp_path / "root", [live.cluster], [RULE], None)
    shutil.rmtree(tmp_path / "root")


def test_no_byte_of_a_masked_name_is_left_and_production_keeps_its_own(copy: Path, live: Live) -> None:
    data = copy / live.cluster.data.lstrip("/")
    before = holding(data, NAME.encode())
    assert len([name for name in before if name.startswith("base/")]) >= 4, "table, index, view, statistics"
    applied = masking.apply(copy, [live.cluster], [RULE], None)
    assert [(mask.title, mask.database) for mask in applied] == [("names", "postgres")]
    assert holding(data, NAME.encode()) == [] == holding(copy / live.tablespace.lstrip("/"), NAME.encode())
    assert ask(live, f"select count(*) from account where name = '{NAME}'").strip() == "500"
    with masking.serving(copy, live.cluster) as server:
        rows = "select count(*) from names where name ~ '^Person [0-9]+$'; select count(*) from audit"
        assert server.ask("postgres", rows).split() == ["2000", "0"]
    assert not list(copy.parent.glob(".masking-*")) and not (copy.parent / "masking.log").exists()
