"""The study of one scale as a graph of nodes, known before anything runs."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.grid import load
from vibegrid.grid.analyses import agreement, comparison
from vibegrid.grid.arms import TRAINED, Experiment, Resolver, dump
from vibegrid.grid.code import Code
from vibegrid.grid.identity import Node, SourceDigests, digest_of, safe, slug_of
from vibegrid.grid.sound import SoundNodes
from vibegrid.grid.vouched import load_vouched
from vibegrid.llm.embedded import program
from vibegrid.specs.evals import EvalSetSpec
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.metrics import ACOUSTICS, METRIC_NAMES, PAYLOAD, REWARD
from vibegrid.specs.models import MiniatureSpec
from vibegrid.specs.reward import RewardSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.systems import SystemSpec
from vibegrid.systems.registry import SYSTEMS

LEXICON = "src/vibegrid/llm/data/composer_lexicon.tsv"


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
        self.sound = SoundNodes(self, load.load_scorers(root, self.run.scale))
        self.code = Code(root, load_vouched(root))
        self._source_digests = SourceDigests(root)
        self._nodes: dict[tuple[str, str], Node] = {}
        self._adapters: dict[str, Node] = {}
        self._scores: dict[str, Node] = {}
        declared = load.load_experiments(root)
        self.selected = load.choose(declared, self.run.experiments)
        resolver = self._resolver()
        self.experiments = {name: resolver.resolve(name, spec) for name, spec in declared.items()}
        self._baselines = resolver.baselines
        self._sets_of_system = self._collect_sets()
        self._scorers_of_system = self._collect_scorers()

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
        """`test`, and the files of config/eval_sets."""
        folder = self.root / "config" / "eval_sets"
        files = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.jsonl"))
        return ["test", *files]

    def nodes(self, kind: str) -> dict[str, Node]:
        """Nodes of a kind (``adapters/sft``) by id, of the selected experiments."""
        self.analyses  # noqa: B018 - resolves everything that is selected
        return {identity: node for (of, identity), node in self._nodes.items() if of == kind}

    def all_nodes(self) -> Iterator[Node]:
        """Every node of the selected experiments."""
        self.analyses  # noqa: B018
        yield from self._nodes.values()

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
    ) -> Node:
        """The node of a step, made once for one identity; `named` are modules that its spec names."""
        identity = parts if parts is not None else self._identity(step, spec, parents, sources, named)
        digest = digest_of(identity)
        node = Node(step, kind, slug, digest, spec, self.scale.results, parents or {}, sources or {}, parts or {})
        known = self._nodes.setdefault((kind, node.id), node)
        if known.spec != node.spec:
            raise InputError(node.folder, "two specs have one digest", "make the digest longer in grid/identity.py")
        return known

    def _identity(
        self,
        step: str,
        spec: dict[str, Any],
        parents: dict[str, Node] | None,
        sources: dict[str, str] | None,
        named: tuple[str, ...],
    ) -> dict[str, Any]:
        return {
            "step": step,
            "spec": spec,
            "parents": {role: node.digest for role, node in (parents or {}).items()},
            "sources": {role: self._source(path) for role, path in (sources or {}).items()},
            "code": self.code.digest(step, named),
        }

    def _source(self, path: str) -> str:
        if not (self.root / path).exists():
            raise InputError(path, "no such file", "it is named in config/ or by --config")
        return self._source_digests.of(path)

    @cached_property
    def texts(self) -> Node:
        spec = dump(self.scale.texts)
        path = spec.pop("path")
        slug = spec["source"] if spec["source"] == "embedded" else safe(Path(path).stem)[:40] or "texts"
        return self.node("collect_texts", "texts", slug, spec, sources={"texts": path})

    @cached_property
    def vibes(self) -> Node:
        spec = self.scale.vibes
        return self.node(
            "extract_vibes",
            "vibes",
            safe(spec.extractor),
            {**dump(spec), "salt": self.provider_code(spec.extractor)},
            parents={"texts": self.texts},
            sources={"prompt": self.prompt(spec.prompt)},
        )

    @cached_property
    def labels(self) -> Node:
        spec = self.scale.labels
        return self.node(
            "write_payloads",
            "labels",
            safe(spec.teacher),
            {**dump(spec), "salt": self.provider_code(spec.teacher)},
            parents={"vibes": self.vibes},
            sources={"prompt": self.prompt(spec.prompt)},
        )

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

    @cached_property
    def embeddings(self) -> Node:
        return self.node("embed_vibes", "embeddings", "minilm", {}, parents={"vibes": self.vibes})

    @cached_property
    def splits(self) -> Node:
        parents = {"vibes": self.vibes, "labels": self.labels, "embeddings": self.embeddings}
        return self.node("split_rows", "splits", "splits", dump(self.scale.splits), parents=parents)

    def dataset(self, spec: SFTSpec) -> Node:
        variant = dump(spec.dataset)
        parents = {"splits": self.splits, "vibes": self.vibes, "embeddings": self.embeddings}
        slug = slug_of(variant, self._baselines["sft"]["dataset"])
        return self.node("build_dataset", "datasets", slug, variant, parents=parents)

    def model(self, name: str) -> Node:
        spec = self.models[name]
        if isinstance(spec, MiniatureSpec):
            values = dump(spec)
            sources = {"prose": values.pop("prose")}
            return self.node("pretrain_model", "models", safe(name), values, sources=sources)
        sources = {"folder": spec.path} if spec.kind == "local" else {}
        return self.node("fetch_model", "models", safe(name), dump(spec), sources=sources)

    def _system_prompt(self, name: str) -> dict[str, str]:
        return {"system_prompt": f"config/prompts/system/{name}.md"}

    def adapter(self, spec: SFTSpec | GRPOSpec) -> Node:
        """The adapter of a spec; arms of many experiments share one."""
        key = _key(spec)
        if key not in self._adapters:
            self._adapters[key] = self._adapter(spec)
        return self._adapters[key]

    def _adapter(self, spec: SFTSpec | GRPOSpec) -> Node:
        values = dump(spec)
        if isinstance(spec, SFTSpec):
            parents = {"model": self.model(spec.base_model), "dataset": self.dataset(spec)}
            return self.node(
                "train_sft",
                "adapters/sft",
                slug_of(values, self._baselines["sft"]),
                values,
                parents=parents,
                sources=self._system_prompt(spec.system_prompt),
            )
        sft = spec.sft
        parents = {"model": self.model(sft.base_model), "dataset": self.dataset(sft), "sft": self.adapter(sft)}
        name, scorers, modules = self._rewarding(spec.reward), {}, ()
        if name is not None:
            scorers = self.sound.parents(name)
            modules = (self.sound.module(name),)
        return self.node(
            "train_grpo",
            "adapters/grpo",
            slug_of(values, self._baselines["grpo"]),
            values,
            parents={**parents, **scorers},
            sources=self._system_prompt(sft.system_prompt),
            named=modules,
        )

    @staticmethod
    def _rewarding(reward: RewardSpec) -> str | None:
        """The scorer that a reward needs."""
        return reward.audio_scorer if reward.audio > 0 else None

    def eval_set(self, name: str) -> Node:
        evaluation = self.scale.evaluation
        if name == "test":
            spec = EvalSetSpec(name=name, source="test", rows=evaluation.test_rows, seed=evaluation.test_seed)
            sources = {"lexicon": LEXICON}
        else:
            spec = EvalSetSpec(name=name)
            sources = {"lexicon": LEXICON, "prompts": f"config/eval_sets/{name}.jsonl"}
        parents = {"splits": self.splits}
        return self.node("build_eval_set", "eval_sets", safe(name), dump(spec), parents=parents, sources=sources)

    def system(self, run: SFTSpec | GRPOSpec | SystemSpec) -> tuple[SystemSpec, str, dict[str, Node], dict[str, str]]:
        """A run as a system: its spec, slug, parents and sources."""
        if isinstance(run, SystemSpec):
            if run.kind == "base":
                assert run.base_model is not None and run.system_prompt is not None
                prompt = "" if run.system_prompt == self.scale.sft.system_prompt else f"_prompt-{run.system_prompt}"
                slug = safe(f"base-{run.base_model}{prompt}")
                return run, slug, {"model": self.model(run.base_model)}, self._system_prompt(run.system_prompt)
            parents = {"dataset": self.dataset(self.scale.sft)} if run.kind.endswith("retrieval") else {}
            if run.kind == "sound_retrieval":
                parents |= self.sound.parents(self.scale.evaluation.retrieval_scorer)
            seed = "" if run.seed in (None, self.scale.seeds.baseline[0]) else f"_seed-{run.seed}"
            return run, f"{run.kind}{seed}", parents, {}
        sft = run if isinstance(run, SFTSpec) else run.sft
        kind = "sft" if isinstance(run, SFTSpec) else "grpo"
        spec = SystemSpec(
            kind=kind,
            base_model=sft.base_model,
            system_prompt=sft.system_prompt,
            decoding=self.scale.decoding,
            dtype=run.dtype,
        )
        adapter = self.adapter(run)
        parents = {"model": self.model(sft.base_model), "adapter": adapter}
        return spec, f"{kind}-{adapter.slug}", parents, self._system_prompt(sft.system_prompt)

    def _collect_sets(self) -> dict[str, list[str]]:
        """System to the eval sets of all declared experiments that use it, selected or not."""
        collected: dict[str, list[str]] = {}
        for experiment in self.experiments.values():
            for arm in experiment.arms:
                for run in arm.runs:
                    names = collected.setdefault(_key(run), [])
                    names += [name for name in experiment.eval_sets if name not in names]
        order = {name: index for index, name in enumerate(self.eval_set_names)}
        return {key: sorted(names, key=order.__getitem__) for key, names in collected.items()}

    def _collect_scorers(self) -> dict[str, dict[str, set[str]]]:
        """System to its eval sets, with the audio scorers of each: the scale's and those of its experiments."""
        wanted: dict[str, dict[str, set[str]]] = {}
        for experiment in self.experiments.values():
            scorers = [*self.scale.evaluation.scorers.items(), *experiment.scorers.items()]
            for arm in experiment.arms:
                for run in arm.runs:
                    sets = wanted.setdefault(_key(run), {})
                    for name in experiment.eval_sets:
                        found = {s for s, patterns in scorers if any(fnmatch.fnmatchcase(name, p) for p in patterns)}
                        sets[name] = sets.get(name, set()) | found
        return wanted

    def generation(self, run: SFTSpec | GRPOSpec | SystemSpec) -> Node:
        """Outputs of a system on all its eval sets; each set is a part with an identity of its own."""
        spec, slug, parents, sources = self.system(run)
        module = SYSTEMS[spec.kind]
        named = (module,)
        if spec.kind == "sound_retrieval":
            named = (module, self.sound.module(self.scale.evaluation.retrieval_scorer))
        system = self._identity("generate", dump(spec), parents, sources, named)
        sets = {name: self.eval_set(name) for name in self._sets_of_system[_key(run)]}
        parts = {name: digest_of({"system": system, "eval_set": node.digest}) for name, node in sets.items()}
        all_parents = {**parents, **{f"eval_set:{name}": node for name, node in sets.items()}}
        values = {"system": dump(spec), "module": module}
        return self.node("generate", "generations", slug, values, parents=all_parents, sources=sources, parts=parts)

    def score(self, run: SFTSpec | GRPOSpec | SystemSpec) -> Node:
        """Scores of a system's outputs: a part for each eval set and scorer. Arms of many experiments share one."""
        key = _key(run)
        if key not in self._scores:
            self._scores[key] = self._score(run)
        return self._scores[key]

    def _score(self, run: SFTSpec | GRPOSpec | SystemSpec) -> Node:
        generation = self.generation(run)
        reward = self.scale.grpo_spec().reward
        wanted = self._scorers_of_system[_key(run)]
        audio = sorted({name for names in wanted.values() for name in names})
        rewarding = self._rewarding(reward)
        parents: dict[str, Node] = {"generation": generation}
        parents |= {role: node for role, node in generation.parents.items() if role.startswith("eval_set:")}
        by: dict[str, dict[str, Any]] = {PAYLOAD: {}, REWARD: {"reward": dump(reward)}}
        spec: dict[str, Any] = {"reward": dump(reward), "seconds": None}
        if self.scale.sound is not None:
            parents["effects"] = self.sound.effects
            spec["seconds"] = self.scale.sound.seconds
            by[ACOUSTICS] = {"effects": self.sound.effects.digest, "seconds": spec["seconds"]}
        for name in [*audio, *([rewarding] if rewarding else [])]:
            parents |= self.sound.parents(name)
        always = tuple(by)
        by |= {name: self._by_scorer(name) for name in audio}
        if rewarding:
            by[REWARD] |= self._by_scorer(rewarding)
        code = self.code.digest("score")
        parts = {
            f"{eval_set}:{name}": digest_of({"generation": part, "scorer": name, "by": by[name], "code": code})
            for eval_set, part in generation.parts.items()
            for name in (*always, *sorted(wanted[eval_set]))
        }
        return self.node("score", "scores", generation.slug, spec, parents=parents, parts=parts)

    def _by_scorer(self, name: str) -> dict[str, Any]:
        """What a part that an audio scorer makes is made of, besides the outputs."""
        return {
            "scorer": self.sound.scorer(name).digest,
            "code": self.code.digest("score", (self.sound.module(name),)),
        }

    @cached_property
    def analyses(self) -> dict[str, Node]:
        """The comparison of each selected experiment."""
        return {name: self._analysis(found) for name, found in self.experiments.items() if name in self.selected}

    def _analysis(self, experiment: Experiment) -> Node:
        scores = {arm.name: [self.score(run) for run in arm.runs] for arm in experiment.arms}
        made = (comparison if experiment.spec.kind == "comparison" else agreement)(experiment, scores)
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
        identity = {"spec": {**common, **made.named}, "code": self.code.digest(made.step)}
        parents = {node.id: node for nodes in scores.values() for node in nodes}
        spec = {**common, **made.spec}
        node = Node(made.step, "analyses", experiment.name, digest_of(identity), spec, self.scale.results, parents)
        self._nodes[("analyses", node.id)] = node
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


def _key(run: SFTSpec | GRPOSpec | SystemSpec) -> str:
    return f"{type(run).__name__}:{json.dumps(dump(run), sort_keys=True)}"
