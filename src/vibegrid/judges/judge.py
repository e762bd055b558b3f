"""An LLM hears a clip, reads the vibe, and says how well they fit and how good the clip sounds.

One call for each pair of vibe and clip. The judge is given these two and nothing else: no title, no payload, no
name of a system. The embedded listeners go through the same call as hosted models.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from vibegrid.errors import InputError
from vibegrid.llm.audio_parts import audio_part
from vibegrid.llm.client import Completion, Request, complete_many
from vibegrid.llm.validated import validated
from vibegrid.payloads import load_object
from vibegrid.texts.markers import marked

if TYPE_CHECKING:
    from vibegrid.sound.clip import Clip

MAX_SCORE = 10.0
MAX_THINKING_CHARS = 2_000
MAX_SHOWN_CHARS = 4_000  # of an answer that cannot be used, when it is shown to the judge again
TASK = "Judge the sound that follows against this vibe."
REPAIR = "That answer cannot be used: {reason}. Answer again with the one JSON object that was asked for."
# Plain on purpose: what every provider's structured output takes. Ranges are checked here.
SCHEMA = {
    "type": "object",
    "properties": {
        "thinking": {"type": "string"},
        "vibe_match": {"type": "number"},
        "audio_quality": {"type": "number"},
    },
    "required": ["thinking", "vibe_match", "audio_quality"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "judgement", "schema": SCHEMA, "strict": True},
}

log = logging.getLogger(__name__)

Score = Annotated[float, Field(ge=0.0, le=MAX_SCORE, strict=True, allow_inf_nan=False)]


class Answer(BaseModel):
    """What a judge answers. Keys that were not asked for are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    thinking: str
    vibe_match: Score
    audio_quality: Score


class Judgement(NamedTuple):
    """Scores in [0, 10], or an error of one line and no scores."""

    vibe_match: float | None
    audio_quality: float | None
    final: float | None  # harmonic mean of the two
    thinking: str
    error: str | None = None


def judge(
    vibes: Sequence[str],
    clips: Sequence[Clip],
    *,
    model: str,
    system_prompt: str,
    store_path: str | os.PathLike[str],
    salt: str = "",
    max_concurrency: int = 8,
    requests_per_minute: int | None = None,
    attempts: int = 5,
    timeout_s: float = 60.0,
    params: Mapping[str, Any] | None = None,
) -> list[Judgement]:
    """A judgement for each vibe and the clip at its place, in order.

    Equal pairs are asked once, stored answers not again. An answer that cannot be used is shown to the judge with
    what is wrong with it, once; a second one is an error of its pair. A clip with a problem (silent, clipped, nan)
    is not sent: it scores 0.

    Args:
        vibes: what the clips should sound like.
        clips: the sounds.
        model: LiteLLM's name: embedded/listener-1, gemini/gemini-3-flash-preview, mistral/voxtral-small-latest ...
        system_prompt: the task, `config/prompts/judge.md`.
        store_path: the store of LLM responses.
        salt: part of each response's identity (a new salt asks again).
        max_concurrency, requests_per_minute, attempts, timeout_s: as `complete_many` takes them.
        params: LiteLLM's parameters of each call, beside temperature 0 and the form of the answer.

    Raises:
        InputError: vibes and clips differ in number; an unknown model, a missing key, a store that fails.
    """
    if len(vibes) != len(clips):
        raise InputError("judge", f"{len(vibes)} vibes for {len(clips)} clips", "one vibe for each clip")
    asked = {"temperature": 0.0, "response_format": RESPONSE_FORMAT} | dict(params or {})

    def complete(chats: Sequence[list[dict[str, Any]]]) -> list[Completion]:
        return complete_many(
            [Request(chat, asked) for chat in chats],
            model=model,
            store_path=store_path,
            salt=salt,
            max_concurrency=max_concurrency,
            requests_per_minute=requests_per_minute,
            attempts=attempts,
            timeout_s=timeout_s,
        )

    chats = {i: _chat(vibes[i], clip, system_prompt) for i, clip in enumerate(clips) if clip.problem is None}
    answers = dict(zip(chats, complete(list(chats.values())), strict=True))
    found = {i: _judgement(answer) for i, answer in answers.items()}
    broken = [i for i, made in found.items() if made.error and answers[i].text is not None]
    again = complete([_repair_chat(chats[i], answers[i].text or "", found[i].error or "") for i in broken])
    found |= {i: second for i, answer in zip(broken, again, strict=True) if not (second := _judgement(answer)).error}
    failed = [made.error for made in found.values() if made.error]
    if failed:
        log.warning("%s: %d of %d judgements failed, the first: %s", model, len(failed), len(found), failed[0])
    return [found.get(i) or _unheard(clip.problem or "") for i, clip in enumerate(clips)]


def parse_judgement(raw: str) -> tuple[Answer | None, str]:
    """The checked answer (bare JSON or in a code fence), or None and what is wrong with it in a few words."""
    value = load_object(raw)
    if value is None:
        return None, "the answer is not one JSON object"
    return validated(Answer, value)


def harmonic_mean(a: float, b: float) -> float:
    """Of two numbers from 0 up; 0 where one of them is."""
    return 2.0 * a * b / (a + b) if a > 0 and b > 0 else 0.0


def _chat(vibe: str, clip: Clip, system_prompt: str) -> list[dict[str, Any]]:
    text = {"type": "text", "text": f"{TASK}\n{marked('vibe', vibe)}"}
    content = [text, audio_part(clip.audio, clip.sample_rate)]
    return [{"role": "system", "content": system_prompt}, {"role": "user", "content": content}]


def _repair_chat(chat: list[dict[str, Any]], answer: str, reason: str) -> list[dict[str, Any]]:
    """The same request, the answer, and what was wrong with it. The sound is in it once, since it costs most."""
    note = {"role": "user", "content": REPAIR.format(reason=reason)}
    return [*chat, {"role": "assistant", "content": answer[:MAX_SHOWN_CHARS]}, note]


def _judgement(completion: Completion) -> Judgement:
    if completion.text is None:
        return Judgement(None, None, None, "", completion.error or "no answer")
    answer, reason = parse_judgement(completion.text)
    if answer is None:
        return Judgement(None, None, None, "", reason)
    thinking = answer.thinking[:MAX_THINKING_CHARS].encode("utf-8", "replace").decode("utf-8")
    final = harmonic_mean(answer.vibe_match, answer.audio_quality)
    return Judgement(answer.vibe_match, answer.audio_quality, final, thinking)


def _unheard(problem: str) -> Judgement:
    return Judgement(0.0, 0.0, 0.0, f"Not sent to the judge: the clip has a problem ({problem}).")
