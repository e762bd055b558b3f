"""What every training does: checkpoints, resuming, metrics, and a folder that appears whole.

Checkpoints lie in the work folder, which outlives a killed job. The final folder holds
`adapter_model.safetensors`, `adapter_config.json`, `spec.json`, `metrics.csv`, `versions.json` and
`status.json`, always all six.
"""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from vibegrid.files import read_json, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.specs.training import TrainingSpec

log = logging.getLogger(__name__)

WEIGHTS = "adapter_model.safetensors"
LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "tokenizers",
    "unsloth",
    "bitsandbytes",
)
# mostly readings of the clock
_LEFT_OUT = re.compile(r"time|per_second|runtime|flos|^eval_num_tokens$|^epoch$")
_RENAMED = {"num_input_tokens_seen": "tokens", "num_tokens": "tokens", "eval_loss": "val_loss"}
SCHEDULERS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class TrainingFailed(Exception):
    """A training that cannot succeed by its own nature; the message is the reason in `status.json`."""


def common_arguments(spec: TrainingSpec, work: Path) -> dict[str, Any]:
    """The arguments of TRL's configs that SFT and GRPO share. Nothing is uploaded or reported anywhere."""
    import torch

    return {
        "output_dir": str(work),
        "per_device_train_batch_size": spec.batch_size,
        "gradient_accumulation_steps": spec.grad_accum,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": SCHEDULERS[spec.scheduler],
        "warmup_ratio": spec.warmup_ratio,
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.max_grad_norm,
        "optim": spec.optim,
        "bf16": spec.dtype == "bfloat16",
        "seed": spec.seed,
        "data_seed": spec.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",  # the callback saves
        "report_to": "none",
        "push_to_hub": False,
        "disable_tqdm": True,
        # saves memory where memory is short, and changes no result
        "gradient_checkpointing": torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
    } | _budget(spec)


def _budget(spec: TrainingSpec) -> dict[str, Any]:
    if spec.budget.unit == "epochs":
        return {"num_train_epochs": spec.budget.value}
    return {"max_steps": int(spec.budget.value)}


def callback(spec: TrainingSpec) -> Any:
    """A trainer callback: evenly spaced checkpoints, and a stop where a loss is no number."""
    from transformers import TrainerCallback

    class Lifecycle(TrainerCallback):
        """Holds the reason of a failure in `failure`."""

        failure: str | None = None

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step in checkpoint_steps(state.max_steps, spec.checkpoints):
                control.should_save = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            shown = {name: logs[name] for name in ("loss", "eval_loss", "reward") if name in (logs or {})}
            if shown:
                log.info("step %d of %d: %s", state.global_step, state.max_steps, shown)
            for name in ("loss", "grad_norm"):
                value = (logs or {}).get(name)
                if value is not None and not math.isfinite(value):
                    self.failure = self.failure or f"{name} is {value} at step {state.global_step}"
                    control.should_training_stop = True
                    control.should_save = False

    return Lifecycle()


def checkpoint_steps(total: int, count: int) -> list[int]:
    """Steps after which to save: `count` of them evenly within `total`, never the last: that is the result."""
    return sorted({round(total * i / (count + 1)) for i in range(1, count + 1)} - {0, total})


def last_checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint of a work folder; a truncated one is skipped and said so."""
    found = [path for path in work.glob("checkpoint-*") if path.name.partition("-")[2].isdigit()]
    for path in sorted(found, key=lambda p: int(p.name.partition("-")[2]), reverse=True):
        reason = _incomplete(path)
        if reason is None:
            return path
        log.warning("%s is skipped: %s", path, reason)
    return None


def _incomplete(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be used, or None. Reads each file whole: a write may have been cut short."""
    import torch
    from safetensors.torch import load_file

    try:
        load_file(checkpoint / WEIGHTS)
        for name in ("optimizer.pt", "scheduler.pt"):
            torch.load(checkpoint / name, weights_only=True, map_location="cpu")
        if (checkpoint / "rng_state.pth").stat().st_size == 0:
            return "rng_state.pth is empty"
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except Exception as error:  # each library has its own exception for a broken file
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return None


def fit(trainer: Any, watch: Any, work: Path) -> None:
    """Train, from the last complete checkpoint where there is one.

    Raises:
        TrainingFailed: a loss or gradient was no number.
    """
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # the log says it
    checkpoint = last_checkpoint(work)
    if checkpoint is not None:
        log.info("resuming from %s", checkpoint.name)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if watch.failure:
        raise TrainingFailed(watch.failure)


def metrics_of(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a step from a trainer's `log_history`; readings of the clock are left out."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in history:
        if "train_loss" in entry:  # the trainer's summary
            continue
        row = rows.setdefault(entry["step"], {"step": entry["step"]})
        for name, value in entry.items():
            if name == "num_tokens" and "num_input_tokens_seen" in entry:
                continue  # SFTTrainer's own count starts anew when a training resumes
            if not _LEFT_OUT.search(name):
                row[_RENAMED.get(name, name)] = value
    return [rows[step] for step in sorted(rows)]


def versions() -> dict[str, str]:
    """Installed versions of the libraries that a training runs on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            log.debug("%s is not installed", name)
    return found


def finish(
    out: Path,
    work: Path,
    *,
    spec: TrainingSpec,
    base_model: str,
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] = (),
    model: Any = None,
    failure: str | None = None,
) -> dict[str, Any]:
    """Write the adapter's folder, whole, and remove the work folder. Returns `status.json`'s object.

    Args:
        out: the final folder.
        work: the work folder.
        spec: the resolved spec, written as `spec.json`.
        base_model: the model's name, for `adapter_config.json`.
        facts: counts for `status.json` (`n_rows`, `n_dropped`, `steps`, `tokens`).
        history: the trainer's `log_history`.
        model: the trained PEFT model; not needed for a failure.
        failure: the reason, for a training that failed by its nature.
    """
    status = {"status": "failed" if failure else "ok", "reason": failure, **facts}
    rows = metrics_of(history)
    columns = ["step", *sorted({name for row in rows for name in row} - {"step"})]
    with whole_folder(out) as folder:
        if failure:
            log.warning("training failed: %s", failure)
            (folder / WEIGHTS).touch()
            write_json(folder / "adapter_config.json", {})
        else:
            _save_adapter(model, folder, base_model)
        write_json(folder / "spec.json", spec.model_dump(mode="json", by_alias=True))
        write_csv(folder / "metrics.csv", rows, columns)
        write_json(folder / "versions.json", versions())
        write_json(folder / "status.json", status)
    shutil.rmtree(work, ignore_errors=True)
    return status


def _save_adapter(model: Any, folder: Path, base_model: str) -> None:
    """Weights and config of the `default` adapter; the config names the base model and no path."""
    model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = read_json(folder / "adapter_config.json")
    config["base_model_name_or_path"] = base_model
    config["target_modules"] = sorted(config["target_modules"])  # a set: its order differs from run to run
    write_json(folder / "adapter_config.json", config)
