"""A page in the browser as screen and steering: frames go out, keys and gamepads come in. Nothing is installed for it.

It is served on this machine's loopback address only; every request needs the key of the address that is printed, and must be
addressed to this machine by name, so that no other page a browser has open can steer.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ..errors import DataError, WamError
from ..reading import parse_json, shown, table
from .devices import Controls, Status, Wish

SILENCE = 0.5
"""seconds without a word from the page after which the robot holds still"""
LARGEST = 1 << 14
"""bytes of the largest message that is read"""
LENGTH = re.compile(r"[0-9]+")
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
NAMES = {"localhost", "127.0.0.1", "[::1]"}


class Browser:
    """The page, as `Device` and `Screen`. Use it in a `with` block.

    Args:
        port: 0 takes any that is free.

    Raises:
        WamError: if the port is taken.
    """

    def __init__(self, title: str, port: int = 0, now: Callable[[], float] = time.monotonic):
        self.title, self.key, self._now = title, secrets.token_urlsafe(16), now
        self.controls, self._lock = Controls(), threading.Lock()
        self._heard = -float("inf")
        self._new, self._message, self._number = threading.Condition(), b"", 0
        self.closing = threading.Event()
        try:
            self._server = _Server(("127.0.0.1", port), self)
        except OSError as error:
            raise WamError("the page cannot be served", where=f"port {port}", expected="a free port", got=error.strerror,
                           fix="choose another with --port, or leave it out") from error
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/?key={self.key}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def read(self) -> Wish:
        with self._lock:
            return self.controls.wish(self._now() - self._heard <= SILENCE)

    def start_over(self) -> None:
        """The gripper is as at the start again."""
        with self._lock:
            self.controls.start_over()

    def show(self, picture: UInt8[ndarray, "h w 3"], status: Status) -> None:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=85)
        said = {"picture": base64.b64encode(out.getvalue()).decode(), **asdict(status)}
        with self._new:
            self._message, self._number = json.dumps(said).encode(), self._number + 1
            self._new.notify_all()

    def heard(self, content: bytes) -> None:
        """A message of the page. For what is none, raises DataError, ValueError or another of their kind and does nothing."""
        said = table(parse_json(content, "message"), "message")
        down, tapped, pad = said["down"], said["tapped"], said["pad"]
        if not all(isinstance(key, str) for key in (*down, *tapped)):
            raise ValueError("keys are strings")
        axes, buttons = ([float(v) for v in pad["axes"]], [bool(v) for v in pad["buttons"]]) if pad is not None else ([], [])
        with self._lock:
            self.controls.keys(down, tapped)
            self.controls.pad(axes, buttons)
            self._heard = self._now()

    def after(self, number: int, seconds: float = 1.0) -> tuple[int, bytes]:
        """The newest message with its number, once there is one newer than `number`, or after a while."""
        with self._new:
            self._new.wait_for(lambda: self._number > number or self.closing.is_set(), seconds)
            return self._number, self._message

    def close(self) -> None:
        self.closing.set()
        with self._new:
            self._new.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, place: tuple[str, int], browser: Browser):
        self.browser = browser
        super().__init__(place, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that goes away in the middle is its own right; anything else is our mistake and shows."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30
    default_request_version = "HTTP/1.0"
    """of a request that does not say: the answer then still begins with its status"""

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news."""

    def _allowed(self) -> str | None:
        """The path, or None once a refusal was sent."""
        try:
            asked = urlsplit(self.path)
            given = parse_qs(asked.query, max_num_fields=8).get("key", [""])[0]
        except ValueError:
            self._answer(HTTPStatus.BAD_REQUEST, b"this is no address", "text/plain")
            return None
        name = self.headers.get("Host", "").rsplit(":", 1)[0]
        if name not in NAMES or not secrets.compare_digest(given.encode(), self.server.browser.key.encode()):
            self._answer(HTTPStatus.FORBIDDEN, b"open the address that wam collect printed", "text/plain")
            return None
        return asked.path

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        match self._allowed():
            case None:
                return
            case "/":
                page = (Path(__file__).parent / "teleop.html").read_text(encoding="utf-8")
                self._answer(HTTPStatus.OK, page.replace("TITLE", _escaped(self.server.browser.title)).encode(),
                             "text/html; charset=utf-8")
            case "/see":
                self._stream()
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _stream(self) -> None:
        """Server-sent events, one per control step, for as long as somebody looks."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        browser, number = self.server.browser, 0
        try:
            while not browser.closing.is_set():
                newest, message = browser.after(number)
                self.wfile.write(b": still here\n\n" if newest == number else b"data: " + message + b"\n\n")
                number = newest
        except OSError:  # the page was closed: its own right
            return

    def do_POST(self) -> None:
        match self._allowed():
            case None:
                return
            case "/do":
                status, content = self._do()
                self._answer(status, content, "application/json" if content else "text/plain")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _do(self) -> tuple[HTTPStatus, bytes]:
        said = self.headers.get_all("Content-Length", [])
        self.close_connection = True  # unless all of the message is read: what is left of it is no request
        if not said:
            return HTTPStatus.LENGTH_REQUIRED, b""
        if len(set(said)) > 1 or not LENGTH.fullmatch(said[0]):
            return HTTPStatus.BAD_REQUEST, b""
        if len(said[0]) > 9 or int(said[0]) > LARGEST:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b""
        content = self.rfile.read(int(said[0]))
        if len(content) < int(said[0]):
            return HTTPStatus.BAD_REQUEST, b""
        self.close_connection = False
        try:
            self.server.browser.heard(content)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, DataError):
            return HTTPStatus.BAD_REQUEST, b""
        return HTTPStatus.OK, b"{}"


def _escaped(text: str) -> str:
    return html.escape(shown(text))
