"""The clips of a listening page: rendered once a config, of one loudness, named by what they sound like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.sound.clip import Clip
from vibegrid.sound.loudness import normalise, write_audio
from vibegrid.sound.render import SAMPLE_RATE, render, repair


class Heard(NamedTuple):
    """A clip as a card refers to it."""

    file: str | None  # relative to the page; None where there is nothing to play
    problem: str | None  # as Clip.problem


class Clips:
    """Clips of `seconds` under `folder`/audio. Equal sound is one file."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self._made: dict[str, Heard] = {}
        (folder / "audio").mkdir()

    def of(self, config: Mapping[str, Any]) -> Heard:
        """Render a config, or find the clip that it has already."""
        key = json.dumps(repair(config))
        if key not in self._made:
            self._made[key] = self._write(Clip(render(config, self.seconds)))
        return self._made[key]

    def _write(self, clip: Clip) -> Heard:
        if clip.problem in ("nan", "silent"):
            return Heard(None, clip.problem)
        audio = normalise(clip.audio, SAMPLE_RATE)
        name = f"audio/{hashlib.sha256(audio.tobytes()).hexdigest()[:16]}.flac"
        if not (self.folder / name).exists():
            write_audio(self.folder / name, audio, SAMPLE_RATE)
        return Heard(name, clip.problem)
