"""SLURM on this machine, one node: Debian's daemons in a folder of their own. As root."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

SYSTEM = Path("/etc/slurm/slurm.conf")  # where a job looks, whose environment Snakemake's plugin clears of SLURM_*
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
CONFIGURATION = """
ClusterName=vibegrid
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={port}
SlurmdPort={node_port}
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=10
JobRequeue=1
SchedulerParameters=sched_interval=2
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no cluster here; empty where there can."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    if SYSTEM.exists():
        return f"{SYSTEM} is there: this machine has a SLURM of its own"
    return "" if os.geteuid() == 0 else "SLURM's daemons start as root"


class Cluster:
    """The daemons; a context manager.

    Args:
        folder: for their files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(SYSTEM)}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for name in ("controller", "node"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        values = {"host": socket.gethostname(), "folder": self.folder, "port": _port(), "node_port": _port()}
        SYSTEM.parent.mkdir(exist_ok=True)
        SYSTEM.write_text(CONFIGURATION.format(**values))
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{ending}" for option, ending in files.items()]
        self._start("munged", "--foreground", "--force", *options)
        self._start("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        self.start_node()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_node()
        for daemon in self._daemons.values():
            daemon.terminate()
        for daemon in self._daemons.values():
            daemon.wait(30)
        SYSTEM.unlink()

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                [name, *arguments], env={**os.environ, **self.environment}, stdout=output, stderr=subprocess.STDOUT
            )

    def start_node(self) -> None:
        """Start the node's daemon, and wait until the node takes jobs."""
        self._start("slurmd", "-D", "-f", self.environment["SLURM_CONF"])
        until = time.monotonic() + 60
        while self.ask("sinfo", "--noheader", "--format=%T") not in ("idle", "mixed", "allocated"):
            assert time.monotonic() < until, self.logs()
            time.sleep(0.5)

    def kill_node(self) -> None:
        """What a power cut does: the daemon and all processes of its jobs are gone at once."""
        daemon = self._daemons.pop("slurmd", None)
        if daemon is None:
            return
        steps = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "slurmstepd"]
        lost = [child for step in steps for child in step.children(recursive=True)]
        for process in [*steps, *lost]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def ask(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log")))


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
