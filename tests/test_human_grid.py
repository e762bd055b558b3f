"""The human evaluation in the grid: what its pack and its analysis are made of. Run: pytest tests/test_human_grid.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from human_cases import ratings_spec, silent_key
from project import copy_sources, trim, write_yaml

from vibegrid.commands.rate import pack_of
from vibegrid.errors import InputError
from vibegrid.figures.ratings import caption, draw
from vibegrid.files import read_text, write_text
from vibegrid.grid.identity import Node
from vibegrid.grid.load import merge, read_yaml
from vibegrid.grid.study import Study
from vibegrid.human.analysis import assemble, rows_of
from vibegrid.human.simulated_raters import simulate_ratings, simulated_raters
from vibegrid.tables.measures import write_tables

HUMAN: dict[str, Any] = {
    "title": "Human",
    "question": "Does it run?",
    "kind": "human",
    "arms": {"random": {"stage": "random"}, "rules": {"stage": "rule_based"}, "sft": {"stage": "sft"}},
    "primary": {"metric": "win_rate", "eval_set": "few"},
    "eval_sets": ["few"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trim(copy_sources(tmp_path_factory.mktemp("human")))


def nodes(project: Path, scale: dict[str, Any] | None = None, **changes: Any) -> tuple[Node, Node]:
    """The pack and the analysis of the experiment, changed."""
    write_yaml(project / "config/experiments/tiny_human.yaml", HUMAN | changes)
    config = read_yaml(project / "config/config.yaml")
    config |= {"overrides": merge(config["overrides"], scale or {}), "experiments": "tiny_human"}
    analysis = Study(project, config).analyses["tiny_human"]
    return analysis.parents["pack"], analysis


def test_a_pack_is_of_the_outputs_that_are_heard(project: Path) -> None:
    pack, analysis = nodes(project)
    assert pack.spec["systems"] == ["random", "rules", "sft"] and pack.spec["seconds"] == 1
    assert analysis.spec["primary"] == {"metric": "win_rate", "arm": "sft over rules"}
    same = nodes(project, settings={"max_failed": 0})  # who counts is no matter of the pack
    assert same[0].id == pack.id and same[1].id != analysis.id
    again = nodes(project, settings={"forms": 4})
    assert again[0].id != pack.id and again[1].id != analysis.id
    other_set = nodes(project, scale={"evaluation": {"test_rows": 5}})
    assert other_set[0].id == pack.id and other_set[1].id == analysis.id


def test_ratings_change_the_analysis_alone(project: Path) -> None:
    pack, analysis = nodes(project)
    assert analysis.sources == {}
    write_text(project / "ratings/tiny_human/anna.csv", "one\n")
    rated = nodes(project)
    assert rated[0].id == pack.id and rated[1].id != analysis.id
    assert rated[1].sources == {"ratings": "ratings/tiny_human"}
    write_text(project / "ratings/tiny_human/anna.csv", "another\n")
    assert nodes(project)[1].id not in (analysis.id, rated[1].id)
    (project / "ratings/tiny_human/anna.csv").unlink()
    assert nodes(project)[1].id == analysis.id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"pair": ["random", "sft"]}}, r"settings\.pair: no pair 'random over sft' \(hint: pairs: rules"),
        ({"settings": {"repeats": 30}}, r"tiny_human\.yaml: settings: repeats: 30 of 24 comparisons"),
        ({"settings": {"check": 3}}, r"settings: check: unknown key"),
        ({"arms": {"random": {"stage": "random"}}}, r"arms: two or more were expected"),
        ({"primary": {"metric": "reward", "eval_set": "few"}}, r"primary\.metric: no 'reward' in human"),
    ],
)
def test_bad_settings_are_one_line(project: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nodes(project, **changes)


def test_without_sound_there_is_nothing_to_rate(project: Path) -> None:
    silent = {"sound": None, "grpo": {"reward": {"format": 0.4, "schema": 0.6, "audio": 0.0}}}
    with pytest.raises(InputError, match="raters need sounds"):
        nodes(project, scale=silent)


def test_the_command_finds_the_pack_or_says_how_to_build_it(project: Path) -> None:
    pack, _ = nodes(project)
    with pytest.raises(InputError, match=rf"the pack is not built yet \(hint: snakemake {pack.folder}/key.json\)"):
        pack_of(project, "tiny_human", "mini")
    with pytest.raises(InputError, match=r"the experiment has no pack"):
        pack_of(project, "tiny_rank", "mini")
    write_text(project / pack.file("key.json"), "{}")
    assert pack_of(project, "tiny_human", "mini") == (project / pack.folder, project / "ratings/tiny_human")


def test_table_and_figure_with_and_without_ratings(tmp_path: Path) -> None:
    key, spec = silent_key(), ratings_spec()
    values = spec.model_dump(mode="json")
    for count, said in ((0, "0 ratings"), (6, "144 ratings")):
        strengths = {"random": 0.0, "sft": 0.5, "sft_grpo": 1.0}
        rows = rows_of(assemble(spec, key, simulate_ratings(key, simulated_raters(count), strengths, seed=1)), {})
        written = write_tables(values, rows, tmp_path / f"tables{count}")
        text = read_text(written[1])
        assert "| sft\\_grpo over sft |" in text and "ratings needed" in text
        draw(values, rows, tmp_path / f"{count}.pdf", tmp_path / f"{count}.png")
        assert all((tmp_path / f"{count}.{ending}").stat().st_size > 5000 for ending in ("pdf", "png"))
        assert said in caption(spec, {(row["arm"], row["metric"]): row for row in rows})
