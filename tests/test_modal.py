"""GPU steps on Modal, against a stand-in of its service: the real client, real container processes, uploaded files."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modal_containers import layers
from modal_stand_in import StandIn
from test_scorers import SECONDS, VIBES, calibration_spec
from test_scorers import clap as clap  # fixtures
from test_scorers import splits as splits
from test_training import COMMON, SFT, SYSTEM, _same
from test_training import adapter as adapter
from test_training import dataset as dataset
from test_training import tiny as tiny

from vibegrid.embeddings import encode
from vibegrid.evals.generate import OUTPUTS
from vibegrid.evals.parts import EMBEDDINGS
from vibegrid.files import read_json, read_jsonl, write_jsonl
from vibegrid.llm.prompts import NO_PROMPT
from vibegrid.remote import app, calls

ROOT = Path(__file__).resolve().parents[1]
TOKEN = {"MODAL_TOKEN_ID": "ak-test", "MODAL_TOKEN_SECRET": "as-test", "MODAL_CONFIG_PATH": "/nowhere/modal.toml"}
RANDOM = {"system": {"kind": "random", "seed": 3}, "module": "vibegrid.systems.random_uniform", "parts": {"few": "id"}}
HEARS, CLAP = "results/scorers/mini_clap.1", "results/claps/mini.1"
MACHINE = {"gpu": "L4", "retries": 1, "timeout_hours": 1}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("modal")]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder: the code of this one, and the inputs of a few steps."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "scripts", "envs"):
        (folder / name).symlink_to(ROOT / name)
    rows = [{"id": f"p{number}", "prompt": f"grey rain {number}"} for number in range(3)]
    write_jsonl(folder / "results/eval_sets/few.1/prompts.jsonl", rows)
    return folder


class Job:
    """A step's command, here or on Modal, as a rule would run it."""

    def __init__(self, project: Path, service: StandIn, step: str, out: str, **settings: Any) -> None:
        self.project, self.service, self.step, self.out = project, service, step, out
        self.work, self.log = f".cache/work/{out.removeprefix('results/')}", f"logs/{step}/{Path(out).name}.log"
        self.spec, self.inputs = settings["spec"], settings["inputs"]
        self.weights: list[str] = settings.get("weights", [])
        self.arguments = ["--spec", json.dumps(self.spec), *settings["arguments"], "--out", out, "--log", self.log]

    def command(self, remote: bool) -> list[str]:
        script = [f"scripts/{self.step}.py", *self.arguments]
        if not remote:
            return [sys.executable, *script]
        call = {"step": self.step, "out": self.out, "work": self.work, "inputs": self.inputs, "weights": self.weights}
        return [
            sys.executable,
            "-m",
            "vibegrid.remote.run",
            "--call",
            json.dumps({**call, "machine": MACHINE}),
            *script,
        ]

    def start(self, remote: bool = True, **variables: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            **TOKEN,
            "MODAL_SERVER_URL": self.service.url,
            "VIBEGRID_PRELOAD": "0",
            **variables,
        }
        return subprocess.Popen(
            self.command(remote),
            cwd=self.project,
            env=environment,
            text=True,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(self, remote: bool = True, **variables: str) -> tuple[int, str]:
        """Exit code and what it said."""
        process = self.start(remote, **variables)
        said = process.communicate(timeout=600)[1]
        return process.returncode, said

    @property
    def call_id(self) -> str | None:
        return calls.kept(self.project / self.work)


def place(project: Path, **folders: Path) -> None:
    """Lay folders into the project's results, as `kind__name=folder`."""
    for key, source in folders.items():
        path = project / "results" / f"{key.replace('__', '/')}.1"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(source)
    (project / "system.md").write_text(SYSTEM)


def sft(project: Path, service: StandIn, tiny: Path, dataset: Path, out: str, **changes: Any) -> Job:
    """A training whose inputs lie in the project by names of its own."""
    place(project, models__tiny=tiny, datasets__few=dataset)
    spec = {**SFT, "budget": {"unit": "steps", "value": 6}, "max_seq_length": 400, **changes}
    work = f".cache/work/{out.removeprefix('results/')}"
    files = ["--model", "results/models/tiny.1", "--dataset", "results/datasets/few.1", "--system-prompt", "system.md"]
    return Job(
        project,
        service,
        "train_sft",
        out,
        spec=spec,
        arguments=[*files, "--work", work],
        inputs=["results/datasets/few.1", "system.md"],
        weights=["results/models/tiny.1"],
    )


def baseline(project: Path, service: StandIn, out: str, prompts: str = "results/eval_sets/few.1", **spec: Any) -> Job:
    """Outputs of the random baseline: a step that imports no torch."""
    arguments = ["--prompts", f"few={prompts}/prompts.jsonl"]
    return Job(project, service, "generate", out, spec={**RANDOM, **spec}, arguments=arguments, inputs=[prompts])


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


def test_an_adapter_trained_on_modal_equals_the_local_one_though_client_and_machine_were_lost(
    project: Path, service: StandIn, tiny: Path, dataset: Path
) -> None:
    changes = {"budget": {"unit": "steps", "value": 60}, "checkpoints": 1}
    here = sft(project, service, tiny, dataset, "results/adapters/sft/whole.1", **changes)
    job = sft(project, service, tiny, dataset, "results/adapters/sft/killed.1", **changes)
    before, first = len(service.calls), job.start()
    kept = service.state.volume("vibegrid-checkpoints") / job.work / "checkpoint-30"
    wait_for(kept.exists, first)
    first.kill()
    first.wait()
    call = service.calls[-1]
    assert job.call_id == call.id and call.output is None
    service.preempt(call, grace=0.0)
    local = here.start(remote=False)
    code, said = job.run()
    assert code == 0, said + service.logs()[-3000:]
    assert local.wait(600) == 0
    assert len(service.calls) == before + 1 and call.starts == 2 and call.attempts == 0
    _same(project / here.out, project / job.out)
    lines = (project / job.log).read_text()
    assert f"waiting for call {call.id}" in lines  # ours
    assert "resuming from checkpoint-30" in lines and "step 60 of 60" in lines  # those of the remote log
    assert read_json((project / job.log).with_suffix(".timing.json"))["step"] == "train_sft"
    assert job.call_id is None and not (project / job.work).exists()
    assert not list(service.state.volume("vibegrid-checkpoints").rglob("*.safetensors"))
    assert (service.state.volume("vibegrid-weights") / "results/models/tiny.1/.complete").exists()


def test_grpo_outputs_and_scores_of_modal_equal_the_local_ones(
    project: Path,
    service: StandIn,
    tiny: Path,
    dataset: Path,
    adapter: Path,
    clap: Path,
    splits: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What goes on from an adapter, what answers with one, and what hears: each on both sides."""
    from vibegrid.scorers.calibrate import calibrate

    place(project, models__tiny=tiny, datasets__few=dataset, adapters__start=adapter, claps__mini=clap)
    monkeypatch.chdir(project)  # a scorer names its model by the path that it is given
    calibrate(calibration_spec("mini_clap"), splits=splits, model=Path(CLAP), prompt=NO_PROMPT, out=Path(HEARS))
    prompts = project / "results/eval_sets/heard.1/prompts.jsonl"
    rows = [{"id": f"p{i}", "prompt": vibe, "cluster": f"c{i}"} for i, vibe in enumerate(VIBES[:3])]
    write_jsonl(prompts, rows)
    np.save(prompts.with_name(EMBEDDINGS), encode([row["prompt"] for row in rows]))
    grpo = {
        **COMMON,
        "sft": SFT,
        "budget": {"unit": "steps", "value": 2},
        "num_generations": 2,
        "max_completion_length": 16,
        "reward": {"audio_scorer": "mini_clap"},
    }
    system = {"kind": "grpo", "base_model": "tiny", "decoding": {"max_new_tokens": 12}, "dtype": "float32"}
    answers = {"system": system, "module": "vibegrid.systems.language_model"}
    scores = {"reward": {"audio_scorer": "mini_clap"}, "seconds": SECONDS}
    sets, hears = ["--prompts", "heard=results/eval_sets/heard.1/prompts.jsonl"], ["--scorers", "mini_clap=" + HEARS]
    model = ["--model", "results/models/tiny.1", "--system-prompt", "system.md"]

    def on(side: str) -> dict[str, Path]:
        """Train, answer and score here or there; the three folders. No part is that of the other side."""
        tuned, told, heard = (f"results/{kind}/{side}.1" for kind in ("adapters/grpo", "generations", "scores"))
        whole, kept = ["results/datasets/few.1", "system.md"], ["results/eval_sets/heard.1"]
        start = ["--sft-adapter", "results/adapters/start.1", "--dataset", "results/datasets/few.1"]
        jobs = [
            Job(
                project,
                service,
                "train_grpo",
                tuned,
                spec=grpo,
                arguments=[*model, *start, "--scorer", HEARS, "--work", f".cache/work/adapters/grpo/{side}.1"],
                inputs=[*whole, "results/adapters/start.1", HEARS, CLAP],
                weights=["results/models/tiny.1"],
            ),
            Job(
                project,
                service,
                "generate",
                told,
                spec={**answers, "parts": {"heard": side}},
                arguments=[*model, "--adapter", tuned, *sets],
                inputs=["system.md", tuned, *kept],
                weights=["results/models/tiny.1"],
            ),
            Job(
                project,
                service,
                "score",
                heard,
                spec={**scores, "parts": {f"heard:{name}": side for name in ("payload", "reward", "mini_clap")}},
                arguments=["--generation", "results/generations/random-told.1", *hears, *sets],
                inputs=["results/generations/random-told.1", HEARS, CLAP, *kept],
            ),
        ]
        for job in jobs:
            code, said = job.run(remote=side == "there")
            assert code == 0, said + service.logs()[-3000:]
        return {job.step: project / job.out for job in jobs}

    told = Job(
        project,
        service,
        "generate",
        "results/generations/random-told.1",
        spec={**RANDOM, "parts": {"heard": "id"}},
        arguments=sets,
        inputs=[],
    )
    assert told.run(remote=False)[0] == 0
    before = len(service.calls)
    here, there = on("here"), on("there")
    assert len(service.calls) == before + 3
    _same(here["train_grpo"], there["train_grpo"])
    assert (here["generate"] / OUTPUTS).read_bytes() == (there["generate"] / OUTPUTS).read_bytes()
    found = (there["score"] / "scores.csv").read_bytes()
    assert (here["score"] / "scores.csv").read_bytes() == found and found.count(b"clap_score") >= 3


def test_bad_input_there_is_one_line_here(project: Path, service: StandIn) -> None:
    (project / "results/eval_sets/bad.1").mkdir()
    (project / "results/eval_sets/bad.1/prompts.jsonl").write_text('{"id": "a"}\n')
    job = baseline(project, service, "results/generations/bad.1", prompts="results/eval_sets/bad.1")
    code, said = job.run()
    assert code == 2 and "prompts.jsonl:1: field 'prompt' is missing" in said, said
    assert service.calls[-1].starts == 1  # bad input stays bad: no second attempt
    assert not (project / job.out).exists() and job.call_id is None


def test_a_step_that_fails_is_tried_again_and_then_fails_here(project: Path, service: StandIn) -> None:
    job = baseline(project, service, "results/generations/failing.1", module="vibegrid.nothing")
    code, said = job.run()
    assert code == 1 and "StepFailed" in said and "vibegrid.nothing" in said, said
    assert service.calls[-1].starts == 2  # `retries: 1`
    assert "Traceback" in (project / job.log).read_text()
    assert not (project / job.out).exists() and job.call_id is None


def test_files_of_over_2_mib_come_back(project: Path, service: StandIn) -> None:
    (project / "results/eval_sets/long.1").mkdir()
    long = base64.b64encode(random.Random(0).randbytes(3 << 20)).decode()
    write_jsonl(project / "results/eval_sets/long.1/prompts.jsonl", [{"id": "a", "prompt": long}])
    job = baseline(project, service, "results/generations/long.1", prompts="results/eval_sets/long.1")
    code, said = job.run()
    assert code == 0, said
    assert max(map(len, service.state.blobs.values())) > 2 << 20
    assert read_jsonl(project / job.out / "generations.jsonl")[0]["prompt"] == long


def test_an_outage_is_waited_for(project: Path, service: StandIn) -> None:
    job = baseline(project, service, "results/generations/outage.1")
    with service.full():
        process = job.start()
        wait_for(lambda: job.call_id is not None, process)
        service.outage(4.0)
        time.sleep(4.0)  # while the call waits for a machine; the next test finds the service there
    assert process.wait(120) == 0, process.stderr and process.stderr.read()
    assert service.calls[-1].starts == 1
    assert (project / job.out / "generations.jsonl").exists()


def test_ctrl_c_cancels_the_call(project: Path, service: StandIn) -> None:
    job = baseline(project, service, "results/generations/cancelled.1")
    with service.full():
        process = job.start()
        wait_for(lambda: job.call_id is not None, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert service.calls[-1].cancelled and job.call_id is None
    assert not (project / job.out).exists()


def test_a_refused_token_and_a_missing_secret_are_one_line(project: Path, service: StandIn) -> None:
    job = baseline(project, service, "results/generations/refused.1")
    before = len(service.calls)
    check = "from vibegrid.remote.preflight import check; check(['judges'])"
    for token, message in (("wrong", "Modal refuses the token"), ("as-test", "secrets: judges: not found on Modal")):
        variables = {**os.environ, **TOKEN, "MODAL_SERVER_URL": service.url, "MODAL_TOKEN_SECRET": token}
        done = subprocess.run([sys.executable, "-c", check], env=variables, capture_output=True, text=True, check=False)
        assert message in done.stderr.splitlines()[-1]
    code, said = job.run(MODAL_TOKEN_ID="", MODAL_TOKEN_SECRET="")
    assert code == 2 and "no token of Modal" in said and said.count("\n") == 1
    assert len(service.calls) == before


def test_images_are_the_environments_and_the_package_is_shipped_whole(project: Path, service: StandIn) -> None:
    if not service.calls:
        baseline(project, service, "results/generations/alone.1").run()
    commands = {"\n".join(layers(service.state, image)) for image in service.state.images.values()}
    for environment in ("gpu", "clap"):
        pins = app.pins(ROOT / f"envs/{environment}.yaml")
        assert any(all(pin in found for pin in pins) for found in commands), environment
    assert app.name_of(ROOT) in service.state.apps
    shipped = {name for files in service.state.mounts.values() for name in files}
    for path in (ROOT / "src/vibegrid").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert f"/root/vibegrid/{path.relative_to(ROOT / 'src/vibegrid')}" in shipped


def test_prune_finds_and_removes_what_nobody_names(
    project: Path, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vibegrid.remote import prune

    for name, value in {**TOKEN, "MODAL_SERVER_URL": service.url}.items():
        monkeypatch.setenv(name, value)
    own = app.name_of(ROOT)
    service.state.apps |= {"vibegrid-0123456789ab": {}, own: service.state.apps.get(own, {}), "somebody-elses": {}}
    checkpoints, weights = (service.state.volume(name) for name in ("vibegrid-checkpoints", "vibegrid-weights"))
    for path in (
        checkpoints / ".cache/work/adapters/sft/old.1/checkpoint-3/optimizer.pt",
        checkpoints / ".cache/work/adapters/sft/named.1/checkpoint-3/optimizer.pt",
        weights / "results/models/old.2/.complete",
        weights / "results/models/named.2/.complete",
    ):
        path.parent.mkdir(parents=True)
        path.touch()
    left = prune.left_over(ROOT, ["named.1", "named.2", "tiny.1"])
    assert [(one.what, one.name) for one in left] == [
        ("app", "vibegrid-0123456789ab"),
        ("vibegrid-checkpoints", ".cache/work/adapters/sft/old.1"),
        ("vibegrid-weights", "results/models/old.2"),
    ]
    prune.remove(left)
    assert set(service.state.apps) == {own, "somebody-elses"}
    assert prune.left_over(ROOT, ["named.1", "named.2", "tiny.1"]) == []
    assert (weights / "results/models/named.2").exists() and not (weights / "results/models/old.2").exists()


def test_answers_paid_for_there_are_kept_here(tmp_path: Path) -> None:
    from vibegrid.llm.store import ResponseStore, key_of
    from vibegrid.llm.usage import Usage
    from vibegrid.remote.client import _keep_answers

    keys = [key_of("model", [{"content": text}], {}) for text in ("a", "b")]
    for name, key in zip(("here", "there"), keys, strict=True):
        with ResponseStore(tmp_path / name) as store:
            store.put(key, "model", [name], Usage(usd=0.5))
    _keep_answers(tmp_path / "here", (tmp_path / "there").read_bytes())
    with ResponseStore(tmp_path / "here") as store:
        found = store.get_many(keys)
    assert [found[key].texts for key in keys] == [["here"], ["there"]] and found[keys[1]].usage.usd == 0.5
