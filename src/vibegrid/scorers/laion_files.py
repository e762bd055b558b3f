"""The files of LAION-CLAP: which ones, from where, and their checksums.

A checkpoint is a pickle, the only one of this project: it is opened only if its SHA-256 is the pinned one (and
then with `weights_only`). The sums are those that the hub publishes (docs/laion_clap.md says where they were read).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vibegrid.errors import InputError

LAION, LAION_REVISION = "lukewys/laion_clap", "b3708341862f581175dba5c356a4ebf74a9b6651"
ROBERTA, ROBERTA_REVISION = "FacebookAI/roberta-base", "e2da8e2f811d1448a5b465c236feacd80ffbac7b"


class HubFile(NamedTuple):
    """A file of the Hugging Face hub."""

    repo: str
    revision: str
    sha256: str


FILES: dict[str, HubFile] = {
    "630k-audioset-best.pt": HubFile(
        LAION, LAION_REVISION, "8053c9775516af2f4902e1e8281e356cc1bf7a85e8b761908170767b77c3f037"
    ),
    "music_audioset_epoch_15_esc_90.14.pt": HubFile(
        LAION, LAION_REVISION, "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd"
    ),
    "vocab.json": HubFile(
        ROBERTA, ROBERTA_REVISION, "9e7f63c2d15d666b52e21d250d2e513b87c9b713cfa6987a82ed89e5e6e50655"
    ),
    "merges.txt": HubFile(
        ROBERTA, ROBERTA_REVISION, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
    ),
}
CHECKPOINTS = {  # file -> `amodel` of laion_clap; both are without fusion
    "630k-audioset-best.pt": "HTSAT-tiny",
    "music_audioset_epoch_15_esc_90.14.pt": "HTSAT-base",
}
TOKENIZER = ("vocab.json", "merges.txt")  # of the text tower; they lie beside the checkpoint
HINT = "docs/laion_clap.md says how to get it"


def checked(path: Path, names: Sequence[str]) -> str:
    """Which of `names` the file is, by its content: its own name does not matter.

    Raises:
        InputError: the file is missing, or is none of them (a broken download, or another file).
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(str(path), error.strerror or "cannot be read", HINT) from None
    for name in names:
        if FILES[name].sha256 == digest:
            return name
    pinned = " or ".join(f"{name} ({FILES[name].sha256})" for name in names)
    raise InputError(str(path), f"its SHA-256 is {digest}, not that of {pinned}", HINT)


def known(checkpoint: str) -> str:
    """File name of a checkpoint by its name, with or without `.pt`; InputError where there is none."""
    name = checkpoint.removesuffix(".pt") + ".pt"
    if name not in CHECKPOINTS:
        names = ", ".join(file.removesuffix(".pt") for file in CHECKPOINTS)
        raise InputError(f"checkpoint {checkpoint}", "no such LAION-CLAP checkpoint", f"one of: {names}")
    return name


def fetch(checkpoint: str, folder: Path) -> Path:
    """Download a checkpoint and the tokenizer's two files into `folder`; what is there already stays as it is.

    Args:
        checkpoint: name of one in `CHECKPOINTS`, with or without `.pt`.
        folder: where the files go; made if it is missing.

    Returns:
        Path of the checkpoint.

    Raises:
        InputError: no such checkpoint, no connection, or a file whose SHA-256 is not the pinned one.
    """
    file = known(checkpoint)
    for name in (file, *TOKENIZER):
        if not (folder / name).is_file():
            _download(name, folder)
    return folder / file


def _download(name: str, folder: Path) -> None:
    from huggingface_hub import hf_hub_download

    source = FILES[name]
    try:
        hf_hub_download(source.repo, name, revision=source.revision, local_dir=folder)
    except (ValueError, OSError) as error:  # the hub's errors are OSErrors, but for one of a missing cache
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = f"{source.repo}/{name}@{source.revision}"
        raise InputError(where, f"cannot be fetched: {line}", "network, HF_HUB_OFFLINE") from None
    try:
        checked(folder / name, [name])
    except InputError:
        (folder / name).unlink()
        raise
