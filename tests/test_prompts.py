"""Prompts have versions, keys are taken out of lines, and the forms of answers are strict."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest
from common.music_schema import MusicConfigPromptPayload
from hypothesis import given
from hypothesis import strategies as st

from vibegrid import script
from vibegrid.errors import InputError
from vibegrid.llm.forms import plain_schema
from vibegrid.llm.prompts import read_prompt
from vibegrid.redact import redacted
from vibegrid.vibes.answers import Answer

PROMPTS = Path(__file__).resolve().parents[1] / "config" / "prompts"
# A prompt that is edited gets a new version: then enter it here.
VERSIONS = {
    ("extract_vibes", "1"): "7aa5c599f11f",
    ("judge", "1"): "7fa37d90b009",
    ("write_payload", "1"): "8b0de537fac9",
    ("write_payload_short", "1"): "379a940d033c",
}


@pytest.mark.parametrize("path", sorted(PROMPTS.glob("*.md")), ids=lambda path: path.stem)
def test_an_edited_prompt_has_a_new_version(path: Path) -> None:
    prompt = read_prompt(path)
    assert "version:" not in prompt.text and prompt.label() == {"prompt": path.stem, "prompt_version": prompt.version}
    digest = hashlib.sha256(prompt.text.encode()).hexdigest()[:12]
    assert VERSIONS.get((prompt.name, prompt.version)) == digest


@pytest.mark.parametrize(
    ("text", "problem"), [("You are", "begins with its version"), ("<!-- version: 2 -->\n", "empty")]
)
def test_a_prompt_without_version_or_text_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "p.md").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_prompt(tmp_path / "p.md")


SECRETS = [
    "sk-proj-abcdefghijklmnop",
    "sk-ant-api03-AAAABBBBCCCC",
    "AIzaSyA-1234567890abcdef",
    "gsk_abcdefgh12345678",
    "hf_abcdefgh12345678",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("line", ["key {} refused", "https://x/?key={}&a=1", '{{"api_key": "{}"}}', "Bearer {}\n"])
def test_keys_are_taken_out(secret: str, line: str) -> None:
    shown = redacted(line.format(secret))
    assert secret not in shown and secret[6:] not in shown and "[redacted]" in shown


@given(st.from_regex(r"[A-Za-z0-9+/]{12,40}", fullmatch=True))
def test_keys_of_the_environment_are_taken_out_whatever_their_form(value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MISTRAL_API_KEY", value)
        assert value not in redacted(f"no: {value}!")


@pytest.mark.parametrize("line", ["a risk-free task", "the key of D minor", "500 tokens, max_tokens: 50", "sk-"])
def test_plain_words_stay(line: str) -> None:
    assert redacted(line) == line


def test_a_log_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-no-known-form-42")
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    try:
        script._set_up_log(tmp_path / "x.log")
        try:
            raise ValueError("refused: of-no-known-form-42")
        except ValueError:
            logging.getLogger("vibegrid").exception("with sk-abcdefgh12345678")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    text = (tmp_path / "x.log").read_text()
    assert "Traceback" in text and "of-no-known-form" not in text and "sk-abc" not in text


@pytest.mark.parametrize("model", [MusicConfigPromptPayload, Answer])
def test_forms_are_strict(model: Any) -> None:
    def check(schema: dict[str, Any]) -> int:
        assert "$ref" not in schema and "default" not in schema
        parts = list(schema.get("properties", {}).values()) + schema.get("anyOf", [])
        parts += [schema["items"]] if "items" in schema else []
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
        return 1 + sum(check(part) for part in parts)

    assert check(plain_schema(model)) > 10
    assert next(iter(plain_schema(MusicConfigPromptPayload)["properties"])) == "thinking"  # reasons come first
