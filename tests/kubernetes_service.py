"""A stand-in for a Kubernetes API server on loopback: what Snakemake's plugin asks of it, by the real client.

It keeps secrets and jobs, refuses what the API refuses of them, and says how jobs went. A pod is a process of the job's
command in an empty folder, with the environment of the image (`envs/Containerfile`) and of its secrets, and nothing
else of this machine than its Python.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

QUANTITY = re.compile(r"\d+(m|k|M|G|Ki|Mi|Gi)?")
PLURALS = {"secrets": "Secret", "jobs": "Job"}
FAKE_PIP = "#!/bin/sh\n# The plugin of S3 is in the environment.\nexit 0\n"


class Service:
    """The API of one cluster; a context manager.

    Args:
        folder: for the kubeconfig and the pods' folders.
        image: environment that the image gives to its containers.
        crash: whether every pod's process ends at once, with exit code 137.
    """

    def __init__(self, folder: Path, image: Mapping[str, str] | None = None, crash: bool = False) -> None:
        self.folder = folder
        self.image = dict(image or {})
        self.crash = crash
        self.secrets: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.created: list[dict[str, Any]] = []  # jobs, also those that were deleted
        self.refused: list[str] = []
        self._pods: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                path, _, query = self.path.partition("?")
                with service._lock:
                    code, found = service.answer(self.command, path, query, body)
                sent = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/plain" if isinstance(found, str) else "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_DELETE = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": address}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        (self.folder / "bin").mkdir()
        (self.folder / "bin/pip").write_text(FAKE_PIP)
        (self.folder / "bin/pip").chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for process in self._pods.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    @property
    def kubeconfig(self) -> Path:
        """What `kubectl` and the client read."""
        return self.folder / "kubeconfig.yaml"

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        """Status and body of an answer."""
        parts = path.strip("/").split("/")
        place = parts.index("namespaces") if "namespaces" in parts else len(parts)
        kind, name, rest = [*parts[place + 2 :], "", "", ""][:3]
        if kind == "pods":
            return self._pods_of(query) if rest != "log" else self._log(name, query)
        if kind not in PLURALS:
            return self._status(404, f"no such path: {path}")
        held = self.secrets if kind == "secrets" else self.jobs
        if method == "POST":
            return self._create(kind, held, body)
        if name not in held:
            return self._status(404, f'{kind} "{name}" not found')
        if method == "DELETE":
            del held[name]
            return self._status(200, "deleted")
        return 200, {**held[name], "status": self._job_status(name)}

    def _create(self, kind: str, held: dict[str, dict[str, Any]], body: dict[str, Any]) -> tuple[int, Any]:
        name = body["metadata"]["name"]
        if kind == "jobs":
            why = refusal(body)
            if why:
                self.refused.append(why)
                return self._status(422, f'Job.batch "{name}" is invalid: {why}')
            self.created.append(body)
            self._pods[name] = self._start(name, container_of(body))
        held[name] = {"apiVersion": "batch/v1" if kind == "jobs" else "v1", "kind": PLURALS[kind], **body}
        return 201, held[name]

    def _start(self, name: str, container: dict[str, Any]) -> subprocess.Popen[bytes]:
        work = self.folder / "pods" / name / container["workingDir"].strip("/")
        work.mkdir(parents=True)
        environment = {
            "HOME": str(work.parent),
            "PATH": f"{self.folder}/bin:{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        environment |= self.image
        for entry in container["env"]:
            reference = entry["valueFrom"]["secretKeyRef"]
            value = self.secrets[reference["name"]]["data"][reference["key"]]
            environment[entry["name"]] = base64.b64decode(value).decode()
        with (work.parent / "log").open("wb") as log:
            command = [*container["command"], *container["args"]]
            if self.crash:
                command = ["/bin/sh", "-c", "echo out of memory; exit 137"]
            return subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def _job_status(self, name: str) -> dict[str, int]:
        code = self._pods[name].poll()
        return {"active": 1} if code is None else {"failed": 1} if code else {"succeeded": 1}

    def _pods_of(self, query: str) -> tuple[int, Any]:
        name = query.partition("labelSelector=job-name%3D")[2].partition("&")[0]
        items = []
        if name in self._pods:
            code = self._pods[name].poll()
            state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
            shown = {"name": "snakemake", "image": "", "imageID": "", "ready": code is None, "restartCount": 0}
            status = {"containerStatuses": [{**shown, "state": state}]}
            items = [{"metadata": {"name": name}, "spec": {"containers": [{"name": "snakemake"}]}, "status": status}]
        return 200, {"apiVersion": "v1", "kind": "PodList", "items": items}

    def _log(self, name: str, query: str) -> tuple[int, Any]:
        if "previous=True" in query:  # of the container before a restart, and no container is restarted here
            return self._status(400, f'previous terminated container "snakemake" in pod "{name}" not found')
        return 200, (self.folder / "pods" / name / "log").read_text(errors="replace")

    @staticmethod
    def _status(code: int, message: str) -> tuple[int, Any]:
        word = "Success" if code < 400 else "Failure"
        return code, {"apiVersion": "v1", "kind": "Status", "status": word, "message": message, "code": code}

    def logs(self) -> str:
        """The ends of the pods' logs."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.folder.glob("pods/*/log"))


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    """The container of a job's pod."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container


def refusal(job: dict[str, Any]) -> str:
    """Why the API would not take a job; empty where it would.

    Of its rules those that this plugin can break: names, quantities, requests over limits, and that what is not CPU,
    memory or disk (a GPU) has a limit that its request equals.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", job["metadata"]["name"]):
        return "metadata.name: a lowercase RFC 1123 label was expected"
    spec = job["spec"]["template"]["spec"]
    if spec.get("restartPolicy") not in ("Never", "OnFailure"):
        return "spec.template.spec.restartPolicy: valid values: OnFailure, Never"
    resources = container_of(job).get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, value in [*requests.items(), *limits.items()]:
        if not QUANTITY.fullmatch(value):
            return f"resources.{name}: {value!r} is no quantity"
    for name, value in requests.items():
        if "/" in name and limits.get(name) != value:
            return f"resources.limits: Limit must be set for non overcommitable resources ({name})"
        if name in limits and amount(value) > amount(limits[name]):
            return f"resources.requests: {name} is more than its limit"
    return ""


def amount(quantity: str) -> float:
    """A quantity as a number."""
    scales = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1}
    number = re.match(r"\d+", quantity)
    assert number
    return int(number[0]) * scales[quantity[number.end() :]]


def environment_for(kubeconfig: Path, endpoint: str, secret: str) -> dict[str, str]:
    """What Snakemake needs to find the stand-in, and S3 at an endpoint."""
    return {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": endpoint,
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "access-of-a-test",
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": secret,
    }
