"""What the stand-in of Modal's service knows, and its containers: processes with uploaded files and volumes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib.server import Server
from modal_proto import api_pb2


@dataclass
class Call:
    """A function call of one input."""

    id: str
    function_id: str
    input: Any
    attempts: int = 0  # that failed
    starts: int = 0  # times that a container took the input
    queued: bool = True
    cancelled: bool = False
    output: Any = None
    container: Container | None = None


@dataclass
class Container:
    """A container process, its folder, and what it has loaded of each volume."""

    number: int
    folder: Path
    function_id: str
    process: subprocess.Popen[bytes] | None = None
    server: Any = None
    loaded: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class State:
    """All that the service knows."""

    folder: Path
    blobs: dict[str, bytes] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)  # by SHA-256
    mounts: dict[str, dict[str, str]] = field(default_factory=dict)  # id to path and SHA-256
    images: dict[str, Any] = field(default_factory=dict)
    apps: dict[str, dict[str, str]] = field(default_factory=dict)  # name to tag and function id
    stopped: list[str] = field(default_factory=list)
    functions: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # of bound functions
    queues: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    secrets: set[str] = field(default_factory=set)
    calls: dict[str, Call] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)  # names, in order
    unavailable_until: float = 0.0
    full: bool = False  # no machine is free: calls wait
    http: str = ""

    def new_id(self, prefix: str) -> str:
        """An id that was never given before."""
        return f"{prefix}-{len(self.requests)}{os.urandom(4).hex()}"

    def volume(self, name: str) -> Path:
        """Folder of what is committed."""
        folder = self.folder / "volumes" / name.removeprefix("vo-")
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def load(state: State, container: Container, volume: str) -> None:
    """A container sees what is committed."""
    target = mounted(state, container, volume)
    if target is not None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(state.volume(volume), target)
        container.loaded[volume] = _names(target)


def commit(state: State, container: Container, volume: str) -> None:
    """What a container wrote or removed since it loaded a volume becomes the volume's."""
    source, target = mounted(state, container, volume), state.volume(volume)
    if source is None:
        return
    names = _names(source)
    for name in container.loaded.get(volume, set()) - names:
        (target / name).unlink(missing_ok=True)
        for folder in (target / name).parents:
            if folder == target or not folder.exists() or any(folder.iterdir()):
                break
            folder.rmdir()
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
    container.loaded[volume] = names


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def mounted(state: State, container: Container, volume: str) -> Path | None:
    """Where a container has a volume."""
    for mount in state.functions[container.function_id].volume_mounts:
        if mount.volume_id == volume:
            return container.folder / mount.mount_path.lstrip("/")
    return None


def variables(state: State, container: Container) -> dict[str, str]:
    """The image's ENV; absolute paths are those of the container's folder."""
    image, found = state.images[state.functions[container.function_id].image_id], {}
    for command in layers(state, image):
        if command.startswith("ENV "):
            name, _, value = command.removeprefix("ENV ").partition("=")
            value = value.strip("'\"")
            found[name] = f"{container.folder}{value}" if value.startswith("/") else value
    return found


def layers(state: State, image: Any) -> list[str]:
    """The commands of an image and of those below it, the lowest first."""
    below = [command for base in image.base_images for command in layers(state, state.images[base.image_id])]
    return [*below, *image.dockerfile_commands]


async def start(state: State, call: Call, service: Callable[[State, Container], Any]) -> None:
    """Give a call to an idle container of its function, or to a new one."""
    for container in state.containers:
        busy = any(other.container is container and other.output is None for other in state.calls.values())
        alive = container.process is not None and container.process.poll() is None
        if container.function_id == call.function_id and alive and not busy:
            call.container = container
            return
    number = len(state.containers)
    container = Container(number, state.folder / f"container-{number}", call.function_id)
    state.containers.append(container)
    _fill(state, container)
    container.server = Server([service(state, container)])
    await container.server.start("127.0.0.1", 0)
    port = container.server._server.sockets[0].getsockname()[1]
    call.container = container
    container.process = _process(state, container, f"http://127.0.0.1:{port}")


def _fill(state: State, container: Container) -> None:
    made = state.functions[container.function_id]
    for mount_id in made.mount_ids:
        for name, digest in state.mounts[mount_id].items():
            path = container.folder / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(state.contents[digest])
    for mount in made.volume_mounts:
        load(state, container, mount.volume_id)


def _process(state: State, container: Container, url: str) -> subprocess.Popen[bytes]:
    made, ids = state.functions[container.function_id], {}
    for functions in state.apps.values():
        ids |= functions
    arguments = api_pb2.ContainerArguments(
        task_id=f"ta-{container.number}",
        function_id=container.function_id,
        app_id="ap-1",
        function_def=made,
        environment_name="main",
        app_layout=api_pb2.AppLayout(function_ids=ids),
    )
    path = container.folder / "arguments.bin"
    path.write_bytes(arguments.SerializeToString())
    home = container.folder / "root"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(home), sysconfig.get_paths()["purelib"]]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MODAL_IS_REMOTE": "1",
        "MODAL_SERVER_URL": url,
        "MODAL_TASK_ID": f"ta-{container.number}",
        "MODAL_CONTAINER_ARGUMENTS_PATH": str(path),
        **variables(state, container),
    }
    with (container.folder / "output.txt").open("wb") as output:
        # -S: no .pth file is read, so the project that is installed here for development is not there
        command = [sys.executable, "-S", "-m", "modal._container_entrypoint"]
        return subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=subprocess.STDOUT)
