"""CLAP by LAION as a scorer (Wu et al. 2023): a contrastive text-audio model that heard real recordings.

The model runs in a worker process of its own environment (`laion_worker`), one for all batches of a job. A clip of
at most 10 s is embedded as the package's README does it: 48 kHz, 16 bits, repeated up to 10 s. A longer one is the
mean of windows of 10 s that cover it, where the package would take one window at random.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.clap.formula import bad_sound_phrases, clap_score, mean_direction
from vibegrid.embeddings import paired_cosine
from vibegrid.errors import InputError
from vibegrid.scorers import laion_pipe
from vibegrid.scorers.base import CLAP_COLUMNS, Column, Needs
from vibegrid.scorers.laion_files import CHECKPOINTS, TOKENIZER, checked, fetch, known
from vibegrid.scorers.laion_worker import DIM, SAMPLE_RATE, WINDOW
from vibegrid.sound.clip import Clip
from vibegrid.sound.takes import Take
from vibegrid.specs.scorers import LaionClapSpec

log = logging.getLogger("vibegrid.scorers")

CACHE = Path(".cache/laion_clap")
INAUDIBLE = ("nan", "silent")  # problems of a clip that leave nothing to embed


class LaionClap:
    """A LAION-CLAP checkpoint.

    Args:
        checkpoint: file of one of the checkpoints of `laion_files`, recognised by its SHA-256, whatever its name;
            roberta-base's `vocab.json` and `merges.txt` lie beside it.
        python: interpreter of envs/clap.yaml; None takes that of the variable VIBEGRID_CLAP_PYTHON.
        batch_size: windows of 10 s per pass; texts go in batches eight times that.
        timeout: seconds that a batch, or the loading of the model, may take.

    Raises:
        InputError: a file is missing or is not the pinned one, or there is no such interpreter.
    """

    def __init__(
        self, checkpoint: Path, python: str | None = None, *, batch_size: int = 16, timeout: float = 900.0
    ) -> None:
        self.name = checked(checkpoint, list(CHECKPOINTS))
        folder = checkpoint.parent
        for part in TOKENIZER:
            checked(folder / part, [part])
        self.batch_size, self.timeout = batch_size, timeout
        self._command = laion_pipe.command(python, CHECKPOINTS[self.name], folder, checkpoint)

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, 512), rows of unit norm. Equal texts are embedded once."""
        unique = list(dict.fromkeys(texts))
        rows = _stack(
            self._worker.ask({"texts": [_clean(text) for text in batch]}, rows=len(batch))
            for batch in _batches(unique, 8 * self.batch_size)
        )
        place = {text: number for number, text in enumerate(unique)}
        return rows[[place[text] for text in texts]]

    def embed_audio(self, clips: Sequence[Clip]) -> np.ndarray:
        """float32 (n, 512), rows of unit norm; zeros for a clip that is silent or holds what is no number."""
        embedded = np.zeros((len(clips), DIM), dtype=np.float32)
        heard = [number for number, clip in enumerate(clips) if clip.problem not in INAUDIBLE]
        for numbers in _batches(heard, self.batch_size):  # so that no more audio than this is held twice
            pieces = [windows(resampled(clips[number])) for number in numbers]
            flat = [window for piece in pieces for window in piece]
            rows = _stack(
                self._worker.ask({"audio": True}, batch, rows=len(batch)) for batch in _batches(flat, self.batch_size)
            )
            owner = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
            for place, number in enumerate(numbers):
                embedded[number] = mean_direction(rows[owner == place])
        return embedded

    @cached_property
    def bad(self) -> np.ndarray:
        """The direction of bad sound: (512,), of unit norm."""
        return mean_direction(self.embed_text(bad_sound_phrases()))

    def scores(self, vibes: Sequence[str], clips: Sequence[Clip]) -> list[dict[str, float]]:
        """`clap_score` and `clap_similarity` of each vibe with its clip; the lowest values where it has a problem.

        Raises:
            InputError: the counts differ, or the worker fails.
        """
        if len(vibes) != len(clips):
            raise InputError(laion_pipe.WHERE, f"{len(vibes)} vibes and {len(clips)} clips", "one clip a vibe")
        if not clips:
            return []
        text, audio = self.embed_text(vibes), self.embed_audio(clips)
        found = zip(clips, clap_score(text, audio, self.bad), paired_cosine(text, audio), strict=True)
        return [
            {"clap_score": float(score), "clap_similarity": float(similarity)} if clip.problem is None else _worst()
            for clip, score, similarity in found
        ]

    def close(self) -> None:
        """End the worker; the next call would start another."""
        worker = self.__dict__.pop("_worker", None)
        if worker is not None:
            worker.close()

    @cached_property
    def _worker(self) -> laion_pipe.Worker:
        worker = laion_pipe.Worker(self._command, self.timeout)
        log.info("%s on %s", self.name, ", ".join(f"{name} {value}" for name, value in worker.about.items()))
        return worker


class LaionClapScorer:
    """Scores by one LAION-CLAP checkpoint."""

    columns: Mapping[str, Column] = CLAP_COLUMNS
    primary = "clap_score"

    def __init__(self, model: LaionClap) -> None:
        self.model = model

    def score(self, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
        """`clap_score` and `clap_similarity` of each pair; equal vibes are embedded once."""
        return [{**row} for row in self.model.scores(vibes, [take.clip for take in takes])]

    def embed_vibes(self, vibes: Sequence[str]) -> np.ndarray:
        """Vibes in the common space, float32 (n, 512) of unit norm."""
        return self.model.embed_text(vibes)

    def embed_clips(self, clips: Sequence[Clip]) -> np.ndarray:
        """Clips in the common space, float32 (n, 512) of unit norm."""
        return self.model.embed_audio(clips)


def load(spec: Mapping[str, Any], needs: Needs) -> LaionClapScorer:
    """The scorer of a LaionClapSpec: its file, or the one in the model's folder, or what the hub has.

    Raises:
        InputError: no such checkpoint, a file that is not the spec's, or no environment to run it in.
    """
    parsed = LaionClapSpec.model_validate(spec)
    name = known(parsed.checkpoint)
    if parsed.path is not None:
        file = Path(parsed.path)
    elif needs.model is not None:
        file = needs.model / name
    else:
        file = fetch(parsed.checkpoint, CACHE)
    model = LaionClap(file)
    if model.name != name:
        raise InputError(str(file), f"this is {model.name}, not {name}", "set `path` to the other file")
    return LaionClapScorer(model)


def resampled(clip: Clip) -> np.ndarray:
    """The clip's audio at 48 kHz, float32."""
    from scipy.signal import resample_poly

    shared = gcd(SAMPLE_RATE, clip.sample_rate)
    return resample_poly(clip.audio, SAMPLE_RATE // shared, clip.sample_rate // shared).astype(np.float32)


def windows(audio: np.ndarray) -> list[np.ndarray]:
    """The fewest windows of 10 s that cover audio of 48 kHz, evenly spaced; shorter audio is its own window."""
    if len(audio) <= WINDOW:
        return [audio]
    count = -(-len(audio) // WINDOW)
    starts = np.linspace(0, len(audio) - WINDOW, count).round().astype(int)
    return [audio[start : start + WINDOW] for start in starts]


def _batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _stack(batches: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros((0, DIM), dtype=np.float32), *batches])


def _clean(text: str) -> str:
    """The text without lone surrogates, which have no UTF-8 form and so no tokens."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _worst() -> dict[str, float]:
    return {name: column.minimum for name, column in LaionClapScorer.columns.items()}
