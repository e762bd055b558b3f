"""The JSON schema of a payload as constrained decoding needs it: with bounds by which every output ends."""

from __future__ import annotations

from typing import Any

from common.music_schema import MusicConfigPromptPayload

# Bounds that the schema lacks, or leaves so wide that an output never ends: a title has at most six words and 60
# characters (many short words, or fewer long ones); the composer's `thinking` has 80 to 140 characters.
MAX_THINKING_CHARS = 200
TITLES = ((9, 6), (14, 4), (29, 2))  # characters a word, words
VISIBLE = r"!#-\[\]-~\u00a1-\u024f"  # printable, less what JSON escapes and every kind of space


def payload_schema() -> dict[str, Any]:
    """The JSON schema of a payload, with bounds by which every output ends."""
    schema = MusicConfigPromptPayload.model_json_schema(by_alias=False)
    words = (f"[{VISIBLE}]{{1,{chars}}}( [{VISIBLE}]{{1,{chars}}}){{0,{count - 1}}}" for chars, count in TITLES)
    # In halves, since xgrammar 0.2.8 failed on a pattern that repeats 200 times.
    half = f"[ {VISIBLE}]{{0,{MAX_THINKING_CHARS // 2}}}"
    thinking = f"^{half}{half}$"
    schema["properties"]["thinking"] = {"type": "string", "pattern": thinking}
    schema["properties"]["title"] = {"type": "string", "pattern": f"^({'|'.join(words)})$"}
    return schema
