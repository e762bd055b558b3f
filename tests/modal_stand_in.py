"""The stand-in of Modal's service as a whole: its server of clients, its store of blobs, and what a test does to it."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from grpclib.server import Server
from modal_containers import Call, State, start
from modal_service import Service


class StandIn:
    """The service in a thread of its own; a context manager.

    Args:
        folder: for volumes and containers.
    """

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _open(self) -> None:
        blobs = web.Application(client_max_size=1 << 30)
        blobs.add_routes([web.put("/{blob}", self._put), web.get("/{blob}", self._get)])
        self._runner = web.AppRunner(blobs)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.state.http = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._server = Server([Service(self.state)])
        await self._server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]

    async def _close(self) -> None:
        for container in self.state.containers:
            if container.process is not None:
                container.process.kill()
                container.process.wait()
            if container.server is not None:
                container.server.close()
        self._server.close()
        await self._runner.cleanup()

    async def _put(self, request: web.Request) -> web.Response:
        data = await request.read()
        self.state.blobs[request.match_info["blob"]] = data
        return web.Response(headers={"ETag": hashlib.md5(data).hexdigest()})

    async def _get(self, request: web.Request) -> web.Response:
        return web.Response(body=self.state.blobs[request.match_info["blob"]])

    @property
    def calls(self) -> list[Call]:
        """Calls so far, in their order."""
        return list(self.state.calls.values())

    def logs(self) -> str:
        """What all containers wrote."""
        paths = [container.folder / "output.txt" for container in self.state.containers]
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def outage(self, seconds: float) -> None:
        """Clients are refused for this long; containers go on."""
        self.state.unavailable_until = time.monotonic() + seconds

    @contextmanager
    def full(self) -> Iterator[None]:
        """No machine is free meanwhile: calls are taken, and wait."""
        self.state.full = True
        try:
            yield
        finally:
            self.state.full = False

    def preempt(self, call: Call, grace: float) -> None:
        """Take a call's machine away: SIGINT, SIGKILL after `grace` seconds, and the input starts on another one."""
        before = call.container
        assert before is not None and before.process is not None
        before.process.send_signal(signal.SIGINT)
        try:
            before.process.wait(grace)
        except Exception:
            before.process.kill()
            before.process.wait()
        call.container, call.queued = None, True
        self._do(start(self.state, call, Service))
