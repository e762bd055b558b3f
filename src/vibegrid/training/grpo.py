"""GRPO (Shao et al. 2024): several payloads a vibe, and those better than their group's mean become likelier.

It goes on from an SFT adapter: the same LoRA weights are trained further (model, system prompt and shape of
the LoRA are those of `spec.sft`), and a frozen copy of them is the reference of the KL term. Departures from
the paper: the loss is TRL's default `dapo` (normalised by all tokens of a batch), there is one update per
generation, and so no clipping ever acts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import read_jsonl
from vibegrid.payloads import parse_output
from vibegrid.rewards import formula
from vibegrid.scorers.calibrated import CalibratedScorer
from vibegrid.scorers.calibrated import load as load_scorer
from vibegrid.sound.takes import Studio
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.reward import RewardSpec
from vibegrid.training import chat, engine, lifecycle


def train(
    spec: GRPOSpec,
    *,
    model: Path,
    sft_adapter: Path,
    dataset: Path,
    system_prompt: str,
    scorer: Path | None = None,
    out: Path,
    work: Path,
) -> dict[str, Any]:
    """Train one adapter; an interrupted call goes on from its last checkpoint in `work`.

    Args:
        spec: the resolved spec.
        model: folder of the base model.
        sft_adapter: folder of the SFT adapter it starts from.
        dataset: folder of the variant, with `GRPO.jsonl`: `vibe_noisy` is the prompt, `vibe_original` what audio is
            scored against.
        system_prompt: text of the system prompt.
        scorer: folder of the calibrated audio scorer, where the reward has one.
        out: the adapter's folder; it appears whole.
        work: folder for checkpoints, of this spec alone.

    Returns:
        The object of `status.json`.
    """
    engine.check_machine(spec)
    engine.slim_imports()
    work.mkdir(parents=True, exist_ok=True)
    rows = read_jsonl(dataset / "GRPO.jsonl", required=("vibe_noisy", "vibe_original"))
    rewards_of = reward_function(spec.reward, load_scorer(scorer) if scorer else None)
    trainer, watch = _trainer(spec, model, sft_adapter, rows, system_prompt, rewards_of, work)
    failure = None
    try:
        lifecycle.fit(trainer, watch, work)
    except lifecycle.TrainingFailed as error:
        failure = str(error)
    facts: dict[str, Any] = {
        "n_rows": len(rows),
        "n_dropped": 0,
        "steps": trainer.state.global_step,
        "tokens": int(trainer.state.num_input_tokens_seen),
    }
    history = trainer.state.log_history
    rewards = [float(row["reward"]) for row in lifecycle.metrics_of(history) if row.get("reward") is not None]
    facts |= slope(rewards)
    return lifecycle.finish(
        out,
        work,
        spec=spec,
        base_model=spec.sft.base_model,
        facts=facts,
        history=history,
        model=trainer.model,
        failure=failure,
    )


def slope(rewards: Sequence[float]) -> dict[str, float]:
    """Least-squares slope of the training reward, per step, and its standard error; nothing for under three steps."""
    if len(rewards) < 3:
        return {}
    import numpy as np

    steps = np.arange(len(rewards)) - (len(rewards) - 1) / 2
    values = np.asarray(rewards) - np.mean(rewards)
    spread = float(steps @ steps)
    rise = float(steps @ values) / spread
    left = values - rise * steps
    error = (float(left @ left) / (len(rewards) - 2) / spread) ** 0.5
    return {"reward_slope": rise, "reward_slope_se": error}


def _trainer(
    spec: GRPOSpec,
    model: Path,
    sft_adapter: Path,
    rows: list[dict[str, Any]],
    system_prompt: str,
    rewards_of: Callable[..., list[float]],
    work: Path,
) -> tuple[Any, Any]:
    engine.check_adapter(sft_adapter)
    length = spec.sft.max_seq_length + spec.max_completion_length
    loaded, tokenizer = engine.load(model, engine=spec.engine, dtype=spec.dtype, max_length=length)
    tokenizer.padding_side = "left"
    stops = loaded.generation_config.eos_token_id = chat.stop_ids(tokenizer, loaded)
    loaded = engine.load_adapter(loaded, sft_adapter, trainable=True)
    import torch
    from datasets import Dataset
    from trl import GRPOConfig

    arguments = GRPOConfig(
        **lifecycle.common_arguments(spec, work),
        beta=spec.beta,
        num_generations=spec.num_generations,
        scale_rewards=spec.scale_rewards,
        max_completion_length=spec.max_completion_length,
        temperature=spec.temperature,
        top_p=spec.top_p,
        top_k=spec.top_k,
        chat_template_kwargs=chat.TEMPLATE_OPTIONS,
    )
    # One step takes this many different prompts; TRL leaves out a last, smaller group of them.
    needed = spec.batch_size * spec.grad_accum // spec.num_generations
    repeated = rows * -(-needed // len(rows))
    watch = lifecycle.callback(spec)
    trainer = _trainer_class()(
        model=loaded,
        reward_funcs=[rewards_of],
        args=arguments,
        train_dataset=Dataset.from_list(
            [
                {"prompt": chat.messages(system_prompt, row["vibe_noisy"]), "vibe": row["vibe_original"]}
                for row in repeated
            ]
        ),
        processing_class=tokenizer,
        callbacks=[watch],
        rollout_func=None if torch.cuda.is_available() else _rollouts(spec, tokenizer, stops),
    )
    return trainer, watch


def _rollouts(spec: GRPOSpec, tokenizer: Any, stops: Sequence[int]) -> Callable[..., dict[str, Any]]:
    """Completions as TRL's `rollout_func` has them, by the study's own writer.

    On a CPU `model.generate` makes a miniature's whole training take 17 % longer: it goes on with rows that have ended,
    and sorts the whole vocabulary where `top_k` has left 64 tokens. Tokens are drawn from the same distribution. Each
    completion has a seed of its own, from torch's generator, which a checkpoint holds.
    """
    import torch
    from trl.models import unwrap_model_for_generation

    from vibegrid.decoding.batches import Asked, Writer

    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # TRL is pinned

    def rollouts(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        ids = [chat.encode_conversation(tokenizer, prompt) for prompt in prompts]
        seeds = torch.randint(2**62, (len(ids),)).tolist()
        asked = [
            Asked(
                row,
                spec.max_completion_length,
                temperature=spec.temperature,
                top_p=spec.top_p,
                top_k=spec.top_k,
                seed=seed,
            )
            for row, seed in zip(ids, seeds, strict=True)
        ]
        with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model:
            written = Writer(model, tokenizer, stops).write(asked, batch_size=len(asked), keep_stop=True)
        return {"prompt_ids": ids, "completion_ids": written, "logprobs": None}

    return rollouts


def _trainer_class() -> Any:
    from trl import GRPOTrainer

    class ResumableGRPOTrainer(GRPOTrainer):
        """Resumes the trained adapter too.

        Where a checkpoint holds a second adapter (the frozen `ref`), transformers 4.57.6 loads what lies in
        the subfolders and leaves out the trained `default` at the checkpoint's root.
        """

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            adapted: Any = self.model
            adapted.load_adapter(resume_from_checkpoint, "default", is_trainable=True)
            adapted.set_adapter("default")

    return ResumableGRPOTrainer


def reward_function(weights: RewardSpec, scorer: CalibratedScorer | None) -> Callable[..., list[float]]:
    """The reward as TRL calls it: conversations and their vibes -> rewards; each component's mean is logged.

    A batch's configs are rendered and scored together; a (vibe, config) that came before is not scored again.
    """
    if weights.audio > 0 and scorer is None:
        raise InputError("reward.audio", f"has weight {weights.audio:g} and no scorer", "name an audio_scorer")
    studio = Studio(scorer.seconds) if scorer else None

    def reward(completions: list[Any], vibe: list[str], log_metric: Any = None, **_: Any) -> list[float]:
        parsed = [parse_output(completion[0]["content"]) for completion in completions]
        audio: list[float | None] = [None] * len(parsed)
        if scorer is not None and studio is not None and weights.audio > 0:
            audio = [*scorer.audio_scores(vibe, parsed, studio)]
        parts = [formula.reward(output, weights, found) for output, found in zip(parsed, audio, strict=True)]
        if log_metric is not None:
            for name in ("format", "schema", "audio", "duplicates"):
                for part in parts:
                    log_metric(f"reward_{name}", part[name])
            if scorer is not None:
                log_metric("unanswered", float(scorer.failures))
        return [part["reward"] for part in parts]

    return reward
