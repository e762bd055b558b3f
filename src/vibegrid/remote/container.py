"""What runs on Modal: a step's own script, on uploaded files, in a folder laid out like the project.

The script is the one that runs at home, with the same arguments; only `--work` is another folder, on a volume, where
checkpoints outlive a preempted machine. Volumes are committed after each checkpoint.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import runpy
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import vibegrid
from vibegrid import script
from vibegrid.llm.settings import VARIABLE as LLMS
from vibegrid.remote.pack import pack, unpack
from vibegrid.scorers.base import Needs

PLACE = "VIBEGRID_CONTAINER"  # variable of the image: the folder under which the volumes are mounted
CHECKPOINTS, WEIGHTS = "vibegrid-checkpoints", "vibegrid-weights"  # volumes
LOGS = "vibegrid-logs"  # queue, with a partition for each call
STORE: Path = Needs._field_defaults["store"]  # of the answers of hosted LLMs
TAIL_SECONDS = 1.0
LINES_AT_ONCE = 100
BAD_INPUT = 2  # exit code of `script.run`


class StepFailed(Exception):
    """A step's script failed; the message is its error, the traceback stands in the log."""


def run_step(call: dict[str, Any], packed: bytes) -> dict[str, Any]:
    """Run one step on uploaded files. To be started again with the same arguments when its machine is taken away.

    Args:
        call: `step`, `argv` (of the script), `out`, `work`, `log` (paths relative to the project), `weights`,
            `llms` (how LLMs may be asked, JSON).
        packed: the input files (`pack`).

    Returns:
        `code` (0, or 2 for bad input), `line` (the error's), `files` (the folder `out` and the job's times, packed)
        and `answers` (new answers of hosted LLMs, as a file's bytes; empty where there are none).

    Raises:
        StepFailed: anything else that went wrong; Modal tries again.
    """
    try:
        return _run(call, packed)
    except StepFailed:
        raise
    except Exception as error:  # as a type that the machine at home knows, whatever it has installed
        raise StepFailed(f"{type(error).__name__}: {error}") from error


def _run(call: dict[str, Any], packed: bytes) -> dict[str, Any]:
    import modal

    for name, value in script.ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ[LLMS] = call["llms"]
    volumes = [modal.Volume.from_name(name) for name in (CHECKPOINTS, WEIGHTS)]
    for volume in volumes:
        volume.reload()  # this machine may be older than what was written there
    checkpoints, weights = (Path(os.environ[PLACE]) / name for name in (CHECKPOINTS, WEIGHTS))
    work = checkpoints / call["work"]
    with tempfile.TemporaryDirectory(prefix="vibegrid-") as folder, _working_in(Path(folder)) as root:
        unpack(packed, root)
        for name in call["weights"]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(weights / name)
        if call["step"].startswith("train_"):
            _commit_after_checkpoints(volumes[0])
        argv = [str(work) if part == call["work"] else part for part in call["argv"]]
        with _lines_sent(root / call["log"]), _answers_kept(root / STORE, work / STORE.name):
            code, line = _run_script(call["step"], argv)
        result = {"code": code, "line": line, "files": b"", "answers": b""}
        if (root / STORE).is_file():
            result["answers"] = (root / STORE).read_bytes()
        if code == 0:
            times = Path(call["log"]).with_suffix(".timing.json")
            result["files"] = pack(root, [call["out"], times.as_posix()])
            shutil.rmtree(work, ignore_errors=True)
            volumes[0].commit()  # this container may go on to live for other calls
        return result


def _run_script(step: str, argv: Sequence[str]) -> tuple[int, str]:
    """Exit code and last error line of a script, run as `python` runs it."""
    path = Path(vibegrid.__file__).parents[1] / "scripts" / f"{step}.py"
    before, errors = list(sys.argv), _Tee(sys.stderr)
    sys.argv[:] = [str(path), *argv]
    try:
        with contextlib.redirect_stderr(errors):
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        cause = end.__context__  # what `script.run` caught
        if isinstance(cause, BaseException) and not isinstance(cause, Exception):
            raise cause from None  # the machine is taken away, or the call is cancelled: Modal must see it
        if end.code == BAD_INPUT:
            return BAD_INPUT, errors.last
        if end.code:
            raise StepFailed(errors.last or f"exit code {end.code}") from cause
    finally:
        sys.argv[:] = before
        _free_memory()
    return 0, ""


def _free_memory() -> None:
    """A container is kept for the next call: what this one held on the GPU goes."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Tee(io.TextIOBase):
    """Writes on, and keeps the last line that says something."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.last = stream, ""

    def write(self, text: str) -> int:
        self.last = next((line for line in reversed(text.splitlines()) if line.strip()), self.last)
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


@contextlib.contextmanager
def _answers_kept(store: Path, kept: Path) -> Iterator[None]:
    """Answers of hosted LLMs outlive an attempt that fails: the store is copied to the volume, and from there."""
    if kept.is_file():
        store.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, store)
    try:
        yield
    finally:
        if store.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store, kept)


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[Path]:
    """The folder as the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def _commit_after_checkpoints(volume: Any) -> None:
    """Every trainer of transformers commits the volume when it has written a checkpoint.

    The training itself knows of no volume, so that its code is the same everywhere.
    """
    from vibegrid.preload import slim_imports

    slim_imports()
    from transformers import TrainerCallback, trainer

    class Commit(TrainerCallback):
        """Keeps a checkpoint for the machine that goes on from it."""

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            volume.commit()

    defaults: list[Any] = trainer.DEFAULT_CALLBACKS
    defaults[:] = [*(callback for callback in defaults if callback.__name__ != Commit.__name__), Commit]


@contextlib.contextmanager
def _lines_sent(log: Path) -> Iterator[None]:
    """Send the lines of a growing log to the machine that waits for the call, and the rest at the end."""
    import modal

    queue = modal.Queue.from_name(LOGS, create_if_missing=True)
    partition, ended = modal.current_function_call_id(), threading.Event()

    def follow() -> None:
        at, over = 0, False
        while not over:
            over = ended.wait(TAIL_SECONDS)
            if log.exists():
                with log.open("rb") as file:
                    file.seek(at)
                    text = file.read()
                whole = len(text) if over else text.rfind(b"\n") + 1
                at += whole
                lines = text[:whole].decode("utf-8", "replace").splitlines()
                for start in range(0, len(lines), LINES_AT_ONCE):
                    queue.put_many(lines[start : start + LINES_AT_ONCE], partition=partition)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)
