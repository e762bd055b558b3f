"""The study of one scale as a graph of nodes, known before anything runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from vibegrid.errors import InputError
from vibegrid.grid import load
from vibegrid.grid.analyses import Analysis
from vibegrid.grid.arms import TRAINED, Experiment, Resolver, dump
from vibegrid.grid.code import Code
from vibegrid.grid.data import DataNodes
from vibegrid.grid.eval_sets import TEST
from vibegrid.grid.evaluations import Evaluations, rewarding_scorer, run_key
from vibegrid.grid.identity import Node, SourceDigests, digest_of, slug_of
from vibegrid.grid.kinds import KINDS
from vibegrid.grid.sound import SoundNodes
from vibegrid.grid.vouched import load_vouched
from vibegrid.llm.embedded import program
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.metrics import METRIC_NAMES
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.stories import STORY_PAGES
from vibegrid.specs.systems import SystemSpec


class Study:
    """All nodes and experiments of a run's scale.

    Args:
        root: the project's folder.
        config: values of config/config.yaml with those of ``--config``.

    Raises:
        InputError: anything wrong in any configuration file, before anything runs.
    """

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        self.root = root
        self.run = load.load_run(config)
        self.scale = load.load_scale(root, self.run)
        self.models = load.load_models(root, self.run.scale)
        self.data = DataNodes(self)
        self.evaluations = Evaluations(self)
        self.sound = SoundNodes(self, load.load_scorers(root, self.run.scale))
        self.code = Code(root, load_vouched(root))
        self._source_digests = SourceDigests(root)
        self._sources: dict[str, str] = {}  # what was asked of them so far
        self._nodes: defaultdict[str, dict[str, Node]] = defaultdict(dict)  # by kind and id
        self._adapters: dict[str, Node] = {}
        declared = load.load_experiments(root, self.scale.experiments)
        self.selected = load.choose(declared, self.run.experiments)
        resolver = self._resolver()
        self.experiments = {name: resolver.resolve(name, spec) for name, spec in declared.items()}
        self.baselines = resolver.baselines

    # configuration ---------------------------------------------------------------------------------------------

    def _resolver(self) -> Resolver:
        return Resolver(
            self.run.scale,
            self.scale,
            models=set(self.models),
            eval_sets=self.eval_set_names,
            prompts={path.stem for path in (self.root / "config/prompts/system").glob("*.md")},
            metrics=set(METRIC_NAMES) | {metric for name in self.sound.specs for metric in self.sound.metrics(name)},
            scorers=set(self.sound.specs),
        )

    @cached_property
    def eval_set_names(self) -> list[str]:
        """`test`, `story_pages`, and the sets of config/eval_sets."""
        return [TEST, STORY_PAGES, *self.evaluations.declared]

    def nodes(self, kind: str) -> dict[str, Node]:
        """Nodes of a kind (``adapters/sft``) by id, of the selected experiments."""
        self._resolve()
        return self._nodes.get(kind, {})

    def _resolve(self) -> None:
        """Make every node that the selected experiments need, and the report of best of N."""
        self.analyses  # noqa: B018
        self.data.selection  # noqa: B018

    def all_nodes(self) -> Iterator[Node]:
        """Every node of the selected experiments."""
        self._resolve()
        for nodes in self._nodes.values():
            yield from nodes.values()

    # nodes, in the order of the data ---------------------------------------------------------------------------

    def node(
        self,
        step: str,
        kind: str,
        slug: str,
        spec: dict[str, Any],
        *,
        parents: dict[str, Node] | None = None,
        sources: dict[str, str] | None = None,
        named: tuple[str, ...] = (),
        parts: dict[str, str] | None = None,
        identity: dict[str, Any] | None = None,
    ) -> Node:
        """The node of a step, made once for one identity; `named` are modules that its spec names.

        `parts`, or `identity`, stand in for what `identity()` says where a step reads less than all of its parents.
        """
        if identity is None:
            identity = parts if parts is not None else self.identity(step, spec, parents, sources, named)
        digest = digest_of(identity)
        node = Node(step, kind, slug, digest, spec, self.scale.results, parents or {}, sources or {}, parts or {})
        known = self._nodes[kind].setdefault(node.id, node)
        if known.spec != node.spec:
            raise InputError(node.folder, "two specs have one digest", "make the digest longer in grid/identity.py")
        return known

    def identity(
        self,
        step: str,
        spec: dict[str, Any],
        parents: dict[str, Node] | None,
        sources: dict[str, str] | None,
        named: tuple[str, ...],
    ) -> dict[str, Any]:
        """All that determines a content: the arguments of `node`, with parents and sources by their digests."""
        return {
            "step": step,
            "spec": spec,
            "parents": {role: node.digest for role, node in (parents or {}).items()},
            "sources": self.source_digests(sources or {}),
            "code": self.code.digest(step, named),
        }

    def source_digests(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Role to the digest of a source file's or folder's bytes."""
        return {role: self._source(path) for role, path in sources.items()}

    def _source(self, path: str) -> str:
        if path not in self._sources:
            if not (self.root / path).exists():
                raise InputError(path, "no such file", "it is named in config/ or by --config")
            self._sources[path] = self._source_digests.of(path)
        return self._sources[path]

    def prompt(self, name: str) -> str:
        """Path of a prompt; InputError where there is none of that name."""
        path = f"config/prompts/{name}.md"
        if not (self.root / path).is_file():
            raise InputError(path, "no such prompt", "a prompt is a file of config/prompts")
        return path

    def provider_code(self, model: str) -> str:
        """Version of an embedded LLM: its code; empty for a hosted one, whose name is all there is."""
        if not model.startswith("embedded/"):
            return ""
        return digest_of(self.code.provider(program(model).function.split(":")[0]))

    def system_prompt(self, name: str) -> dict[str, str]:
        """The source file of a system prompt."""
        return {"system_prompt": f"config/prompts/system/{name}.md"}

    def adapter(self, spec: SFTSpec | GRPOSpec) -> Node:
        """The adapter of a spec; arms of many experiments share one."""
        key = run_key(spec)
        if key not in self._adapters:
            self._adapters[key] = self._adapter(spec)
        return self._adapters[key]

    def _adapter(self, spec: SFTSpec | GRPOSpec) -> Node:
        values = dump(spec)
        if isinstance(spec, SFTSpec):
            parents = {"model": self.data.model(spec.base_model), "dataset": self.data.dataset(spec)}
            return self.node(
                "train_sft",
                "adapters/sft",
                slug_of(values, self.baselines["sft"]),
                values,
                parents=parents,
                sources=self.system_prompt(spec.system_prompt),
            )
        sft = spec.sft
        model, dataset = self.data.model(sft.base_model), self.data.dataset(sft)
        parents = {"model": model, "dataset": dataset, "sft": self.adapter(sft)}
        name, scorers, modules = rewarding_scorer(spec.reward), {}, ()
        if name is not None:
            scorers = self.sound.parents(name)
            modules = (self.sound.module(name),)
        return self.node(
            "train_grpo",
            "adapters/grpo",
            slug_of(values, self.baselines["grpo"]),
            values,
            parents={**parents, **scorers},
            sources=self.system_prompt(sft.system_prompt),
            named=modules,
        )

    @cached_property
    def analyses(self) -> dict[str, Node]:
        """The comparison of each selected experiment."""
        return {name: self._analysis(found) for name, found in self.experiments.items() if name in self.selected}

    def _analysis(self, experiment: Experiment) -> Node:
        kind = KINDS[experiment.spec.kind]
        made: Analysis = resolve_name(kind.resolve)(self, experiment)
        common = {
            "scale": self.run.scale,
            "experiment": experiment.name,
            "title": experiment.spec.title,
            "question": experiment.spec.question,
            "notes": experiment.spec.notes,
            "decoding": self.scale.decoding.mode,
            "bootstrap": self.scale.evaluation.bootstrap,
            "permutations": self.scale.evaluation.permutations,
            "seed": self.scale.evaluation.seed,
        }
        identity = {"spec": {**common, **made.named}, "code": self.code.digest(kind.measure, made.modules)}
        spec, digest, results = {**common, **made.spec}, digest_of(identity), self.scale.results
        node = Node(kind.measure, "analyses", experiment.name, digest, spec, results, made.parents, dict(made.sources))
        self._nodes["analyses"][node.id] = node
        return node

    def adapters_of(self, experiment: Experiment) -> dict[str, list[Node]]:
        """Arm to the adapters of its replicates; arms without a training, and analyses of scorers, are left out."""
        if experiment.spec.kind != "comparison":
            return {}
        return {
            arm.name: [self.adapter(run) for run in arm.runs if not isinstance(run, SystemSpec)]
            for arm in experiment.arms
            if arm.stage in TRAINED
        }
