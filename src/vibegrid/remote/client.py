"""The machine at home: sends a step's files to Modal, waits for the call, and puts its files in place."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import read_json
from vibegrid.folders import whole_folder
from vibegrid.llm.store import ResponseStore
from vibegrid.remote import app, calls
from vibegrid.remote.container import LINES_AT_ONCE, LOGS, STORE, WEIGHTS
from vibegrid.remote.pack import pack, unpack
from vibegrid.specs.remote import RemoteSpec

POLL_SECONDS = 5.0
OUTAGE_SECONDS = 900.0  # that Modal may not answer while a call runs
COMPLETE = ".complete"  # the last file of a folder in the volume of weights

log = logging.getLogger("vibegrid.remote")


class CallFailed(Exception):
    """A call ended without a result; the message is one line."""


def run(
    root: Path, call: dict[str, Any], inputs: Sequence[str], machine: RemoteSpec, say: Callable[[str], None]
) -> str:
    """Run a step on Modal and write its files under `root`. A call that an earlier process began is waited for.

    Args:
        root: the project's folder.
        call: what `container.run_step` takes.
        inputs: files and folders that are packed with the call.
        machine: GPU, timeout, retries.
        say: takes each line of the remote log.

    Returns:
        The line of the script's error where its input is bad; else nothing.

    Raises:
        CallFailed: the step failed there, ran out of time or attempts, or was cancelled.
        KeyboardInterrupt: the call has been cancelled.
    """
    import modal

    work = root / call["work"]
    call_id = calls.kept(work)
    if call_id is None:
        submitted = _submit(root, call, inputs, machine)
        calls.keep(work, submitted.object_id, app=app.name_of(root), step=call["step"])
    else:
        log.info("waiting for call %s of an earlier run", call_id)
        submitted = modal.FunctionCall.from_id(call_id)
    result = _wait(submitted, work, say)
    if result["answers"]:
        _keep_answers(root / STORE, result["answers"])
    if result["code"] == 0:
        _place(root, call, result["files"])
    calls.forget(work)
    if result["code"] == 0:
        _remove_empty(work)
    return str(result["line"])


def _submit(root: Path, call: dict[str, Any], inputs: Sequence[str], machine: RemoteSpec) -> Any:
    import modal

    for name in call["weights"]:
        _send_weights(root, name)
    function = app.function(root, call["step"]).with_options(
        gpu=machine.gpu,
        cpu=machine.cpu,
        memory=round(machine.memory_gib * 1024),
        timeout=round(machine.timeout_hours * 3600),
        retries=modal.Retries(max_retries=machine.retries, initial_delay=5.0),
        max_containers=machine.max_containers,
        secrets=[modal.Secret.from_name(name) for name in machine.secrets] or None,
    )
    packed = pack(root, inputs)
    submitted = function.spawn(call, packed)
    log.info("call %s: %s on %s, %.1f MiB sent", submitted.object_id, call["step"], machine.gpu, len(packed) / 2**20)
    return submitted


def _send_weights(root: Path, name: str) -> None:
    """Copy a folder into the volume of weights, where it is not there yet; its name is its identity."""
    import modal

    if not (root / name).is_dir():
        raise InputError(name, "no such folder")
    volume = modal.Volume.from_name(WEIGHTS, create_if_missing=True)
    with app.locked(root, f"weights-{Path(name).name}"):
        if _is_there(volume, f"{name}/{COMPLETE}"):
            return
        log.info("sending %s", name)
        with volume.batch_upload(force=True) as batch:
            batch.put_directory(root / name, name)
        with volume.batch_upload(force=True) as batch:
            batch.put_file(BytesIO(b""), f"{name}/{COMPLETE}")


def _is_there(volume: Any, path: str) -> bool:
    from modal.exception import NotFoundError

    try:
        return bool(volume.listdir(path))
    except (NotFoundError, FileNotFoundError):
        return False


def _wait(submitted: Any, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """The call's result, its log lines said as they come. Ctrl-C cancels it."""
    import modal

    lines = modal.Queue.from_name(LOGS, create_if_missing=True)
    silent_since: float | None = None
    try:
        while True:
            try:
                result = submitted.get(timeout=POLL_SECONDS)
                _drain(lines, submitted.object_id, say)
                return result
            except TimeoutError:
                _drain(lines, submitted.object_id, say)
                silent_since = None
            except Exception as error:
                if not _may_come_back(error):
                    raise
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > OUTAGE_SECONDS:
                    raise  # the call's id is kept, and the call goes on
                log.warning("Modal does not answer, waiting: %s", error)
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        submitted.cancel(terminate_containers=True)
        calls.forget(work)
        log.warning("call %s is cancelled", submitted.object_id)
        raise
    except Exception as error:
        if _may_come_back(error):
            raise
        calls.forget(work)
        _drain(lines, submitted.object_id, say)
        raise CallFailed(f"call {submitted.object_id}: {type(error).__name__}: {error}") from error


def _may_come_back(error: Exception) -> bool:
    """Whether Modal could not be asked; anything else is how the call ended."""
    import socket

    from aiohttp import ClientError
    from modal import exception as modal_errors

    unasked = (modal_errors.ServiceError, modal_errors.ConnectionError, modal_errors.InternalError)
    not_fetched = isinstance(error, modal_errors.ExecutionError) and "Get from url failed" in str(error)
    return not_fetched or isinstance(error, (*unasked, ClientError, ConnectionError, socket.gaierror))


def _drain(lines: Any, partition: str, say: Callable[[str], None]) -> None:
    """Say the lines that have come; a log that cannot be read stops no training."""
    from modal.exception import Error

    try:
        while found := lines.get_many(LINES_AT_ONCE, block=False, partition=partition):
            for line in found:
                say(line)
    except (Error, OSError) as error:
        log.warning("lines of the remote log are missing: %s", error)


def _place(root: Path, call: dict[str, Any], files: bytes) -> None:
    """Put the result's folder in place, whole, and the job's times beside its log."""
    times = Path(call["log"]).with_suffix(".timing.json")
    with tempfile.TemporaryDirectory(prefix="vibegrid-") as folder:
        unpack(files, Path(folder))
        made = Path(folder) / call["out"]
        if not made.is_dir():
            raise CallFailed(f"the result of {call['step']} lacks {call['out']}")
        with whole_folder(root / call["out"]) as draft:
            for path in sorted(made.rglob("*")):
                target = draft / path.relative_to(made)
                target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
        if (Path(folder) / times).exists():
            from vibegrid.files import write_json

            write_json(root / times, read_json(Path(folder) / times))


def _keep_answers(store: Path, answers: bytes) -> None:
    """Add answers of hosted LLMs to the store here: what was paid for there is not asked for again."""
    with ResponseStore(store), tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        file.write(answers)
        file.flush()
        with closing(sqlite3.connect(store, timeout=60)) as database:
            database.execute("ATTACH DATABASE ? AS theirs", (file.name,))
            database.execute("INSERT OR IGNORE INTO answers SELECT * FROM theirs.answers")
            database.commit()


def _remove_empty(work: Path) -> None:
    if work.is_dir() and not any(work.iterdir()):
        work.rmdir()
