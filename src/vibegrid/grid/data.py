"""Nodes of the data: texts, vibes, labels, embeddings, splits, dataset variants, and the base models."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vibegrid.grid.arms import dump
from vibegrid.grid.identity import Node, safe, slug_of
from vibegrid.specs.models import MiniatureSpec
from vibegrid.specs.sft import SFTSpec

if TYPE_CHECKING:
    from vibegrid.grid.study import Study


class DataNodes:
    """What of a study comes before any training.

    Args:
        study: the study, which makes and keeps the nodes.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def texts(self) -> Node:
        """The source documents."""
        spec = dump(self.study.scale.texts)
        path = spec.pop("path")
        slug = spec["source"] if spec["source"] == "embedded" else safe(Path(path).stem)[:40] or "texts"
        return self.study.node("collect_texts", "texts", slug, spec, sources={"texts": path})

    @cached_property
    def vibes(self) -> Node:
        """Vibe rows of all pages."""
        spec = self.study.scale.vibes
        return self.study.node(
            "extract_vibes",
            "vibes",
            safe(spec.extractor),
            {**dump(spec), "salt": self.study.provider_code(spec.extractor)},
            parents={"texts": self.texts},
            sources={"prompt": self.study.prompt(spec.prompt)},
        )

    @cached_property
    def labels(self) -> Node:
        """Payloads of each unique vibe, by the teacher."""
        spec = self.study.scale.labels
        return self.study.node(
            "write_payloads",
            "labels",
            safe(spec.teacher),
            {**dump(spec), "salt": self.study.provider_code(spec.teacher)},
            parents={"vibes": self.vibes},
            sources={"prompt": self.study.prompt(spec.prompt)},
        )

    @cached_property
    def embeddings(self) -> Node:
        """MiniLM embedding of each unique vibe."""
        return self.study.node("embed_vibes", "embeddings", "minilm", {}, parents={"vibes": self.vibes})

    @cached_property
    def splits(self) -> Node:
        """Labelled rows, by source text."""
        parents = {"vibes": self.vibes, "labels": self.labels, "embeddings": self.embeddings}
        return self.study.node("split_rows", "splits", "splits", dump(self.study.scale.splits), parents=parents)

    def dataset(self, spec: SFTSpec) -> Node:
        """The dataset variant that a training reads."""
        variant = dump(spec.dataset)
        parents = {"splits": self.splits, "vibes": self.vibes, "embeddings": self.embeddings}
        slug = slug_of(variant, self.study.baselines["sft"]["dataset"])
        return self.study.node("build_dataset", "datasets", slug, variant, parents=parents)

    def model(self, name: str) -> Node:
        """A base model by its name in config/models.yaml."""
        spec = self.study.models[name]
        if isinstance(spec, MiniatureSpec):
            values = dump(spec)
            sources = {"prose": values.pop("prose")}
            return self.study.node("pretrain_model", "models", safe(name), values, sources=sources)
        sources = {"folder": spec.path} if spec.kind == "local" else {}
        return self.study.node("fetch_model", "models", safe(name), dump(spec), sources=sources)
