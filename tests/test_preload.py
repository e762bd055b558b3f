"""The server of preloaded imports: a job through it is the same job, and nothing outlives who asked for it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vibegrid import preload
from vibegrid.files import read_json, write_jsonl

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "import time\ntime.sleep(0.3)\n"
JOB = """\
import json, os, subprocess, sys, time
from vibegrid import script
from vibegrid.errors import InputError

held = "slow_library" in sys.modules

def main(options):
    import slow_library
    spec = options.spec
    if "fail" in spec:
        raise InputError("the file", "is bad") if spec["fail"] == "input" else RuntimeError("broken")
    umask = os.umask(0o22)
    said = {"held": held, "pid": os.getpid(), "server": os.getppid(), "argv": sys.argv, "cwd": os.getcwd()}
    said |= {"mark": os.environ.get("MARK"), "umask": umask, "others": "vibegrid.evals" in sys.modules}
    print(json.dumps(said), flush=True)
    if "echo" in spec:
        print(sys.stdin.read(), file=sys.stderr)
    if "helper" in spec:
        print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
    time.sleep(spec.get("sleep", 0))

script.run(script.parser("A job."), main, preload=json.loads(os.environ["LIBRARIES"]))
"""


class Project:
    """A folder with a script, and a folder of sockets of its own (their paths must be short)."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self.folder, self.sockets = folder, sockets / f"vibegrid-{os.getuid()}"
        (folder / "libraries").mkdir()
        (folder / "libraries/slow_library.py").write_text(LIBRARY)
        (folder / "job.py").write_text(JOB)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder / "libraries")]),
            "TMPDIR": str(sockets),
            "LIBRARIES": '["slow_library"]',
            "VIBEGRID_PRELOAD": "1",
            "VIBEGRID_PRELOAD_IDLE": "20",
        }

    def start(self, spec: dict[str, Any] | None = None, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "job.py", "--spec", json.dumps(spec or {}), *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that starts the tests in the background has them ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def said(self, spec: dict[str, Any] | None = None, **environment: str) -> dict[str, Any]:
        """What a job that ends well printed."""
        job = self.start(spec, **environment)
        out, error = job.communicate(timeout=60)
        assert (job.returncode, error) == (0, ""), error
        return {**json.loads(out), "job": job.pid}

    def running(self, spec: dict[str, Any] | None = None) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """A job that has begun and goes on, with what it printed."""
        job = self.start({"sleep": 60, **(spec or {})})
        assert job.stdout
        return job, json.loads(job.stdout.readline())

    def log(self) -> str:
        return "".join(path.read_text() for path in self.sockets.glob("*.log"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    sockets = Path(tempfile.mkdtemp(dir="/tmp"))
    yield Project(tmp_path, sockets)
    shutil.rmtree(sockets)  # and the server ends


def gone(pid: int, seconds: float = 10.0) -> bool:
    """The process ends within so many seconds; one that nobody has waited for yet is gone too."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


# a job through the server ---------------------------------------------------------------------------------------


def test_a_job_is_run_by_a_child_of_the_server_as_if_by_itself(project: Project) -> None:
    old = os.umask(0o27)
    try:
        said = project.said({}, MARK="a mark")
    finally:
        os.umask(old)
    assert said["held"] and said["pid"] != said["job"] and said["server"] != os.getpid()
    assert said["argv"] == ["job.py", "--spec", "{}"] and said["cwd"] == str(project.folder)
    assert (said["mark"], said["umask"], said["others"]) == ("a mark", 0o27, False)


def test_standard_input_and_error_are_those_of_the_job(project: Project) -> None:
    out, error = project.start({"echo": True}).communicate("a line", timeout=60)
    assert json.loads(out)["held"] and error == "a line\n"


@pytest.mark.parametrize(
    ("fail", "code", "line"), [("input", 2, "the file: is bad"), ("other", 1, "RuntimeError: broken")]
)
def test_errors_and_exit_codes_pass_through(project: Project, fail: str, code: int, line: str) -> None:
    outcomes = []
    for switch in ("1", "0"):
        job = project.start({"fail": fail}, "--log", "job.log", VIBEGRID_PRELOAD=switch)
        outcomes.append((*job.communicate(timeout=60), job.returncode))
    assert outcomes[0] == outcomes[1]
    out, error, status = outcomes[0]
    assert (out, status) == ("", code) and error.startswith(line) and error.count("\n") == 1


def test_code_is_read_anew_for_each_job(project: Project) -> None:
    first = project.said()
    job = project.folder / "job.py"
    job.write_text(job.read_text().replace('"held": held', '"edited": True, "held": held'))
    second = project.said()
    assert second["edited"] and "edited" not in first and second["server"] == first["server"]


def test_two_jobs_at_once_start_one_server(project: Project) -> None:
    jobs = [project.start() for _ in range(3)]
    said = [json.loads(job.communicate(timeout=60)[0]) for job in jobs]
    assert len({one["server"] for one in said}) == 1 and all(one["held"] for one in said)


def test_a_job_with_another_environment_has_another_server(project: Project) -> None:
    assert project.said(MARK="a")["server"] != project.said(MARK="b")["server"]


def test_timing_is_that_of_the_job_as_it_was_seen(project: Project) -> None:
    times = []
    for name in ("first", "second"):
        job = project.start({"sleep": 0.2}, "--log", f"{name}.log")
        assert job.communicate(timeout=60)[1] == ""
        times.append(read_json(project.folder / f"{name}.timing.json"))
    first, second = times
    assert first["imports_s"] >= 0.3 and first["imports_s"] > second["imports_s"] > 0
    assert first["wall_s"] >= 0.5 and second["wall_s"] >= 0.2
    assert all(5 < timing["max_rss_mib"] < 500 and timing["step"] == "job" for timing in times)


# what is killed -------------------------------------------------------------------------------------------------


def test_a_killed_job_takes_its_child_along(project: Project) -> None:
    job, said = project.running({"helper": True})
    assert job.stdout
    helper = int(job.stdout.readline())
    job.kill()
    job.communicate()
    assert gone(said["pid"]) and gone(helper)
    assert project.said()["server"] == said["server"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 1)])
def test_signals_are_passed_on(project: Project, number: signal.Signals, code: int) -> None:
    job, said = project.running()
    job.send_signal(number)
    _, error = job.communicate(timeout=60)
    assert job.returncode == code and gone(said["pid"])
    assert ("KeyboardInterrupt" if number == signal.SIGINT else "job: killed by SIGTERM") in error


def test_a_killed_child_is_a_failed_job(project: Project) -> None:
    job, said = project.running()
    os.kill(said["pid"], signal.SIGKILL)
    assert job.communicate(timeout=60)[1] == "job: killed by SIGKILL\n" and job.returncode == 137


def test_a_killed_server_takes_its_children_along_and_is_not_started_again_at_once(project: Project) -> None:
    job, said = project.running()
    os.kill(said["server"], signal.SIGKILL)
    _, error = job.communicate(timeout=60)
    assert error == "job: the server of its imports died, and the job with it\n" and job.returncode == 1
    assert gone(said["pid"])
    after = project.said()
    assert not after["held"] and after["pid"] == after["job"]


# no server ------------------------------------------------------------------------------------------------------


def test_it_can_be_turned_off(project: Project) -> None:
    said = project.said(VIBEGRID_PRELOAD="0")
    assert not said["held"] and said["pid"] == said["job"] and not project.sockets.exists()


@pytest.mark.parametrize("broken", ["open to others", "a file", "a link", "a long path"])
def test_without_a_private_folder_a_job_runs_by_itself(project: Project, broken: str) -> None:
    environment = {}
    if broken == "open to others":
        project.sockets.mkdir()
        project.sockets.chmod(0o755)
    elif broken == "a file":
        project.sockets.touch()
    elif broken == "a link":
        project.sockets.symlink_to(project.folder)
    else:
        long = project.sockets.parent / ("x" * 100)
        long.mkdir()
        environment = {"TMPDIR": str(long)}
    said = project.said(**environment)
    assert not said["held"] and said["pid"] == said["job"]


def test_a_library_that_cannot_be_imported_leaves_the_job_in_its_own_process(project: Project) -> None:
    environment = {"LIBRARIES": '["no_such_library"]'}
    said = project.said(**environment)
    assert not said["held"] and said["pid"] == said["job"]
    assert "No module named 'no_such_library'" in project.log()
    written = [path.stat().st_mtime_ns for path in project.sockets.glob("*.log")]
    assert not project.said(**environment)["held"]
    assert written == [path.stat().st_mtime_ns for path in project.sockets.glob("*.log")]  # not tried again


def test_a_library_that_starts_a_thread_is_no_library_to_fork(project: Project) -> None:
    (project.folder / "libraries/threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    said = project.said(LIBRARIES='["threaded"]')
    assert said["pid"] == said["job"] and "threads after the imports" in project.log()


def test_a_machine_with_a_gpu_has_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIBEGRID_PRELOAD", "1")
    monkeypatch.setattr(preload, "GPU_DEVICES", (str(tmp_path),))
    monkeypatch.setattr(preload, "_connect", lambda *_: pytest.fail("a server was looked for"))
    preload.hand_over(["json"], {})


# the end of a server --------------------------------------------------------------------------------------------


def test_an_idle_server_ends_and_leaves_nothing(project: Project) -> None:
    said = project.said(VIBEGRID_PRELOAD_IDLE="0.3")
    assert gone(said["server"])
    assert [path.name for path in project.sockets.iterdir()] == ["lock"]
    assert project.said(VIBEGRID_PRELOAD_IDLE="0.3")["server"] != said["server"]


def test_a_job_longer_than_the_idle_time_keeps_its_server(project: Project) -> None:
    first = project.said({"sleep": 2.0}, VIBEGRID_PRELOAD_IDLE="1.5")
    assert project.said(VIBEGRID_PRELOAD_IDLE="1.5")["server"] == first["server"]


def test_a_server_without_its_socket_ends_after_its_jobs(project: Project) -> None:
    job, said = project.running()
    shutil.rmtree(project.sockets)
    time.sleep(1.5)
    assert job.poll() is None
    assert project.said()["server"] != said["server"]
    job.terminate()
    job.communicate(timeout=60)
    assert gone(said["server"])


# the real libraries ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_has_the_same_bytes_either_way(project: Project) -> None:
    from vibegrid.models import documents
    from vibegrid.models.tokenizer import END
    from vibegrid.payloads import parse_output

    folder, rng = project.folder, random.Random(0)
    prose = "Slow cold honey dripped from the spoon while the ferry lay still against its post in the mist."
    write_jsonl(folder / "prose.jsonl", [{"text": prose}])
    for name, count in (("SFT-Train", 16), ("SFT-Val", 4)):
        rows = []
        for _ in range(count):
            vibe, answer = documents.payload_chat(documents.snippet(prose.split(), (2, 12), rng), rng)
            payload = parse_output(answer.removesuffix(END)).payload
            rows.append({"vibe_noisy": vibe, "vibe_original": vibe, "config_payload": payload})
        write_jsonl(folder / f"data/{name}.jsonl", rows)
    (folder / "system.md").write_text("Write a payload.")
    model = {"architecture": "llama", "vocab_size": 1200, "hidden_size": 32, "layers": 1, "heads": 2}
    model |= {"intermediate_size": 32, "steps": 2, "batch_size": 4}
    sft = {"base_model": "tiny", "budget": {"unit": "steps", "value": 4}, "max_seq_length": 400, "batch_size": 4}
    sft |= {"lora": {"r": 4, "alpha": 4, "dropout": 0.1}, "learning_rate": 1e-3, "checkpoints": 1}

    def run(script: str, spec: dict[str, Any], out: str, switch: str, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, ROOT / f"scripts/{script}.py", "--spec", json.dumps(spec), "--out", out, *arguments]
            + ["--log", f"{out}.log"],
            cwd=folder,
            env={**project.environment, "VIBEGRID_PRELOAD": switch},
            check=True,
            timeout=300,
        )

    files = ["--model", "tiny", "--dataset", "data", "--system-prompt", "system.md", "--work"]
    run("pretrain_model", model, "tiny", "1", "--prose", "prose.jsonl")
    run("train_sft", sft, "forked", "1", *files, "work/1")
    run("train_sft", sft, "alone", "0", *files, "work/0")
    names = {path.name for path in (folder / "alone").iterdir()}
    assert names == {path.name for path in (folder / "forked").iterdir()} and len(names) == 6
    for name in names:
        assert (folder / "alone" / name).read_bytes() == (folder / "forked" / name).read_bytes(), name
    alone, forked = (read_json(folder / f"{name}.timing.json") for name in ("alone", "forked"))
    assert forked["imports_s"] < alone["imports_s"] / 3
