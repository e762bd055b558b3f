"""mini-CLAP: text and sound in one space, from a folder that `vibegrid.clap.train` wrote.

Every text and clip goes through its tower alone, on one thread: its embedding has the same bytes whatever else
is in the batch. A 4-second clip takes about 4 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vibegrid.clap.captions import LABELS
from vibegrid.clap.formula import bad_sound_phrases, clap_score, mean_direction
from vibegrid.embeddings import DIM, encode, paired_cosine
from vibegrid.errors import InputError
from vibegrid.files import write_json
from vibegrid.sound.clip import N_CHROMA, N_MELS

if TYPE_CHECKING:
    from vibegrid.clap.towers import AudioTower, TextTower

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "card.json"
COLUMNS = N_MELS + N_CHROMA


class MiniClap:
    """Two trained towers and the common origin of what they say.

    Embeddings are taken from `centre`, the mean of the training clips, and brought to unit norm again: without that,
    clips of all kinds are near to each other, and a few are near to every text (hubness, Radovanovic et al. 2010).

    Args:
        text: the text tower.
        audio: the audio tower.
        centre: float32 (dim,); nothing is taken off where it is None.
    """

    dim = sum(map(len, LABELS.values()))

    def __init__(self, text: TextTower, audio: AudioTower, centre: np.ndarray | None = None) -> None:
        self.text, self.audio = text.eval(), audio.eval()
        self.centre = np.zeros(self.dim, dtype=np.float32) if centre is None else centre
        self._bad: np.ndarray | None = None

    @classmethod
    def new(cls) -> MiniClap:
        """Untrained towers, their weights from torch's generator."""
        from vibegrid.clap.towers import AudioTower, TextTower

        return cls(TextTower(DIM, cls.dim), AudioTower(N_MELS, N_CHROMA, [len(labels) for labels in LABELS.values()]))

    @classmethod
    def load(cls, folder: str | Path) -> MiniClap:
        """The model of a folder.

        Raises:
            InputError: a file is missing, broken or of another shape.
        """
        from safetensors.torch import load_file

        path = Path(folder) / WEIGHTS
        try:
            model = cls.new()
            weights = load_file(path)
            for name, tower in model._towers().items():
                part = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(name)}
                tower.load_state_dict(part)
            model.centre = weights["centre"].numpy().reshape(cls.dim)
        except Exception as error:  # each library has its own exception for a broken file
            line = (str(error).splitlines() or [""])[0]
            raise InputError(str(path), f"cannot be read: {type(error).__name__}: {line}", "train it again") from None
        return model

    def save(self, folder: Path, config: dict[str, Any]) -> None:
        """Write weights and `config.json`: `dim` and the given values."""
        import torch
        from safetensors.torch import save_file

        weights = {
            f"{name}.{key}": value.contiguous()
            for name, tower in self._towers().items()
            for key, value in tower.state_dict().items()
        }
        save_file({**weights, "centre": torch.from_numpy(self.centre)}, folder / WEIGHTS)
        write_json(folder / CONFIG, {**config, "dim": self.dim})

    def _towers(self) -> dict[str, Any]:
        return {"text": self.text, "audio": self.audio}

    def embed_text(self, embeddings: np.ndarray) -> np.ndarray:
        """MiniLM embeddings (n, 384), see `vibegrid.embeddings.encode`, -> float32 (n, dim), rows of unit norm."""
        return self._embed(self.text, [row[None] for row in embeddings])

    def embed_audio(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """`Clip.clap_frames` (frames, 76) of clips of any lengths -> float32 (n, dim), rows of unit norm.

        Raises:
            InputError: frames of another shape, or that are no numbers.
        """
        from vibegrid.clap.towers import MIN_FRAMES

        batches = []
        for number, frames in enumerate(clips):
            if frames.ndim != 2 or frames.shape[1] != COLUMNS or len(frames) == 0:
                raise InputError(
                    f"clip {number}", f"frames of shape {frames.shape}", f"(frames, {COLUMNS}) is expected"
                )
            if not np.isfinite(frames).all():
                raise InputError(f"clip {number}", "frames that are no numbers")
            missing = max(0, MIN_FRAMES - len(frames))
            batches.append(np.pad(frames, ((0, missing), (0, 0)), mode="wrap")[None])
        return self._embed(self.audio, batches)

    def _embed(self, tower: Any, batches: Sequence[np.ndarray]) -> np.ndarray:
        """Each batch holds one row, so that its bytes depend on nothing else."""
        import torch

        out = np.empty((len(batches), self.dim), dtype=np.float32)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                for row, batch in zip(out, batches, strict=True):
                    said = tower(torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32)))[0].numpy()
                    away = said - self.centre
                    row[:] = away / max(float(np.linalg.norm(away)), 1e-12)
        finally:
            torch.set_num_threads(threads)
        return out

    @property
    def bad(self) -> np.ndarray:
        """The mean direction of the phrases for bad sound: (dim,)."""
        if self._bad is None:
            self._bad = mean_direction(self.embed_text(encode(bad_sound_phrases())))
        return self._bad

    def similarity(self, text: np.ndarray, audio: np.ndarray) -> np.ndarray:
        """Cosine of row i of `text` with row i of `audio`, both (n, dim): (n,) in [-1, 1]."""
        return paired_cosine(text, audio)

    def score(self, text: np.ndarray, audio: np.ndarray) -> np.ndarray:
        """The score of DESIGN section 6, row by row: (n,) in [-3, 1]; see `vibegrid.clap.formula.clap_score`."""
        return clap_score(text, audio, self.bad)
