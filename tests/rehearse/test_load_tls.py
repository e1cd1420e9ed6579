"""Load over TLS: what is trusted, and what is not."""

from __future__ import annotations

import datetime
import hashlib
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fulldress.errors import UsageError
from fulldress.measure.load import Outcome
from fulldress.rehearse.link import Tls
from fulldress.rehearse.model_traffic import Expect, Planned
from fulldress.rehearse.openloop import Engine, Options
from fulldress.rehearse.traffic import start_load

from .server import Server, hostile, plain

NAME = "lims.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def serving(certificate: Path) -> tuple[ssl.SSLContext, list[str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    asked: list[str] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name or "")  # type: ignore[assignment]
    return context, asked


def pin_of(certificate: Path) -> str:
    pem = x509.load_pem_x509_certificate(certificate.read_bytes())
    return hashlib.sha256(pem.public_bytes(serialization.Encoding.DER)).hexdigest()


def play(server: Server, tls: Tls, count: int = 20) -> tuple[list[Outcome], Engine]:
    planned = [Planned(n / 100, "GET", "/", None, "x", (), Expect(200, 300, b"ok")) for n in range(count)]
    options = Options(host="127.0.0.1", port=server.port, host_header=f"{NAME}:443", timeout_s=2, tls=tls)
    engine = Engine(planned, options)
    engine.warm_up()
    engine.run(time.monotonic_ns(), time.time())
    return list(engine.outcomes()), engine


def test_a_certificate_of_the_given_authority_for_the_host_is_trusted(certificate: Path) -> None:
    context, asked = serving(certificate)
    with Server(tls=context) as server:
        found, _ = play(server, Tls(ca_file=str(certificate)))
    assert [one.failure for one in found] == [""] * 20
    assert set(asked) == {NAME}


@pytest.mark.parametrize(
    "tls", [pytest.param(Tls(), id="unknown authority"), pytest.param(Tls(pin_sha256="00" * 32), id="other certificate")]
)
def test_what_is_not_trusted_gets_no_request(certificate: Path, tls: Tls) -> None:
    with Server(tls=serving(certificate)[0]) as server:
        found, _ = play(server, tls, count=4)
    assert {one.failure for one in found} == {"untrusted"}
    assert server.seen == []


def test_a_certificate_for_another_name_is_not_trusted(certificate: Path) -> None:
    with Server(tls=serving(certificate)[0]) as server:
        found, _ = play(server, Tls(ca_file=str(certificate), server_name="other.example"), count=4)
    assert {one.failure for one in found} == {"untrusted"}


def test_a_pinned_certificate_is_trusted_whoever_signed_it(certificate: Path) -> None:
    context, asked = serving(certificate)
    with Server(tls=context) as server:
        found, _ = play(server, Tls(pin_sha256=pin_of(certificate), server_name="clone.example"))
    assert [one.failure for one in found] == [""] * 20
    assert set(asked) == {"clone.example"}


def test_a_session_is_resumed_when_a_new_connection_is_needed(certificate: Path) -> None:
    context, _ = serving(certificate)
    with Server(tls=context) as server:
        server.close_after = True
        found, _ = play(server, Tls(ca_file=str(certificate)), count=30)
    assert [one.failure for one in found] == [""] * 30
    assert context.session_stats()["hits"] > 5


def test_answers_larger_than_a_record_arrive_whole(certificate: Path) -> None:
    page = plain(b"x" * 300_000 + b"ok")
    with Server(lambda *_: page, tls=serving(certificate)[0]) as server:
        found, _ = play(server, Tls(ca_file=str(certificate)), count=5)
    assert [one.failure for one in found] == [""] * 5


def test_http_where_tls_was_expected_is_untrusted() -> None:
    with hostile(lambda c: c.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        planned = [Planned(n / 100, "GET", "/", None, "x") for n in range(4)]
        engine = Engine(planned, Options(host="127.0.0.1", port=port, timeout_s=1, tls=Tls()))
        engine.warm_up()
        engine.run(time.monotonic_ns(), time.time())
    assert {one.failure for one in engine.outcomes()} == {"untrusted"}


def test_a_load_over_https_as_a_whole(certificate: Path, tmp_path: Path) -> None:
    with Server(tls=serving(certificate)[0]) as server:
        planned = [Planned(n / 100, "GET", "/", None, "x") for n in range(30)]
        pinned = Tls(pin_sha256=pin_of(certificate))
        report = start_load(server.address, planned, directory=tmp_path, tls=pinned).wait()
    assert (report.completed, report.failed) == (30, 0)


def test_a_file_without_authorities_is_refused_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(UsageError, match="authorities"):
        start_load("https://127.0.0.1", [], directory=tmp_path, tls=Tls(ca_file=str(tmp_path / "ca.pem")))
