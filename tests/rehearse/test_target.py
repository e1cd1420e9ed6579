"""Where the load of a clone goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.errors import FulldressError
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.target import target_of
from fulldress.rehearse.traffic import start_load

from .server import Server, hostile
from .test_load_tls import NAME, certificate, pin_of, serving

__all__ = ["certificate"]


@pytest.mark.parametrize(
    ("base_url", "url", "header"),
    [
        ("http://127.0.0.1/", "http://10.0.0.2:80", ""),
        ("http://localhost:8080/app", "http://10.0.0.2:80", ""),
        ("http://lims.example/", "http://10.0.0.2:80", "lims.example"),
        ("http://lims.example:8080/", "http://10.0.0.2:8080", "lims.example:8080"),
    ],
)
def test_users_ask_for_the_name_they_know_at_the_address_of_the_clone(base_url: str, url: str, header: str) -> None:
    assert target_of(base_url, "10.0.0.2") == (url, header, None)


def test_over_tls_the_certificate_that_is_shown_is_pinned(certificate: Path, tmp_path: Path) -> None:
    context, asked = serving(certificate)
    with Server(tls=context) as server:
        target = target_of(f"https://{NAME}:{server.port}/", "127.0.0.1")
        assert target.tls is not None
        assert target.tls.pin_sha256 == pin_of(certificate)
        load = start_load(
            target.url, [Planned(0, "GET", "/")], directory=tmp_path, host_header=target.host_header, tls=target.tls
        )
        assert load.wait().completed == 1
    assert set(asked) == {NAME}
    assert f"Host: {NAME}:{server.port}\r\n" in server.heads[0]


def test_a_clone_that_speaks_no_tls_is_told_as_such() -> None:
    refused = pytest.raises(FulldressError, match="does not speak TLS")
    with hostile(lambda c: c.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port, refused:
        target_of(f"https://{NAME}:{port}/", "127.0.0.1")
