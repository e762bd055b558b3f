"""Secrets out of lines that are shown or written: errors, logs, a row's `config_error`."""

import os
import re

SHOWN = "[redacted]"
MIN_CHARS = 8  # of a value of the environment: shorter ones ("none", "test") stand in ordinary words
_NAMES = re.compile(r"(?:API_?KEY|TOKEN|SECRET|PASSWORD|ACCESS_KEY)(?:_ID)?$", re.IGNORECASE)
# Forms of keys by their providers: OpenAI, Anthropic and others (sk-), Google, Groq, xAI, Hugging Face, Replicate.
_KEYS = re.compile(r"\b(?:sk|pk|rk|ak|as|xai)-[\w*.-]{6,}|\b(?:gsk|hf|r8)_\w{8,}|\bAIza[\w-]{10,}")
_NAMED = re.compile(
    r"((?:bearer|(?:api[-_]?key|authorization|access_token|[?&]key)[\"']?\s*[=:])\s*[\"']?(?:bearer\s+)?)[^\s\"'&,;)\]}]{6,}",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """`text` with `[redacted]` in place of keys: values of `*_API_KEY`, `*_TOKEN` and their like in the
    environment, and whatever has the form of a key."""
    for name, value in os.environ.items():
        if len(value) >= MIN_CHARS and value in text and _NAMES.search(name):
            text = text.replace(value, SHOWN)
    return _NAMED.sub(rf"\1{SHOWN}", _KEYS.sub(SHOWN, text))
