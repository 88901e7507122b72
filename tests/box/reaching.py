"""A box as mlsh reaches it, and a port that somebody serves there, for tests of the way there."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from mlsh.box import Box as Reached
from mlsh.box import open_box
from mlsh.config import load
from tests.bed import Box, ChaosProxy, Laptop, wait_for


def reach(laptop: Laptop, box: Box, *options: str, via: ChaosProxy | None = None) -> Reached:
    return open_box(laptop.add(box, options=options, via=via), load())


def masters(laptop: Laptop) -> list[int]:
    found = []
    for pid in laptop.processes():
        with contextlib.suppress(OSError):
            if b"\0-M\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def says(reached: Reached, *argv: str) -> str:
    ran = reached.run(argv)
    assert ran.returncode == 0, ran
    return ran.stdout.decode()


@contextlib.contextmanager
def serving(box: Box) -> Iterator[int]:
    """A port of the box's loopback that says hello."""
    box.write("~/serve.py", SERVE)
    box.sh("rm -f port; setsid python3 serve.py >/dev/null 2>&1 </dev/null &")
    file = box.path("~/port")
    port = int(wait_for(lambda: file.exists() and file.read_text(), 10, "the port"))
    try:
        yield port
    finally:
        box.sh("pkill -f serve.py", check=False)


SERVE = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))
open("port.new", "w").write(str(server.getsockname()[1]))
os.rename("port.new", "port")
while True:
    client, _ = server.accept()
    client.sendall(b"hello\\n")
    client.close()
"""


def fetch(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        return client.makefile("rb").read()
