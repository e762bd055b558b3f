"""An adapter for users: merged into its base, and beside it as PEFT has it, with its card.

In: a trained adapter, its base model, its dataset's card, all_tables.csv. Out: a folder that `transformers` loads (the
merged model), its subfolder `adapter` for `peft`, and, where the hub does not have the base, `base`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.export import card
from vibegrid.files import read_csv, read_json, read_text, write_json
from vibegrid.folders import whole_folder
from vibegrid.grid.identity import Node
from vibegrid.grid.load import load_licences
from vibegrid.grid.study import Study

OURS = "mit"  # miniatures are made by this workflow


def find(study: Study, wanted: str) -> Node:
    """The adapter of `experiment:arm` (its first replicate), or of a folder or id of results.

    Raises:
        InputError: nothing is called so; the message names what is.
    """
    name, _, arm = wanted.partition(":")
    if arm:
        if name not in study.experiments:
            raise InputError(wanted, f"no experiment {name!r}", ", ".join(study.experiments))
        arms = study.adapters_of(study.experiments[name])
        if arm not in arms:
            raise InputError(wanted, f"no trained arm {arm!r} in {name}", ", ".join(arms) or "it trains nothing")
        return arms[arm][0]
    identity = Path(wanted).name
    found = {**study.nodes("adapters/sft"), **study.nodes("adapters/grpo")}
    if identity not in found:
        raise InputError(wanted, "no adapter of this study", "experiment:arm, or a folder of results/adapters")
    return found[identity]


def export(study: Study, node: Node, out: Path) -> None:
    """Write the folder `out`, whole.

    Args:
        study: the study.
        node: an adapter whose training has ended well.
        out: gets the merged model, `adapter/`, `base/` (where the hub does not have it), README.md, DATA.md, spec.json,
            system_prompt.md.

    Raises:
        InputError: the adapter or its base is not there, or its training failed.
    """
    root = study.root
    folder, base, dataset = (root / found.folder for found in (node, node.parents["model"], node.parents["dataset"]))
    for path in (folder / "status.json", base / "config.json"):
        if not path.exists():
            raise InputError(str(path.relative_to(root)), "no such file", f"make it first: snakemake {node.folder}")
    if read_json(folder / "status.json")["status"] != "ok":
        raise InputError(node.folder, "its training failed", "see its status.json")
    spec = read_json(folder / "spec.json")
    name, model = base_of(spec), study.models[base_of(spec)]
    system_prompt = read_text(root / node.sources["system_prompt"]).strip()
    facts = card.Facts(
        title=f"{node.slug} ({node.step.removeprefix('train_').upper()})",
        scale=study.run.scale,
        identity=node.id,
        base=model.repo if model.kind == "hub" else name,
        base_is_here=model.kind != "hub",
        revision=revision_of(base, model.revision) if model.kind == "hub" else "",
        licence=load_licences(root).get(name, "") if model.kind != "miniature" else OURS,
        spec=spec,
        versions=read_json(folder / "versions.json"),
        max_new_tokens=study.scale.decoding.max_new_tokens,
        rows=list(table_rows(study, node)),
    )
    with whole_folder(out) as draft:
        merge(base, folder, spec, draft)
        (draft / "adapter").mkdir()
        for part in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copy2(folder / part, draft / "adapter" / part)
        config = read_json(draft / "adapter/adapter_config.json")
        named = {"base_model_name_or_path": facts.base, "revision": facts.revision or None}
        write_json(draft / "adapter/adapter_config.json", {**config, **named})
        if facts.base_is_here:
            shutil.copytree(base, draft / "base")
        write_json(draft / "spec.json", spec)
        (draft / "system_prompt.md").write_text(f"{system_prompt}\n", encoding="utf-8")
        shutil.copy2(dataset / "card.md", draft / "DATA.md")
        (draft / "README.md").write_text(card.of_adapter(facts), encoding="utf-8")


def base_of(spec: dict[str, Any]) -> str:
    """Name of the base model of an adapter's spec; GRPO goes on from SFT's."""
    return str(spec.get("sft", spec)["base_model"])


def revision_of(base: Path, revision: str) -> str:
    """The commit that was fetched to a folder, or the revision where the folder is older than this record."""
    return str(read_json(base / "model_card.json").get("commit", revision))


def merge(base: Path, adapter: Path, spec: dict[str, Any], out: Path) -> None:
    """Write the base with the adapter's weights added (safetensors) and its tokenizer; it stops where ours stops."""
    from vibegrid.training import chat, engine

    model, tokenizer = engine.load(base, engine="transformers", dtype=spec["dtype"], max_length=1)
    stops = chat.stop_ids(tokenizer, model)
    merged = engine.load_adapter(model, adapter, trainable=False).merge_and_unload()
    merged.generation_config.eos_token_id = stops
    merged.generation_config.pad_token_id = tokenizer.pad_token_id
    merged.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)


def table_rows(study: Study, node: Node) -> Iterator[dict[str, str]]:
    """Rows of all_tables.csv about arms that are this adapter, of all prompts of a set, the confirmatory ones first."""
    table = study.root / study.scale.results / "all_tables.csv"
    if not table.is_file():
        return
    arms = {
        (name, arm)
        for name, experiment in study.experiments.items()
        for arm, adapters in study.adapters_of(experiment).items()
        if node.id in {adapter.id for adapter in adapters}
    }
    rows = [row for row in read_csv(table) if (row["experiment"], row["arm"]) in arms and row["subset"] == "all"]
    shown = [row for row in rows if row["primary"] == "confirmatory" or row["metric"] in card.METRICS]
    yield from sorted(shown, key=lambda row: (row["primary"] != "confirmatory", row["eval_set"], row["metric"]))
