"""Batched generation against transformers' own, and outputs held to a schema by a grammar."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vibegrid.decoding.schema import payload_schema
from vibegrid.llm.composer import respond
from vibegrid.payloads import parse_output
from vibegrid.texts.markers import marked

WORDS = "slow dark rain over the harbour and a bright noon market with red kites"
VIBES = ["slow dark rain", "noon", "a bright market with kites over the harbour", "red"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A byte-level BPE of a few words, with the special tokens of a chat."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend: Any = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<pad>", "<end>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    backend.train_from_iterator([*(composed(vibe) for vibe in VIBES), WORDS], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<end>")


def composed(vibe: str) -> str:
    """A payload that the embedded teacher writes."""
    return respond([{"role": "user", "content": marked("vibe", vibe)}], 0.0, 0)


def model_of(architecture: str, vocab_size: int) -> Any:
    """Random weights, wide enough apart that rounding decides no choice."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.6,
        **(
            {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
            if "gemma" in architecture
            else {}
        ),
    )
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module")
def llama(tokenizer: Any) -> Any:
    return model_of("llama", len(tokenizer) + 5)  # logits may be wider than the vocabulary


def writer_of(model: Any, tokenizer: Any) -> Any:
    from vibegrid.decoding.batches import Writer

    return Writer(model, tokenizer, [tokenizer.eos_token_id])


def asked(tokenizer: Any, vibes: list[str], **settings: Any) -> list[Any]:
    from vibegrid.decoding.batches import Asked

    return [Asked(ids=tokenizer(vibe)["input_ids"], **{"max_new_tokens": 24, **settings}) for vibe in vibes]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3_text"])
def test_greedy_answers_are_those_of_transformers(architecture: str, tokenizer: Any) -> None:
    import torch

    model = model_of(architecture, len(tokenizer))
    rows = asked(tokenizer, VIBES)
    found = writer_of(model, tokenizer).write(rows, batch_size=len(rows))
    for row, answer in zip(rows, found, strict=True):
        ids = torch.tensor([row.ids])
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=24,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        expected = out[0, len(row.ids) :].tolist()
        assert answer == (expected[:-1] if expected[-1] == tokenizer.eos_token_id else expected)
    assert len({tuple(answer) for answer in found}) > 1


def test_an_answer_is_given_with_what_ended_it_where_that_is_asked(llama: Any, tokenizer: Any) -> None:
    writer = writer_of(llama, tokenizer)
    rows = asked(tokenizer, VIBES * 20, temperature=3.0, max_new_tokens=400)
    rows = [replace(row, seed=seed) for seed, row in enumerate(rows)]
    bare, whole = writer.write(rows, batch_size=len(rows)), writer.write(rows, batch_size=7, keep_stop=True)
    ended = [answer[-1:] == [tokenizer.eos_token_id] for answer in whole]
    assert any(ended) and not all(ended)
    for row, short, long, stopped in zip(rows, bare, whole, ended, strict=True):
        assert long == short + [tokenizer.eos_token_id] * stopped
        assert stopped or len(long) == row.max_new_tokens


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (0, 0.8), (6, 1.0), (12, 0.7), (5000, 0.5)])
def test_tokens_are_drawn_as_the_warpers_of_transformers_have_it(
    top_k: int, top_p: float, llama: Any, tokenizer: Any
) -> None:
    import torch
    from scipy.stats import chisquare
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    rows = asked(tokenizer, VIBES[:1] * 3000, temperature=1.4, top_k=top_k, top_p=top_p, max_new_tokens=1)
    rows = [replace(row, seed=seed) for seed, row in enumerate(rows)]
    drawn = [answer[0] for answer in writer_of(llama, tokenizer).write(rows, batch_size=500, keep_stop=True)]

    ids = torch.tensor([rows[0].ids])
    warpers = [TemperatureLogitsWarper(1.4), *([TopKLogitsWarper(top_k)] if top_k else []), TopPLogitsWarper(top_p)]
    with torch.inference_mode():
        shares = LogitsProcessorList(warpers)(ids, llama(ids).logits[:, -1]).softmax(-1)[0].double()
    expected = shares / shares.sum() * len(drawn)
    counts = torch.bincount(torch.tensor(drawn), minlength=len(shares)).double()
    assert counts[expected == 0].sum() == 0
    often = expected >= 5
    found = [*counts[often].tolist(), float(counts[~often].sum())]
    wanted = [*expected[often].tolist(), float(expected[~often].sum())]
    pairs = [(f, w) for f, w in zip(found, wanted, strict=True) if w > 0]
    assert len(pairs) > 1
    assert chisquare([f for f, _ in pairs], [w for _, w in pairs]).pvalue > 0.001


def test_answers_do_not_depend_on_the_batch(llama: Any, tokenizer: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "yy", "zzz"]}, "b": {"type": "boolean"}}}
    schema |= {"required": ["a", "b"], "additionalProperties": False}
    mixed = [
        *asked(tokenizer, VIBES[:2]),
        *asked(tokenizer, VIBES, temperature=1.0, top_p=0.9, seed=3),
        *asked(tokenizer, VIBES[2:], schema=schema),
        *asked(tokenizer, VIBES, temperature=1.5, seed=4, schema=schema, max_new_tokens=40),
    ]
    alone = writer_of(llama, tokenizer).write(mixed, batch_size=1)
    for size in (3, len(mixed)):
        assert writer_of(llama, tokenizer).write(mixed, batch_size=size) == alone
    for answer in alone[6:]:
        read = json.loads(tokenizer.decode(answer))
        assert read["a"] in ("x", "yy", "zzz") and isinstance(read["b"], bool)
    other_seed = writer_of(llama, tokenizer).write(asked(tokenizer, VIBES, temperature=1.0, seed=5), batch_size=4)
    assert other_seed != alone[2:6]


def test_a_model_that_knows_nothing_writes_valid_payloads_if_constrained(llama: Any, tokenizer: Any) -> None:
    def written(**settings: Any) -> str:
        rows = asked(tokenizer, VIBES[:1], temperature=1.0, **settings)
        return tokenizer.decode(writer_of(llama, tokenizer).write(rows, batch_size=1)[0])

    assert not parse_output(written(max_new_tokens=50)).json_valid
    found = parse_output(written(max_new_tokens=1500, schema=payload_schema()))
    assert found.schema_valid and found.palette_valid


def accepts(grammars: Any, tokenizer: Any, text: str) -> bool:
    matcher = grammars.matcher(payload_schema())
    tokens = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    return all(matcher.accept_token(token) for token in tokens) and matcher.is_terminated()


def test_the_grammar_takes_what_the_teacher_writes_and_nothing_invalid(tokenizer: Any) -> None:
    from vibegrid.decoding.grammar import Grammars

    grammars = Grammars(tokenizer, len(tokenizer), [tokenizer.eos_token_id])
    for vibe in VIBES:
        assert accepts(grammars, tokenizer, composed(vibe))
    good = json.loads(composed("slow dark rain"))

    def changed(**values: Any) -> str:
        return json.dumps({**good, **values}, separators=(",", ":"))

    assert accepts(grammars, tokenizer, changed(title="Six short words of a title"))
    for broken in (
        changed(title="seven words are one more than allowed"),
        changed(title="x" * 61),
        changed(title=""),
        changed(thinking="x" * 1000),
        changed(config={**good["config"], "tempo": "brisk"}),
        changed(palettes=good["palettes"][:2]),
        json.dumps(good),  # white space
        composed("noon")[:-1],
    ):
        assert not accepts(grammars, tokenizer, broken)


@pytest.fixture
def folder(llama: Any, tokenizer: Any, tmp_path: Path) -> Path:
    """The model as a folder, with a chat template."""
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    llama.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_local_model_answers_calls_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from vibegrid.llm import local, local_model
    from vibegrid.llm.providers import litellm

    sizes: list[int] = []
    write = local_model.write
    monkeypatch.setattr(local_model, "write", lambda where, chats: (sizes.append(len(chats)), write(where, chats))[1])
    monkeypatch.setattr(local, "BATCH", 3)
    library = litellm()

    async def call(vibe: str, **params: Any) -> Any:
        chat = [{"role": "user", "content": vibe}]
        settings = {"temperature": 0.0, "max_tokens": 9, "max_retries": 0, **params}
        return await library.acompletion(model="local/tiny", messages=chat, **settings)

    async def all_of(calls: list[Any]) -> list[Any]:
        return await asyncio.gather(*calls, return_exceptions=True)

    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": ["aa", "bb"]}}}
    calls = [call(vibe, api_base=str(folder)) for vibe in VIBES]
    calls.append(call("noon", api_base=str(folder), response_format=form))
    found = asyncio.run(all_of(calls))
    assert sizes == [3, 2]
    texts = [response.choices[0].message.content for response in found]
    assert texts[-1] in ('"aa"', '"bb"') and found[-1].choices[0].finish_reason == "stop"
    assert found[0].usage.completion_tokens == 9 and found[0].choices[0].finish_reason == "length"
    again = asyncio.run(all_of([call(VIBES[0], api_base=str(folder))]))
    assert again[0].choices[0].message.content == texts[0]
    wrong = [call("x"), call("x", api_base=str(folder), response_format={"type": "json_object"})]
    for error, words in zip(asyncio.run(all_of(wrong)), ("folder is not given", "no schema"), strict=True):
        assert isinstance(error, library.exceptions.BadRequestError) and words in str(error)


@pytest.mark.parametrize("masked", [False, True])
def test_heads_that_share_a_key_head_read_it_where_it_lies(masked: bool) -> None:
    """Against transformers' own `sdpa`, which repeats keys and values."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    from vibegrid.training.attention import attend

    class Layer(torch.nn.Module):
        num_key_value_groups, is_causal = 3, True

    draw = torch.Generator().manual_seed(0)
    query = torch.randn(2, 6, 1, 8, generator=draw)
    key, value = (torch.randn(2, 2, 5, 8, generator=draw) for _ in range(2))
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]).bool()[:, None, None] if masked else None
    with torch.inference_mode():
        found, _ = attend(Layer(), query, key, value, mask, scaling=0.3)
        expected, _ = sdpa_attention_forward(Layer(), query, key, value, mask, scaling=0.3)
    assert torch.allclose(found, expected, atol=1e-6) and found.shape == expected.shape == (2, 1, 6, 8)
