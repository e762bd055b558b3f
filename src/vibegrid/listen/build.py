"""The listening page: what several systems answered to the same prompts, rendered, as a static folder.

The page works from file:// and asks nobody for anything: the data stand in a script (`data.js`), since a page
opened from a file may not fetch one, and the sound in `audio/`. Its policy allows no inline script or style.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from vibegrid.errors import InputError
from vibegrid.evals.descriptions import Description, descriptions
from vibegrid.evals.metrics import expected_labels
from vibegrid.files import read_jsonl, write_text
from vibegrid.folders import whole_folder
from vibegrid.listen.cards import MAX_PROMPT, card, clean, common_labels, labels
from vibegrid.listen.clips import Clips
from vibegrid.listen.scripts import as_script
from vibegrid.listen.source import Source, read_source
from vibegrid.payloads import load_object
from vibegrid.schema import FIELDS, Label
from vibegrid.specs.base import Spec

PAGE = ("index.html", "listen.css", "listen.js")  # in `data`
TAGS = ("familiarity", "difficulty", "vibe_level", "vibe_scope")


class ListeningPage(Spec):
    """What the page shows."""

    eval_set: str = Field(..., description="the eval set whose prompts are heard")
    prompts: int | None = Field(default=12, ge=1, description="its first prompts; null for all")
    seconds: float = Field(default=4.0, gt=0, le=120, description="length of a clip")
    notes: str = Field(default="", description="what a listener must know: scale, what is simulated")
    metrics: tuple[str, ...] | None = Field(default=None, description="metrics shown on a card; null for all")
    links: dict[str, str] = Field(default_factory=dict, description="other pages: text to relative address")


def build(
    spec: Mapping[str, Any],
    *,
    systems: Mapping[str, tuple[Path, Path]],
    prompts: Path,
    scorers: Sequence[Path] = (),
    out: Path,
) -> None:
    """Write the page, its data and its clips to the folder `out`; equal input makes equal bytes.

    Args:
        spec: a ListeningPage.
        systems: display name to (folder of generations, folder of scores), in the order of the cards.
        prompts: prompts.jsonl of the eval set.
        scorers: folders of the audio scorers, which say what their metrics are.
        out: the folder: index.html, listen.css, listen.js, data.js, audio/*.flac.

    Raises:
        InputError: no system, a prompt that a system did not answer, or a metric that no system was scored by.
    """
    wanted = ListeningPage.model_validate(spec)
    rows = read_jsonl(prompts, ("id", "prompt"), unique="id")[: wanted.prompts]
    sources = [read_source(name, *folders, wanted.eval_set) for name, folders in systems.items()]
    metrics, known = _metrics(wanted, sources), descriptions(scorers)
    with whole_folder(out) as draft:
        clips = Clips(draft, wanted.seconds)
        data = {
            "eval_set": clean(wanted.eval_set),
            "notes": clean(wanted.notes, MAX_PROMPT),
            "seconds": wanted.seconds,
            "fields": list(FIELDS),
            "metrics": [_metric(name, known.get(name)) for name in metrics],
            "links": [{"text": clean(text), "href": href} for text, href in wanted.links.items()],
            "systems": [{"name": clean(source.name), "kind": clean(source.kind)} for source in sources],
            "prompts": [_prompt(row, metrics, sources, clips) for row in rows],
        }
        write_text(draft / "data.js", as_script(data))
        for name in PAGE:
            shutil.copyfile(Path(__file__).parent / "data" / name, draft / name)


def _metrics(wanted: ListeningPage, sources: Sequence[Source]) -> list[str]:
    """Names of the metrics on a card: those asked for, or all that a system was scored by."""
    if not sources:
        raise InputError("listening page", "no system to listen to")
    known = list(dict.fromkeys(name for source in sources for scores in source.scores.values() for name in scores))
    if wanted.metrics is None:
        return known
    missing = [name for name in wanted.metrics if name not in known]
    if known and missing:
        raise InputError(f"metrics of {wanted.eval_set}", f"no score of '{missing[0]}'", f"known: {', '.join(known)}")
    return list(wanted.metrics)


def _metric(name: str, found: Description | None) -> dict[str, Any]:
    """A metric as a card shows it; one that nobody describes has its name only."""
    if found is None:
        return {"name": clean(name), "description": "", "range": None}
    return {"name": clean(name), "description": clean(found.text, MAX_PROMPT), "range": found.range}


def _prompt(row: Mapping[str, Any], metrics: Sequence[str], sources: Sequence[Source], clips: Clips) -> dict[str, Any]:
    """One prompt with a card for each system, and the labels that the cards are compared with."""
    key = str(row["id"])
    cards = []
    for source in sources:
        scores = source.scores.get(key, {})
        made = card(source.output(key), source.status, clips)
        cards.append(made | {"scores": [scores.get(name) for name in metrics]})
    expected = expected_labels(row.get("expected_fields"), where=f"prompt {key}")
    return {
        "id": clean(key),
        "prompt": clean(str(row["prompt"]), MAX_PROMPT),
        "tags": [f"{tag.replace('_', ' ')} {clean(str(row[tag]))}" for tag in TAGS if row.get(tag)],
        "expected": [f"{field}: {' or '.join(map(str, legal))}" for field, legal in expected.items()],
        "teacher": _teacher(row.get("config_payload")),
        "common": common_labels([made["config"] for made in cards if made["config"]]),
        "cards": cards,
    }


def _teacher(payload: Any) -> list[Label | None] | None:
    """Labels of the teacher's payload, where the prompt has one."""
    found = load_object(payload) if isinstance(payload, str) else payload
    config = found.get("config") if isinstance(found, Mapping) else None
    return labels(config) if isinstance(config, Mapping) else None
