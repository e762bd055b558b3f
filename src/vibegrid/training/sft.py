"""Supervised fine-tuning: the model learns to write the teacher's payload for a vibe.

By the book (Ouyang et al. 2022, first stage) with LoRA, and loss on the payload's tokens only: half of a long
vibe's tokens are its own words, and a model trained on these learns to write vibes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vibegrid.files import read_jsonl
from vibegrid.payloads import dumps
from vibegrid.specs.sft import SFTSpec
from vibegrid.training import chat, engine, lifecycle

FIELDS = ("vibe_noisy", "config_payload")


def train(spec: SFTSpec, *, model: Path, dataset: Path, system_prompt: str, out: Path, work: Path) -> dict[str, Any]:
    """Train one adapter; an interrupted call goes on from its last checkpoint in `work`.

    Args:
        spec: the resolved spec.
        model: folder of the base model.
        dataset: folder of the variant, with `SFT-Train.jsonl` and `SFT-Val.jsonl`.
        system_prompt: text of the system prompt.
        out: the adapter's folder; it appears whole.
        work: folder for checkpoints, of this spec alone.

    Returns:
        The object of `status.json`: `status`, `reason`, `n_rows`, `n_dropped`, `steps`, `tokens`.
    """
    engine.check_machine(spec)
    engine.slim_imports()
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = engine.load_tokenizer(model)
    limit = spec.max_seq_length
    rows = read_jsonl(dataset / "SFT-Train.jsonl", required=FIELDS)
    train_rows = _examples(tokenizer, rows, system_prompt, limit)
    val_rows = _validation(tokenizer, dataset / "SFT-Val.jsonl", system_prompt, limit)
    facts = {"n_rows": len(train_rows), "n_dropped": len(rows) - len(train_rows), "steps": 0, "tokens": 0}
    if not train_rows:
        reason = f"none of {len(rows)} rows has at most {limit} tokens"
        return lifecycle.finish(out, work, spec=spec, base_model=spec.base_model, facts=facts, failure=reason)
    trainer, watch = _trainer(spec, model, tokenizer, train_rows, val_rows, work)
    failure = None
    try:
        lifecycle.fit(trainer, watch, work)
        if val_rows:
            trainer.evaluate()
    except lifecycle.TrainingFailed as error:
        failure = str(error)
    facts |= {"steps": trainer.state.global_step, "tokens": int(trainer.state.num_input_tokens_seen)}
    history = trainer.state.log_history
    return lifecycle.finish(
        out,
        work,
        spec=spec,
        base_model=spec.base_model,
        facts=facts,
        history=history,
        model=trainer.model,
        failure=failure,
    )


def _trainer(
    spec: SFTSpec, model: Path, tokenizer: Any, train_rows: list[Any], val_rows: list[Any], work: Path
) -> tuple[Any, Any]:
    loaded, _ = engine.load(model, engine=spec.engine, dtype=spec.dtype, max_length=spec.max_seq_length)
    if not hasattr(loaded, loaded.base_model_prefix):
        loaded.base_model_prefix = "model"  # Gemma 3's names a part of its multimodal form; TRL's loss asks for it
    loaded = engine.add_lora(loaded, spec.lora, engine=spec.engine, seed=spec.seed)
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(
        **lifecycle.common_arguments(spec, work),
        max_length=None,  # rows over the limit are dropped above, none is cut
        packing=False,
        include_num_input_tokens_seen="non_padding",
        per_device_eval_batch_size=spec.batch_size,
    )
    watch = lifecycle.callback(spec)
    trainer = SFTTrainer(
        model=loaded,
        args=arguments,
        train_dataset=Dataset.from_list(train_rows),
        eval_dataset=Dataset.from_list(val_rows) if val_rows else None,
        processing_class=tokenizer,
        callbacks=[watch],
    )
    return trainer, watch


def _examples(tokenizer: Any, rows: list[dict[str, Any]], system_prompt: str, limit: int) -> list[dict[str, list[int]]]:
    """Token ids and labels (-100 on the prompt) of the rows that have at most `limit` tokens."""
    found = []
    for row in rows:
        prompt = chat.encode_prompt(tokenizer, system_prompt, row["vibe_noisy"])
        answer = chat.encode_completion(tokenizer, dumps(row["config_payload"]))
        if len(prompt) + len(answer) <= limit:
            found.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return found


def _validation(tokenizer: Any, path: Path, system_prompt: str, limit: int) -> list[dict[str, list[int]]]:
    """Rows of the validation split; a variant of one row may have none."""
    if not path.is_file() or path.stat().st_size == 0:
        return []
    return _examples(tokenizer, read_jsonl(path, required=FIELDS), system_prompt, limit)
