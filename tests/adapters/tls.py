"""A TLS server on loopback that answers whatever a test wants, and the authority behind its certificate."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.intake.signing import NOW, Issued

HOST = "vendor.example"


class Authority(NamedTuple):
    root: Issued
    chain: Path
    """PEM: the server's key and certificate."""


def certificate_for(name: str, root: Issued, path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(root.cert.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(root.cert.not_valid_before_utc)
        .not_valid_after(NOW.replace(year=NOW.year + 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False)
        .sign(root.key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + cert.public_bytes(serialization.Encoding.PEM))
    return path


Serve = Callable[[ssl.SSLSocket, bytes], None]


class Server:
    """Accepts on loopback, speaks TLS, then lets the test's function write whatever it wants."""

    def __init__(self, chain: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.serve: Serve = reply(b"")
        self.asked: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                raw, _ = self.socket.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(raw, server_side=True) as secure:
                    self.asked.append(secure.recv(65536))
                    self.serve(secure, self.asked[-1])
            except OSError:
                continue


def reply(body: bytes, status: str = "200 OK", *headers: str) -> Serve:
    head = "".join(f"{h}\r\n" for h in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return lambda connection, _: connection.sendall(head.encode() + b"\r\n" + body)


def pages(found: dict[str, bytes]) -> Serve:
    """Answers by path; 404 for every other."""

    def serve(connection: ssl.SSLSocket, asked: bytes) -> None:
        path = asked.split(b" ", 2)[1].decode()
        answer = reply(found[path]) if path in found else reply(b"", "404 Not Found")
        answer(connection, asked)

    return serve
