"""Nodes of the data: texts, vibes, labels, embeddings, splits, dataset variants, and the base models."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vibegrid.errors import InputError
from vibegrid.grid.arms import dump
from vibegrid.grid.identity import Node, safe, slug_of
from vibegrid.specs.models import MiniatureSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.texts import CommonPileTexts, LabelledTexts
from vibegrid.texts.registry import SOURCES
from vibegrid.vibes.rows import SPLITS

if TYPE_CHECKING:
    from vibegrid.grid.study import Study


PAGES = "pages.jsonl"  # of a folder of labelled splits, where it has one


class DataNodes:
    """What of a study comes before any training.

    Args:
        study: the study, which makes and keeps the nodes.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @property
    def labelled(self) -> str | None:
        """Folder of labelled splits of one's own, in place of texts, vibes and labels; None where there is none."""
        spec = self.study.scale.texts
        return spec.path.rstrip("/") if isinstance(spec, LabelledTexts) else None

    @cached_property
    def texts(self) -> Node:
        """The source documents."""
        spec = self.study.scale.texts
        assert not isinstance(spec, LabelledTexts)
        values = dump(spec)
        if isinstance(spec, CommonPileTexts):
            named = (SOURCES[spec.source],)
            return self.study.node("collect_texts", "texts", safe(spec.source), values, named=named)
        path = values.pop("path")
        slug = spec.source if spec.source == "embedded" else safe(Path(path).stem)[:40] or "texts"
        return self.study.node("collect_texts", "texts", slug, values, sources={"texts": path})

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
        """Payloads of each unique vibe, by the teacher, chosen among its candidates."""
        spec = self.study.scale.labels
        values = dump(spec)
        scorer, vibes = values.pop("scorer"), values.pop("scorer_vibes")
        written = self.study.node(
            "write_payloads",
            "labels",
            safe(spec.teacher),
            {**values, "salt": self.study.provider_code(spec.teacher)},
            parents={"vibes": self.vibes},
            sources={"prompt": self.study.prompt(spec.prompt)},
        )
        if scorer is None or spec.candidates == 1:
            return written
        return self._chosen(written, scorer, vibes)

    def _chosen(self, written: Node, scorer: str, vibes: int | None) -> Node:
        """The same labels, chosen by an uncalibrated scorer: its calibration is made of them."""
        raw = self.study.sound.raw(scorer)
        seconds, seed = self.study.sound.spec.seconds, self.study.scale.labels.seed
        return self.study.node(
            "choose_payloads",
            "labels",
            safe(f"{self.study.scale.labels.teacher}_{scorer}"),
            {**raw.spec, "seconds": seconds, "vibes": vibes, "seed": seed},
            parents={"labels": written, **raw.parents},
            sources=raw.sources,
            named=(raw.spec["module"],),
        )

    @cached_property
    def embeddings(self) -> Node:
        """MiniLM embedding of each unique vibe."""
        if self.labelled is not None:
            return self.study.node("embed_vibes", "embeddings", "minilm", {}, sources=self._split_files())
        return self.study.node("embed_vibes", "embeddings", "minilm", {}, parents={"vibes": self.vibes})

    @cached_property
    def splits(self) -> Node:
        """Labelled rows, by source text."""
        spec = self.study.scale.splits
        if self.labelled is not None:
            slug = safe(Path(self.labelled).name)[:40] or "labelled"
            pages = f"{self.labelled}/{PAGES}"
            sources = self._split_files() | ({"pages": pages} if (self.study.root / pages).exists() else {})
            values = {"leakage_threshold": spec.leakage_threshold}
            parents = {"embeddings": self.embeddings}
            return self.study.node("import_splits", "splits", slug, values, parents=parents, sources=sources)
        parents = {"vibes": self.vibes, "labels": self.labels, "embeddings": self.embeddings}
        return self.study.node("split_rows", "splits", "splits", dump(spec), parents=parents)

    def _split_files(self) -> dict[str, str]:
        return {name: f"{self.labelled}/{name}.jsonl" for name in SPLITS}

    @property
    def pages(self) -> Node:
        """The node that holds the pages of the texts."""
        return self.vibes if self.labelled is None else self.splits

    @cached_property
    def selection(self) -> Node | None:
        """The report of what best of N buys; None where nothing is labelled or heard."""
        spec, study = self.study.scale.selection, self.study
        if spec is None or study.scale.sound is None or self.labelled is not None:
            return None
        raw = [study.sound.raw(name) for name in spec.scorers]
        labels = study.scale.labels.model_copy(update={"candidates": spec.candidates})
        values = {key: value for key, value in dump(labels).items() if not key.startswith("scorer")}
        told = {
            "labels": values,
            "salt": study.provider_code(labels.teacher),
            "vibes": spec.vibes,
            "draw_seed": spec.seed,
            "scorers": [one.spec for one in raw],
            "seconds": study.scale.sound.seconds,
            "bootstrap": study.scale.evaluation.bootstrap,
            "seed": study.scale.evaluation.seed,
        }
        models = {f"model:{one.spec['name']}": node for one in raw for node in one.parents.values()}
        files = {f"{role}:{one.spec['name']}": path for one in raw for role, path in one.sources.items()}
        return study.node(
            "measure_selection",
            "selections",
            safe(labels.teacher),
            told,
            parents={"splits": self.splits, **models},
            sources={"prompt": study.prompt(labels.prompt), **files},
            named=tuple(sorted({one.spec["module"] for one in raw})),
        )

    def dataset(self, spec: SFTSpec) -> Node:
        """The dataset variant that a training reads."""
        variant = dump(spec.dataset)
        pageless = self.labelled is not None and "pages" not in self.splits.sources
        if pageless and spec.dataset.representation == "raw_text":
            hint = "put the pages there, or choose other experiments (--config experiments=...)"
            raise InputError(f"{self.labelled}/{PAGES}", "no such file, and `raw_text` shows pages", hint)
        parents = {"splits": self.splits, "vibes": self.pages, "embeddings": self.embeddings}
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
