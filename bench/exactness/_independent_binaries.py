"""The binary files of the independent set of planted secrets: keys, stores and programs, made at run time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import json
import marshal
import sqlite3
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

_NONE = serialization.NoEncryption()
_PEM, _DER = serialization.Encoding.PEM, serialization.Encoding.DER
_OLD, _PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8


def keys() -> dict[str, bytes]:
    """Private keys in the forms a package holds them, by path."""
    key = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    return {
        "etc/tls/server.pem": key.private_bytes(_PEM, _OLD, _NONE),
        "etc/tls/api.key": curve.private_bytes(_PEM, _PKCS8, _NONE),
        "home/orbit/.ssh/deploy": edwards.private_bytes(_PEM, serialization.PrivateFormat.OpenSSH, _NONE),
        "tools/windows/deploy.ppk": _putty(edwards),
        "etc/tls/one.bin": key.private_bytes(_DER, _OLD, _NONE),
        "etc/tls/eight.der": key.private_bytes(_DER, _PKCS8, _NONE),
        "etc/tls/curve.dat": curve.private_bytes(_DER, _OLD, _NONE),
        "etc/backup/identity.txt": b"# created: 2025-03-01T10:00:00Z\n" + _age(edwards.private_bytes_raw()) + b"\n",
        "ops/gcp/service.json": _service_account(key),
        "etc/tls/orbit.p12": pkcs12.serialize_key_and_certificates(
            b"orbit", key, None, None, serialization.BestAvailableEncryption(b"changeit")
        ),
        "etc/tls/orbit.jks": _jks(key.private_bytes(_DER, _PKCS8, _NONE), "changeit"),
        "etc/signing.asc": _pgp(),
    }


def public_only() -> dict[str, bytes]:
    """Public halves, which are nobody's secret."""
    key = rsa.generate_private_key(65537, 2048).public_key()
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    return {
        "etc/tls/public.pem": key.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "etc/tls/public.der": key.public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        "home/orbit/.ssh/authorized_keys": edwards.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        ),
    }


def _service_account(key: rsa.RSAPrivateKey) -> bytes:
    text = key.private_bytes(_PEM, _PKCS8, _NONE).decode()
    body = {"type": "service_account", "project_id": "orbit-prod", "private_key_id": "0" * 8, "private_key": text}
    return json.dumps(body, indent=2).encode()


def _pgp() -> bytes:
    from pysequoia import Cert  # noqa: PLC0415 - loaded when needed: a native library

    return str(Cert.generate("Orbit Release <release@orbit-billing.com>").secrets).encode()


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _putty(key: ed25519.Ed25519PrivateKey) -> bytes:
    point = key.public_key().public_bytes_raw()
    public = _string(b"ssh-ed25519") + _string(point)
    private = _string(key.private_bytes_raw())
    covered = b"".join(map(_string, (b"ssh-ed25519", b"none", b"deploy@orbit", public, private)))
    mac = hmac.new(b"", covered, hashlib.sha256).hexdigest()
    return (
        "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: deploy@orbit\r\nPublic-Lines: 2\r\n"
        + _wrapped(public)
        + "Private-Lines: 1\r\n"
        + _wrapped(private)
        + f"Private-MAC: {mac}\r\n"
    ).encode()


def _wrapped(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "".join(text[at : at + 64] + "\r\n" for at in range(0, len(text), 64))


def _age(raw: bytes) -> bytes:
    """Bech32 of a private X25519 key, as age writes it."""
    prefix, letters = "age-secret-key-", "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in raw)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    expanded = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    check = 1
    for word in [*expanded, *words, 0, 0, 0, 0, 0, 0]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for at, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> at & 1 else 0
    check ^= 1
    words += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return (prefix + "1" + "".join(letters[word] for word in words)).upper().encode()


def _jks(pkcs8: bytes, password: str) -> bytes:
    """A Java key store of the old kind with one key, protected as Sun's provider does."""
    word = password.encode("utf-16-be")
    digest = salt = bytes(range(20))
    stream = b""
    while len(stream) < len(pkcs8):
        digest = hashlib.sha1(word + digest).digest()
        stream += digest
    body = salt + bytes(a ^ b for a, b in zip(pkcs8, stream, strict=False)) + hashlib.sha1(word + pkcs8).digest()
    algorithm = bytes.fromhex("300e060a2b060104012a021101010500")
    octets = b"\x04\x82" + struct.pack(">H", len(body)) + body
    sealed = b"\x30\x82" + struct.pack(">H", len(algorithm + octets)) + algorithm + octets
    store = struct.pack(">III", 0xFEEDFEED, 2, 1) + struct.pack(">I", 1) + struct.pack(">H", 5) + b"orbit"
    store += struct.pack(">Q", 1700000000000) + _string(sealed) + struct.pack(">I", 0)
    return store + hashlib.sha1(word + b"Mighty Aphrodite" + store).digest()


def programs(words: list[str]) -> dict[str, bytes]:
    """Programs and data files with a literal in them; takes one word for each of six files."""
    uri = f"postgresql://orbit:{words[0]}@db1:5432/billing"
    return {
        "usr/lib/orbit/orbit-agent": elf(b"usage: %s\0" + uri.encode() + b"\0%d rows\0"),
        "lib/Ledger.class": _class("DB_PASSWORD", words[1]),
        "lib/orbit/settings.pyc": _pyc(f'HOST = "db1"\nDB_PASSWORD = "{words[2]}"\n'),
        "share/orbit/seed.db": _sqlite(words[3]),
        "web/rules.wasm": _wasm(f"https://rules:{words[4]}@rules.orbit-billing.com/v1".encode()),
        "tools/windows/OrbitTray.exe": _pe(
            f"Server=sql1;Database=Orbit;User Id=sa;Password={words[5]};".encode("utf-16-le")
        ),
    }


def elf(rodata: bytes) -> bytes:
    """A program of nothing but a section of constants."""
    names = b"\0.rodata\0.shstrtab\0"
    header_size, section_size = 64, 64
    code = b"\x7fELF\x02\x01\x01" + bytes(9)
    names_at = header_size + len(rodata)
    table_at = names_at + len(names)
    code += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400000, 0, table_at, 0, header_size, 0, 0, section_size, 3, 2)
    table = bytes(section_size)
    table += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0x400040, header_size, len(rodata), 0, 0, 1, 0)
    table += struct.pack("<IIQQQQIIQQ", 9, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return code + rodata + names + table


def _class(name: str, value: str) -> bytes:
    def utf8(text: str) -> bytes:
        return b"\x01" + struct.pack(">H", len(text)) + text.encode()

    pool = [utf8("com/orbit/Ledger"), b"\x07\0\x01", utf8("java/lang/Object"), b"\x07\0\x03", utf8(name)]
    pool += [utf8("Ljava/lang/String;"), utf8("ConstantValue"), utf8(value), b"\x08\0\x08"]
    body = struct.pack(">IHHH", 0xCAFEBABE, 0, 61, len(pool) + 1) + b"".join(pool)
    body += struct.pack(">HHHH", 0x21, 2, 4, 0)
    body += struct.pack(">H", 1) + struct.pack(">HHHHHIH", 0x1A, 5, 6, 1, 7, 2, 9)
    return body + struct.pack(">HH", 0, 0)


def _pyc(source: str) -> bytes:
    import importlib.util  # noqa: PLC0415 - loaded when needed: for the magic number only

    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile(source, "settings.py", "exec"))


def _sqlite(word: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.db"
        base = sqlite3.connect(path)
        base.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT)")
        base.executemany("INSERT INTO setting VALUES (?, ?)", [("smtp_host", "mail1"), ("smtp_password", word)])
        base.commit()
        base.close()
        return path.read_bytes()


def _leb(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(out)


def _wasm(data: bytes) -> bytes:
    segment = b"\x01\x00\x41\x08\x0b" + _leb(len(data)) + data
    return b"\0asm\x01\0\0\0" + b"\x05\x03\x01\x00\x01" + b"\x0b" + _leb(len(segment)) + segment


def _pe(data: bytes) -> bytes:
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIIIQII", 0x20B, 14, 0, 0, 512, 0, 0, 0x1000, 0x140000000, 0x1000, 512)
    optional += struct.pack("<HHHHHHIIIIHH", 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(128)
    raw = -(-len(data) // 512) * 512
    section = b".rdata\0\0" + struct.pack("<IIIIIIHHI", len(data), 0x1000, raw, 512, 0, 0, 0, 0, 0x40000040)
    return (dos + coff + optional + section).ljust(512, b"\0") + data.ljust(raw, b"\0")


def wide(text: str) -> dict[str, bytes]:
    """One text in the encodings Windows tools leave behind."""
    return {
        "conf/regional.ini": b"\xff\xfe" + text.encode("utf-16-le"),
        "conf/legacy.properties": b"\xff\xfe\0\0" + text.encode("utf-32-le"),
    }


def nested(name: str, body: bytes) -> bytes:
    """A jar in a tar.gz: a file two archives deep."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        inner.writestr(name, body)
    return tarred({"plugin/lib/rates.jar": jar.getvalue()})


def tarred(files: dict[str, bytes]) -> bytes:
    """A tar.gz of the files."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755 if data.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()
