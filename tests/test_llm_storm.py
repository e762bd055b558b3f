"""500 texts through the extractor's script against a server with 30 % faults, killed in the middle and run again; a key
that must be found nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chat_server import CUT, DROP, FILTER, HANG, LEAK, MALFORMED, REFUSAL, ChatServer, serving

from vibegrid.files import read_json, read_jsonl, write_jsonl

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-fake-0123456789abcdefFEDCBA"
TEXTS, CONCURRENCY, ATTEMPTS = 500, 16, 4
TIMEOUT_S = 6.0  # long enough for a busy machine: an answer that comes too late would be asked for again
FAULTS: list[Any] = [
    (429, {"Retry-After": "0.05"}),
    (429, {"retry-after-ms": "20"}),
    500,
    503,
    DROP,
    HANG,
    CUT,
    MALFORMED,
    REFUSAL,
    FILTER,
    LEAK,
    "",
    "I am sorry, but as a language model I do not do that.",
    '{"scene": {"xl": "cut',
    '{"scene": {"xl": "a"}, "characters": "none"}',
]
LADDER = {level: f"{level} of a grey sea" for level in ("xl", "lg", "m", "sm", "xs")} | {"tags": ["grey"]}
# The script itself, with short waits between attempts.
RUN = """
import runpy, sys
from vibegrid.llm import faults
faults.BACKOFF_S = 0.02
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def page_of(body: dict[str, Any]) -> str:
    return body["messages"][1]["content"]


class Storm:
    """Of the calls for each page 30 % get a fault; which ones follows from the page and the number of the call."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> Any:
        page = page_of(body)
        self.calls[page] += 1
        drawn = hashlib.sha256(f"{page}{self.calls[page]}".encode()).digest()
        return FAULTS[drawn[1] % len(FAULTS)] if drawn[0] < 0.3 * 256 else None


def project(folder: Path) -> list[str]:
    """A project folder with its texts; the command that extracts their vibes."""
    rows = [{"dataset": "d", "id_in_dataset": i, "text": f"Text {i}: a grey sea under rain."} for i in range(TEXTS)]
    write_jsonl(folder / "texts" / "texts.jsonl", rows)
    spec = json.dumps({"extractor": "openai/gpt-4o-mini", "page_words": 100})
    script = [sys.executable, "-c", RUN, str(ROOT / "scripts/extract_vibes.py"), "--spec", spec, "--texts", "texts"]
    prompt = str(ROOT / "config/prompts/extract_vibes.md")
    return [*script, "--prompt", prompt, "--out", "vibes", "--log", "logs/extract_vibes.log"]


def environment(server: ChatServer) -> dict[str, str]:
    limits = {"concurrency": CONCURRENCY, "timeout_s": TIMEOUT_S, "attempts": ATTEMPTS}
    settings = {"run": "storm", "max_usd": 5.0, "llms": {"default": limits}}
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "OPENAI_API_KEY": KEY,
        "OPENAI_API_BASE": server.base,
        "VIBEGRID_LLMS": json.dumps(settings),
    }


def kill_in_the_middle(command: list[str], folder: Path, server: ChatServer) -> None:
    process = subprocess.Popen(command, cwd=folder, env=environment(server))
    try:
        deadline = time.monotonic() + 120
        while len(server.answered) < TEXTS // 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.5)
    assert TEXTS // 3 <= len(server.answered) < TEXTS
    assert not (folder / "vibes").exists()


def files_with(folder: Path, word: str) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "llm" for path in found) and any(path.suffix == ".log" for path in found)
    return [str(path) for path in found if word.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_storm_and_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch) as server:
        server.hang = TIMEOUT_S + 1.0
        server.fault_of = storm = Storm()
        server.reply = lambda _: json.dumps({"scene": LADDER, "characters": []})
        command = project(tmp_path)
        kill_in_the_middle(command, tmp_path, server)
        before = {page_of(body) for body in server.answered}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(server), capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert server.keys == {f"Bearer {KEY}"}
    report = read_json(tmp_path / "vibes/extraction.json")
    calls = report["llm"]
    # every row is accounted for
    assert report["pages"] == TEXTS == report["answered"] + len(report["failed"])
    assert all(row["reason"] and "\n" not in row["reason"] for row in report["failed"])
    assert len({row["id_in_dataset"] for row in read_jsonl(tmp_path / "vibes/vibes.jsonl")}) == report["answered"]
    assert report["answered"] >= 0.95 * TEXTS and report["repaired"] == calls["repaired"] > 0
    # no answered call is repeated: what the server had answered was kept, but for the calls that the kill cut off
    answers = Counter(page_of(body) for body in server.answered)
    repeated = [page for page, count in answers.items() if count > 1]
    assert set(repeated) <= before and len(repeated) <= CONCURRENCY
    assert calls["stored"] >= len(before) - CONCURRENCY
    # attempts are bounded, and all of them are counted
    assert max(storm.calls.values()) <= 2 * ATTEMPTS + 1
    assert calls["answered"] + calls["stored"] + calls["failed"] == calls["requests"]
    assert calls["usd"] > 0 and calls["input_tokens"] >= 100 * calls["answered"]
    # the key is nowhere
    assert files_with(tmp_path, KEY) == [] and files_with(tmp_path, KEY[3:]) == []
    assert KEY not in done.stderr + done.stdout
