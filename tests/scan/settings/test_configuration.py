"""Steps for configuration files: only where they can be written as they were."""

from __future__ import annotations

import pytest

from fulldress.model.estate import ConfigKey, Estate, HostFacts, KeyImpact, MatrixRow
from fulldress.scan.rule import Sample
from fulldress.scan.rules import config_key_removed, config_key_required
from fulldress.scan.samples import context_of
from fulldress.scan.settings.configuration import file_for

YAML = ConfigKey(file="/etc/a.yaml", key="hybrid.mode", value="x", line=1, format="yaml")
INI = ConfigKey(file="/etc/a.ini", key="hybrid.other", value="x", line=1)


def estate(*keys: ConfigKey) -> Estate:
    return Estate(taken="", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", config=keys),))


@pytest.mark.parametrize(("rule", "change"), [(config_key_removed, "removed"), (config_key_required, "required")])
def test_a_file_that_no_step_can_write_is_left_to_a_person(rule: object, change: str) -> None:
    row = MatrixRow(product="a", key="hybrid.mode", change=change, since="5", value="y")  # type: ignore[arg-type]
    impact = KeyImpact(row=row, uses=(YAML,), cure="c")
    context = context_of(Sample(files={"R": "x"}, impacts=(impact,), estate=estate(YAML, INI)))
    (finding,) = rule.check(context)  # type: ignore[attr-defined]
    assert not finding.curable
    assert rule.cure(context, finding) is None  # type: ignore[attr-defined]


def test_a_new_key_goes_where_a_step_can_write_it() -> None:
    assert file_for(estate(YAML, INI), "hybrid.mode") == "/etc/a.ini"
    assert file_for(estate(YAML), "hybrid.mode") == ""
