"""Nodes of the evaluation: eval sets, and what each system answers to them and scores."""

from __future__ import annotations

import fnmatch
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vibegrid.grid.arms import dump, local_model
from vibegrid.grid.eval_sets import TEST, load_eval_sets, prompts_of
from vibegrid.grid.identity import Node, digest_of, safe
from vibegrid.specs.evals import EvalSetSpec
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.metrics import ACOUSTICS, PAYLOAD, REWARD
from vibegrid.specs.reward import RewardSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.stories import STORY_PAGES
from vibegrid.specs.systems import SystemSpec
from vibegrid.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from vibegrid.grid.study import Study

LOCAL_MODEL = "vibegrid.llm.local_model"  # whose code is part of a local LLM's answers
LEXICON = "src/vibegrid/llm/data/composer_lexicon.tsv"
UNSCORED = (STORY_PAGES,)  # eval sets whose outputs an analysis hears by itself
Run = SFTSpec | GRPOSpec | SystemSpec


class Evaluations:
    """What of a study is evaluated.

    Args:
        study: the study, which makes and keeps the nodes.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._scores: dict[str, Node] = {}

    @cached_property
    def declared(self) -> dict[str, EvalSetSpec]:
        """The sets of config/eval_sets, by name."""
        return load_eval_sets(self.study.root)

    def eval_set(self, name: str) -> Node:
        """An eval set by its name."""
        evaluation = self.study.scale.evaluation
        if name == TEST:
            spec = EvalSetSpec(name=name, source=TEST, rows=evaluation.test_rows, seed=evaluation.test_seed)
            sources = {"lexicon": LEXICON}
        elif name == STORY_PAGES:
            spec = EvalSetSpec(name=name, source="stories", stories=evaluation.stories)
            sources = {"lexicon": LEXICON}
        else:
            spec = self.declared[name]
            if evaluation.set_rows is not None:
                spec = spec.model_copy(update={"rows": min(spec.rows or evaluation.set_rows, evaluation.set_rows)})
            sources = {"lexicon": LEXICON, "prompts": prompts_of(spec)}
        parents = {"splits": self.study.data.splits}
        return self.study.node("build_eval_set", "eval_sets", safe(name), dump(spec), parents=parents, sources=sources)

    def system(self, run: Run, decoding: str) -> tuple[SystemSpec, str, dict[str, Node], dict[str, str]]:
        """A run as a system: its spec, slug, parents and sources. `decoding` is that of an adapter's outputs."""
        if isinstance(run, SystemSpec):
            made = {"base": self._base, "llm": self._llm}.get(run.kind, self._baseline)
            return made(run)
        sft = run if isinstance(run, SFTSpec) else run.sft
        kind = "sft" if isinstance(run, SFTSpec) else "grpo"
        spec = SystemSpec(
            kind=kind,
            base_model=sft.base_model,
            system_prompt=sft.system_prompt,
            decoding=self.study.scale.decoding.model_copy(update={"mode": decoding}),
            dtype=run.dtype,
        )
        adapter = self.study.adapter(run)
        parents = {"model": self.study.data.model(sft.base_model), "adapter": adapter}
        return spec, f"{kind}-{adapter.slug}{_suffix(spec)}", parents, self.study.system_prompt(sft.system_prompt)

    def _base(self, run: SystemSpec) -> tuple[SystemSpec, str, dict[str, Node], dict[str, str]]:
        """An untrained base model."""
        study = self.study
        assert run.base_model is not None and run.system_prompt is not None
        prompt = "" if run.system_prompt == study.scale.sft.system_prompt else f"_prompt-{run.system_prompt}"
        slug = safe(f"base-{run.base_model}{prompt}{_suffix(run)}")
        return run, slug, {"model": study.data.model(run.base_model)}, study.system_prompt(run.system_prompt)

    def _llm(self, run: SystemSpec) -> tuple[SystemSpec, str, dict[str, Node], dict[str, str]]:
        """An LLM behind LiteLLM: hosted, an embedded program, or a language model in this process."""
        name = local_model(run)
        parents = {} if name is None else {"model": self.study.data.model(name)}
        assert run.model is not None and run.prompt is not None
        return run, safe(f"llm-{run.model}{_suffix(run)}"), parents, {"system_prompt": self.study.prompt(run.prompt)}

    def _baseline(self, run: SystemSpec) -> tuple[SystemSpec, str, dict[str, Node], dict[str, str]]:
        """A system without a language model."""
        study = self.study
        parents = {"dataset": study.data.dataset(study.scale.sft)} if run.kind.endswith("retrieval") else {}
        if run.kind == "sound_retrieval":
            parents |= study.sound.parents(study.scale.evaluation.retrieval_scorer)
        seed = "" if run.seed in (None, study.scale.seeds.baseline[0]) else f"_seed-{run.seed}"
        return run, f"{run.kind}{seed}", parents, {}

    @cached_property
    def sets_of_system(self) -> dict[str, list[str]]:
        """System to the eval sets of all declared experiments that use it, selected or not."""
        collected: dict[str, list[str]] = {}
        for experiment in self.study.experiments.values():
            for arm in experiment.arms:
                for run in arm.runs:
                    names = collected.setdefault(run_key(run, arm.decoding), [])
                    names += [name for name in experiment.eval_sets if name not in names]
        order = {name: index for index, name in enumerate(self.study.eval_set_names)}
        return {key: sorted(names, key=order.__getitem__) for key, names in collected.items()}

    @cached_property
    def scorers_of_system(self) -> dict[str, dict[str, set[str]]]:
        """System to its eval sets, with the audio scorers of each: the scale's and those of its experiments."""
        wanted: dict[str, dict[str, set[str]]] = {}
        for experiment in self.study.experiments.values():
            scorers = [*self.study.scale.evaluation.scorers.items(), *experiment.scorers.items()]
            for arm in experiment.arms:
                for run in arm.runs:
                    sets = wanted.setdefault(run_key(run, arm.decoding), {})
                    for name in experiment.eval_sets:
                        found = {s for s, patterns in scorers if any(fnmatch.fnmatchcase(name, p) for p in patterns)}
                        sets[name] = sets.get(name, set()) | found
        return wanted

    def generation(self, run: Run, decoding: str = "free") -> Node:
        """Outputs of a system on all its eval sets; each set is a part with an identity of its own."""
        spec, slug, parents, sources = self.system(run, decoding)
        module = SYSTEMS[spec.kind]
        named = (module,)
        if spec.kind == "sound_retrieval":
            named = (module, self.study.sound.module(self.study.scale.evaluation.retrieval_scorer))
        values: dict[str, Any] = {"system": dump(spec), "module": module}
        if spec.kind == "llm":
            values["salt"] = self._salt(spec, parents)
        system = self.study.identity("generate", {**dump(spec), **values}, parents, sources, named)
        sets = {name: self.eval_set(name) for name in self.sets_of_system[run_key(run, decoding)]}
        parts = {name: digest_of({"system": system, "eval_set": node.digest}) for name, node in sets.items()}
        all_parents = {**parents, **{f"eval_set:{name}": node for name, node in sets.items()}}
        return self.study.node(
            "generate", "generations", slug, values, parents=all_parents, sources=sources, parts=parts
        )

    def _salt(self, spec: SystemSpec, parents: dict[str, Node]) -> str:
        """What an LLM's answers depend on besides its name and the request: weights and code that are here."""
        if "model" in parents:
            return digest_of({"model": parents["model"].digest, "code": self.study.code.provider(LOCAL_MODEL)})
        assert spec.model is not None
        return self.study.provider_code(spec.model)

    def score(self, run: Run, decoding: str = "free") -> Node:
        """Scores of a system's outputs: a part for each eval set and scorer. Arms of many experiments share one."""
        key = run_key(run, decoding)
        if key not in self._scores:
            self._scores[key] = self._score(run, decoding)
        return self._scores[key]

    def _score(self, run: Run, decoding: str) -> Node:
        generation = self.generation(run, decoding)
        reward = self.study.scale.grpo_spec().reward
        wanted = self.scorers_of_system[run_key(run, decoding)]
        audio = sorted({name for names in wanted.values() for name in names})
        rewarding = rewarding_scorer(reward)
        parents: dict[str, Node] = {"generation": generation}
        scored = {name: part for name, part in generation.parts.items() if name not in UNSCORED}
        parents |= {f"eval_set:{name}": generation.parents[f"eval_set:{name}"] for name in scored}
        by: dict[str, dict[str, Any]] = {PAYLOAD: {}, REWARD: {"reward": dump(reward)}}
        spec: dict[str, Any] = {"reward": dump(reward), "seconds": None}
        if self.study.scale.sound is not None:
            parents["effects"] = self.study.sound.effects
            spec["seconds"] = self.study.scale.sound.seconds
            by[ACOUSTICS] = {"effects": self.study.sound.effects.digest, "seconds": spec["seconds"]}
        for name in [*audio, *([rewarding] if rewarding else [])]:
            parents |= self.study.sound.parents(name)
        always = tuple(by)
        by |= {name: self._by_scorer(name) for name in audio}
        if rewarding:
            by[REWARD] |= self._by_scorer(rewarding)
        code = self.study.code.digest("score")
        parts = {
            f"{eval_set}:{name}": digest_of({"generation": part, "scorer": name, "by": by[name], "code": code})
            for eval_set, part in scored.items()
            for name in (*always, *sorted(wanted[eval_set]))
        }
        return self.study.node("score", "scores", generation.slug, spec, parents=parents, parts=parts)

    def _by_scorer(self, name: str) -> dict[str, Any]:
        """What a part that an audio scorer makes is made of, besides the outputs."""
        return {
            "scorer": self.study.sound.scorer(name).digest,
            "code": self.study.code.digest("score", (self.study.sound.module(name),)),
        }


def rewarding_scorer(reward: RewardSpec) -> str | None:
    """The audio scorer that a reward needs, if any."""
    return reward.audio_scorer if reward.audio > 0 else None


def _suffix(spec: SystemSpec) -> str:
    return "" if spec.decoding is None or spec.decoding.mode == "free" else f"_{spec.decoding.mode}"


def run_key(run: Run, decoding: str = "free") -> str:
    """One text for one meaning of a run and its decoding: arms of many experiments share it."""
    return f"{type(run).__name__}:{decoding}:{json.dumps(dump(run), sort_keys=True)}"
