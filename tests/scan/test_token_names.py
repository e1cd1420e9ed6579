"""The cure for a token names its variable by the file and the key that the token stands under."""

from __future__ import annotations

import pytest

from fulldress.scan.rule import Sample
from fulldress.scan.rules import provider_token
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import sweep

LIVE = "abcd_live_" + "7Qm2xV9kRt4LpZs8"
OTHER = "abcd_live_" + "4Hn8yB3wKe6TcQj5"


def cured(place: str, text: str) -> str:
    context = context_of(Sample(files={place: text}))
    finding = next(f for f in sweep(context, [provider_token]).findings if f.curable)
    made = provider_token.cure(context, finding)
    assert made is not None
    data = made.edits[place]
    assert data is not None
    return data.decode()


@pytest.mark.parametrize(
    ("place", "text", "left"),
    [
        ("lib/bridge.properties", f"api.token={LIVE}\n", "api.token=${BRIDGE_API_TOKEN}\n"),
        ("conf/app.json", f'{{"auth": "Bearer {LIVE}"}}\n', '{"auth": "Bearer ${APP_AUTH}"}\n'),
        ("conf/web.config", f'<add key="LabToken" value="{LIVE}"/>\n', '<add key="LabToken" value="${WEB_LAB_TOKEN}"/>\n'),
        ("a.yaml", f"  partnerKey: '{LIVE}'\n", "  partnerKey: '${A_PARTNER_KEY}'\n"),
        ("a.ini", f"url = https://x/y?access_token={LIVE}\n", "url = https://x/y?access_token=${A_ACCESS_TOKEN}\n"),
        (".env", f"TOKEN={LIVE}\n", "TOKEN=${ENV_TOKEN}\n"),
        ("notes.conf", f"{LIVE}\n", "${NOTES_LIVE_KEY}\n"),
    ],
)
def test_the_name_comes_from_the_key(place: str, text: str, left: str) -> None:
    assert cured(place, text) == left


def test_a_script_reads_it_from_the_secret_file() -> None:
    text = cured("bin/pull.sh", f'#!/bin/sh\nTOKEN="{LIVE}"\ncurl -H "X: $TOKEN" https://lab\n')
    assert 'TOKEN="${PULL_TOKEN}"' in text


def test_two_tokens_under_one_key_get_two_names_and_one_token_one() -> None:
    text = cured("a.ini", f"[a]\ntoken={LIVE}\n[b]\ntoken={OTHER}\n[c]\ntoken={LIVE}\n")
    assert sorted(line for line in text.split("\n") if "token" in line) in (
        ["token=${A_TOKEN_2}", "token=${A_TOKEN}", "token=${A_TOKEN}"],
        ["token=${A_TOKEN_2}", "token=${A_TOKEN_2}", "token=${A_TOKEN}"],
    )
