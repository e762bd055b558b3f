"""The server of `vibegrid rate`: what it serves, takes and refuses. Run: pytest tests/test_human_server.py"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from human_cases import silent_key, write_key

from vibegrid.errors import InputError
from vibegrid.files import read_text, write_text
from vibegrid.human.ratings import read_ratings
from vibegrid.human.server import MAX_UPLOAD, RatingServer
from vibegrid.human.simulated_raters import simulate_ratings, simulated_raters, write_simulated


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RatingServer]:
    key = silent_key(prompts=4, systems=("sft", "sft_grpo"), forms=2, comparisons=3, checks=1, repeats=1)
    write_key(tmp_path / "pack", key)
    write_text(tmp_path / "pack/page/index.html", "<!doctype html>")
    write_text(tmp_path / "pack/page/audio/c001.flac", "sound")
    write_text(tmp_path / "pack/page/notes.txt", "no kind that is served")
    running = RatingServer(tmp_path / "pack", tmp_path / "ratings")
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def ask(server: RatingServer, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    reply = connection.getresponse()
    found = reply.status, reply.read().decode()
    connection.close()
    return found


def ratings(server: RatingServer, tmp_path: Path, raters: int = 1) -> list[bytes]:
    """Files of simulated raters, as the page sends them."""
    found = simulate_ratings(server.key, simulated_raters(raters), {"sft": 0.0, "sft_grpo": 1.0}, seed=1)
    return [path.read_bytes() for path in write_simulated(tmp_path / "sent", server.key, found)]


def test_it_serves_the_page_and_nothing_else(server: RatingServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, "GET", "/") == (200, "<!doctype html>")
    assert ask(server, "GET", "/audio/c001.flac") == (200, "sound")
    for path in (
        "/../key.json",
        "/%2e%2e/key.json",
        "/key.json",
        "//etc/passwd",
        "/notes.txt",
        "/audio/",
        "/audio/../../key.json",
    ):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "PUT", "/ratings", b"x")[0] == 501


def test_it_collects_one_file_a_rater(server: RatingServer, tmp_path: Path) -> None:
    first, second = ratings(server, tmp_path, raters=2)
    for body in (first.rpartition(b"\n")[0].rpartition(b"\n")[0] + b"\n", first, second):
        status, text = ask(server, "POST", "/ratings", body, Content_Type="text/csv")
        assert status == 200 and text.endswith("ratings")
    assert sorted(path.name for path in (tmp_path / "ratings").iterdir()) == ["simulated-01.csv", "simulated-02.csv"]
    assert len(read_ratings(tmp_path / "ratings", server.key)) == 10
    assert read_text(tmp_path / "ratings/simulated-01.csv").encode() == first


@pytest.mark.parametrize("name", ["../../key", "a/b", "", "x" * 41, "ä", "=1+1"])
def test_a_name_is_no_path(server: RatingServer, tmp_path: Path, name: str) -> None:
    body = ratings(server, tmp_path)[0].replace(b"simulated-01", name.encode())
    status, text = ask(server, "POST", "/ratings", body, Content_Type="text/csv")
    assert status == 400 and "\n" not in text and not (tmp_path / "ratings").exists()


def test_a_name_belongs_to_who_took_it_first(server: RatingServer, tmp_path: Path) -> None:
    body = ratings(server, tmp_path)[0]
    session = body.split(b"\n")[1].split(b",")[1]
    assert ask(server, "POST", "/ratings", body, Content_Type="text/csv")[0] == 200
    for other in (body.replace(session, b"0" * 16), body.replace(b"simulated", b"Simulated")):
        status, text = ask(server, "POST", "/ratings", other, Content_Type="text/csv")
        assert status == 400 and "is taken" in text
    assert (tmp_path / "ratings/simulated-01.csv").read_bytes() == body
    write_text(tmp_path / "ratings/raters.txt", "anna\n")
    status, text = ask(server, "POST", "/ratings", body, Content_Type="text/csv")
    assert status == 400 and "unknown rater 'simulated-01'" in text


def test_what_is_no_rating_is_refused(server: RatingServer, tmp_path: Path) -> None:
    body = ratings(server, tmp_path)[0]
    two = b"\n".join(ratings(server, tmp_path, raters=2)[1].split(b"\n")[1:])
    for wrong in (
        b"",
        b"rater\nanna\n",
        b"\xff\xfe",
        body + body.split(b"\n", 1)[1],
        body + two,
        body.replace(b",1-", b",7-"),
    ):
        assert ask(server, "POST", "/ratings", wrong, Content_Type="text/csv")[0] == 400
    assert ask(server, "POST", "/other", body, Content_Type="text/csv")[0] == 404
    assert ask(server, "POST", "/ratings", body, Content_Type="text/plain")[0] == 415
    assert not (tmp_path / "ratings").exists()


def test_uploads_are_capped_before_they_are_read(server: RatingServer) -> None:
    for length in (str(MAX_UPLOAD + 1), "9" * 30, "0" * 12 + "999999999"):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            host = f"127.0.0.1:{server.server_port}"
            head = (
                f"POST /ratings HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/csv\r\nContent-Length: {length}\r\n\r\n"
            )
            connection.sendall(head.encode())  # and no body
            assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]
    for length in ("-1", "x", "²"):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            head = (
                f"POST /ratings HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/csv\r\nContent-Length: {length}\r\n\r\n"
            )
            connection.sendall(head.encode("latin-1", "replace"))
            assert b" 411 " in connection.recv(4096).split(b"\r\n")[0]


def test_other_sites_are_refused(server: RatingServer, tmp_path: Path) -> None:
    body = ratings(server, tmp_path)[0]
    assert ask(server, "GET", "/", Host="evil.example")[0] == 403
    assert (
        ask(server, "POST", "/ratings", body, Host=f"evil.example:{server.server_port}", Content_Type="text/csv")[0]
        == 403
    )
    assert ask(server, "POST", "/ratings", body, Origin="http://evil.example", Content_Type="text/csv")[0] == 403
    assert ask(server, "POST", "/ratings", body, Origin="null", Content_Type="text/csv")[0] == 403
    assert ask(server, "POST", "/ratings", body, Origin=server.url.rstrip("/"), Content_Type="text/csv")[0] == 200


def test_a_port_that_is_taken_and_a_folder_without_a_pack_are_one_line(server: RatingServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"port {server.server_port}: cannot be used"):
        RatingServer(tmp_path / "pack", tmp_path / "ratings", server.server_port)
    with pytest.raises(InputError, match="no such file"):
        RatingServer(tmp_path / "empty", tmp_path / "ratings")
