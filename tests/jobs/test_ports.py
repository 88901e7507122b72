"""The servers that a log tells of: the lines of real programs, and lines that would lead a person astray."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.jobs.ports import MOST, Found, Recogniser, recognise

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"  # noqa: S105

ANNOUNCED = [
    ("TensorBoard 2.19.0 at http://localhost:6006/ (Press CTRL+C to quit)", "TensorBoard", "http://localhost:1/"),
    ("TensorBoard 2.19.0 at http://gpu1:6006/ (Press CTRL+C to quit)", "TensorBoard", "http://localhost:1/"),
    ("TensorBoard 2.9.1 at http://gpu1.lab.example:6006/ (Press CTRL+C to quit)", "TensorBoard", "http://localhost:1/"),
    (f"[I 2026-11-22 10:00:00.123 ServerApp] http://localhost:8888/lab?token={TOKEN}", "Jupyter",
     f"http://localhost:1/lab?token={TOKEN}"),
    (f"        http://gpu1:8888/lab?token={TOKEN}", "Jupyter", f"http://localhost:1/lab?token={TOKEN}"),
    (f"     or http://127.0.0.1:8888/tree?token={TOKEN}", "Jupyter", f"http://localhost:1/tree?token={TOKEN}"),
    (f"[I 10:00:00.000 NotebookApp] http://localhost:8888/?token={TOKEN}", "Jupyter",
     f"http://localhost:1/?token={TOKEN}"),
    ("[I 2026-11-22 10:00:00.123 ServerApp] http://localhost:8888/lab?token=...", "Jupyter",
     "http://localhost:1/lab"),
    ("[I 2026-11-22 10:00:00.123 ServerApp] http://localhost:8888/lab", "Jupyter", "http://localhost:1/lab"),
    ("* Running on local URL:  http://127.0.0.1:7860", "Gradio", "http://localhost:1"),
    ("  Local URL: http://localhost:8501", "Streamlit", "http://localhost:1"),
    ("INFO 12-18 06:01:05 [api_server.py:1945] Starting vLLM API server 0 on http://0.0.0.0:8080", "vLLM",
     "http://localhost:1"),
    ("INFO [...] Starting vLLM API server on http://0.0.0.0:8000", "vLLM", "http://localhost:1"),
    ("INFO:     Uvicorn running on http://0.0.0.0:80 (Press CTRL+C to quit)", "uvicorn", "http://localhost:1"),
    ("\x1b[32mINFO\x1b[0m:     Uvicorn running on \x1b[1mhttp://127.0.0.1:8000\x1b[0m (Press CTRL+C to quit)",
     "uvicorn", "http://localhost:1"),
    ("INFO:     Uvicorn running on https://[::]:8000 (Press CTRL+C to quit)", "uvicorn", "https://localhost:1"),
    ("Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...", "http.server", "http://localhost:1/"),
    ("Serving HTTP on :: port 8000 (http://[::]:8000/) ...", "http.server", "http://localhost:1/"),
    (" * Running on http://127.0.0.1:5000/ (Press CTRL+C to quit)", "server", "http://localhost:1/"),
    ("[2026-11-22 10:00:00 +0000] [7] [INFO] Listening at: http://127.0.0.1:5000 (7)", "server", "http://localhost:1"),
    ("main: server is listening on http://127.0.0.1:8080 - starting the main loop", "server", "http://localhost:1"),
]  # fmt: skip

NOT_ANNOUNCED = [
    "loading http://localhost:9000/model.bin",
    "[W 2026-11-22 ServerApp] 404 GET /x (127.0.0.1) referer=http://localhost:8888/lab/tree/a.ipynb",
    "  Network URL: http://10.0.0.5:8501",
    "  External URL: http://1.2.3.4:8501",
    "Running on public URL: https://12345.gradio.live",
    "Uvicorn running on http://evil.example:8000 (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost:80@evil.example:8000 (Press CTRL+C to quit)",
    "Uvicorn running on http://user@localhost:8000 (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost.evil.example:8000 (Press CTRL+C to quit)",
    "Uvicorn running on http://gpu11:8000 (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost:8000.evil.example/ (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost:0 (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost:65536 (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost:123456 (Press CTRL+C to quit)",
    "Uvicorn running on http://localhost:08000 (Press CTRL+C to quit)",
    "Uvicorn running on http://127.0.0.1.evil.example:8000",
    "Uvicorn running on ftp://localhost:8000",
    "Uvicorn running on http://localhost:8000/$(touch${IFS}pwned)",
    "        http://localhost:8888/lab?token=abc&next=//evil.example",
    "        http://localhost:8888/lab?token=a%0Ab",
    "        http://localhost:8888/",
    "Uvicorn running on http://localhost:８０００",
]


@pytest.mark.parametrize(("line", "kind", "url"), ANNOUNCED)
def test_servers_are_recognised_by_what_they_print(line: str, kind: str, url: str) -> None:
    reader = Recogniser(["gpu1"])
    reader.feed(line.encode() + b"\r\n")
    [server] = reader.found
    assert (server.kind, server.url(1)) == (kind, url)
    port = re.search(r":(\d+)(?:[/ ?\x1b]|$)", line.partition("://")[2])
    assert port is not None
    assert server.port == int(port[1])


@pytest.mark.parametrize("line", NOT_ANNOUNCED)
def test_a_url_that_is_mentioned_or_leads_elsewhere_is_no_server(line: str) -> None:
    reader = Recogniser(["gpu1"])
    reader.feed(line.encode() + b"\n", final=True)
    assert reader.found == []


def test_the_newest_announcement_of_a_port_counts_and_keeps_its_token() -> None:
    reader = Recogniser()
    reader.feed(b"     or http://127.0.0.1:8888/lab?token=old\n")
    reader.feed(
        b"[I 10:00 ServerApp] http://localhost:8888/lab?token=new\n[I 10:00 ServerApp] http://localhost:8888/lab\n"
    )
    assert [server.token for server in reader.found] == ["new"]
    reader.feed(b"Uvicorn running on http://localhost:8888 (Press CTRL+C to quit)\n")
    assert [(server.kind, server.token) for server in reader.found] == [("uvicorn", "")]


def test_a_log_full_of_servers_gives_the_last_ones() -> None:
    reader = Recogniser()
    for port in range(1, 60000, 7):
        reader.feed(b"Uvicorn running on http://localhost:%d\n" % port)
    assert len(reader.found) == MOST
    assert reader.found[-1].port == 59998


def test_a_line_without_an_end_takes_no_memory() -> None:
    reader = Recogniser()
    for _ in range(100):
        reader.feed(b"x" * 100_000)
    reader.feed(b" Uvicorn running on http://localhost:8000\nUvicorn running on http://localhost:8001\n")
    assert [server.port for server in reader.found] == [8001]
    assert len(reader._line) < 10_000


LOG = "".join(f"{line}\r\n" for line, _, _ in ANNOUNCED) + "".join(f"{line}\n" for line in NOT_ANNOUNCED)


@given(st.lists(st.integers(0, len(LOG.encode())), max_size=12))
def test_it_does_not_matter_how_a_log_is_cut_up(cuts: list[int]) -> None:
    data, whole, pieces = LOG.encode(), Recogniser(["gpu1"]), Recogniser(["gpu1"])
    whole.feed(data)
    edges = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        pieces.feed(data[start:end])
    assert pieces.found == whole.found


HARMLESS = re.compile(r"https?://localhost:[0-9]{1,5}[A-Za-z0-9/._~-]*(\?token=[A-Za-z0-9._~-]+)?")
BEFORE = st.sampled_from(["Uvicorn running on ", "TensorBoard 2 at ", "  ", "* Running on local URL:  ", "x"])
HOSTS = st.sampled_from(["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "evil", "localhost@evil"])  # noqa: S104


@given(st.one_of(
    st.binary(max_size=300),
    st.builds(lambda before, host, rest: f"{before}http://{host}:{rest}\n".encode(errors="replace"),
              BEFORE, HOSTS, st.text(max_size=60)),
    st.builds(lambda before, port, rest: f"{before}http://localhost:{port}/lab?token={rest}\n".encode(errors="replace"),
              BEFORE, st.integers(-1, 70_000), st.text(st.characters(codec="utf-8"), max_size=40)),
))  # fmt: skip
def test_whatever_is_in_a_log_the_url_is_local_and_harmless(data: bytes) -> None:
    reader = Recogniser(["gpu1"])
    reader.feed(data, final=True)
    for server in reader.found:
        assert 1 <= server.port <= 65535
        assert HARMLESS.fullmatch(server.url(65535)), server


@given(st.text(max_size=2000))
def test_any_line_can_be_read(line: str) -> None:
    assert all(isinstance(server, Found) for server in recognise(line))
