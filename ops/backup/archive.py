"""The file of a backup: a zip of the store's content, and `backup.json`, which says what it is of.

Laws: a backup appears under its name when it is complete, and is for its owner's eyes only. What is read is what was
written: its length and its SHA-256 are looked at before anything is done with it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from ops.templates import ROOT

FORMAT = 1
DESCRIPTION = "backup.json"
CONTENT = {"mysql": "store.sql", "sqlite": "store.sqlite3"}
CHUNK_BYTES = 1024 * 1024
LEVEL = 3  # of 9: the machine has other things to do meanwhile


class BadBackup(Exception):
    """The file is no backup that can be put back here; the message says why."""


class Origin(msgspec.Struct, frozen=True):
    """What a backup is of: `kind` of the store (conf/sections.py), number of the last schema file that it has, its
    epoch, its number of partitions."""

    kind: str
    schema: int
    epoch: str
    partitions: int


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What `backup.json` says. `made` is when it was begun (ms), `version` that of Hongyan; `bytes` and `sha256` are of
    the content."""

    format: int = FORMAT
    made: int
    version: str
    origin: Origin
    bytes: int
    sha256: str


class _Counted:
    """Passes on what is written, and knows its length and hash."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, chunk: bytes) -> int:
        self._hash.update(chunk)
        self.bytes += len(chunk)
        return self._target.write(chunk)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def write(path: Path, origin: Origin, put_content: Callable[[_Counted], None]) -> Description:
    """Make the backup `path`, whose content `put_content` writes. Where that raises there is no such file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    made = int(time.time() * 1000)
    try:
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
                with archive.open(CONTENT[origin.kind], "w", force_zip64=True) as target:
                    content = _Counted(target)
                    put_content(content)
                said = Description(
                    made=made, version=version(), origin=origin, bytes=content.bytes, sha256=content.sha256
                )
                archive.writestr(DESCRIPTION, msgspec.json.format(msgspec.json.encode(said)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return said


def describe(path: Path) -> Description:
    """What a backup says of itself. Raises BadBackup; OSError where there is no such file."""
    with _named(f"{path} is no backup, or only a part of one"), zipfile.ZipFile(path) as archive:
        said = msgspec.json.decode(archive.read(DESCRIPTION), type=Description)
        names = set(archive.namelist())
    if said.format != FORMAT or CONTENT.get(said.origin.kind) not in names:
        raise BadBackup(f"{path} was made by another version, {said.version}, in a format that this one does not read.")
    return said


def extract(path: Path, said: Description, target: IO[bytes]) -> None:
    """Write the content to `target`. Raises BadBackup where it is not what was written; OSError."""
    content = _Counted(target)
    with (
        _named(f"{path} is damaged"),
        zipfile.ZipFile(path) as archive,
        archive.open(CONTENT[said.origin.kind]) as source,
    ):
        while chunk := source.read(CHUNK_BYTES):
            content.write(chunk)
    if (content.bytes, content.sha256) != (said.bytes, said.sha256):
        raise BadBackup(f"{path} is damaged: its content is not what was written.")


def verify(path: Path, said: Description) -> None:
    """Read all of it. Raises BadBackup, OSError."""
    with Path(os.devnull).open("wb") as nowhere:
        extract(path, said, nowhere)


@contextmanager
def _named(trouble: str) -> Iterator[None]:
    """What reading a damaged zip raises becomes a BadBackup: that can be anything, from KeyError to what zlib says, and
    OSError where it is to be read from before its beginning. Another OSError is not the file's fault."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise BadBackup(f"{trouble}: {error}") from None


def version() -> str:
    """Of this Hongyan."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def sync(path: Path) -> None:
    """What a file holds, or of a directory the names that were given in it, outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
