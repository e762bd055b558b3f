"""Plain names of the study (tables, figures, arms), their stamps, and what each target asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.grid.arms import Experiment
from vibegrid.grid.identity import Node, canonical
from vibegrid.grid.kinds import KINDS, files_of, steps
from vibegrid.grid.stamps import made_path, set_stamp
from vibegrid.grid.stories import TEACHER, generations
from vibegrid.grid.study import Study
from vibegrid.specs.stories import STORY_PAGES
from vibegrid.specs.systems import SystemSpec

ADAPTER = (
    "adapter_model.safetensors",
    "adapter_config.json",
    "spec.json",
    "metrics.csv",
    "status.json",
    "versions.json",
)
# Steps behind plain names.
PLAIN_STEPS = (
    *steps("tabulate"),
    *steps("plot"),
    "plot_training",
    "plot_clap",
    "plot_selection",
    "list_arms",
    "build_listen",
    "build_stories",
)
STORY_NOTE = "Consecutive pages of a text, each rendered for the vibe of its scene and faded into the next."
CLAP_CARD = "clap_card"  # the figure of the mini-CLAPs
BEST_OF_N = "best_of_n"  # the figure of what a choice among candidates buys
# The declared files of a node, by kind.
FILES: dict[str, tuple[str, ...]] = {
    "texts": ("texts.jsonl", "texts.json"),
    "vibes": ("vibes.jsonl", "pages.jsonl", "extraction.json"),
    "labels": ("labels.jsonl",),
    "selections": ("selection.csv", "candidates.jsonl", "labels.jsonl", "labels.json", "vibes.jsonl"),
    "embeddings": ("embeddings.npz",),
    "splits": ("SFT-Train.jsonl", "SFT-Val.jsonl", "GRPO.jsonl", "TEST.jsonl", "split.json"),
    "datasets": ("SFT-Train.jsonl", "SFT-Val.jsonl", "GRPO.jsonl", "card.json", "card.md"),
    "models": (
        *("model.safetensors", "config.json", "generation_config.json", "model_card.json"),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"),
    ),
    "adapters/sft": ADAPTER,
    "adapters/grpo": ADAPTER,
    "banks": ("frames.npy", "measures.csv", "configs.jsonl"),
    "claps": ("model.safetensors", "config.json", "card.json"),
    "scorers": ("scorer.json",),
    "effects": ("effects.json",),
    "eval_sets": ("prompts.jsonl", "embeddings.npy", "eval_set.json"),
    "generations": ("generations.jsonl", "parts.json"),
    "scores": ("scores.csv", "parts.json"),
    "packs": (
        "key.json",
        *(f"page/{name}" for name in ("index.html", "listen.css", "rate.css", "rate.js", "trials.js")),
    ),
    "analyses": ("comparison.csv", "spec.json"),
}
MORE_FILES = {  # of a step, beside those of its kind
    "import_splits": ("pages.jsonl",),
    "write_payloads": ("labels.json",),
    "choose_payloads": ("choice.json",),
}


def files_of_step(kind: str, step: str) -> tuple[str, ...]:
    """Names of the declared files of a kind's node that a step makes."""
    return (*FILES[kind], *MORE_FILES.get(step, ()), *files_of(step))


class Targets:
    """Targets of a study's selected experiments.

    Args:
        study: the study.
        reserved: names that an experiment may not take (rules and other targets).
    """

    def __init__(self, study: Study, reserved: set[str]) -> None:
        self.study = study
        for name in study.experiments:
            if name in reserved:
                raise InputError(
                    f"config/experiments/{name}.yaml", f"{name!r} is a rule or another target", "rename it"
                )

    @staticmethod
    def outputs(node: Node) -> list[str]:
        """Declared files of a node."""
        return [node.file(name) for name in files_of_step(node.kind, node.step)]

    @staticmethod
    def spec(node: Node) -> str:
        """A node's spec as JSON on a command line; with its parts, where it has some."""
        return canonical({**node.spec, "parts": node.parts} if node.parts else node.spec)

    @property
    def results(self) -> str:
        """Folder of this scale's results."""
        return self.study.scale.results

    def tables(self, name: str) -> list[str]:
        """Table files of an experiment."""
        return [f"{self.results}/tables/{name}.{ending}" for ending in ("csv", "md", "tex")]

    def figures(self, name: str) -> list[str]:
        """Figure files of an experiment; training curves only where something is trained."""
        stems = [name]
        if self.study.adapters_of(self.study.experiments[name]):
            stems.append(f"{name}.training")
        return [f"{self.results}/figures/{stem}.{ending}" for stem in stems for ending in ("pdf", "png")]

    def category(self, name: str) -> str:
        """What an experiment is about, for the report: the stage of its arms, or its analysis."""
        experiment = self.study.experiments[name]
        stages = {"sft": "SFT", "grpo": "GRPO"}
        kind = experiment.spec.kind
        return stages.get(experiment.spec.stage, "Systems") if kind == "comparison" else "Analyses"

    def title(self, name: str) -> str:
        """Title of an experiment; the name itself for what is none."""
        found = self.study.experiments.get(name)
        return found.spec.title if found else name.replace("_", " ")

    def nodes_of(self, name: str) -> list[Node]:
        """Every node that an experiment's table is made of, in the order of the data."""
        found: dict[str, Node] = {}

        def visit(node: Node) -> None:
            if node.folder in found:
                return
            for parent in node.parents.values():
                visit(parent)
            found[node.folder] = node

        visit(self.study.analyses[name])
        return list(found.values())

    def identity_files(self, names: list[str]) -> list[str]:
        """Declared files of all nodes behind these experiments, each once."""
        files: dict[str, None] = {}
        for name in names:
            for node in self.nodes_of(name):
                files.update(dict.fromkeys(self.outputs(node)))
        return list(files)

    def experiment(self, name: str) -> list[str]:
        """What `snakemake <experiment>` asks for."""
        arms = f"{self.results}/experiments/{name}/arms.csv"
        return [*self.identity_files([name]), arms, *self.tables(name), *self.figures(name)]

    def stamp(self, kind: str, name: str) -> str:
        """Path of the stamp of a plainly named file."""
        return f"{self.results}/stamps/{kind}/{name}.json"

    def write_stamps(self, made: Callable[[str], str | None] | None = None) -> None:
        """Bring the stamps of all selected experiments up to date.

        Args:
            made: text of the copy that a job left, by its path, None where there is none; where results lie in a
                storage, which is not looked through for missing files.
        """
        for path, content in self.stamps(missing=made is None).items():
            copy = made_path(path)
            set_stamp(self.study.root / path, content, made(copy) if made else self._text(copy))

    def _text(self, path: str) -> str | None:
        file = self.study.root / path
        return file.read_text(encoding="utf-8") if file.exists() else None

    def stamps(self, missing: bool = True) -> dict[str, Any]:
        """What each stamp says, by its path.

        Args:
            missing: all_tables.csv's stamp says which files behind it are missing.
        """
        found: dict[str, Any] = {}
        code = {step: self.study.code.digest(step) for step in PLAIN_STEPS}
        tables: dict[str, Any] = {}
        for name in self.study.selected:
            experiment = self.study.experiments[name]
            analysis = self.study.analyses[name].digest
            kind = KINDS[experiment.spec.kind]
            tables[name] = {"analysis": analysis, "code": code[kind.tabulate]}
            contents = {
                "tables": tables[name],
                "figures": {"analysis": analysis, "code": code[kind.plot]},
                "arms": {"code": code["list_arms"], "rows": self.arm_rows(experiment)},
            }
            curves = self.curve_arms(experiment)
            if curves:
                contents["curves"] = {"code": code["plot_training"], "analysis": analysis, "arms": curves}
            for kind, content in contents.items():
                found[self.stamp(kind, name)] = content
        claps = {name: node.digest for name, node in self.claps().items()}
        found[self.stamp("figures", CLAP_CARD)] = {"claps": claps, "code": code["plot_clap"]}
        report = made.digest if (made := self.study.data.selection) else ""
        found[self.stamp("figures", BEST_OF_N)] = {"report": report, "code": code["plot_selection"]}
        heard = {name: [made.digest for made in nodes] for name, nodes in self.heard().items()}
        scorers = [node.digest for node in self.listen_scorers()]
        content = {"systems": heard, "scorers": scorers, "spec": self.listen_spec(), "code": code["build_listen"]}
        found[self.stamp("listen", "listen")] = content
        told = {name: made.parts[STORY_PAGES] for name, made in self.told().items()}
        content = {"systems": told, "spec": self.story_spec(), "code": code["build_stories"]}
        found[self.stamp("listen", "stories")] = content
        whole = found[self.stamp("all", "all_tables")] = {
            "tables": tables,
            "code": self.study.code.digest("collect_tables"),
        }
        # A file asked for by name is not remade for what is missing further behind it: the stamp says what is, and
        # the job's copy leaves it out again. (Snakemake compares the content of small files, not only their dates.)
        behind = [*self.identity_files(self.study.selected), *(self.tables(name)[0] for name in self.study.selected)]
        gone = sorted(path for path in behind if not (self.study.root / path).exists()) if missing else []
        if gone:
            whole["missing"] = gone
        return found

    def claps(self) -> dict[str, Node]:
        """The trained models of the mini-CLAPs that the selected experiments reach, by scorer."""
        parents = [node.parents["model"] for node in self.study.nodes("scorers").values() if "model" in node.parents]
        return {node.slug: node for node in parents if node.kind == "claps"}

    def clap_figure(self) -> list[str]:
        """Files of the figure of their cards."""
        return [f"{self.results}/figures/{CLAP_CARD}.{ending}" for ending in ("pdf", "png")] if self.claps() else []

    def selection_figure(self) -> list[str]:
        """Files of the figure of best of N."""
        there = self.study.data.selection is not None
        return [f"{self.results}/figures/{BEST_OF_N}.{ending}" for ending in ("pdf", "png")] if there else []

    def heard(self) -> dict[str, tuple[Node, Node]]:
        """Arms of the listening page, each with its generations and scores; nothing where they are not selected."""
        name = self.study.scale.listen.experiment
        if self.study.scale.sound is None or name not in self.study.selected:
            return {}
        arms, evaluated = self.study.experiments[name].arms, self.study.evaluations
        firsts = {arm.name: (arm.runs[0], arm.decoding) for arm in arms}
        return {name: (evaluated.generation(*run), evaluated.score(*run)) for name, run in firsts.items()}

    def listen_scorers(self) -> list[Node]:
        """The audio scorers of the listening page's systems, in the order of their names."""
        parents = [item for _, scored in self.heard().values() for item in scored.parents.items()]
        return list(
            {key: node for key, node in sorted(parents, key=lambda item: item[0]) if key.startswith("scorer:")}.values()
        )

    def listen_spec(self) -> dict[str, Any]:
        """What the listening page is told."""
        spec, sound = self.study.scale.listen, self.study.scale.sound
        return {
            "eval_set": spec.eval_set,
            "prompts": spec.prompts,
            "seconds": sound.seconds if sound else None,
            "notes": spec.notes,
            "links": {"Stories, page by page": "../stories/index.html"} if self.told() else {},
        }

    def told(self) -> dict[str, Node]:
        """Systems of the listening page of stories with their outputs, the first replicate of each."""
        found = [self.study.experiments[name] for name in self.study.selected]
        experiment = next((each for each in found if each.spec.kind == "stories"), None)
        made = generations(self.study, experiment) if experiment else {}
        return {name: nodes[0] for name, nodes in made.items()}

    def story_spec(self) -> dict[str, Any]:
        """What the listening page of stories is told; nothing where no experiment is about them."""
        found = [self.study.experiments[name] for name in self.study.selected]
        settings = next((each.settings for each in found if each.spec.kind == "stories"), None)
        if settings is None:
            return {}
        return {
            "eval_set": STORY_PAGES,
            "stories": settings.pieces,
            "seconds": self.study.sound.spec.seconds,
            "overlap": settings.overlap,
            "teacher": TEACHER if settings.teacher else None,
            "notes": f"{self.study.scale.listen.notes} {STORY_NOTE}".strip(),
            "links": {"Prompts, system by system": "../listen/index.html"} if self.heard() else {},
        }

    def curve_arms(self, experiment: Experiment) -> dict[str, list[str]]:
        """Arm to the ids (with stage) of its adapters."""
        return {arm: [node.folder for node in nodes] for arm, nodes in self.study.adapters_of(experiment).items()}

    def arm_rows(self, experiment: Experiment) -> list[dict[str, Any]]:
        """Rows of arms.csv: which arm and replicate is which adapter and which evaluation."""
        rows = []
        for arm in experiment.arms:
            for index, run in enumerate(arm.runs):
                trained = not isinstance(run, SystemSpec)
                rows.append(
                    {
                        "experiment": experiment.name,
                        "arm": arm.name,
                        "reference": "yes" if arm.name == experiment.reference else "no",
                        "system": arm.stage,
                        "replicate": index,
                        "seed": getattr(run, "seed", None),
                        "baseline": "yes" if arm.is_baseline else "no",
                        "adapter": self.study.adapter(run).folder if trained else "",  # type: ignore[arg-type]
                        "scores": self.study.evaluations.score(run, arm.decoding).folder,
                    }
                )
        return rows


def reserved_names(root: Path) -> set[str]:
    """Names of the rules and of the stages' folders."""
    names = {"all", "figures", "tables", "plan", "results", "config", "texts", "vibes", "labels", "datasets", CLAP_CARD}
    names |= {BEST_OF_N, "models", "adapters", "evals", "analyses", "sft", "grpo"}
    for path in (root / "Snakefile", *(root / "rules").glob("*.smk")):
        names |= set(re.findall(r"^\s*rule (\w+):", path.read_text(encoding="utf-8"), re.M))
    return names
