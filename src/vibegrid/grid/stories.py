"""What an analysis of stories is told: the outputs of its systems for the pages, and the CLAP that hears them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibegrid.errors import InputError
from vibegrid.grid.analyses import Analysis
from vibegrid.grid.arms import Experiment
from vibegrid.grid.identity import Node
from vibegrid.specs.stories import STORY_PAGES, StoriesSettings

if TYPE_CHECKING:
    from vibegrid.grid.study import Study

TEACHER = "teacher"


def stories(study: Study, experiment: Experiment) -> Analysis:
    """Systems on consecutive pages of texts.

    Raises:
        InputError: the settings name a system or scorer that is not there, or the scale has no sound.
    """
    settings: StoriesSettings = experiment.settings
    where = f"config/experiments/{experiment.name}.yaml: settings"
    systems = [*([TEACHER] if settings.teacher else []), *(arm.name for arm in experiment.arms)]
    if settings.arm not in systems:
        raise InputError(f"{where}.arm", f"no system {settings.arm!r}", f"systems: {', '.join(systems)}")
    if settings.clap not in study.sound.specs:
        raise InputError(f"{where}.clap", f"no scorer {settings.clap!r}", ", ".join(sorted(study.sound.specs)))
    found = generations(study, experiment)
    pages = study.evaluations.eval_set(STORY_PAGES)
    spec = {
        "eval_set": STORY_PAGES,
        "runs": {name: [node.id for node in nodes] for name, nodes in found.items()},
        "order": list(found),
        "teacher": TEACHER if settings.teacher else None,
        "clap": settings.clap,
        "seconds": study.sound.spec.seconds,
        "jumps": settings.jumps,
        "primary": {"metric": experiment.spec.primary.metric, "arm": settings.arm},
    }
    named = {
        **spec,
        "runs": {name: [node.parts[STORY_PAGES] for node in nodes] for name, nodes in found.items()},
        "pages": pages.digest,
        "scorer": study.sound.scorer(settings.clap).digest,
    }
    parents = {f"generation:{node.id}": node for nodes in found.values() for node in nodes}
    parents |= {f"eval_set:{STORY_PAGES}": pages, **study.sound.parents(settings.clap)}
    return Analysis(spec, named, parents, (study.sound.module(settings.clap),))


def generations(study: Study, experiment: Experiment) -> dict[str, list[Node]]:
    """Arm to the outputs of its replicates."""
    return {arm.name: [study.evaluations.generation(run, arm.decoding) for run in arm.runs] for arm in experiment.arms}
