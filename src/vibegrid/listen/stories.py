"""The listening page of stories: each system's pages of a text as one continuous piece, as a static folder.

It is the listening page with stories in the place of prompts (`listen.build` says what holds for both).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from vibegrid.errors import InputError
from vibegrid.files import write_text
from vibegrid.folders import whole_folder
from vibegrid.listen.build import PAGE, as_script
from vibegrid.listen.cards import MAX_PROMPT, clean
from vibegrid.payloads import Parsed, parse_output
from vibegrid.schema import FIELDS
from vibegrid.sound.loudness import normalise, write_audio
from vibegrid.sound.render import SAMPLE_RATE
from vibegrid.sound.takes import Studio
from vibegrid.specs.base import Spec
from vibegrid.stories.hear import Prompt, read_outputs, read_pages, teacher_outputs
from vibegrid.stories.piece import join

ARROW = " → "


class StoryPageSpec(Spec):
    """What the page shows."""

    eval_set: str = Field(default="story_pages", description="the eval set whose prompts are pages")
    stories: int | None = Field(default=4, ge=1, description="its first stories; null for all")
    seconds: float = Field(default=4.0, gt=0, le=120, description="length of a page's render")
    overlap: float = Field(default=1.0, ge=0, le=30, description="seconds of a crossfade")
    notes: str = Field(default="", description="what a listener must know: scale, what is simulated")
    teacher: str | None = Field(default="teacher", description="name of the set's own payloads; null: not shown")
    links: dict[str, str] = Field(default_factory=dict, description="other pages: text to relative address")


def build(spec: Mapping[str, Any], *, systems: Mapping[str, Path], prompts: Path, out: Path) -> None:
    """Write the page, its data and its pieces to the folder `out`; equal input makes equal bytes.

    Args:
        spec: a StoryPageSpec.
        systems: display name to folder of generations, in the order of the cards; the teacher comes first.
        prompts: prompts.jsonl of the eval set of stories.
        out: the folder: index.html, listen.css, listen.js, data.js, audio/*.flac.

    Raises:
        InputError: a page that a system did not answer, or no system.
    """
    wanted = StoryPageSpec.model_validate(spec)
    rows = read_pages(prompts)
    outputs: dict[str, Sequence[str] | None] = {wanted.teacher: teacher_outputs(rows)} if wanted.teacher else {}
    outputs |= {name: read_outputs(folder, wanted.eval_set, rows) for name, folder in systems.items()}
    if not outputs:
        raise InputError("listening page of stories", "no system to listen to")
    chosen = list(dict.fromkeys(row["story"] for row in rows))[: wanted.stories]
    with whole_folder(out) as draft:
        pieces = _Pieces(draft, wanted)
        data = {
            "eval_set": clean(wanted.eval_set),
            "notes": clean(wanted.notes, MAX_PROMPT),
            "seconds": wanted.seconds,
            "fields": list(FIELDS),
            "metrics": [],
            "links": [{"text": clean(text), "href": href} for text, href in wanted.links.items()],
            "systems": [{"name": clean(name), "kind": "one piece"} for name in outputs],
            "prompts": [_story(story, rows, outputs, pieces) for story in chosen],
        }
        write_text(draft / "data.js", as_script(data))
        for name in PAGE:
            shutil.copyfile(Path(__file__).parent / "data" / name, draft / name)


def _story(
    story: str, rows: Sequence[Prompt], outputs: Mapping[str, Sequence[str] | None], pieces: _Pieces
) -> dict[str, Any]:
    """One story in the place of a prompt, with a card for each system."""
    own = [index for index, row in enumerate(rows) if row["story"] == story]
    cards = [pieces.card(None if found is None else [found[i] for i in own]) for found in outputs.values()]
    return {
        "id": clean(story),
        "prompt": clean(ARROW.join(rows[i]["prompt"] for i in own), MAX_PROMPT),
        "tags": [f"{len(own)} pages", f"split {clean(str(rows[own[0]].get('split', '')))}"],
        "seconds": max((card.pop("seconds") for card in cards), default=0.0),
        "expected": [],
        "teacher": None,
        "common": [],
        "cards": cards,
    }


class _Pieces:
    """Pieces under `folder`/audio, of one loudness. Equal sound is one file."""

    def __init__(self, folder: Path, spec: StoryPageSpec) -> None:
        self.folder, self.spec = folder, spec
        self.studio = Studio(spec.seconds)
        (folder / "audio").mkdir()

    def card(self, outputs: Sequence[str] | None) -> dict[str, Any]:
        """A system's card of a story; a page without sound is silence, and the card says how many there are."""
        made: dict[str, Any] = dict.fromkeys(("raw", "title", "thinking", "config", "audio", "problem"))
        made |= {"state": "ok", "illegal": [], "rendered": {}, "palettes": [], "scores": [], "seconds": 0.0}
        if outputs is None:
            return made | {"state": "the training failed"}
        parsed = [parse_output(output) for output in outputs]
        clips = [self._page(take) for take in self.studio.takes(parsed)]
        silent = sum(clip is None for clip in clips)
        made["title"] = clean(ARROW.join(_title(one) for one in parsed))
        if silent == len(clips):
            return made | {"problem": "silent"}
        filled = [self._silence() if clip is None else clip for clip in clips]
        piece = normalise(join(filled, SAMPLE_RATE, self.spec.overlap), SAMPLE_RATE)
        made["audio"] = f"audio/{hashlib.sha256(piece.tobytes()).hexdigest()[:16]}.flac"
        if not (self.folder / made["audio"]).exists():
            write_audio(self.folder / made["audio"], piece, SAMPLE_RATE)
        made["seconds"] = round(len(piece) / SAMPLE_RATE, 1)
        return made | {"problem": f"{silent} of {len(clips)} pages cannot be rendered: silence" if silent else None}

    @staticmethod
    def _page(take: Any) -> np.ndarray | None:
        """A page's sound, of one loudness, so that no page drowns the next; None where there is none."""
        if take is None or take.clip.problem in ("nan", "silent"):
            return None
        return normalise(take.clip.audio, SAMPLE_RATE)

    def _silence(self) -> np.ndarray:
        return np.zeros(round(self.spec.seconds * SAMPLE_RATE), dtype=np.float32)


def _title(parsed: Parsed) -> str:
    title = (parsed.payload or {}).get("title")
    return title if isinstance(title, str) and title else "–"
