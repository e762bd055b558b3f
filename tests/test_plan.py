"""`make plan`: work, rates, prices and schedules by known answers, and the plans of the repository's own scales."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from project import copy_sources

from vibegrid.cli import app
from vibegrid.commands.plan import check_budget, lines
from vibegrid.costs.estimate import wall_time
from vibegrid.costs.plan import Planner
from vibegrid.costs.rates import load_prices, load_rates, token_prices
from vibegrid.costs.work import timing_file
from vibegrid.errors import InputError
from vibegrid.files import write_json
from vibegrid.grid.identity import Node
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study
from vibegrid.grid.targets import Targets
from vibegrid.specs.llms import LlmsSpec

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The repository's sources and configuration, with no results."""
    return copy_sources(tmp_path / "project")


def planner(root: Path, cores: int = 2, gpus: int = 4, **config: Any) -> Planner:
    study = Study(root, {**read_yaml(root / "config/config.yaml"), "experiments": "lora_rank,grpo_beta", **config})
    return Planner(study, cores=cores, gpus=gpus)


def job(name: str, *parents: Node) -> Node:
    return Node("step", "kind", name, "0", {}, "results", {parent.slug: parent for parent in parents})


# schedules ------------------------------------------------------------------------------------------------------


def test_independent_jobs_share_the_cores() -> None:
    nodes = [job(name) for name in "abcd"]
    seconds = {node.folder: 10.0 for node in nodes}
    assert [wall_time(nodes, seconds, set(), cores, 1) for cores in (1, 2, 3, 4)] == [40, 20, 20, 10]


def test_a_chain_takes_as_long_on_many_cores() -> None:
    first = job("a")
    second = job("b", first)
    seconds = {first.folder: 3.0, second.folder: 4.0}
    assert wall_time([first, second], seconds, set(), 8, 8) == 7


def test_the_longest_way_starts_first() -> None:
    head = job("z")
    tail, short, other = job("y", head), job("a"), job("b")
    seconds = {head.folder: 1.0, tail.folder: 9.0, short.folder: 5.0, other.folder: 5.0}
    assert wall_time([short, other, head, tail], seconds, set(), 2, 1) == 10


def test_remote_jobs_take_no_core() -> None:
    nodes = [job(name) for name in "abcd"]
    seconds = {node.folder: 10.0 for node in nodes}
    assert wall_time(nodes, seconds, {nodes[0].folder, nodes[1].folder}, 1, 2) == 20


def test_a_node_that_is_there_keeps_nobody_waiting() -> None:
    there = job("a")
    assert wall_time([there, job("b", there)], {job("b").folder: 2.0}, set(), 1, 1) == 2


# plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["mini", "small", "full"])
def test_every_declared_experiment_is_planned_and_priced(scale: str) -> None:
    plan = planner(ROOT, scale=scale, experiments="all").plan()
    declared = {path.stem for path in (ROOT / "config/experiments").glob("*.yaml")}
    wanted = read_yaml(ROOT / f"config/scales/{scale}.yaml").get("experiments", declared)
    assert {row.name for row in plan.rows} == set(wanted)
    assert plan.whole.jobs > 40 and 0 < plan.whole.wall_low < plan.whole.wall < plan.whole.wall_high
    assert not plan.whole.unpriced
    if scale == "full":
        assert plan.whole.gpu_hours > 1 and plan.whole.dollars > 10
    else:
        assert plan.whole.gpu_hours == plan.whole.dollars == 0


def test_shared_trainings_count_once(project: Path) -> None:
    plan = planner(project).plan()
    by_name = {row.name: row for row in plan.rows}
    trained = {step: jobs for step, (jobs, _) in plan.steps.items() if step.startswith("train_s")}
    assert by_name["lora_rank"].shared_with == ("grpo_beta",) or by_name["lora_rank"].shared == 0
    assert by_name["lora_rank"].to_train == by_name["lora_rank"].trainings
    assert trained["train_sft"] <= sum(row.trainings for row in plan.rows)
    assert plan.total.jobs == plan.whole.jobs < sum(row.total.jobs for row in plan.rows)


def test_what_is_there_costs_nothing_and_says_why_the_rest_is_made(project: Path) -> None:
    before = planner(project)
    jobs = before.plan().total.jobs
    model = next(node for node in before.nodes.values() if node.step == "pretrain_model")
    for path in Targets.outputs(model):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("{}")
    after = planner(project).plan()
    assert after.total.jobs == jobs - 1
    assert model.folder not in after.why and set(after.why.values()) >= {"new", "its analysis is made"}
    (project / model.file("config.json")).unlink()
    assert planner(project).plan().why[model.folder] == "config.json is missing"


def test_earlier_runs_correct_the_estimates(project: Path) -> None:
    before = planner(project)
    trained = [node for node in before.nodes.values() if node.step == "train_sft"]
    for node in trained[:3]:
        took = 4 * before.estimates[node.folder].seconds
        write_json(timing_file(project, node), {"wall_s": took, "ended": 1e9 + took})
    after = planner(project)
    for node in trained:
        assert after.estimates[node.folder].seconds == pytest.approx(4 * before.estimates[node.folder].seconds)
    assert [after.estimates[node.folder].measured for node in trained[:4]] == [True, True, True, False]
    other = next(node for node in before.nodes.values() if node.step == "score")
    assert after.estimates[other.folder] == before.estimates[other.folder]


def test_the_measured_time_stands_beside_the_predicted_one(project: Path) -> None:
    made = planner(project)
    assert made.plan().measured_wall is None
    ended = 1e9
    for node in made.nodes.values():
        ended += 2
        write_json(timing_file(project, node), {"wall_s": 2.0, "ended": ended})
    plan = planner(project).plan()
    assert plan.measured_wall == pytest.approx(2.0 * sum(node.kind != "plain" for node in made.nodes.values()), rel=0.2)
    assert any("predicted; measured" in line for line in lines(plan))


def test_a_dearer_teacher_is_in_the_dollars(project: Path) -> None:
    hosted = planner(project, overrides={"labels": {"teacher": "openai/gpt-4o-mini"}}).plan()
    calls = planner(project).plan().total.calls_new
    assert hosted.total.calls_new == calls
    read, written = token_prices("openai/gpt-4o-mini", LlmsSpec()) or (0, 0)
    assert hosted.total.dollars > 100 * (1000 * read + 300 * written) > 0


def test_an_unknown_price_is_said_and_not_taken_for_nothing(project: Path) -> None:
    plan = planner(project, overrides={"labels": {"teacher": "openai/brand-new"}}).plan()
    assert plan.total.unpriced == ("openai/brand-new",)
    assert any("no price is known of openai/brand-new" in line for line in lines(plan))


def test_a_budget_refuses_a_plan_that_costs_more(project: Path) -> None:
    study = planner(project, scale="full").study
    check_budget(study, None)
    check_budget(study, 1e6)
    with pytest.raises(InputError, match=r"budget.max_usd: the plan costs \$\d+"):
        check_budget(study, 0.5)


def test_json_holds_the_same_plan(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    monkeypatch.chdir(project)
    found = CliRunner().invoke(app, ["plan", "--experiments", "lora_rank", "--json"])
    value = json.loads(found.stdout)
    assert [row["name"] for row in value["rows"]] == ["lora_rank"] and value["total"]["jobs"] == len(value["why"])


def test_a_thousand_arms_are_planned(project: Path) -> None:
    sweep = {"learning_rate": [round(1e-5 * (i + 1), 8) for i in range(1000)]}
    values = {"title": "t", "question": "q", "sweep": sweep, "reference": "learning_rate=1e-05"}
    values |= {"primary": {"metric": "reward", "eval_set": "test"}}
    (project / "config/experiments/wide.yaml").write_text(json.dumps(values))
    row = planner(project, experiments="wide").plan().rows[0]
    assert row.arms == 1000 and row.to_train >= 1000 and row.total.jobs >= 3000


# rates and prices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("rates", "spread: 1.3", "spread: 0.5", r"config/rates.yaml: spread"),
        ("rates", "model_spread", "modelspread", r"config/rates.yaml: modelspread: unknown key"),
        ("prices", "core_hour: 0.047", "core_hour: cheap", r"config/prices.yaml: core_hour"),
    ],
)
def test_a_wrong_rate_or_price_is_one_line(project: Path, file: str, old: str, new: str, expected: str) -> None:
    path = project / "config" / f"{file}.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=expected):
        load_rates(project), load_prices(project)


def test_a_gpu_without_a_price_is_one_line(project: Path) -> None:
    prices = load_prices(project)
    assert prices.machine_hour("L4:2", 2, 10) == pytest.approx(2 * 0.80 + 2 * 0.047 + 10 * 0.008)
    with pytest.raises(InputError, match="gpu_hour: no price of 'Z80'"):
        prices.machine_hour("Z80", 1, 1)


def test_embedded_programs_are_free_and_own_prices_come_first() -> None:
    own = LlmsSpec.model_validate({"models": {"openai/gpt-4o-mini": {"price": {"input": 1, "output": 2}}}})
    assert token_prices("embedded/composer-1", own) == (0.0, 0.0)
    assert token_prices("openai/gpt-4o-mini", own) == (1e-6, 2e-6)
    assert token_prices("nobody/knows", own) is None


def test_a_hosted_teacher_takes_the_time_that_its_limits_allow(project: Path) -> None:
    made = planner(project, overrides={"labels": {"teacher": "openai/gpt-4o-mini"}})
    node = made.study.data.labels.parents.get("labels", made.study.data.labels)
    estimate = made.estimates[node.folder]
    assert estimate.seconds > sum(each.number for each in estimate.calls) * 60 / 500


def test_the_plan_needs_no_results_and_writes_none(project: Path) -> None:
    planner(project).plan()
    assert not (project / "results").exists() or not any((project / "results").rglob("*.json"))
    shutil.rmtree(project)
