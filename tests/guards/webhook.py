"""A server that a box can POST to: real HTTP, on the address by which this machine reaches the box."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.bed import Box


class Webhook(ThreadingHTTPServer):
    """`url` is its address with a secret in it; `got` the bodies that came, and `paths` where to."""

    daemon_threads = True

    def __init__(self, address: str, status: int, hang_s: float) -> None:
        self.got: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status, self.hang_s = status, hang_s
        super().__init__((address, 0), Handler)
        self.url = f"http://{address}:{self.server_address[1]}/services/T0P-s3cret?x=[1]&y={{2}}"


class Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self.server.paths.append(self.path)
        self.server.got.append(json.loads(body))
        time.sleep(self.server.hang_s)
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/again")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.paths.append(f"GET {self.path}")
        self.send_error(405)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def webhook(box: Box, status: int = 200, hang_s: float = 0) -> Iterator[Webhook]:
    """Listen until the block ends; `hang_s` before each answer."""
    with socket.create_connection((box.host, box.port), timeout=5) as there:
        address = there.getsockname()[0]
    server = Webhook(address, status, hang_s)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
