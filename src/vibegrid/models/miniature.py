"""Miniatures: small models of real architectures, weights and tokenizer made here in about two minutes.

Their word embeddings begin as those of all-MiniLM-L6-v2, reduced to the model's width, so that words of like
meaning lie close, as they do in a real base model; the texts are far too few to learn that from.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import write_json
from vibegrid.folders import whole_folder
from vibegrid.llm.payload_writer import LABELS, UNHEARD
from vibegrid.models.documents import (
    MESSAGE_WORDS,
    SYSTEM_PROMPTS,
    content_words,
    documents,
    label_words,
    payload_chat,
    snippet,
)
from vibegrid.models.muon import Muon
from vibegrid.models.tokenizer import save_tokenizer, train_tokenizer, words_of_tokens
from vibegrid.payloads import parse_output
from vibegrid.specs.models import MiniatureSpec

log = logging.getLogger(__name__)

MAX_TOKENS = 320  # a longer document is cut
TOKENIZER_PAYLOADS = 800
POOL_BATCHES = 16  # documents are sorted by length within so many batches
WARMUP_STEPS = 20
PROBES = 32
PROBE_TOKENS = 256
EMBEDDING_STD = 0.08  # a width of 128 is too narrow for the usual 0.02
TITLE_OPENS = '","title":"'  # one token, and the end of the thinking
THINKING_WEIGHT = 5.0  # of the thinking's tokens in the loss; most of a payload's entropy lies in its colours
EMBEDDING_FACTOR = 3.3
MUON_FACTOR = 10.0

Progress = Callable[[int, float], None]


def pretrain(
    spec: MiniatureSpec, *, texts: list[str], out: Path, work: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Make a miniature: tokenizer, initial weights, pretraining, `model_card.json`; the folder appears whole.

    Args:
        spec: size, architecture and length of the pretraining.
        texts: prose; any language, though MiniLM knows English best.
        out: folder of the model in Hugging Face's layout (safetensors).
        work: folder for the log of losses (`losses.csv`).
        progress: called with (step, loss) every 20 steps.

    Returns:
        The model card.
    """
    import torch

    words = [text for text in texts if len(text.split()) > 1]
    if not words:
        raise InputError("texts", "no text of two words or more", "a miniature needs prose")
    torch.manual_seed(spec.seed)
    tokenizer = make_tokenizer(spec, words)
    model = make_model(spec, tokenizer)
    started = time.monotonic()
    losses = _train(model, _batches(tokenizer, spec, words), spec, progress)
    log.info("pretraining took %.0f s", time.monotonic() - started)
    card = {
        "architecture": spec.architecture,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "steps": spec.steps,
        "final_loss": round(sum(losses[-20:]) / len(losses[-20:]), 4),
        "valid_payload_share": valid_share(model, tokenizer, words, spec.seed + 1),
        "note": "made by the workflow; its numbers exercise the study and are no result about music",
    }
    work.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{step},{loss:.4f}\n" for step, loss in enumerate(losses, start=1))
    (work / "losses.csv").write_text("step,loss\n" + lines, encoding="utf-8")
    with whole_folder(out) as folder:
        model.save_pretrained(folder, safe_serialization=True)
        save_tokenizer(tokenizer, folder)
        write_json(folder / "model_card.json", card)
    return card


def make_tokenizer(spec: MiniatureSpec, texts: Sequence[str]) -> Any:
    """The tokenizer of a miniature, from the prose, synthetic payloads and lists of words."""
    rng = random.Random(spec.seed)
    split = [text.split() for text in texts]
    messages = [snippet(rng.choice(split), MESSAGE_WORDS, rng) for _ in range(TOKENIZER_PAYLOADS)]
    payload_texts = [payload_chat(message, rng)[1] for message in messages]
    prose = [*texts, *(text.lower() for text in texts)]
    counts = Counter(word for text in texts for word in content_words(text))
    titles = [word.capitalize() for word, count in counts.items() if count > 3]
    labels = [str(label) for field, values in LABELS.items() for label in (field, *values)]
    words = [" " + word for word in (UNHEARD, *labels, *descriptive_words(), *titles)]
    return train_tokenizer(prose, spec.vocab_size, payloads=payload_texts, words=words)


def descriptive_words() -> list[str]:
    """Words for moods, scenes and sounds (`data/words.txt`) and for labels; a tokenizer has them whole."""
    text = resources.files("vibegrid.models").joinpath("data/words.txt").read_text(encoding="utf-8")
    return sorted({*text.split(), *(word for words in label_words().values() for word in words)})


def make_model(spec: MiniatureSpec, tokenizer: Any) -> Any:
    """A model with initial weights, its word embeddings from MiniLM."""
    from transformers import AutoModelForCausalLM

    config = _config(spec, tokenizer)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    _fix_words(model, tokenizer)
    return model


def _config(spec: MiniatureSpec, tokenizer: Any) -> Any:
    import transformers

    if spec.hidden_size % spec.heads:
        raise InputError("hidden_size", f"{spec.hidden_size} is not a multiple of heads {spec.heads}")
    classes = {"llama": "LlamaConfig", "gemma3": "Gemma3TextConfig", "qwen3": "Qwen3Config"}
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": spec.hidden_size,
        "intermediate_size": spec.intermediate_size,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.heads,
        "head_dim": spec.hidden_size // spec.heads,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    sizes["initializer_range"] = spec.hidden_size**-0.5  # transformers' 0.02 suits a width of 2,500
    if spec.architecture == "gemma3":
        sizes |= {"query_pre_attn_scalar": spec.hidden_size // spec.heads, "sliding_window": 512}
    return getattr(transformers, classes[spec.architecture])(**sizes)


def _fix_words(model: Any, tokenizer: Any) -> None:
    """Rows of whole-word tokens become MiniLM's vectors of the words (centred, PCA to the width) and stay so,
    but for the words that `thinking` is written in.

    Were they trained, the softmax over all tokens would push every one of them in every step, and within a hundred
    steps likeness of meaning would be gone.
    """
    import numpy as np
    import torch

    from vibegrid.embeddings import encode

    words = words_of_tokens(tokenizer)
    vectors = encode([word.lower() for word in words.values()]).astype(np.float64)
    weight = model.get_input_embeddings().weight
    vectors -= vectors.mean(axis=0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    width = min(weight.shape[1], vectors.shape[1])
    reduced = np.zeros((len(vectors), weight.shape[1]))
    reduced[:, :width] = vectors @ axes[:, ::-1][:, :width]
    reduced *= EMBEDDING_STD / reduced.std()
    with torch.no_grad():
        weight *= EMBEDDING_STD / weight.std()
        weight[list(words)] = torch.tensor(reduced, dtype=weight.dtype)
    trainable = torch.ones(len(weight), 1)
    spoken = {part for field, values in LABELS.items() for label in (field, *values) for part in str(label).split("_")}
    trainable[[token_id for token_id, word in words.items() if word not in spoken]] = 0.0
    weight.register_hook(lambda gradient: gradient * trainable)


def _train(
    model: Any, batches: Iterable[tuple[Any, Any, Any]], spec: MiniatureSpec, progress: Progress | None
) -> list[float]:
    """Warm-up and a linear fall to nought. Returns the loss of each step."""
    import torch

    optimizers = _optimizers(model, spec)
    model.train()
    losses: list[float] = []
    for step, (ids, mask, weights) in enumerate(batches):
        share = max(0.02, min((step + 1) / WARMUP_STEPS, 1 - step / spec.steps))
        _set_rate(optimizers, spec.learning_rate * share)
        loss = weighted_loss(model, ids, mask, weights)
        if not math.isfinite(loss.item()):
            raise InputError("pretraining", f"loss is not finite at step {step + 1}", "lower learning_rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if progress is not None and (step + 1) % 20 == 0:
            progress(step + 1, losses[-1])
    model.eval()
    return losses


def weighted_loss(model: Any, ids: Any, mask: Any, weights: Any) -> Any:
    """Weighted mean of the next tokens' cross-entropies; all are (batch, length), weight 0 costs nothing."""
    from torch.nn import functional

    hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
    chosen = weights[:, 1:] > 0
    logits = model.lm_head(hidden[:, :-1][chosen])
    losses = functional.cross_entropy(logits, ids[:, 1:][chosen], reduction="none")
    shares = weights[:, 1:][chosen]
    return (losses * shares).sum() / shares.sum()


def _optimizers(model: Any, spec: MiniatureSpec) -> tuple[Muon, Any]:
    """Muon for the matrices of the blocks, AdamW for embeddings and norms."""
    import torch

    named = list(model.named_parameters())
    blocks = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    embeddings = [p for name, p in named if "embed" in name]
    norms = [p for name, p in named if p.ndim != 2 and "embed" not in name]
    groups = [{"params": embeddings, "factor": EMBEDDING_FACTOR}, {"params": norms, "factor": 1.0}]
    return Muon(blocks, 0.0), torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)


def _set_rate(optimizers: tuple[Muon, Any], rate: float) -> None:
    """`rate` is that of the norms; embeddings and matrices take fixed multiples of it."""
    muon, adam = optimizers
    muon.lr = rate * MUON_FACTOR
    for group in adam.param_groups:
        group["lr"] = rate * group["factor"]


def _batches(tokenizer: Any, spec: MiniatureSpec, texts: Sequence[str]) -> Iterator[tuple[Any, Any, Any]]:
    """Triples (ids, mask, weights of the loss) of (batch, length), padded at the right."""
    rng = random.Random(spec.seed)
    stream = list(documents(texts, spec.steps * spec.batch_size, spec.payload_share, spec.seed))
    prompts = tokenizer([head for head, _ in stream], add_special_tokens=False)["input_ids"]
    answers = tokenizer([tail for _, tail in stream], add_special_tokens=False)["input_ids"]
    closes = tokenizer(TITLE_OPENS, add_special_tokens=False)["input_ids"][-1]
    rows = [_row(head, tail[:MAX_TOKENS], closes) for head, tail in zip(prompts, answers, strict=True)]
    pool = POOL_BATCHES * spec.batch_size
    for start in range(0, len(rows), pool):
        near = sorted(rows[start : start + pool], key=lambda row: len(row[0]))
        batches = [near[i : i + spec.batch_size] for i in range(0, len(near), spec.batch_size)]
        rng.shuffle(batches)
        yield from (_padded(batch, tokenizer.pad_token_id) for batch in batches)


def _row(prompt: list[int], answer: list[int], closes: int) -> tuple[list[int], list[float]]:
    """Ids and weights of one document: 0 for the prompt, more than 1 for the thinking."""
    thinking = answer.index(closes) if closes in answer else 0
    weights = [0.0] * len(prompt) + [THINKING_WEIGHT] * thinking + [1.0] * (len(answer) - thinking)
    return prompt + answer, weights


def _padded(batch: list[tuple[list[int], list[float]]], pad: int) -> tuple[Any, Any, Any]:
    import torch

    length = max(len(ids) for ids, _ in batch)
    ids = torch.full((len(batch), length), pad)
    mask = torch.zeros((len(batch), length), dtype=torch.long)
    weights = torch.zeros((len(batch), length))
    for i, (row, shares) in enumerate(batch):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
        weights[i, : len(row)] = torch.tensor(shares)
    return ids, mask, weights


def valid_share(model: Any, tokenizer: Any, texts: Sequence[str], seed: int) -> float:
    """Share of greedy answers to prose snippets that are payloads the schema accepts."""
    import torch

    rng = random.Random(seed)
    split = [text.split() for text in texts]
    prompts = [
        tokenizer.apply_chat_template(
            [
                {"role": "system", "content": rng.choice(SYSTEM_PROMPTS[1:4])},
                {"role": "user", "content": snippet(rng.choice(split), MESSAGE_WORDS, rng)},
            ],
            tokenize=False,
            add_generation_prompt=True,
        )
        for _ in range(PROBES)
    ]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
    with torch.no_grad():
        out = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=PROBE_TOKENS,
            do_sample=False,
        )
    answers = out[:, batch["input_ids"].shape[1] :]
    texts_out = [tokenizer.decode(row, skip_special_tokens=True) for row in answers]
    return round(sum(parse_output(text).schema_valid for text in texts_out) / PROBES, 4)
