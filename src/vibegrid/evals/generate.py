"""Outputs of one system on its eval sets: prompts in, raw outputs out; the scoring step reads them."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibegrid.evals.parts import PARTS, gather
from vibegrid.files import read_json, read_jsonl, read_text, write_json, write_jsonl
from vibegrid.folders import whole_folder
from vibegrid.specs.systems import SystemSpec

OUTPUTS = "generations.jsonl"


def generate(
    spec: Mapping[str, Any],
    *,
    prompts: Mapping[str, Path],
    files: Mapping[str, Path | None],
    store: Path,
    out: Path,
) -> None:
    """Write ``generations.jsonl`` (eval_set, id, prompt, raw_output) and ``parts.json`` to the folder ``out``.

    Args:
        spec: ``system`` (a SystemSpec), ``module`` (of the registry, that answers for it), ``parts`` (eval set to
            identity) and, for an LLM, ``salt`` (part of its responses' identity).
        prompts: eval set to its prompts.jsonl.
        files: ``model``, ``adapter``, ``dataset``, ``scorer`` (folders) and ``system_prompt`` (file), or None.
        store: the store of LLM responses, for a system that is one.
        out: the folder; its siblings are searched for parts that exist.
    """
    system = SystemSpec.model_validate(spec["system"])
    status = adapter_status(files.get("adapter"))
    manifest: dict[str, Any] = {"parts": dict(spec["parts"]), "run": status, "system": spec["system"]}

    def compute(names: list[str]) -> list[dict[str, Any]]:
        if status["status"] == "failed":
            return []
        rows = [{"eval_set": name, **row} for name in names for row in read_jsonl(prompts[name], ("id", "prompt"))]
        vibes = [row["prompt"] for row in rows]
        if system.kind == "llm":
            outputs, manifest["llm"] = ask(
                system, spec, vibes, files.get("model"), _needed(files, "system_prompt"), store
            )
        else:
            outputs = answer(system, spec["module"], vibes, files)
        return [
            {"eval_set": row["eval_set"], "id": row["id"], "prompt": row["prompt"], "raw_output": output}
            for row, output in zip(rows, outputs, strict=True)
        ]

    rows = gather(out.parent, spec["parts"], lambda folder: read_rows(folder / OUTPUTS), compute)
    with whole_folder(out) as draft:
        write_jsonl(draft / OUTPUTS, rows)
        write_json(draft / PARTS, manifest)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of generations.jsonl; none for a system that could not be trained."""
    return read_jsonl(path, ("eval_set", "id", "prompt", "raw_output")) if path.stat().st_size else []


def adapter_status(adapter: Path | None) -> dict[str, Any]:
    """status.json of the adapter; ``ok`` for a system without one."""
    return {"status": "ok"} if adapter is None else read_json(adapter / "status.json")


def answer(system: SystemSpec, module: str, prompts: list[str], files: Mapping[str, Path | None]) -> list[str]:
    """Raw outputs of a system, in the order of the prompts."""
    program = importlib.import_module(module)
    if system.kind in ("base", "sft", "grpo"):
        return program.generate(
            prompts,
            model=files["model"],
            adapter=files.get("adapter"),
            system_prompt=read_text(_needed(files, "system_prompt")).strip(),
            decoding=system.decoding,
            dtype=system.dtype,
        )
    if system.kind in ("retrieval", "sound_retrieval"):
        rows = read_jsonl(_needed(files, "dataset") / "SFT-Train.jsonl", ("vibe_original", "config_payload"))
        payloads = [row["config_payload"] for row in rows]
        if system.kind == "sound_retrieval":
            return program.generate(prompts, scorer=_needed(files, "scorer"), bank_payloads=payloads)
        return program.generate(
            prompts,
            seed=0,
            bank_vibes=[row["vibe_original"] for row in rows],
            bank_payloads=payloads,
        )
    return program.generate(prompts, seed=system.seed or 0)


def ask(
    system: SystemSpec, spec: Mapping[str, Any], prompts: list[str], model: Path | None, prompt: Path, store: Path
) -> tuple[list[str], dict[str, Any]]:
    """Raw outputs of an LLM, and the report of asking it: calls, tokens, dollars."""
    program = importlib.import_module(spec["module"])
    return program.generate(
        prompts,
        model=system.model,
        prompt=prompt,
        decoding=system.decoding,
        folder=model,
        store=store,
        salt=spec["salt"],
    )


def _needed(files: Mapping[str, Path | None], role: str) -> Path:
    path = files.get(role)
    assert path is not None, f"the rule passes no {role}"
    return path
