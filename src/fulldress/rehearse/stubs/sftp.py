"""SFTP and SCP: everyone may log in; every endpoint has a folder of its own; uploads are recorded by digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import asyncssh

from fulldress.rehearse.stubs.base import Call, hasher

NAME = "sftp"
PORTS = (22, 2222)


def speaks(first: bytes) -> bool:
    """Whether the client greets as SSH."""
    return first[:4] == b"SSH-"


async def serve(call: Call) -> None:
    """Serve one SSH connection."""
    folder = call.state / "sftp" / call.endpoint.replace(":", "_").replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    connection = await asyncssh.run_server(
        call.sock,
        server_factory=lambda: _Login(call),
        server_host_keys=[_host_key(call.state)],
        sftp_factory=lambda channel: _Files(channel, call, folder),
        allow_scp=True,
        login_timeout=30,
        process_factory=None,
    )
    await connection.wait_closed()


def _host_key(state: Path) -> str:
    path = state / "ssh_host_ed25519"
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(path)
        path.chmod(0o600)
    return str(path)


class _Login(asyncssh.SSHServer):
    """Lets everyone in and records how, without the secret."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._call.record("login", "sftp", method="LOGIN", detail=f"user {username} by password (not kept)")
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._call.record("login", "sftp", method="LOGIN", detail=f"user {username} by key {key.get_fingerprint()}")
        return True


class _Files(asyncssh.SFTPServer):
    """Files of one endpoint; what changes them is recorded."""

    def __init__(self, channel: Any, call: Call, folder: Path) -> None:
        super().__init__(channel, chroot=bytes(folder))
        self._call = call
        self._writing: dict[int, bytes] = {}

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Called by asyncssh."""
        handle = super().open(path, pflags, attrs)
        self._opened(handle, path, writing=bool(pflags & asyncssh.FXF_WRITE))
        return handle

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Called by asyncssh."""
        handle = super().open56(path, desired_access, flags, attrs)
        self._opened(handle, path, writing=bool(desired_access & asyncssh.ACE4_WRITE_DATA))
        return handle

    def _opened(self, handle: object, path: bytes, *, writing: bool) -> None:
        if writing:
            self._writing[id(handle)] = path
        else:
            self._record("GET", path)

    def close(self, file_obj: object) -> None:
        """Called by asyncssh: an upload is complete."""
        path = self._writing.pop(id(file_obj), None)
        super().close(file_obj)  # type: ignore[no-untyped-call, unused-ignore]
        if path is None:
            return
        local = Path(self.map_path(path).decode("utf-8", "surrogateescape"))
        if not local.is_file():
            return  # removed or renamed while it was being written: that was recorded
        with local.open("rb") as stream:
            seen = _digest_of(stream)
        self._record("PUT", path, size=local.stat().st_size, body_sha256=seen, after=seen, kind="upload")

    def remove(self, path: bytes) -> None:
        """Called by asyncssh."""
        super().remove(path)  # type: ignore[no-untyped-call, unused-ignore]
        self._record("REMOVE", path, kind="upload")

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Called by asyncssh."""
        super().rename(oldpath, newpath)  # type: ignore[no-untyped-call, unused-ignore]
        self._record("RENAME", oldpath, kind="upload", detail=_text(newpath))

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Called by asyncssh."""
        super().posix_rename(oldpath, newpath)  # type: ignore[no-untyped-call, unused-ignore]
        self._record("RENAME", oldpath, kind="upload", detail=_text(newpath))

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Called by asyncssh. Refused: through a link a hostile clone would reach this machine's files."""
        raise asyncssh.SFTPOpUnsupported("no links in a rehearsal")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Called by asyncssh. Refused like symlinks."""
        raise asyncssh.SFTPOpUnsupported("no links in a rehearsal")

    def scandir(self, path: bytes) -> Any:
        """Called by asyncssh."""
        self._record("LIST", path)
        return super().scandir(path)

    def _record(self, method: str, path: bytes, **fields: Any) -> None:
        self._call.record("file", "sftp", method=method, path=_text(path), **fields)


def _digest_of(stream: BinaryIO) -> str:
    seen = hasher()
    while piece := stream.read(1 << 20):
        seen.update(piece)
    return str(seen.hexdigest())


def _text(path: bytes) -> str:
    text = path.decode("utf-8", "backslashreplace")
    return text if text.startswith("/") else f"/{text}"
