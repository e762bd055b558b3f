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
from vibegrid.llm.checked import Checked, complete_checked, repair_chat
from vibegrid.llm.client import Completion, Request, complete_many
from vibegrid.llm.forms import response_format
from vibegrid.llm.usage import Tally
from vibegrid.llm.validated import validated
from vibegrid.payloads import load_object
from vibegrid.specs.llms import LimitsSpec
from vibegrid.texts.markers import marked

if TYPE_CHECKING:
    from vibegrid.sound.clip import Clip

MAX_SCORE = 10.0
MAX_THINKING_CHARS = 2_000
MAX_TOKENS = 8_192  # of an answer, the thoughts of a reasoning model included
TASK = "Judge the sound that follows against this vibe."
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
RESPONSE_FORMAT = response_format("judgement", SCHEMA)

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
    limits: LimitsSpec | None = None,
    params: Mapping[str, Any] | None = None,
    tally: Tally | None = None,
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
        limits, tally: as `complete_many` takes them.
        params: LiteLLM's parameters of each call, beside temperature 0 and the form of the answer.

    Raises:
        InputError: vibes and clips differ in number; and as `complete_many` does.
    """
    if len(vibes) != len(clips):
        raise InputError("judge", f"{len(vibes)} vibes for {len(clips)} clips", "one vibe for each clip")
    asked = {"temperature": 0.0, "max_tokens": MAX_TOKENS, "response_format": RESPONSE_FORMAT} | dict(params or {})
    tally = Tally() if tally is None else tally

    def ask(_: Sequence[int], chats: Sequence[list[dict[str, Any]]]) -> list[Completion]:
        requests = [Request(chat, asked) for chat in chats]
        return complete_many(requests, model=model, store_path=store_path, salt=salt, limits=limits, tally=tally)

    heard = [i for i, clip in enumerate(clips) if clip.problem is None]
    chats = [_chat(vibes[i], clips[i], system_prompt) for i in heard]
    answers = complete_checked(chats, ask, parse_judgement, repair_chat, tally)
    found = {i: _judgement(answer) for i, answer in zip(heard, answers, strict=True)}
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


def _judgement(checked: Checked[Answer]) -> Judgement:
    answer = checked.value
    if answer is None:
        return Judgement(None, None, None, "", checked.reason)
    thinking = answer.thinking[:MAX_THINKING_CHARS].encode("utf-8", "replace").decode("utf-8")
    final = harmonic_mean(answer.vibe_match, answer.audio_quality)
    return Judgement(answer.vibe_match, answer.audio_quality, final, thinking)


def _unheard(problem: str) -> Judgement:
    return Judgement(0.0, 0.0, 0.0, f"Not sent to the judge: the clip has a problem ({problem}).")
