"""The LLM client against a real local server that speaks OpenAI's chat protocol and misbehaves on demand."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chat_server import HANG, ChatServer, say, serving
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.llm import client, embedded, faults, providers
from vibegrid.llm.client import complete_many
from vibegrid.llm.store import ResponseStore, key_of
from vibegrid.specs.llms import LimitsSpec

MODEL = "openai/test"
SOURCE = str(Path(client.__file__).resolve().parents[2])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with serving(monkeypatch) as running:
        monkeypatch.setenv("OPENAI_API_BASE", running.base)
        yield running


def test_faults_are_retried_until_it_answers(server: ChatServer, tmp_path: Path) -> None:
    server.faults = [(429, {"Retry-After": "1"}), 500, "", "  \n"]
    (answer,) = complete_many([say("hush")], model=MODEL, store_path=tmp_path / "s.db", limits=LimitsSpec(attempts=5))
    assert (answer.text, answer.error, answer.stored) == ("echo: hush", None, False)
    assert len(server.bodies) == 5  # no library retries behind our back
    waits = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert waits[0] >= 0.99 and max(waits[1:]) < 0.9


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("2.5", 2.5, 2.5),
        ("-1", 0.0, 0.0),
        ("soon", 0.0, 0.0),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 1e6, 1e12),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.0),
    ],
)
def test_retry_after_may_be_a_number_or_a_date(header: str, low: float, high: float) -> None:
    error = Exception()
    error.response = SimpleNamespace(headers={"retry-after": header})  # type: ignore[attr-defined]
    assert low <= faults.retry_after(error) <= high
    state = SimpleNamespace(attempt_number=1, outcome=SimpleNamespace(exception=lambda: error))
    assert faults.wait(state) <= faults.MAX_WAIT_S


@pytest.mark.parametrize(("fault", "calls"), [(500, 3), ("", 3), (429, 3), (400, 1)])
def test_a_row_that_fails_for_good_is_one_line(server: ChatServer, tmp_path: Path, fault: Any, calls: int) -> None:
    server.always = fault
    (answer,) = complete_many([say("x")], model=MODEL, store_path=tmp_path / "s.db", limits=LimitsSpec(attempts=3))
    assert answer.text is None and not answer.stored
    assert answer.error and "\n" not in answer.error and len(answer.error) <= faults.MAX_ERROR_CHARS
    assert len(server.bodies) == calls
    server.always = None  # a failure is not kept
    (answer,) = complete_many([say("x")], model=MODEL, store_path=tmp_path / "s.db")
    assert answer.text == "echo: x"


def test_one_failure_leaves_the_other_rows_alone(server: ChatServer, tmp_path: Path) -> None:
    server.faults = [400]
    requests = [say(f"row {i}") for i in range(6)]
    answers = complete_many(requests, model=MODEL, store_path=tmp_path / "s.db", limits=LimitsSpec(concurrency=1))
    assert [answer.error is None for answer in answers] == [False] + [True] * 5
    assert [answer.text for answer in answers[1:]] == [f"echo: row {i}" for i in range(1, 6)]


def test_a_refused_key_ends_the_calls_that_would_fail_alike(server: ChatServer, tmp_path: Path) -> None:
    server.faults, server.always = [None, None], 401
    requests = [say(f"row {i}") for i in range(50)]
    path, limits = tmp_path / "s.db", LimitsSpec(concurrency=2)
    with pytest.raises(InputError, match="AuthenticationError"):
        complete_many(requests, model=MODEL, store_path=path, limits=limits)
    assert len(server.bodies) <= 5
    server.always = None
    again = complete_many(requests, model=MODEL, store_path=path, limits=limits)
    assert sum(answer.stored for answer in again) == 2 and not any(answer.error for answer in again)


def test_a_server_that_hangs_is_left_and_asked_again(server: ChatServer, tmp_path: Path) -> None:
    server.faults = [HANG]
    started = time.monotonic()
    (answer,) = complete_many([say("x")], model=MODEL, store_path=tmp_path / "s.db", limits=LimitsSpec(timeout_s=0.5))
    assert answer.text == "echo: x"
    assert time.monotonic() - started < 2.9


def test_concurrency_is_bounded(server: ChatServer, tmp_path: Path) -> None:
    server.delay = 0.05
    requests = [say(f"row {i}") for i in range(24)]
    answers = complete_many(requests, model=MODEL, store_path=tmp_path / "s.db", limits=LimitsSpec(concurrency=4))
    assert [answer.text for answer in answers] == [f"echo: row {i}" for i in range(24)]
    assert 2 <= server.most_under_way <= 4


def test_stored_answers_are_not_asked_again(server: ChatServer, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "s.db"
    requests = [say("a", temperature=0.8, seed=1), say("b"), say("a", temperature=0.8, seed=1)]
    first = complete_many(requests, model=MODEL, store_path=path)
    assert len(server.bodies) == 2 and first[0] == first[2]
    assert {body.get("seed") for body in server.bodies} == {1, None}
    assert all(set(body) <= {"model", "messages", "temperature", "seed"} for body in server.bodies)
    again = complete_many(requests, model=MODEL, store_path=path)
    assert len(server.bodies) == 2
    assert all(answer.stored for answer in again)
    assert [answer.text for answer in again] == [answer.text for answer in first]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    complete_many(requests, model=MODEL, store_path=path, salt="v2")
    complete_many([say("a", temperature=0.8, seed=2)], model=MODEL, store_path=path)
    assert len(server.bodies) == 5


def test_stored_answers_need_no_key_and_no_server(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.db"
    complete_many([say("a")], model=MODEL, store_path=path)
    monkeypatch.delenv("OPENAI_API_BASE")
    assert complete_many([say("a")], model=MODEL, store_path=path)[0].stored
    with pytest.raises(InputError, match="OPENAI_API_KEY") as caught:
        complete_many([say("a"), say("b")], model=MODEL, store_path=path)
    assert "\n" not in str(caught.value)


def test_the_server_may_be_named_in_the_request(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_BASE")
    request = say("a", api_base=server.base, top_p=0.9)
    (answer,) = complete_many([request], model=MODEL, store_path=tmp_path / "s.db")
    assert answer.text == "echo: a"
    elsewhere = say("a", api_base="http://127.0.0.1:9/v1", top_p=0.9)
    assert complete_many([elsewhere], model=MODEL, store_path=tmp_path / "s.db")[0].stored


def test_several_choices(server: ChatServer, tmp_path: Path) -> None:
    (answer,) = complete_many([say("a", n=3)], model=MODEL, store_path=tmp_path / "s.db")
    assert answer.texts == ("echo: a",) * 3 and len(server.bodies) == 1


def test_several_choices_where_the_provider_has_none(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "supports", lambda model, param: param != "n")
    server.faults = [400]
    request = say("a", n=3, seed=7)
    (answer,) = complete_many([request], model=MODEL, store_path=tmp_path / "s.db", limits=LimitsSpec(concurrency=1))
    assert answer.texts == ("echo: a",) * 2 and answer.error is None
    assert len({body["seed"] for body in server.bodies}) == 3
    (answer,) = complete_many([request], model=MODEL, store_path=tmp_path / "s.db")
    assert len(answer.texts) == 3 and len(server.bodies) == 4


KILLED = """
import sys
from vibegrid.llm.client import Request, complete_many
from vibegrid.specs.llms import LimitsSpec
requests = [Request([{"role": "user", "content": f"row {i}"}]) for i in range(20)]
complete_many(requests, model="openai/test", store_path=sys.argv[1], limits=LimitsSpec(concurrency=2))
"""


def test_a_kill_loses_nothing_that_was_answered(server: ChatServer, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    server.delay = 0.15
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while len(server.bodies) < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.4)
    asked, server.delay = len(server.bodies), 0.0
    assert 8 <= asked < 20
    answers = complete_many([say(f"row {i}") for i in range(20)], model=MODEL, store_path=path)
    assert [answer.text for answer in answers] == [f"echo: row {i}" for i in range(20)]
    kept = sum(answer.stored for answer in answers)
    assert kept >= asked - 4  # two were under way when it was killed, two just answered
    assert len(server.bodies) - asked == 20 - kept


WRITER = """
import sys
from vibegrid.llm.store import ResponseStore
from vibegrid.llm.usage import Usage
with ResponseStore(sys.argv[1]) as store:
    for i in range(300):
        store.put(f"{sys.argv[2]}-{i}", "m", ["x" * 500], Usage())
        store.put(f"both-{i}", "m", [sys.argv[2]], Usage())
"""


def test_two_processes_may_write_to_one_store(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
    writers = [subprocess.Popen([*command, name], env=environment) for name in ("one", "two")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    with ResponseStore(path) as store:
        found = store.get_many(f"{name}-{i}" for name in ("one", "two", "both") for i in range(300))
    assert len(found) == 900
    assert {found[f"both-{i}"].texts[0] for i in range(300)} <= {"one", "two"}


def test_a_file_that_is_no_store_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("this is not a database, " * 100)
    with pytest.raises(InputError, match=r"s\.db") as caught:
        complete_many([say("a")], model="embedded/composer-1", store_path=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("embedded/nobody", "no such embedded model"),
        ("nowhere/at-all", "no such provider"),
        ("gibberish", "no such provider"),
    ],
)
def test_an_unknown_model_is_one_line(tmp_path: Path, model: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        complete_many([say("a")], model=model, store_path=tmp_path / "s.db")


def test_a_parameter_in_the_wrong_place_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stream"):
        complete_many([say("a", stream=True)], model=MODEL, store_path=tmp_path / "s.db")
    with pytest.raises(InputError, match="n is 0"):
        complete_many([say("a", n=0)], model=MODEL, store_path=tmp_path / "s.db")


def test_the_embedded_composer_answers_through_the_same_call(tmp_path: Path) -> None:
    requests = [say(f"<vibe>lonely neon rain {i}</vibe>", temperature=0.8, seed=5, n=3) for i in range(20)]
    answers = complete_many(requests, model="embedded/composer-1", store_path=tmp_path / "s.db")
    assert all(answer.error is None and len(set(answer.texts)) == 3 for answer in answers)
    assert json.loads(answers[0].text or "")["title"] == "Lonely Neon Rain"
    other = complete_many(requests, model="embedded/composer-1", store_path=tmp_path / "t.db")
    assert other == answers
    plain = [say("<vibe>lonely neon rain</vibe>", seed=seed) for seed in (1, 2)]
    cold = complete_many(plain, model="embedded/composer-1", store_path=tmp_path / "s.db")
    assert cold[0].text == cold[1].text


def test_the_embedded_extractor_is_reached(tmp_path: Path) -> None:
    (answer,) = complete_many([say("no text at all")], model="embedded/extractor-1", store_path=tmp_path / "s.db")
    assert answer.error is None and answer.text


def test_a_fault_of_a_program_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def broken(*args: Any) -> str:
        calls.append(1)
        raise ValueError("a bug")

    monkeypatch.setattr("vibegrid.llm.composer.respond", broken)
    embedded._function.cache_clear()
    (answer,) = complete_many([say("<vibe>x</vibe>")], model="embedded/composer-1", store_path=tmp_path / "s.db")
    embedded._function.cache_clear()
    assert answer.error and "a bug" in answer.error and len(calls) == 1


def test_registering_twice_changes_nothing() -> None:
    litellm = providers.litellm()
    before = list(litellm.custom_provider_map)
    embedded.register()
    assert litellm.custom_provider_map == before
    messages = [{"role": "user", "content": "<vibe>hush</vibe>"}]
    response = litellm.completion(model="embedded/composer-1", messages=messages, n=2, temperature=0.5)
    assert len(response.choices) == 2 and response.model == "embedded/composer-1"


@given(st.text(max_size=50), st.text(max_size=50), st.floats(0, 2), st.integers(), st.text(max_size=10))
def test_a_key_follows_from_its_parts_and_from_nothing_else(
    one: str, two: str, temperature: float, seed: int, salt: str
) -> None:
    def key(text: str, warmth: float = temperature, number: int = seed, extra: str = salt, model: str = "m") -> str:
        params = {"temperature": warmth, "seed": number}
        return key_of(model, [{"role": "user", "content": text}], params, extra)

    assert key(one) == key(one) and len(key(one)) == 64
    assert (key(one) == key(two)) == (one == two)
    others = [
        key(one, warmth=temperature + 1),
        key(one, number=seed + 1),
        key(one, extra=salt + "x"),
        key(one, model="n"),
    ]
    assert key(one) not in others
