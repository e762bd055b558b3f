"""What LLM calls cost, the budget that several jobs share, limits, refusals and the form of an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import FILTER, LEAK, REFUSAL, ChatHandler, ChatServer, say, serving

from vibegrid.errors import InputError
from vibegrid.grid import llms as grid_llms
from vibegrid.grid.load import RunConfig
from vibegrid.llm import client, settings
from vibegrid.llm.client import complete_many
from vibegrid.llm.ledger import Ledger, OverBudgetError, ledger_path
from vibegrid.llm.store import ResponseStore
from vibegrid.llm.usage import Tally
from vibegrid.specs.llms import LimitsSpec

MINI = "openai/gpt-4o-mini"  # 0.15 and 0.60 dollars per million tokens in LiteLLM's table
CALL_USD = (100 * 0.15 + 50 * 0.60) / 1e6  # of the server's usage, 100 and 50 tokens
UNKNOWN = "openai/test"
SOURCE = str(Path(client.__file__).resolve().parents[2])
ONE = LimitsSpec(concurrency=1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with serving(monkeypatch) as running:
        monkeypatch.setenv("OPENAI_API_BASE", running.base)
        yield running


def rows(count: int, **params: Any) -> list[client.Request]:
    return [say(f"row {i}", **params) for i in range(count)]


def ask(path: Path, requests: list[client.Request], model: str = MINI, **more: Any) -> tuple[list[Any], Tally]:
    tally = Tally()
    answers = complete_many(requests, model=model, store_path=path / "s.db", tally=tally, **more)
    return answers, tally


def test_calls_are_counted_and_priced(server: ChatServer, tmp_path: Path) -> None:
    server.faults = [None, 400, 500]
    _, tally = ask(tmp_path, [*rows(5), *rows(2)], limits=ONE)
    report = tally.report()
    assert (report["requests"], report["answered"], report["failed"], report["stored"]) == (5, 4, 1, 0)
    assert report["attempts"] == 6 == len(server.bodies)
    assert (report["input_tokens"], report["output_tokens"]) == (400, 200)
    assert report["usd"] == pytest.approx(4 * CALL_USD) and report["usd_of_stored"] == 0
    _, again = ask(tmp_path, rows(5), limits=ONE)
    report = again.report()
    assert (report["stored"], report["answered"], report["attempts"]) == (4, 1, 1)
    assert report["usd"] == pytest.approx(CALL_USD) and report["usd_of_stored"] == pytest.approx(4 * CALL_USD)
    with Ledger(ledger_path(tmp_path / "s.db"), "") as ledger:
        assert ledger.spent() == (pytest.approx(5 * CALL_USD), 7, 0)


def test_an_unknown_price_is_not_zero(server: ChatServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, tally = ask(tmp_path, rows(3), UNKNOWN)
    assert tally.report()["usd"] is None and tally.report()["input_tokens"] == 300
    assert sum("price is unknown" in record.message for record in caplog.records) == 1
    _, tally = ask(tmp_path, rows(4), UNKNOWN, limits=LimitsSpec.model_validate({"price": {"input": 10, "output": 0}}))
    assert tally.report()["usd"] == pytest.approx(100 * 10 / 1e6) and tally.report()["usd_of_stored"] is None


def test_a_program_costs_nothing(tmp_path: Path) -> None:
    _, tally = ask(tmp_path, [say("<vibe>hush</vibe>")], "embedded/composer-1")
    assert tally.report()["usd"] == 0 and tally.report()["answered"] == 1
    with Ledger(ledger_path(tmp_path / "s.db"), "") as ledger:
        assert ledger.spent().calls == 0


def test_a_store_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "s.db") as old:
        old.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, model TEXT NOT NULL, texts TEXT NOT NULL)")
        old.execute("INSERT INTO answers VALUES ('k', 'm', '[\"x\"]')")
    with ResponseStore(tmp_path / "s.db") as store:
        found = store.get_many(["k"])["k"]
    assert found.texts == ["x"] and found.usage.usd is None


# the budget


def budget(monkeypatch: pytest.MonkeyPatch, usd: float, run: str = "r") -> None:
    monkeypatch.setenv(settings.VARIABLE, json.dumps({"run": run, "max_usd": usd}))


def test_calls_stop_before_the_budget_is_exceeded(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(monkeypatch, 10.5 * CALL_USD)
    requests = [say(f"row {i} {'x' * 300}", max_tokens=50) for i in range(40)]  # estimated at 110 + 50 tokens
    with pytest.raises(InputError, match=r"budget\.max_usd: no further call to openai/gpt-4o-mini") as caught:
        ask(tmp_path, requests)
    assert "\n" not in str(caught.value)
    made = len(server.bodies)
    assert 9 <= made <= 10
    with Ledger(ledger_path(tmp_path / "s.db"), "r") as ledger:
        assert ledger.spent().usd == pytest.approx(made * CALL_USD)
    with pytest.raises(InputError, match="budget"):
        ask(tmp_path, requests)
    assert len(server.bodies) == made
    budget(monkeypatch, 1.0)
    answers, tally = ask(tmp_path, requests)
    assert all(answer.text for answer in answers)
    assert tally.stored == made and len(server.bodies) == 40  # what was answered is not asked again


def test_a_budget_needs_prices(server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget(monkeypatch, 1.0)
    with pytest.raises(InputError, match=r"openai/test: its price is unknown.*llms\.yaml"):
        ask(tmp_path, rows(1), UNKNOWN)
    assert server.bodies == []


SPENDER = """
import sys, time
from pathlib import Path
from vibegrid.llm.ledger import Ledger, OverBudgetError
made = 0
with Ledger(Path(sys.argv[1]), "r", 1.0) as ledger:
    while True:
        try:
            entry = ledger.open_call("m", 0.03, 60.0)
        except OverBudgetError:
            break
        if entry is None:
            time.sleep(0.001)
            continue
        ledger.close_call(entry, 0.02)
        made += 1
print(made)
"""


def test_jobs_at_one_time_share_a_budget(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SPENDER, str(tmp_path / "ledger")]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    jobs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    made = sum(int(job.communicate(timeout=60)[0]) for job in jobs)
    assert made == 49  # 49 x 0.02 are spent: 0.03 more would exceed 1.0
    with Ledger(tmp_path / "ledger", "r") as ledger:
        assert ledger.spent() == (pytest.approx(0.98), 49, 0)
    with Ledger(tmp_path / "ledger", "another run", 1.0) as ledger:
        assert ledger.spent().calls == 0 and ledger.open_call("m", 0.9, 60.0) is not None


def test_calls_under_way_hold_their_part_of_the_budget(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger", "r", 1.0) as ledger:
        first = ledger.open_call("m", 0.6, 60.0)
        assert first is not None and ledger.open_call("m", 0.6, 60.0) is None  # wait: the first may cost less
        ledger.close_call(first, 0.1)
        assert ledger.open_call("m", 0.6, -1.0) is not None  # cut off by a kill: it may have been billed
        with pytest.raises(OverBudgetError, match=r"0\.7000 of 1\.0000 USD are spent, and the next call may cost 0\.6"):
            ledger.open_call("m", 0.6, 60.0)


def test_the_run_says_what_it_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.VARIABLE, "")
    (tmp_path / "config").mkdir()
    (tmp_path / "config/llms.yaml").write_text("models: {openai/x: {requests_per_minute: 7}}\n")
    run = RunConfig.model_validate({"budget": {"max_usd": 2.5}})
    grid_llms.offer_settings(tmp_path, run)
    offered = settings.of_this_run()
    assert offered.max_usd == 2.5 and offered.run
    assert (offered.limits("openai/x").requests_per_minute, offered.limits("y").requests_per_minute) == (7, None)
    grid_llms.offer_settings(tmp_path, run)
    assert settings.of_this_run().run == offered.run  # a Snakemake within a Snakemake is of the same run
    assert grid_llms.cost_line(tmp_path) == ""
    with Ledger(ledger_path(tmp_path / grid_llms.STORE), offered.run) as ledger:
        ledger.open_call("m", 0.25, 60.0)
        ledger.open_call("n", None, 60.0)
    assert grid_llms.cost_line(tmp_path) == "LLM calls of this run: 2, 1 of them of unknown price; 0.2500 USD"
    (tmp_path / "config/llms.yaml").write_text("default: {concurrency: 0}\n")
    with pytest.raises(InputError, match=r"config/llms\.yaml: default\.concurrency"):
        grid_llms.offer_settings(tmp_path, run)


# pace, refusals, forms


@pytest.mark.parametrize("limit", [{"requests_per_minute": 600}, {"tokens_per_minute": 600 * 62}])
def test_calls_keep_their_distance(server: ChatServer, tmp_path: Path, limit: dict[str, int]) -> None:
    ask(tmp_path, [say("the first call of a process is slow")])
    started = time.monotonic()
    limits = LimitsSpec.model_validate({"concurrency": 1, **limit})
    requests = [client.Request([{"role": "user", "content": f"{i:012d}"}]) for i in range(6)]  # 12 tokens, 50 answered
    if "tokens_per_minute" in limit:
        ask(tmp_path, [say("an answer's length is known after the first")], limits=ONE)
        requests = requests[:2]
        ask(tmp_path, requests, limits=limits)
        assert time.monotonic() - started >= 2.0  # 2,000 tokens are expected before the first answer is there
        return
    ask(tmp_path, requests, limits=limits)
    assert time.monotonic() - started >= 5 * 0.1


@pytest.mark.parametrize("fault", [REFUSAL, FILTER])
def test_a_refusal_is_asked_once_more(server: ChatServer, tmp_path: Path, fault: str) -> None:
    server.faults = [fault]
    (answer,), _ = ask(tmp_path, rows(1))
    assert answer.text == "echo: row 0" and len(server.bodies) == 2
    server.always = fault
    (answer,), tally = ask(tmp_path, [say("other")])
    assert answer.error and answer.error.startswith("RefusedError") and len(server.bodies) == 4
    assert tally.report()["usd"] == pytest.approx(2 * CALL_USD)  # a refusal is billed


class Broke(ChatHandler):
    """A server whose customer has paid nothing."""

    def answer(self, body: dict[str, Any], fault: Any) -> None:
        self.send(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}})


def test_an_empty_account_ends_all_calls(server: ChatServer, tmp_path: Path) -> None:
    server.RequestHandlerClass = Broke
    with pytest.raises(InputError, match="You exceeded your current quota"):
        ask(tmp_path, rows(30), limits=ONE)
    assert len(server.bodies) == 1


FORM = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object", "properties": {}}}}


def test_a_form_is_sent_where_the_provider_takes_one(server: ChatServer, tmp_path: Path) -> None:
    ask(tmp_path, [say("a", response_format=FORM)])
    ask(tmp_path, [say("a", response_format=FORM)], UNKNOWN)
    assert [body.get("response_format") for body in server.bodies] == [FORM, None]


class Plain(ChatHandler):
    """A server that refuses any form."""

    def answer(self, body: dict[str, Any], fault: Any) -> None:
        if "response_format" not in body:
            return super().answer(body, fault)
        message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported"
        self.send(400, {"error": {"message": message, "type": "invalid_request_error"}})


def test_a_form_that_is_refused_is_left_out(server: ChatServer, tmp_path: Path) -> None:
    server.RequestHandlerClass = Plain
    answers, tally = ask(tmp_path, rows(3, response_format=FORM), limits=ONE)
    assert [answer.text for answer in answers] == [f"echo: row {i}" for i in range(3)]
    assert len(server.bodies) == 4 == tally.attempts


def test_the_system_message_is_marked_for_the_providers_cache(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = [{"role": "system", "content": "the task"}, {"role": "user", "content": "hush"}]
    ask(tmp_path, [client.Request(chat)])
    assert server.bodies[0]["messages"][0] == {"role": "system", "content": "the task"}  # OpenAI's cache needs no mark
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-nothing")
    claude = "anthropic/claude-sonnet-4-5"
    server.reply = lambda body: "yes"
    request = client.Request(chat, {"api_base": server.base.removesuffix("/v1"), "max_tokens": 60})
    (answer,), tally = ask(tmp_path, [request], claude)
    assert answer.text == "yes"
    (part,) = server.bodies[1]["system"]
    assert part["text"] == "the task" and part["cache_control"] == {"type": "ephemeral"}
    report = tally.report()
    assert report["cached_tokens"] == 80 and 0 < report["usd"] < (180 * 3 + 50 * 15) / 1e6


def test_an_error_shows_no_key(server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-of-a-known-form-123")
    server.always = LEAK
    (answer,), _ = ask(tmp_path, rows(1), limits=LimitsSpec(attempts=1))
    assert server.keys == {"Bearer not-of-a-known-form-123"}
    assert "not-of-a-known-form" not in answer.error and "[redacted]" in answer.error
