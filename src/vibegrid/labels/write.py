"""The labels stage: for each unique vibe, the best of N payloads that the teacher writes.

Payloads are written once per `vibe_original`, before noise, dedupe and representation: variants make no
call.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.music_schema import MusicConfigPromptPayload, schema_signature

from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.labels.rows import is_usable, payload_problem, validation
from vibegrid.llm.checked import Chat, complete_checked, repair_chat
from vibegrid.llm.client import Completion, Request, complete_many
from vibegrid.llm.forms import plain_schema, response_format
from vibegrid.llm.prompts import Prompt
from vibegrid.llm.usage import Tally
from vibegrid.llm.validated import validated
from vibegrid.payloads import Parsed, parse_output
from vibegrid.specs.labels import LabelsSpec
from vibegrid.texts.markers import marked
from vibegrid.vibes.rows import read_vibes

log = logging.getLogger(__name__)

SCHEMA_PLACEHOLDER = "{schema}"
MAX_TOKENS = 4_096  # of an answer; a payload has about 500
# Weights of the selection score. Each outweighs all that follow it, so that the order is: schema, palettes,
# legal fields (steps of 1/34), colours that do not repeat.
SCORE_WEIGHTS = {"schema_valid": 4.0, "palette_valid": 2.0, "valid_field_fraction": 1.0, "duplicates": -0.02}


def write(spec: LabelsSpec, *, vibes: Path, prompt: Prompt, store: Path, salt: str, out: Path) -> list[dict[str, Any]]:
    """Label every unique vibe of `vibes`; write `labels.jsonl` and `labels.json` (counts) to folder `out`.

    Args:
        spec: the teacher, its sampling, the number of candidates.
        vibes: file of the vibes stage.
        prompt: the system prompt; `{schema}` in it becomes the JSON schema of a payload.
        store: the store of LLM responses; what stands there is not asked again.
        salt: part of each response's identity (a new salt asks again).
        out: folder for the results.

    Raises:
        InputError: the teacher wrote no usable payload for any vibe.
    """
    unique = sorted({row["vibe_original"] for row in read_vibes(vibes)})
    tally = Tally()
    answers = ask(spec, unique, prompt=prompt.text, store=store, salt=salt, tally=tally)
    groups = [answers[i : i + spec.candidates] for i in range(0, len(answers), spec.candidates)]
    labels = [{"vibe_original": vibe} | label(group, spec.teacher) for vibe, group in zip(unique, groups, strict=True)]
    bad = [row for row in labels if row["config_payload"] is None]
    if len(bad) == len(labels):
        raise InputError(spec.teacher, f"no usable payload for any of {len(labels)} vibes: {bad[0]['config_error']}")
    if bad:
        log.warning("%d of %d vibes have no payload, the first: %s", len(bad), len(labels), bad[0]["config_error"])
    write_jsonl(out / "labels.jsonl", labels)
    write_json(
        out / "labels.json",
        _report(labels, answers) | {"llm": {"model": spec.teacher, **prompt.label(), **tally.report()}},
    )
    return labels


def ask(
    spec: LabelsSpec, vibes: Sequence[str], *, prompt: str, store: Path, salt: str, tally: Tally
) -> list[Completion]:
    """`spec.candidates` answers of each vibe, in order; one that is no valid payload is asked for once more."""
    system = prompt.replace(SCHEMA_PLACEHOLDER, schema_signature())
    form = response_format("payload", plain_schema(MusicConfigPromptPayload))
    asked = {"temperature": spec.temperature, "max_tokens": MAX_TOKENS, "response_format": form}

    def complete(places: Sequence[int], chats: Sequence[Chat]) -> list[Completion]:
        seeds = [spec.seed + place % spec.candidates for place in places]
        requests = [Request(chat, asked | {"seed": seed}) for chat, seed in zip(chats, seeds, strict=True)]
        return complete_many(requests, model=spec.teacher, store_path=store, salt=salt, tally=tally)

    chats = [_chat(vibe, system) for vibe in vibes for _ in range(spec.candidates)]
    return [checked.completion for checked in complete_checked(chats, complete, _read, _repair, tally)]


def _chat(vibe: str, system: str) -> Chat:
    return [{"role": "system", "content": system}, {"role": "user", "content": marked("vibe", vibe)}]


def _repair(chat: Chat, answer: str, reason: str) -> Chat:
    """The vibe comes again, last, as it was first."""
    return repair_chat(chat, answer, reason, again=chat[-1]["content"])


def _read(text: str) -> tuple[Parsed | None, str]:
    """The payload of an answer, if it is valid, or what is wrong with it."""
    parsed = parse_output(text)
    problem = payload_problem(parsed)
    if problem and parsed.json_valid and not parsed.schema_valid:
        problem += f"; {validated(MusicConfigPromptPayload, parsed.payload)[1]}"
    return (None, problem) if problem else (parsed, "")


def label(answers: Sequence[Completion], model: str) -> dict[str, Any]:
    """The label fields of one vibe from its answers (`.text`, `.error`): the best candidate is the first of
    the highest score. Its `validation_scores` are kept, and its payload if it is valid by schema and
    palettes."""
    parsed = [parse_output(answer.text) if answer.text is not None else None for answer in answers]
    scores = [candidate_score(candidate) for candidate in parsed]
    best = max(range(len(scores)), key=lambda i: (scores[i], -i))
    chosen = parsed[best]
    usable = is_usable(chosen)
    return {
        "config_model": model,
        "config_candidates": [None if p is None else _writable(p.payload) for p in parsed],
        "validation_scores": validation(chosen),
        "candidate_scores": scores,
        "scores_external": {},
        "best_index": best,
        "config_payload": chosen.payload if usable and chosen is not None else None,
        "config_error": None if usable else _problem(answers[best], chosen),
    }


def candidate_score(candidate: Parsed | None) -> float:
    """What a candidate is chosen by: -1 for no answer, else from -0.02 to 7 by `SCORE_WEIGHTS`."""
    if candidate is None:
        return -1.0
    score = (
        SCORE_WEIGHTS["schema_valid"] * candidate.schema_valid
        + SCORE_WEIGHTS["palette_valid"] * candidate.palette_valid
        + SCORE_WEIGHTS["valid_field_fraction"] * candidate.valid_field_fraction
        + SCORE_WEIGHTS["duplicates"] * candidate.duplicate_color_fraction
    )
    return round(score, 6)


def _writable(payload: dict[str, Any] | None) -> dict[str, Any] | None:
    """The raw payload, or None if it holds what no UTF-8 file can (half of a surrogate pair)."""
    try:
        json.dumps(payload, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return None
    return payload


def _problem(answer: Completion, parsed: Parsed | None) -> str:
    return (answer.error or "no answer") if parsed is None else payload_problem(parsed)


def _report(labels: Sequence[dict[str, Any]], answers: Sequence[Completion]) -> dict[str, Any]:
    return {
        "vibes": len(labels),
        "calls": len(answers),
        "stored": sum(answer.stored for answer in answers),
        "errors": sum(answer.text is None for answer in answers),
        "without_payload": sum(row["config_payload"] is None for row in labels),
    }
