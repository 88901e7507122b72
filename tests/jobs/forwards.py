"""A forward as a person has it, what a browser gets through it, and what there is of it on this machine."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bed import Laptop

SERVER = "cd /; python3 -u -m http.server --bind 127.0.0.1 {port}"


def get(port: int, path: str = "/etc/hostname", timeout: float = 20, host: str = "127.0.0.1") -> bytes:
    """What a browser gets from a port of this machine."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def answers(port: int) -> bool:
    try:
        return bool(get(port, timeout=5))
    except (OSError, http.client.HTTPException):
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def forwarding(laptop: Laptop, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], str]]]:
    """`mlsh forward WORDS` in the foreground; gives the process, and what it has said on stderr so far."""
    said: list[bytes] = []
    process = laptop.spawn("forward", *words)

    def read() -> None:
        assert process.stderr is not None
        said.extend(iter(lambda: os.read(process.stderr.fileno(), 4096), b""))  # type: ignore[union-attr]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process, lambda: b"".join(said).decode()
    finally:
        process.kill()
        process.wait()
        reader.join(5)


def url(process: "subprocess.Popen[bytes]", said: Callable[[], str]) -> str:
    """The address that it prints first."""
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    assert line, said()
    return line


def local_port(address: str) -> int:
    return int(address.removeprefix("http://localhost:").partition("/")[0])


def listed(laptop: Laptop) -> list[dict[str, Any]]:
    return [json.loads(line) for line in laptop.run("forward", "list", "--json").stdout.splitlines()]


def tunnels(laptop: Laptop) -> list[int]:
    """The ssh processes of forwards."""
    found = []
    for pid in laptop.processes():
        with contextlib.suppress(OSError):
            if f"{laptop.runtime_dir}/mlsh/fwd.".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found
