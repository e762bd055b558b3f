"""A local server for one pack: serves its page, takes ratings, and nothing else.

It binds 127.0.0.1. A request names a file of a table made at the start, never a path. Ratings come as one CSV of one
rater, at most 256 kB, are checked against the key before anything is written, and become `<rater>.csv`. Requests
of other sites are refused: by Host (a name that was made to point here) and by Origin.
"""

from __future__ import annotations

import csv
import io
import logging
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import read_csv, write_text
from vibegrid.human.key import Key, read_key
from vibegrid.human.pack import PAGE
from vibegrid.human.ratings import Rating, parse_ratings, read_invited

log = logging.getLogger("vibegrid.rate")

ADDRESS = "127.0.0.1"
MAX_UPLOAD = 256 * 1024  # bytes
PATIENCE = 10  # seconds in which a request must have come
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".flac": "audio/flac",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class RatingServer(ThreadingHTTPServer):
    """Serves the pack of a folder and writes ratings to another.

    Args:
        pack: folder of the pack.
        ratings: folder of the ratings; made with the first one.
        port: 0 for any that is free.

    Raises:
        InputError: no pack in `pack`, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, pack: Path, ratings: Path, port: int = 0) -> None:
        self.key: Key = read_key(pack)
        self.ratings = ratings
        page = pack / PAGE
        files = {path.relative_to(page).as_posix(): path for path in page.rglob("*") if path.is_file()}
        self.files = {f"/{name}": path for name, path in files.items() if path.suffix in TYPES}
        self.files["/"] = page / "index.html"
        self.writing = threading.Lock()
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            raise InputError(f"port {port}", f"cannot be used: {error.strerror}", "another --port, or 0") from None
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def take(self, body: bytes) -> str:
        """Check one rater's ratings and write them; what to answer.

        Raises:
            InputError: they are none, or the name belongs to somebody else.
        """
        try:
            rows = list(csv.DictReader(io.StringIO(body.decode("ascii"))))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError("ratings", f"not a CSV: {error}") from None
        with self.writing:
            found = [rating for _, rating in parse_ratings(rows, "ratings", self.key, read_invited(self.ratings))]
            path = self._file_of(found)
            write_text(path, body.decode("ascii").replace("\r\n", "\n"))
        log.info("%s: %d ratings", path.name, len(found))
        return f"{len(found)} ratings"

    def _file_of(self, found: list[Rating]) -> Path:
        """The file of the one rater of these ratings, if it is theirs."""
        people = {(rating.rater, rating.session, rating.trial.form) for rating in found}
        if len(people) != 1 or len({rating.trial.id for rating in found}) < len(found):
            raise InputError("ratings", "those of one rater were expected, each trial once")
        rater, session, _ = next(iter(people))
        # one file system's `Anna.csv` is another's `anna.csv`
        known = {path.stem.lower(): path for path in self.ratings.glob("*.csv")}
        path = known.get(rater.lower(), self.ratings / f"{rater}.csv")
        if path.exists() and {(row.get("rater"), row.get("session")) for row in read_csv(path)} != {(rater, session)}:
            raise InputError("ratings", f"the name {rater!r} is taken", "begin anew with another name")
        return path


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: RatingServer
    timeout = PATIENCE
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "vibegrid", ""

    def do_GET(self) -> None:
        """A file of the page."""
        path = self.server.files.get(self.path)
        if not self._ours():
            self._reply(HTTPStatus.FORBIDDEN, "another host's page asks")
        elif path is None:
            self._reply(HTTPStatus.NOT_FOUND, "no such file")
        else:
            self._send(HTTPStatus.OK, path.read_bytes(), TYPES[path.suffix])

    def do_POST(self) -> None:
        """A rater's ratings."""
        length = self.headers.get("Content-Length", "")
        if not self._ours():
            self._reply(HTTPStatus.FORBIDDEN, "another host's page asks")
        elif self.path != "/ratings":
            self._reply(HTTPStatus.NOT_FOUND, "no such address")
        elif self.headers.get_content_type() != "text/csv":
            self._reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "text/csv was expected")
        elif not length.isascii() or not length.isdigit():
            self._reply(HTTPStatus.LENGTH_REQUIRED, "a Content-Length was expected")
        elif len(length) > 9 or int(length) > MAX_UPLOAD:
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_UPLOAD} bytes are taken")
        else:
            self._take(self.rfile.read(int(length)))

    def _take(self, body: bytes) -> None:
        try:
            self._reply(HTTPStatus.OK, self.server.take(body))
        except InputError as error:
            self._reply(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            log.error("cannot write: %s", error)
            self._reply(HTTPStatus.INSUFFICIENT_STORAGE, "the ratings cannot be written")

    def _ours(self) -> bool:
        """Whether the request is for this server and of its own page."""
        origin = self.headers.get("Origin")
        hosts = self.server.hosts
        return self.headers.get("Host") in hosts and (origin is None or origin.removeprefix("http://") in hosts)

    def _reply(self, status: HTTPStatus, text: str) -> None:
        if status != HTTPStatus.OK:
            self.close_connection = True  # a body that was not read would be taken for the next request
        self._send(status, text.encode("utf-8", "replace"), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """To the log, not to the terminal."""
        log.debug("%s", format % args)
