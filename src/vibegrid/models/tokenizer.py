"""The miniatures' tokenizer: byte-level BPE that writes a payload in about 100 tokens.

One regular expression cuts a text before BPE. Its first alternatives keep the config's `"key":"value",` and
a palette's `{"hex":"#aabbcc","weight":"xl"},` in one piece each, so that BPE can merge it to one token; the
rest are words in the manner of GPT-2 (Radford et al. 2019). An ordinary BPE of this size needs 380 tokens for
the same payload, and a model of a million parameters loses its way in them (1 of 16 valid against 13).
The bytes are the alphabet: every text survives encoding and decoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vibegrid.schema import FIELDS

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (PAD, END, SYSTEM, USER, ASSISTANT)
MAX_LENGTH = 2048

# A space stands before the user's words, so that a word is the same token wherever it stands.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' -}}"
    "{%- if message['role'] != 'assistant' -%}{{- ' ' -}}{%- endif -%}"
    "{{- message['content'] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def pattern() -> str:
    """The regular expression (Oniguruma) whose matches are the pieces that BPE sees; none is left out."""
    keys = "|".join(sorted(FIELDS, key=len, reverse=True))
    return "|".join(
        (
            r'\{"hex":"#[0-9a-f]{6}","weight":"[a-z]{2}"\},?',
            rf'"(?:{keys})":(?:"[a-z_#]+"|[0-9]|true|false),?',
            r'\{"thinking":"',
            r'","title":"',
            r'","config":\{',
            r'\},"palettes":\[\{"colors":\[',
            r"\]\},\{\"colors\":\[",
            r"\]\}\]\}",
            r" ?\p{L}[\p{L}\p{M}_]*",
            r" ?\p{N}{1,2}",
            r" ?[^\s\p{L}\p{N}]",
            r"\s+(?!\S)|\s+",
            r"[\s\S]",
        )
    )


def train_tokenizer(
    prose: Iterable[str], vocab_size: int, *, payloads: Iterable[str] = (), words: Iterable[str] = ()
) -> Any:
    """A `PreTrainedTokenizerFast` with a chat template.

    Args:
        prose: texts; how often a piece occurs in them decides whether it becomes a token.
        vocab_size: tokens at most, special tokens and the 256 bytes included.
        payloads: texts whose units (`"key":"value",` and the like) become tokens however rare they are.
        words: become tokens too. Neither needs merges (`ignore_merges`, as in Llama 3), which would fill half of
            so small a vocabulary. What does not fit beside the bytes is left out.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern()), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    room = max(0, vocab_size - len(SPECIAL_TOKENS) - len(alphabet))
    cut = tokenizer.pre_tokenizer.pre_tokenize_str
    pieces = [piece for text in payloads for piece, _ in cut(text) if '"' in piece and len(piece) > 1]
    pieces += [piece for word in words for piece, _ in cut(word)]
    kept = list(dict.fromkeys(pieces))[:room]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(kept),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(prose, trainer)
    tokenizer = _with_tokens(tokenizer, kept)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        model_max_length=MAX_LENGTH,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _with_tokens(tokenizer: Any, pieces: list[str]) -> Any:
    """The tokenizer with more tokens at the end of its vocabulary, which no merge leads to."""
    import json

    from tokenizers import Tokenizer

    described = json.loads(tokenizer.to_str())
    vocabulary = described["model"]["vocab"]
    for piece in pieces:
        vocabulary.setdefault(piece, len(vocabulary))
    described["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(described))


def words_of_tokens(tokenizer: Any) -> dict[int, str]:
    """Token id -> the word it begins or spells: a space and three letters or more."""
    texts = ((token_id, tokenizer.decode([token_id])) for token_id in range(len(tokenizer)))
    return {i: text[1:] for i, text in texts if text[:1] == " " and len(text) > 3 and text[1:].isalpha()}


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer's files; the chat template lies in `chat_template.jinja`."""
    tokenizer.save_pretrained(folder)
