"""Results in a bucket: the trimmed grid through profiles/s3, against a real server of the S3 protocol."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from project import TARGETS, copy_sources, planned, snakemake, trim

PREFIX = "s3://lab/studies/vibes"
PROFILE = ["--workflow-profile", "profiles/s3", "--default-storage-prefix", PREFIX]

pytestmark = [pytest.mark.slow, pytest.mark.engines, pytest.mark.xdist_group("workflow")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of the server; what it is told is kept in its memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bucket of the study, and an environment in which Snakemake finds its server."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", server)
    import boto3

    return boto3.resource("s3", endpoint_url=server, region_name="us-east-1").Bucket("lab")


def fresh(folder: Path) -> Path:
    """The project as a second machine has it: sources, no results."""
    return trim(copy_sources(folder))


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        ([], r"vibegrid: --default-storage-prefix: .* must start with s3 .*hint: say where results lie"),
        (
            ["--default-storage-prefix", PREFIX],
            rf"vibegrid: {PREFIX}/: .*http://127\.0\.0\.1:9/.*hint: the storage's address",
        ),
    ],
)
def test_a_storage_that_cannot_be_asked_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: list[str], line: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens
    options = ["--workflow-profile", "profiles/s3", "--storage-s3-retries", "1", *prefix]
    done = snakemake(fresh(tmp_path / "project"), *options, "--dry-run", *TARGETS, check=False)
    assert done.returncode == 2
    assert re.search(line, done.stderr) and "Traceback" not in done.stderr, done.stderr


def test_results_in_a_bucket(finished: Path, tmp_path: Path, bucket: Any) -> None:
    first = fresh(tmp_path / "first")
    snakemake(first, *PROFILE, *TARGETS)

    stored = {item.key.removeprefix("studies/vibes/"): item for item in bucket.objects.all()}
    assert all(item.key.startswith("studies/vibes/") for item in stored.values())
    made = [str(path.relative_to(finished)) for path in (finished / "results").rglob("*") if path.is_file()]
    same = [name for name in made if name.endswith(("/all_tables.csv", ".safetensors", ".png", "scores.csv"))]
    same += [name for name in made if name.startswith("results/tables/")]
    assert len(same) >= 20
    for name in same:
        assert stored[name].get()["Body"].read() == (finished / name).read_bytes(), name
    # Here there are only stamps, as every machine writes them for itself, and the storage's local copies.
    assert {path.name for path in (first / "results").iterdir()} == {"stamps", ".gitkeep"}
    assert not list((first / "results").rglob("*.made.json"))

    shutil.rmtree(first)
    second = fresh(tmp_path / "second")
    done = snakemake(second, *PROFILE, *TARGETS)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert not list((second / ".snakemake/storage").rglob("*.csv"))  # not even fetched

    style = second / "src/vibegrid/figures/style.py"
    style.write_text(style.read_text().replace('"font.size": LABEL', '"font.size": LABEL + 1'))
    steps = planned(second, *PROFILE, *TARGETS)
    assert {"Plot", "Plot training curves"} <= set(steps) and all(step.startswith("Plot") for step in steps), steps
    snakemake(second, *PROFILE, *TARGETS)
    assert not planned(second, *PROFILE, *TARGETS)
    third = fresh(tmp_path / "third")
    steps = planned(third, *PROFILE, *TARGETS)
    assert steps and all(step.startswith("Plot") for step in steps), "the figures are of another style"
