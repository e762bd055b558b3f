"""Files of a call as bytes: a compressed tar with names relative to the project's folder."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from vibegrid.errors import InputError

LEVEL = 1  # of gzip: JSONL shrinks tenfold, weights not at any level


def pack(root: Path, names: Iterable[str]) -> bytes:
    """Files and folders under `root`, by their names relative to it; links are what they lead to.

    Raises:
        InputError: one is missing, or lies outside.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=LEVEL, dereference=True) as archive:
        for name in sorted(set(names)):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise InputError(name, "lies outside of the project", "a remote step reads files of the project only")
            if not (root / name).exists():
                raise InputError(name, "no such file")
            archive.add(root / name, arcname=name, filter=_plain)
    return buffer.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Names and bytes only; what is neither file nor folder (a socket) is left out."""
    if not (member.isfile() or member.isdir()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack(data: bytes, folder: Path) -> None:
    """Write packed files into `folder`; no name can leave it."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")
