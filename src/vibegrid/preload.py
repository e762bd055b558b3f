"""Imports paid once a run: a job that needs torch for seconds is forked from a server that has imported it.

Importing torch, transformers and trl takes longer than many a training at `mini`. So a script may ask `script.run`
for a preload: it sends itself (arguments, environment, folder, files 0 to 2) to a server, which forks; the child runs
the script from disk, and the process that asked waits and ends as the child does.

* The server holds third-party libraries, imported and not used: no module of this package, so that the code of a job
  is what lies on disk, and no thread, model or random state.
* Everything else that a child has from the server, not from its job (environment, versions, limits), is part of the
  server's name; a job that differs in it starts another server.
* A job that cannot be handed over runs in its own process, as it does with `VIBEGRID_PRELOAD=0`. After a server that
  died, jobs do so for ten minutes; its last words lie in `/tmp/vibegrid-<uid>/*.log`.
* Whichever of job, server and child is killed, the child does not outlive it.
* Linux only, and not with a GPU: a library may initialise the driver when imported, and a child cannot use it then.
* Not in a job of SLURM, which ends all processes of a job with it: a server would take other jobs' work down.
* A server ends after `VIBEGRID_PRELOAD_IDLE` seconds (60) without a job.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import hashlib
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

LANGUAGE_MODEL = (
    "transformers",
    "torch",
    "datasets",
    "peft",
    "trl.trainer.sft_trainer",
    "trl.trainer.grpo_trainer",
    "transformers.models.llama.modeling_llama",
    "transformers.models.gemma3.modeling_gemma3",
    "transformers.models.qwen3.modeling_qwen3",
    "torch.utils.serialization.config",
    "common.music_schema",  # of latentscore
    "latentscore.config",
    "latentscore.synth",
    "litellm",  # a judge is heard in every job of scores
    "tabulate",
)
FIGURES = ("pydantic", "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf")
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
VOLATILE = {"_", "SHLVL", "PWD", "OLDPWD", "PYTEST_CURRENT_TEST"}  # each job has its own, and no import reads them
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
HARMLESS_THREADS = {"jemalloc_bg_thd"}  # of pyarrow: jemalloc takes care of forks itself
START_TIMEOUT = 180.0
RETRY_AFTER = 600.0
PR_SET_PDEATHSIG = 1


def slim_imports() -> None:
    """Keep transformers from importing scikit-learn and scipy.stats for an assisted generation nobody uses.

    It looks for an installed sklearn once, at import, in this flag; nothing else that a training or a generation
    reaches reads it. To be called before any other import from transformers.
    """
    import transformers.utils.import_utils as import_utils

    if hasattr(import_utils, "_sklearn_available"):
        import_utils._sklearn_available = False


# the job --------------------------------------------------------------------------------------------------------


def hand_over(modules: Sequence[str], marks: Mapping[str, str]) -> None:
    """Let a server that has imported `modules` run this script, and exit as it does; return where none can.

    Args:
        modules: third-party libraries, in the order of their import.
        marks: variables that the script's environment there has besides those of here.
    """
    off = os.environ.get("VIBEGRID_PRELOAD") == "0" or "SLURM_JOB_ID" in os.environ
    if off or sys.platform != "linux" or any(map(os.path.exists, GPU_DEVICES)):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(START_TIMEOUT)
            _connect(connection, modules)
            _send(connection, marks)
            answers = connection.makefile()
            child = answers.readline().strip()
        except OSError:
            return
        if child:
            connection.settimeout(None)
            sys.exit(_follow(answers, int(child)))


def _connect(connection: socket.socket, modules: Sequence[str]) -> None:
    """Connect to the server, started where there is none; it answers once it has imported everything."""
    path = _folder() / f"{_name(modules)}.sock"
    with suppress(FileNotFoundError, ConnectionRefusedError):
        return connection.connect(str(path))
    with open(path.with_name("lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError, ConnectionRefusedError):  # another job may have been faster
            return connection.connect(str(path))
        _start(path, modules)
    connection.connect(str(path))


def _folder() -> Path:
    """The folder of sockets; OSError where it is not ours alone."""
    folder = Path(tempfile.gettempdir()) / f"vibegrid-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not private")
    return folder


def _name(modules: Sequence[str]) -> str:
    """Digest of all that a child has from its server and not from its job."""
    facts = [
        list(modules),
        Path(__file__).read_text(encoding="utf-8"),
        sys.executable,
        sys.version,
        _flags(),
        [[n for n in sorted(os.listdir(e)) if n.endswith("-info")] for e in sys.path if os.path.isdir(e)],  # versions
        os.getcwd(),
        sorted(item for item in os.environ.items() if item[0] not in VOLATILE),
        os.nice(0),
        sorted(os.sched_getaffinity(0)),
        [resource.getrlimit(value) for name, value in vars(resource).items() if name.startswith("RLIMIT_")],
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
        [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "pid")],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _flags() -> list[str]:
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]


def _start(path: Path, modules: Sequence[str]) -> None:
    """Start a server. It inherits the socket: from here on jobs can connect, and wait for its imports."""
    errors = path.with_suffix(".log")
    if errors.exists() and time.time() - errors.stat().st_mtime < RETRY_AFTER:
        raise ConnectionRefusedError("the server before died")
    os.close(os.pidfd_open(os.getpid()))  # OSError from a kernel that has none
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, open(errors, "wb") as log:
        listener.bind(str(path))
        listener.listen(128)
        subprocess.run(
            [sys.executable, *_flags(), "-P", __file__, str(listener.fileno()), str(path), *modules],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )


def _send(connection: socket.socket, marks: Mapping[str, str]) -> None:
    umask = os.umask(0o077)
    os.umask(umask)
    environment = {**os.environ, **marks}
    request = {"argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "umask": umask, "environment": environment}
    body = json.dumps(request).encode()
    socket.send_fds(connection, [len(body).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(body)


def _follow(answers: TextIO, child: int) -> int:
    """Pass signals on to the child and wait for its end. Returns the exit code."""

    def forward(number: int, _: Any = None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(child, number)

    for number in FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, forward)
    script, status = Path(sys.argv[0]).stem, answers.readline().strip()
    if not status:
        forward(signal.SIGKILL)
        sys.stderr.write(f"{script}: the server of its imports died, and the job with it\n")
        return 1
    if int(status) < 0:
        sys.stderr.write(f"{script}: killed by {signal.Signals(-int(status)).name}\n")
        return 128 - int(status)
    return int(status)


# the server -----------------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """A child, and the connection of the process that waits for it."""

    child: int
    pidfd: int
    connection: socket.socket


def _serve(listener: socket.socket, path: Path, idle: float) -> socket.socket:
    """Fork a child for each connection. Returns in the children only, with theirs."""
    poll, jobs = select.poll(), dict[int, Job]()  # by both of a job's files
    poll.register(listener, select.POLLIN)
    inode, last, leaving = _inode(path), time.monotonic(), False
    while True:
        ready = [fd for fd, _ in poll.poll(0 if leaving and not jobs else min(idle, 1.0) * 1000)]
        if leaving and not jobs and not ready:
            os._exit(0)
        for fd in ready:  # the listener first: no file of this list is closed and opened anew
            if fd == listener.fileno():
                connection, _ = listener.accept()
                try:
                    child = os.fork()
                except OSError:  # no memory, say: that job runs by itself
                    connection.close()
                    continue
                if child == 0:
                    listener.close()
                    for other in jobs.values():
                        other.connection.close()
                    return connection
                with suppress(OSError):
                    os.setpgid(child, child)  # as the child does; whoever comes first
                job = Job(child, os.pidfd_open(child), connection)
                jobs[job.pidfd] = jobs[connection.fileno()] = job
                poll.register(job.pidfd, select.POLLIN)
                poll.register(connection, 0)  # hang-up only
            elif fd in jobs and fd == jobs[fd].pidfd:
                job = jobs.pop(fd)
                poll.unregister(fd)
                if jobs.pop(job.connection.fileno(), None):
                    poll.unregister(job.connection)
                _report(job)
            elif fd in jobs:
                poll.unregister(fd)
                with suppress(ProcessLookupError):
                    os.killpg(jobs.pop(fd).child, signal.SIGKILL)
        last = time.monotonic() if jobs else last
        gone = _inode(path) != inode
        if not leaving and (gone or time.monotonic() - last > idle):
            leaving = True  # who is connected already is served
            if not gone:
                path.with_suffix(".log").unlink(missing_ok=True)
                path.unlink()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _report(job: Job) -> None:
    """Tell the process that waits how its child ended."""
    status = os.waitstatus_to_exitcode(os.waitpid(job.child, 0)[1])
    with suppress(OSError):
        job.connection.sendall(f"{status}\n".encode())
    job.connection.close()
    os.close(job.pidfd)


def _become(connection: socket.socket, server: int) -> None:
    """In a child: take over what the job sent, as if its own interpreter had just started."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        raise ChildProcessError("the server died first")
    header, files, *_ = socket.recv_fds(connection, 8, 3)
    request = json.loads(connection.recv(int.from_bytes(header, "big"), socket.MSG_WAITALL))
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:], sys.path[:] = request["argv"], request["path"]
    importlib.invalidate_caches()
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in FORWARDED[1:]:
        signal.signal(number, signal.SIG_DFL)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # Python's own generator does so after a fork
    connection.sendall(f"{os.getpid()}\n".encode())
    connection.close()


def _run(script: str) -> NoReturn:
    """Run the script as `python` does, but for the half second that taking every module down would last."""
    status: Any = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        status = end.code
    except BaseException:
        status = 1
        traceback.print_exc()
    if status is not None and not isinstance(status, int):
        sys.stderr.write(f"{status}\n")
        status = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)
    finally:
        os._exit((status or 0) & 0xFF)


def _threads() -> set[str]:
    """Names of the threads besides the main one: a fork would lose them."""
    tasks = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
    return {Path(f"/proc/self/task/{task}/comm").read_text().strip() for task in tasks} - HARMLESS_THREADS


def _main() -> None:
    listener, path, modules = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3:]
    if os.fork():
        os._exit(0)
    gc.disable()
    if "transformers" in modules:
        slim_imports()
    for name in modules:
        importlib.import_module(name)
    if _threads():
        sys.exit(f"threads after the imports: {_threads()}")
    gc.collect()
    gc.freeze()  # a collection in a child touches, and so copies, nothing of the server
    server = os.getpid()
    connection = _serve(listener, path, float(os.environ.get("VIBEGRID_PRELOAD_IDLE", "60")))
    gc.enable()
    try:
        _become(connection, server)
    except Exception:
        os._exit(1)  # the job has no answer, and runs in its own process
    _run(sys.argv[0])


if __name__ == "__main__":
    _main()
