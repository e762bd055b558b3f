"""How much work a node is, before it runs: units of its step, tokens of its language model, calls of an LLM.

What is not known (how many vibes a text gives) is read from results that are there, and assumed otherwise
(`volume` of config/rates.yaml).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.costs.rates import VolumeSpec
from vibegrid.files import read_json
from vibegrid.grid.identity import Node
from vibegrid.grid.study import Study

JUDGE = "vibegrid.scorers.judge"


class Calls(NamedTuple):
    """Calls of one LLM: how many, and the tokens that a call reads and writes."""

    model: str
    number: float
    tokens_in: float
    tokens_out: float


class Work(NamedTuple):
    """What a node costs to make.

    Attributes:
        units: what its step's rate counts (completions, prompts, renders ...).
        train_tokens, write_tokens: of a language model of real size; 0 for a miniature, whose units say it all.
        calls: of LLMs.
    """

    units: float = 0.0
    train_tokens: float = 0.0
    write_tokens: float = 0.0
    calls: tuple[Calls, ...] = ()


class WorkOf:
    """Work of a study's nodes.

    Args:
        study: the study.
        volume: what is assumed of data that are not there.
    """

    def __init__(self, study: Study, volume: VolumeSpec) -> None:
        self.study, self.volume = study, volume
        self._lines: dict[str, int] = {}
        self._steps: dict[str, Callable[[Node], Work]] = {
            "extract_vibes": self._extract,
            "write_payloads": self._write,
            "choose_payloads": lambda node: Work(self.unique * self._candidates * node.spec["seconds"]),
            "embed_vibes": lambda node: Work(self.unique),
            "split_rows": lambda node: Work(self.rows),
            "build_dataset": lambda node: Work(self.rows),
            "pretrain_model": lambda node: Work(node.spec["steps"]),
            "render_bank": lambda node: Work(node.spec["renders"] * node.spec["seconds"]),
            "train_clap": self._clap,
            "calibrate_scorer": self._calibrate,
            "train_sft": self._sft,
            "train_grpo": self._grpo,
            "build_eval_set": lambda node: Work(self.prompts(node)),
            "generate": self._generate,
            "score": self._score,
        }

    def __call__(self, node: Node) -> Work:
        """The work of a node; none that counts for a step that is not named here."""
        made = self._steps.get(node.step)
        return made(node) if made else Work()

    # the data --------------------------------------------------------------------------------------------------

    def lines(self, path: str) -> int:
        """Lines of a file of the project, 0 where there is none; each file is read once."""
        if path not in self._lines:
            file = self.study.root / path
            self._lines[path] = file.read_bytes().count(b"\n") if file.is_file() else 0
        return self._lines[path]

    @cached_property
    def pages(self) -> float:
        """Pages of all texts."""
        texts, words = self.study.scale.texts, self.study.scale.vibes.page_words
        path = getattr(texts, "path", None)
        if path is None:
            streamed = len(getattr(texts, "streams", ())) * getattr(texts, "per_stream", 0)
            return max(1.0, streamed * min(self.volume.words_per_text, texts.max_words) / words)  # type: ignore[union-attr]
        file = self.study.root / path
        return max(1.0, len(file.read_text(encoding="utf-8").split()) / words) if file.is_file() else 1.0

    @cached_property
    def rows(self) -> float:
        """Vibe rows: counted where the vibes are there, assumed otherwise."""
        if self.study.data.labelled is not None:
            return sum(self.lines(path) for path in self.study.data.splits.sources.values())
        report = self.study.root / self.study.data.vibes.file("extraction.json")
        if report.exists():
            return float(read_json(report)["vibes"])
        return self.pages * self.volume.vibes_per_page

    @property
    def unique(self) -> float:
        """Vibes that are asked for."""
        return self.rows * self.volume.unique_share

    @property
    def _candidates(self) -> int:
        return self.study.scale.labels.candidates

    def _share(self, split: str) -> float:
        """Rows of a split."""
        spec = self.study.scale.splits
        train = 1 - spec.test - spec.sft_val - spec.grpo
        return self.rows * (spec.grpo if split == "GRPO" else train)

    def prompts(self, node: Node) -> float:
        """Prompts of an eval set."""
        rows = node.spec.get("rows")
        return float(rows or self.lines(node.sources.get("prompts", "")) or 30)

    # the steps -------------------------------------------------------------------------------------------------

    def _calls(self, model: str, number: float, kind: str) -> tuple[Calls, ...]:
        return (Calls(model, number, self.volume.prompt_tokens[kind], self.volume.answer_tokens[kind]),)

    def _extract(self, node: Node) -> Work:
        return Work(self.pages, calls=self._calls(node.spec["extractor"], self.pages, "extract"))

    def _write(self, node: Node) -> Work:
        number = self.unique * node.spec["candidates"]
        return Work(number, calls=self._calls(node.spec["teacher"], number, "payload"))

    @staticmethod
    def _clap(node: Node) -> Work:
        bank = node.parents["bank"].spec
        return Work(bank["renders"] * (node.spec["epochs"] + node.spec["text_epochs"]))

    def _calibrate(self, node: Node) -> Work:
        pairs = 2 * node.spec["calibration"]["pairs"]
        calls = self._calls(node.spec["scorer"]["model"], pairs, "judge") if node.spec["module"] == JUDGE else ()
        return Work(pairs * node.spec["seconds"], calls=calls)

    def _sequences(self, spec: dict[str, Any], rows: float) -> float:
        """Sequences that a training of a spec sees."""
        batch, budget = spec["batch_size"] * spec["grad_accum"], spec["budget"]
        return budget["value"] * (batch if budget["unit"] == "steps" else rows)

    def _sft(self, node: Node) -> Work:
        size = node.spec["dataset"]["size"]
        rows = min(size or self._share("SFT-Train"), self._share("SFT-Train"))
        number = self._sequences(node.spec, rows)
        if not is_real(node):
            return Work(number)
        return Work(number, train_tokens=number * (self.volume.payload_tokens + self.volume.vibe_tokens))

    def _grpo(self, node: Node) -> Work:
        number = self._sequences(node.spec, self._share("GRPO") * node.spec["num_generations"])
        calls: tuple[Calls, ...] = ()
        for parent in node.parents.values():
            if parent.kind == "scorers" and parent.spec["module"] == JUDGE:
                calls += self._calls(parent.spec["scorer"]["model"], number, "judge")
        if not is_real(node):
            return Work(number, calls=calls)
        tokens = self.volume.payload_tokens + self.volume.vibe_tokens
        written = number * min(node.spec["max_completion_length"], self.volume.payload_tokens)
        return Work(number, 2 * number * tokens, written, calls)  # the policy's step, and the reference's log-probs

    def _eval_sets(self, node: Node) -> dict[str, Node]:
        found = node.parents.get("generation", node).parents
        return {role.partition(":")[2]: parent for role, parent in found.items() if role.startswith("eval_set:")}

    def _generate(self, node: Node) -> Work:
        number = sum(self.prompts(each) for each in self._eval_sets(node).values())
        model = node.spec["system"].get("model")
        calls = self._calls(model, number, "payload") if model else ()
        if not is_real(node):
            return Work(number, calls=calls)
        return Work(number, write_tokens=number * self.volume.payload_tokens, calls=calls)

    def _score(self, node: Node) -> Work:
        sets = {name: self.prompts(each) for name, each in self._eval_sets(node).items()}
        calls: tuple[Calls, ...] = ()
        for role, parent in node.parents.items():
            if parent.kind != "scorers" or parent.spec["module"] != JUDGE:
                continue
            name = role.partition(":")[2]
            number = sum(count for of, count in sets.items() if f"{of}:{name}" in node.parts)
            calls += self._calls(parent.spec["scorer"]["model"], number, "judge")
        return Work(sum(sets.values()) * (node.spec["seconds"] or 0), calls=calls)


def is_real(node: Node) -> bool:
    """Whether a node's language model is one of real size, and no miniature."""
    model = node.parents.get("model")
    return model is not None and model.kind == "models" and model.step != "pretrain_model"


def base_model(node: Node) -> str:
    """Name of the base model that a node is about; empty for none."""
    model = node.parents.get("model")
    return model.slug if model is not None and model.kind == "models" else ""


def timing_file(root: Path, node: Node) -> Path:
    """The timing that the job of a node leaves beside its log."""
    return root / "logs" / node.step / f"{node.id}.timing.json"
