"""Where a step computes: in its own process, or on Modal. No identity knows of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from typing import Any

from vibegrid import gpus
from vibegrid.grid.identity import Node, safe
from vibegrid.grid.load import load_remote
from vibegrid.grid.study import Study
from vibegrid.specs.remote import RemoteSpec

STEPS = ("train_sft", "train_grpo", "generate", "score")  # those that can go to Modal
LAION = "vibegrid.scorers.laion_clap"
LAION_FILES = ".cache/laion_clap"  # its checkpoints and tokenizer, fetched once on this machine
WORK = ".cache/work"


class Compute:
    """Places of a study's steps.

    Args:
        study: the study.

    Raises:
        InputError: a `remote:` of config/models.yaml is wrong.
    """

    def __init__(self, study: Study) -> None:
        self.scale = study.scale
        self._machines = {safe(name): spec for name, spec in load_remote(study.root, study.scale).items()}

    def is_remote(self, node: Node) -> bool:
        """Whether a node is made on Modal: trainings, outputs of language models, what hears with LAION-CLAP."""
        return self.scale.compute == "modal" and wants_gpu(node)

    def takes_gpu(self, node: Node) -> bool:
        """Whether a node's job holds a GPU: on Modal, or one of this machine's that its torch can use."""
        if self.scale.compute == "modal" or not wants_gpu(node):
            return wants_gpu(node)
        return (runs_model(node) and gpus.usable()) or (hears_with_laion(node) and gpus.usable(clap_python()))

    def machine(self, node: Node) -> RemoteSpec:
        """The machine on Modal for a node: its model's, or the scale's where it is about none."""
        return self._machines.get(model_name(node) or "", self.scale.remote)

    def secrets(self) -> list[str]:
        """Names of all Modal secrets that are configured."""
        specs = (self.scale.remote, *self._machines.values())
        return sorted({name for spec in specs for name in spec.secrets})

    def command(self, node: Node) -> str:
        """What a rule puts before its script: `python`, or the program that runs the script on Modal."""
        if not self.is_remote(node):
            return "python"
        return f"python -m vibegrid.remote.run --call {shlex.quote(json.dumps(self.call(node), sort_keys=True))}"

    def call(self, node: Node) -> dict[str, Any]:
        """What that program needs besides the script's own arguments, as plain JSON.

        `inputs` are packed with the call; `weights` are kept in a volume, since many calls read them.
        """
        weights = {parent.folder for role, parent in node.parents.items() if role == "model"}
        inputs = {parent.folder for role, parent in node.parents.items() if role != "model"}
        if hears_with_laion(node):
            weights.add(LAION_FILES)
        return {
            "step": node.step,
            "out": node.folder,
            "work": f"{WORK}/{node.kind}/{node.id}",
            "inputs": sorted(inputs | set(node.sources.values())),
            "weights": sorted(weights),
            "machine": self.machine(node).model_dump(mode="json"),
        }


def wants_gpu(node: Node) -> bool:
    """Whether a GPU helps: trainings, outputs of language models, what hears with LAION-CLAP."""
    return node.step in STEPS and (runs_model(node) or hears_with_laion(node))


def runs_model(node: Node) -> bool:
    """Whether a node of `STEPS` trains or asks a language model."""
    return node.step.startswith("train_") or "model" in node.parents


def hears_with_laion(node: Node) -> bool:
    """Whether one of a node's scorers is LAION-CLAP."""
    return any(parent.kind == "scorers" and parent.spec["module"] == LAION for parent in node.parents.values())


def clap_python() -> str | None:
    """The Python that LAION-CLAP runs in; None where none is named."""
    from vibegrid.scorers.laion_pipe import VARIABLE

    return shutil.which(os.environ.get(VARIABLE, ""))


def model_name(node: Node) -> str | None:
    """Slug of the base model that a node is about; None for a baseline."""
    if "model" in node.parents and node.parents["model"].kind == "models":
        return node.parents["model"].slug
    parent = node.parents.get("generation")
    return model_name(parent) if parent else None
