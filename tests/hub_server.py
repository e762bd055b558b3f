"""A real local server that speaks as much of the Hugging Face hub's protocol as a download of a model needs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class HubServer(ThreadingHTTPServer):
    """A hub with one model.

    Args:
        repo: `owner/name`.
    """

    daemon_threads = True

    def __init__(self, repo: str) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.repo = repo
        self.commits: dict[str, Path] = {}  # to the folder of each
        self.branches: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []  # revision and file of what was downloaded

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class HubHandler(BaseHTTPRequestHandler):
    server: HubServer

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        repo, path = self.server.repo, self.path.partition("?")[0]
        if path.startswith(f"/api/models/{repo}"):
            revision = path.removeprefix(f"/api/models/{repo}").removeprefix("/revision/") or "main"
            return self.about(self.server.branches.get(revision, revision))
        if path.startswith(f"/{repo}/resolve/"):
            revision, _, name = path.removeprefix(f"/{repo}/resolve/").partition("/")
            return self.file(revision, self.server.branches.get(revision, revision), name)
        return self.refuse("RepoNotFound")

    def about(self, commit: str) -> None:
        folder = self.server.commits.get(commit)
        if folder is None:
            return self.refuse("RevisionNotFound")
        files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
        about = {"_id": "0", "id": self.server.repo, "sha": commit, "private": False, "tags": [], "siblings": files}
        self.send(json.dumps(about).encode(), {"Content-Type": "application/json"})

    def file(self, revision: str, commit: str, name: str) -> None:
        folder = self.server.commits.get(commit)
        if folder is None:
            return self.refuse("RevisionNotFound")
        if not (folder / name).is_file():
            return self.refuse("EntryNotFound")
        if self.command == "GET":
            self.server.asked.append((revision, name))
        self.send((folder / name).read_bytes(), {"X-Repo-Commit": commit, "ETag": f'"{commit[:8]}-{name}"'})

    def refuse(self, code: str) -> None:
        self.send(b"", {"X-Error-Code": code, "X-Error-Message": code}, 404)

    def send(self, data: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serving(repo: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that the processes started meanwhile ask; what they keep lies in `cache`."""
    server = HubServer(repo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    for name, value in {"HF_ENDPOINT": server.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(cache)}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
