"""profiles/kubernetes: its options, and jobs as the plugin asks a cluster for them (tests/kubernetes_service.py)."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from containerfile import environment
from kubernetes_service import Service, container_of, environment_for, refusal
from project import ROOT, TARGETS, copy_sources, trim

pytestmark = pytest.mark.engines

PROFILE = ROOT / "profiles/kubernetes/config.yaml"
IMAGE = "registry.example/vibegrid:0.1.0"
SECRET = "secret-of-a-test"
TOY = """
rule score:
    output:
        "results/{name}.txt",
    log:
        "logs/{name}.log",
    resources:
        gpu=lambda wildcards: 0,
    shell:
        "python -c 'import toy; print(toy.WORD)' > {output} 2> {log}"
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """S3 on loopback, with a bucket."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Any:
    """An empty bucket of the name `bucket`."""
    import boto3

    s3 = boto3.resource(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key=SECRET
    )
    made = s3.create_bucket(Bucket="bucket")
    made.objects.all().delete()
    return made


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A workflow of one rule, of the name of one of ours, and of a package in src."""
    project = tmp_path / "toy"
    (project / "profiles/kubernetes").mkdir(parents=True)
    (project / "profiles/kubernetes/config.yaml").write_bytes(PROFILE.read_bytes())
    (project / "Snakefile").write_text(TOY)
    (project / "src").mkdir()
    (project / "src/toy.py").write_text("WORD = 'here'\n")
    return tracked(project)


def tracked(project: Path) -> Path:
    """The sources of a run are the files that git knows."""
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


def submit(project: Path, service: Service, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake through the profile; with its own span of jobs, for the toy has no `end_timers`."""
    options = ["--workflow-profile", "profiles/kubernetes", "--container-image", IMAGE]
    options += ["--default-storage-prefix", "s3://bucket/here", "--seconds-between-status-checks", "1"]
    options += ["--max-jobs-per-timespan", "1000/1s"]
    surroundings = environment_for(service.kubeconfig, endpoint, SECRET)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *options, *arguments],
        cwd=project,
        env={**surroundings, "PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )


def parsed(monkeypatch: pytest.MonkeyPatch, profile: Path = PROFILE.parent) -> Any:
    """The options as Snakemake's own parser reads them from a profile."""
    from snakemake.cli import parse_args

    monkeypatch.chdir(ROOT)
    return parse_args(["--workflow-profile", str(profile), "--dry-run"])[1]


def test_its_options_are_those_of_snakemake_and_of_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    import snakemake_executor_plugin_kubernetes as plugin
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    options = parsed(monkeypatch)
    assert (options.executor, options.default_storage_provider) == ("kubernetes", "s3")
    assert options.shared_fs_usage == set()
    found = ExecutorPluginRegistry().get_plugin("kubernetes").get_settings(options)
    hints = get_type_hints(plugin.ExecutorSettings)
    names = {field.name for field in dataclasses.fields(plugin.ExecutorSettings)}
    given = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    mine = {key.removeprefix("kubernetes-").replace("-", "_") for key in given if key.startswith("kubernetes-")}
    assert mine and mine <= names
    for name in mine:
        assert isinstance(getattr(found, name), hints[name])


@pytest.mark.parametrize(
    "line", ["kubernetes-namespase: lab", "retrys: 3", "retries: many", "kubernetes-cpu-scalar: most"]
)
def test_a_wrong_option_is_refused(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above rests on: the parser takes no key that it does not know."""
    (tmp_path / "config.yaml").write_text(f"executor: kubernetes\n{line}\n")
    with pytest.raises(SystemExit):
        parsed(monkeypatch, tmp_path)


def test_it_is_complete() -> None:
    default, mine = (
        yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text(encoding="utf-8"))
        for name in ("default", "kubernetes")
    )
    assert {key: value for key, value in default.items() if mine.get(key) != value}.keys() == {"cores", "latency-wait"}


def test_every_rule_that_can_hold_a_gpu_is_told_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk")))
    rules = [
        block for block in re.split(r"^rule ", text, flags=re.MULTILINE)[1:] if re.search(r"^\s+gpu=", block, re.M)
    ]
    options = parsed(monkeypatch)
    unset = {rule for rule, resources in options.set_resources.items() if "gpu" in resources}
    assert unset == {block.partition(":")[0] for block in rules}


def test_a_job_carries_image_resources_and_no_secret(toy: Path, bucket: Any, endpoint: str, tmp_path: Path) -> None:
    with Service(tmp_path / "cluster", environment()) as cluster:
        done = submit(toy, cluster, endpoint, "results/a.txt")
        assert done.returncode == 0, done.stderr + cluster.logs()
        assert not cluster.secrets and not cluster.jobs  # all is cleaned up
    (job,) = cluster.created
    container = container_of(job)
    assert container["image"] == IMAGE
    requests = {"cpu": "950m", "memory": "2000M", "ephemeral-storage": "4000M"}
    assert container["resources"] == {"requests": requests, "limits": {**requests, "cpu": "1000m"}}
    assert "tolerations" not in job["spec"]["template"]["spec"]
    assert "snakemake --snakefile 'Snakefile'" in container["args"][1]
    assert SECRET not in json.dumps(job)
    assert {entry["name"] for entry in container["env"]} >= {"SNAKEMAKE_STORAGE_S3_SECRET_KEY"}
    kept = {item.key: item.get()["Body"].read() for item in bucket.objects.all()}
    assert kept == {"here/results/a.txt": b"here\n", "here/logs/a.log": b""}


def test_a_job_that_fails_is_tried_again_and_leaves_its_log(
    toy: Path, bucket: Any, endpoint: str, tmp_path: Path
) -> None:
    bucket.put_object(Key="keep", Body=b"")  # the plugin of S3 removes a bucket with its last object
    with Service(tmp_path / "cluster", crash=True) as cluster:
        done = submit(toy, cluster, endpoint, "results/a.txt", "--retries", "2")
    assert done.returncode != 0
    assert len(cluster.created) == 3, done.stderr
    logs = list((toy / ".snakemake").rglob("kubernetes-logs/*.log"))
    assert len(logs) == 3 and all("out of memory" in path.read_text() for path in logs)


def test_a_gpu_is_asked_for_with_a_limit(toy: Path, bucket: Any, endpoint: str, tmp_path: Path) -> None:
    profile = toy / "profiles/kubernetes/config.yaml"
    profile.write_text(profile.read_text().replace("score:gpu=None", "score:gpu=1"))
    with Service(tmp_path / "cluster", crash=True) as cluster:
        submit(toy, cluster, endpoint, "results/a.txt", "--retries", "0")
    (job,) = cluster.created
    resources = container_of(job)["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert not refusal(job)
    del resources["limits"]
    assert "Limit must be set" in refusal(job)  # as without `scale=0`


@pytest.mark.slow
@pytest.mark.xdist_group("workflow")
def test_the_trimmed_grid_in_pods_makes_the_same_tables(
    finished: Path, bucket: Any, endpoint: str, tmp_path: Path
) -> None:
    project = tracked(trim(copy_sources(tmp_path / "project")))
    with Service(tmp_path / "cluster", environment()) as cluster:
        plan = submit(project, cluster, endpoint, "--dry-run", *TARGETS)
        assert plan.returncode == 0, plan.stderr[-3000:]
        assert re.search(r"^train_grpo +\d", plan.stdout + plan.stderr, re.MULTILINE)
        assert not cluster.created
        done = submit(project, cluster, endpoint, "--jobs", "2", "--retries", "0", *TARGETS)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + cluster.logs()[-6000:]
    ran = {re.findall(r"--target-jobs '?(\w+)", container_of(job)["args"][1])[0] for job in cluster.created}
    assert ran >= {"extract_vibes", "train_sft", "train_grpo", "generate", "score", "compare_arms"}
    assert {path.name for path in (project / "results").iterdir()} == {"stamps", ".gitkeep"}
    made = [str(path.relative_to(finished)) for path in (finished / "results").rglob("*") if path.is_file()]
    same = [name for name in made if name.endswith(("/all_tables.csv", ".safetensors", "scores.csv"))]
    assert len(same) >= 10
    for name in same:
        assert bucket.Object(f"here/{name}").get()["Body"].read() == (finished / name).read_bytes(), name
