"""Which servers does a job's log tell of: TensorBoard, Jupyter, Gradio, Streamlit, vLLM, uvicorn, http.server, ...

A log is hostile text. Counted is only a URL of the box's own loopback (or of all its addresses, or of its own name)
behind words with which a server announces itself; a URL that is merely mentioned, or that leads elsewhere, is not.
What is kept of it (port, path, token) has no character that means anything to a terminal or a shell.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from mlsh.shell.sanitize import LogCleaner

MOST = 8
"""Of more servers than this, the ones that were announced last are kept."""
_LONGEST_LINE = 4096

_URL = re.compile(
    r"(?<![^\s(\[<\"'*])(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9_.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):(?P<port>[1-9][0-9]{0,4})(?![0-9])"
    r"(?P<path>(?:/[A-Za-z0-9._~-]{0,100}){0,8})"
    r"(?:\?token=(?P<token>[A-Za-z0-9._~-]{1,256}))?"
    # Anything more would be another address, or one that is cut off here.
    r"(?=[.,;:]?(?:[\s)\]>\"'*]|\Z))"
)
_LOOPBACK = frozenset({"localhost", "0.0.0.0", "[::1]", "[::]"})  # noqa: S104 - to be read, not listened on
_LOOPBACK_NET = re.compile(r"127(?:\.[0-9]{1,3}){3}")
# What stands before the URL in its line. The first that fits names the server.
_KINDS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("TensorBoard", r"TensorBoard \S{1,40} at \Z"),
        ("vLLM", r"Starting vLLM (?:API )?server\b.{0,60}? on \Z"),
        ("uvicorn", r"Uvicorn running on \Z"),
        ("Gradio", r"Running on local URL: +\Z"),
        ("Streamlit", r"\A *(?:Local )?URL: +\Z"),
        ("http.server", r"Serving HTTPS? on \S{1,60} port [0-9]{1,5} \(\Z"),
        ("server", r"(?i:\b(?:running|listening|serving|served|started|available) (?:on|at)(?: port)?:? *)\Z"),
    )
)
# Jupyter prints its addresses in a line of their own, behind its log's stamp or `or`.
_JUPYTER = re.compile(r"\A(?:\[[A-Z] [^\]]{1,80}\])? *(?:or )? *\Z")
_JUPYTER_PATH = re.compile(r"(?:/[^?]*)?/(?:lab|tree|notebooks)\b|/(?:user/[^/]+/)?\Z")


class Found(msgspec.Struct, frozen=True):
    """A server that a log tells of. `path` and `token` go into the URL as they are; the token is a secret."""

    port: int
    kind: str
    scheme: str = "http"
    path: str = ""
    token: str = ""

    def url(self, port: int) -> str:
        """Where to find it once it listens on `port` of this machine."""
        return f"{self.scheme}://localhost:{port}{self.path}{f'?token={self.token}' if self.token else ''}"


class Recogniser:
    """Reads a log, in any pieces; `found` are the servers so far, those announced last at the end."""

    def __init__(self, names: Collection[str] = ()) -> None:
        """`names` are what the box calls itself, so that `http://gpu1:6006/` counts on gpu1."""
        self._names = tuple(name.lower() for name in names if name)
        self._cleaner = LogCleaner()
        self._line = ""
        self._by_port: dict[int, Found] = {}

    @property
    def found(self) -> list[Found]:
        """At most `MOST` servers, one a port."""
        return list(self._by_port.values())[-MOST:]

    def feed(self, data: bytes, final: bool = False) -> None:
        """Read more of the log. With `final`, what is there of its last line counts as a line."""
        *lines, rest = re.split("[\r\n]", self._line + self._cleaner.feed(data, final))
        # A line of a progress bar may go on for megabytes; nobody announces a server there.
        self._line = "" if final else rest[-2 * _LONGEST_LINE :]
        for line in [*lines, rest] if final else lines:
            if "://" in line and len(line) <= _LONGEST_LINE:
                for server in recognise(line, self._names):
                    self._take(server)

    def _take(self, server: Found) -> None:
        before = self._by_port.pop(server.port, None)
        if before is not None and before.kind == server.kind and before.token and not server.token:
            # Jupyter names its address without the token too.
            server = before
        self._by_port[server.port] = server


def recognise(line: str, names: Collection[str] = ()) -> list[Found]:
    """The servers that one line of a log announces; pure. The line has no escape sequences any more."""
    line = re.sub(r"\x1b\[[0-9;:]*[mK]", "", line)
    servers = []
    for match in _URL.finditer(line):
        port = int(match["port"])
        if port > 65535 or not _is_here(match["host"].lower(), names):
            continue
        kind = _kind(line[: match.start()], match["path"], match["token"])
        if kind:
            # Jupyter writes `token=...` where the person chose the token.
            token = (match["token"] or "") if (match["token"] or "").strip(".") else ""
            servers.append(Found(port, kind, match["scheme"], match["path"], token))
    return servers


def _kind(before: str, path: str, token: str | None) -> str:
    for kind, pattern in _KINDS:
        if pattern.search(before[-200:]):
            return kind
    if _JUPYTER.match(before) and _JUPYTER_PATH.match(path) and (token or path.strip("/")):
        return "Jupyter"
    return ""


def _is_here(host: str, names: Collection[str]) -> bool:
    if host in _LOOPBACK or _LOOPBACK_NET.fullmatch(host):
        return True
    return any(host == name or host.startswith(f"{name}.") for name in names)
