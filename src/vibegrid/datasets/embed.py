"""Embeddings of vibes in one `.npz`, written so that equal vibes give equal bytes."""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vibegrid.embeddings import encode
from vibegrid.errors import InputError
from vibegrid.vibes.rows import read_vibes, vibe_files


class Embeddings(NamedTuple):
    """Unit-norm vectors (n, 384) float32 and the place of each text among them."""

    place: dict[str, int]
    vectors: np.ndarray

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of stored `texts`, (len(texts), 384)."""
        return self.vectors[[self.place[text] for text in texts]]

    def covering(self, texts: Sequence[str]) -> "Embeddings":
        """These and the vectors of those `texts` that are not stored, which are encoded now."""
        missing = sorted({text for text in texts if text not in self.place})
        if not missing:
            return self
        place = self.place | {text: len(self.place) + i for i, text in enumerate(missing)}
        return Embeddings(place, np.concatenate([self.vectors, encode(missing)]))


def embed(vibes: Path, out_npz: Path) -> int:
    """Embed the unique `vibe_original` of a folder's vibes, in sorted order; returns how many there are.

    The folder holds `vibes.jsonl`, or the four split files of labelled vibes.
    """
    texts = sorted({row["vibe_original"] for path in vibe_files(vibes) for row in read_vibes(path)})
    save(out_npz, texts, encode(texts))
    return len(texts)


def save(path: Path, texts: Sequence[str], vectors: np.ndarray) -> None:
    """Write texts (as UTF-8 JSON in bytes, which keeps any text whole) and vectors; whole, by rename.

    `numpy.savez` writes fixed timestamps, so the bytes depend on the content alone (a test checks it).
    """
    names = np.frombuffer(json.dumps(list(texts), ensure_ascii=False).encode("utf-8"), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, texts=names, vectors=np.asarray(vectors, dtype=np.float32))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getvalue())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path) -> Embeddings:
    """The embeddings of a file that `save` wrote."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            texts = json.loads(arrays["texts"].tobytes().decode("utf-8"))
            vectors = arrays["vectors"]
    except FileNotFoundError:
        raise InputError(str(path), "no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(str(path), f"not a file of embeddings: {error}", "delete it and run again") from None
    if vectors.ndim != 2 or len(texts) != len(vectors):
        raise InputError(str(path), f"{len(texts)} texts and vectors of shape {vectors.shape} do not match")
    return Embeddings({text: i for i, text in enumerate(texts)}, vectors)
