"""Sound in a chat: a 16-bit mono WAV, base64, in OpenAI's content part `input_audio`.

How LiteLLM 1.106.2 passes that part on, read in its source and checked by tests where a server can see it:

* `openai/...` (and any server that speaks its protocol): unchanged.
* `gemini/...`: as `inline_data` with the MIME type `audio/<format>`.
* `mistral/...`: not at all. Its adapter keeps the text of a list of parts and drops the rest without a word, so
  that Voxtral would judge what it never heard. `for_provider` sends such a chat to the same server by the OpenAI
  adapter, with the part in Mistral's own form (`input_audio` is the base64 string itself).
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import wave
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

PEAK = 32_767  # a sample of 1.0 in 16 bits
MISTRAL = "mistral/"
MISTRAL_BASE = "https://api.mistral.ai/v1"

Messages = Sequence[Mapping[str, Any]]


class Call(NamedTuple):
    """What LiteLLM is called with."""

    model: str
    messages: list[dict[str, Any]]
    params: dict[str, Any]


def wav_bytes(audio: np.ndarray, sample_rate: int) -> bytes:
    """A mono WAV file of 16 bits. `audio`: float (n,), cut to [-1, 1]. Equal samples give equal bytes."""
    import numpy as np

    samples = np.round(np.clip(audio, -1.0, 1.0) * PEAK).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def read_wav(data: bytes) -> tuple[np.ndarray, int]:
    """(float32 samples in [-1, 1], sample rate) of what `wav_bytes` wrote; ValueError for any other file."""
    import numpy as np

    try:
        with wave.open(io.BytesIO(data)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise ValueError("a mono WAV of 16 bits was expected")
            frames, rate = file.readframes(file.getnframes()), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"not a WAV file: {error}") from error
    return np.frombuffer(frames, dtype="<i2").astype(np.float32) / PEAK, rate


def audio_part(audio: np.ndarray, sample_rate: int) -> dict[str, Any]:
    """The content part of a sound."""
    data = base64.b64encode(wav_bytes(audio, sample_rate)).decode("ascii")
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def parts_of(messages: Messages, kind: str) -> list[Mapping[str, Any]]:
    """All content parts of one type in the user's messages, in order."""
    contents = [message.get("content") for message in messages if message.get("role") == "user"]
    return [part for content in contents if isinstance(content, list) for part in content if part.get("type") == kind]


def find_audio(messages: Messages) -> tuple[np.ndarray, int] | None:
    """The first sound of a chat, as `read_wav` gives it; None where there is none, ValueError for a broken one."""
    parts = parts_of(messages, "input_audio")
    if not parts:
        return None
    try:
        return read_wav(base64.b64decode(parts[0]["input_audio"]["data"], validate=True))
    except binascii.Error as error:
        raise ValueError(f"the sound is not base64: {error}") from error


def for_provider(model: str, messages: Messages, params: Mapping[str, Any]) -> Call:
    """The call as the provider's adapter lets it through: as it is, unless it takes a sound to Mistral."""
    if not model.startswith(MISTRAL) or not parts_of(messages, "input_audio"):
        return Call(model, [dict(message) for message in messages], dict(params))
    there = {
        "api_base": os.environ.get("MISTRAL_API_BASE") or MISTRAL_BASE,
        "api_key": os.environ.get("MISTRAL_API_KEY"),
    }
    params = there | dict(params)
    if "seed" in params:
        params["extra_body"] = {"random_seed": params.pop("seed")}
    chat = [dict(message) | {"content": _mistral_content(message["content"])} for message in messages]
    return Call("openai/" + model.removeprefix(MISTRAL), chat, params)


def _mistral_content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [
        dict(part) | {"input_audio": part["input_audio"]["data"]} if part.get("type") == "input_audio" else dict(part)
        for part in content
    ]
