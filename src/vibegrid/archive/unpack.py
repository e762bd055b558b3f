"""An archive (a tar, or a folder that one was unpacked to) to files: nothing outside, nothing unnamed, nothing changed.

Members are read and written one by one, never extracted: links, devices, owners and modes of a tar mean nothing here.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from vibegrid.archive.manifest import MANIFEST, Manifest, parse_manifest
from vibegrid.errors import InputError

LARGEST = 256 * 2**20  # bytes of one file
TOTAL = 4 * 2**30


class Reader(Protocol):
    """Files of an archive by name."""

    def read(self, name: str) -> bytes: ...


class TarReader:
    """Members of a tar."""

    def __init__(self, where: str, tar: tarfile.TarFile) -> None:
        self.where, self.tar = where, tar

    def read(self, name: str) -> bytes:
        """Bytes of a regular member; InputError for anything else."""
        try:
            member = self.tar.getmember(name)
        except KeyError:
            raise InputError(self.where, f"no {name} in it") from None
        if not member.isreg():
            raise InputError(self.where, f"{name} is no regular file", "an archive holds files only")
        if member.size > LARGEST:
            raise InputError(self.where, f"{name} is over {LARGEST // 2**20} MiB")
        stream = self.tar.extractfile(member)
        assert stream is not None, "a regular member has a stream"
        return stream.read()


class FolderReader:
    """Files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes:
        """Bytes of a file in the folder; a link out of it is refused."""
        path = self.folder / name
        if not path.is_file():
            raise InputError(str(self.folder), f"no {name} in it")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(str(path), "a link out of the folder")
        if path.stat().st_size > LARGEST:
            raise InputError(str(path), f"over {LARGEST // 2**20} MiB")
        return path.read_bytes()


@contextmanager
def opened(source: Path) -> Iterator[Reader]:
    """A reader of an archive.

    Raises:
        InputError: there is no such file or folder, or it is no tar.
    """
    if source.is_dir():
        yield FolderReader(source)
        return
    if not source.is_file():
        raise InputError(str(source), "no such archive", "a file that `vibegrid archive` wrote, or its folder")
    try:
        with tarfile.open(source, "r:*") as tar:
            yield TarReader(str(source), tar)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(str(source), f"not an archive: {error}", "a file that `vibegrid archive` wrote") from None


def unpack(source: Path, target: Path) -> Manifest:
    """Write the files of an archive under `target`; its manifest. All is checked before anything is written.

    Raises:
        InputError: no manifest, a file that is missing or not the one that was packed, a path that leads out, or a
            file of the target that is another one.
    """
    with opened(source) as reader:
        manifest = _manifest(str(source), reader)
        contents: dict[str, bytes] = {}
        for name, digest in manifest.files.items():
            data = reader.read(name)
            if hashlib.sha256(data).hexdigest() != digest:
                raise InputError(f"{source}: {name}", "not the file that was packed", "get the archive again")
            contents[name] = data
            if sum(map(len, contents.values())) > TOTAL:
                raise InputError(str(source), f"over {TOTAL // 2**30} GiB")
    for name, data in contents.items():
        path = target / name
        if not path.parent.resolve().is_relative_to(target.resolve()):
            raise InputError(str(path), "a link leads out of the folder")
        if path.exists() and path.read_bytes() != data and not _plain(manifest, name):
            raise InputError(str(path), "another file of that name is there", "unpack elsewhere: TO=folder")
    for name, data in contents.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
    return manifest


def _manifest(where: str, reader: Reader) -> Manifest:
    try:
        value = json.loads(reader.read(MANIFEST))
    except ValueError as error:
        raise InputError(f"{where}: {MANIFEST}", f"not JSON: {error}") from None
    return parse_manifest(f"{where}: {MANIFEST}", value)


def _plain(manifest: Manifest, name: str) -> bool:
    """Whether a file has a plain name, and so is remade and not trusted."""
    return name.startswith((f"{manifest.results}/stamps/", f"{manifest.results}/experiments/"))
