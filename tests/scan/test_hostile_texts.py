"""No rule raises over a hostile text, and none takes long: the same seed, all rules, all kinds of text."""

from __future__ import annotations

import random
import time

import pytest
from tests.scan.hostiletexts import SEED, hostile, spliced, texts

from fulldress.scan.rule import Rule
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import RAISED, load_rules, sweep

RULES = load_rules()
SECONDS = 5.0
"""Of processor time for one rule over one text in all places of a sample: a scan of a whole package takes no longer."""
TEXTS = texts()
SMALL = 1 << 12
"""Bytes of a text that is put into the midst of each rule's own sample."""
FEW = 4
"""Texts that each rule's own sample is spoilt with."""
PLACES = (
    *(
        "etc/cron.d/app",
        "lib/systemd/system/app.service",
        "lib/systemd/system/app.timer",
        "etc/nginx/app.conf",
        "install.sh",
    ),
    *("migrations/0001.sql", "migrations/0002_a.py", "db/migrate/1_a.rb", "db/changelog.xml", "conf/app.properties"),
    *("conf/app.yaml", "conf/app.json", "conf/web.config", "conf/app.ini", "etc/sudoers.d/app", "DEBIAN/postinst", ".env"),
    *(
        "bom.json",
        "SHA256SUMS",
        "pom.xml",
        "requirements.txt",
        "package-lock.json",
        "tls/app.pem",
        "tls/app.jks",
        "Dockerfile",
    ),
    *("app/main.py", "app/Main.java", "app/main.js", "app/db.php", "docker-compose.yml", "playbook.yml", "bin/agent"),
)


@pytest.mark.parametrize("name", TEXTS)
def test_no_rule_raises_or_takes_long_over_it(name: str) -> None:
    context = context_of(dict.fromkeys(PLACES, TEXTS[name]))
    slow = {}
    for rule in RULES:
        before = time.process_time()
        found = sweep(context, [rule]).findings
        slow[rule.META.slug] = time.process_time() - before
        assert [f.title for f in found if f.rule == RAISED] == [], rule.META.slug
    assert {slug: round(spent, 1) for slug, spent in slow.items() if spent > SECONDS} == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.META.slug)
def test_no_rule_raises_when_its_own_sample_is_spoilt(rule: Rule) -> None:
    rng = random.Random(f"{SEED} {rule.META.slug}")
    for text in rng.sample(sorted(TEXTS.values()), FEW):
        for sample in (hostile(rule.BAD[0], text[:SMALL]), spliced(rng.choice(rule.BAD), text[:SMALL], rng)):
            found = sweep(context_of(sample), [rule]).findings
            assert [f.title for f in found if f.rule == RAISED] == []
