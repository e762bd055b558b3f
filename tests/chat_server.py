"""A real local server that speaks OpenAI's chat protocol (and Anthropic's messages) and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vibegrid.llm import client, faults

KEYS = ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "MISTRAL_API_KEY", "GEMINI_API_KEY", "VIBEGRID_LLMS")
HANG_S = 3.0
USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
# Faults by name; others are a status, (status, headers), or a text that is sent as the answer.
HANG, DROP, CUT, MALFORMED, REFUSAL, FILTER, LEAK = (
    f"<{name}>" for name in ("hang", "drop", "cut", "malformed", "refusal", "filter", "leak")
)


class ChatServer(ThreadingHTTPServer):
    """Answers `echo: <last message>` unless `faults`, `always` or `reply` says otherwise; counts what it was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.faults: list[Any] = []  # taken from the front
        self.always: Any = None
        self.fault_of: Callable[[dict[str, Any]], Any] | None = None  # fault of a body, None for none
        self.reply: Callable[[dict[str, Any]], str] | None = None  # the text of an answer
        self.bodies: list[dict[str, Any]] = []
        self.answered: list[dict[str, Any]] = []  # bodies that got a whole answer
        self.times: list[float] = []
        self.keys: set[str] = set()
        self.under_way = self.most_under_way = 0
        self.delay, self.hang = 0.0, HANG_S
        self.lock = threading.Lock()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that have given up are no news."""


class ChatHandler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        server, body = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.bodies.append(body)
            server.times.append(time.monotonic())
            server.keys.add(self.headers.get("Authorization") or self.headers.get("x-api-key") or "")
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
            fault = server.faults.pop(0) if server.faults else server.always
            if fault is None and server.fault_of is not None:
                fault = server.fault_of(body)
        time.sleep(server.delay)
        with server.lock:
            server.under_way -= 1
        self.answer(body, fault)

    def answer(self, body: dict[str, Any], fault: Any) -> None:
        if isinstance(fault, tuple):
            return self.send(fault[0], {"error": {"message": "slow down", "type": "rate"}}, fault[1])
        if isinstance(fault, int):
            return self.send(fault, {"error": {"message": f"fault {fault}\nsecond line", "type": "x"}})
        if fault == LEAK:
            return self.send(500, {"error": {"message": f"bad {self.headers['Authorization']}", "type": "x"}})
        if fault == HANG:
            time.sleep(self.server.hang)
        if fault == DROP:
            return self.hang_up()
        if fault in (CUT, MALFORMED):
            whole = json.dumps(self.completion(body, "x" * 200)).encode()
            return self.raw(200, whole[:90], len(whole)) if fault == CUT else self.raw(200, whole[:90], 90)
        refused = {REFUSAL: "I cannot help with that.", FILTER: None}.get(fault)
        text = None if fault in (REFUSAL, FILTER) else self.text(body, fault)
        value = self.completion(body, text, refused, "content_filter" if fault == FILTER else "stop")
        if fault is None:
            with self.server.lock:
                self.server.answered.append(body)
        self.send(200, value)

    def text(self, body: dict[str, Any], fault: Any) -> str:
        if isinstance(fault, str) and fault != HANG:
            return fault
        if self.server.reply is not None:
            return self.server.reply(body)
        return f"echo: {body['messages'][-1]['content']}"

    def completion(
        self, body: dict[str, Any], text: str | None, refusal: str | None = None, finish: str = "stop"
    ) -> dict[str, Any]:
        if self.path.endswith("/messages"):  # Anthropic's protocol
            head = {"id": "x", "type": "message", "role": "assistant", "model": body["model"]}
            usage = {"input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": 80}
            return head | {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}
        message = {"role": "assistant", "content": text} | ({"refusal": refusal} if refusal else {})
        choices = [{"index": i, "finish_reason": finish, "message": message} for i in range(body.get("n") or 1)]
        head = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"]}
        return head | {"choices": choices, "usage": USAGE}

    def send(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.raw(status, data, len(data), headers)

    def raw(self, status: int, data: bytes, length: int, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, content in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, content)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the client has given up

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, handler: type[ChatHandler] = ChatHandler) -> Iterator[ChatServer]:
    """A server, short waits between attempts, and no key, address or limit of the environment."""
    monkeypatch.setattr(faults, "BACKOFF_S", 0.02)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    running = ChatServer()
    running.RequestHandlerClass = handler
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def say(text: str, **params: Any) -> client.Request:
    """A request of one message."""
    return client.Request([{"role": "user", "content": text}], params)
