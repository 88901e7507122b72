"""`mlsh forward` on real boxes: what a browser gets, and what a person is told."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.forwards import SERVER, answers, forwarding, free_port, get, listed, local_port, tunnels, url
from tests.jobs.life import start, until_says
from tests.jobs.test_follow import at_a_terminal

TOKEN = "5ecre7" * 8
JUPYTER = f"""
import http.server, sys
print("\\x1b[32m[I 2026-11-22 10:00:00.123 ServerApp]\\x1b[0m http://localhost:{{port}}/lab?token={TOKEN}", flush=True)
http.server.HTTPServer(("127.0.0.1", {{port}}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_jobs_server_is_found_in_its_log_and_reached(laptop: Laptop, gpu1: Box, server: tuple[str, int]) -> None:
    job, port = server
    with forwarding(laptop, job) as (process, said):
        address = url(process, said)
        assert address == f"http://localhost:{port}/"
        assert get(port) == gpu1.path("/etc/hostname").read_bytes()
        assert get(port, host="::1") == gpu1.path("/etc/hostname").read_bytes()
        assert f"localhost:{port} leads to http.server of {job}" in said()
        [record] = listed(laptop)
        assert (record["box"], record["job"], record["state"], record["background"]) == (
            "gpu1",
            job,
            "connected",
            False,
        )
        assert record["ports"] == [
            {"local": port, "remote": port, "kind": "http.server", "url": address, "is_open": True}
        ]
        laptop.run("cancel", "--grace", "0", job)
        assert process.wait(20) == 0
        assert f"{job} CANCELLED; so the forward ends" in said()
    assert listed(laptop) == []
    assert tunnels(laptop) == []
    with pytest.raises(OSError, match="refused"):
        get(port)


def test_nobody_but_this_machine_can_use_the_port(laptop: Laptop, server: tuple[str, int]) -> None:
    job, _ = server
    with forwarding(laptop, job, "-p", f"0:{server[1]}") as (process, said):
        port = local_port(url(process, said))
        tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
        listening = [line.split()[1] for table in tables for line in table if line.split()[3] == "0A"]
        mine = {address.partition(":")[0] for address in listening if address.endswith(f":{port:04X}")}
        assert mine <= {"0100007F", "00000000000000000000000001000000"}
        assert "0100007F" in mine


def test_a_token_is_printed_for_the_person_and_is_nowhere_else(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    port = free_port()
    script = JUPYTER.format(port=port)
    job = start(laptop, "fresh", "python3", "-u", "-c", script)
    until_says(fresh_box, job, "token=")
    ran = laptop.run("forward", job, "--background", "--explain")
    assert ran.stdout == f"http://localhost:{port}/lab?token={TOKEN}\n"
    assert TOKEN not in ran.stderr
    for pid in laptop.processes():
        with contextlib.suppress(OSError):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    state = laptop.home / ".local/state/mlsh"
    holding = [path for path in state.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert [path.name for path in holding] == ["1.json"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    assert holding[0].parent.stat().st_mode & 0o777 == 0o700
    assert f"token={TOKEN}" in laptop.run("forward", "list").stdout
    laptop.run("forward", "stop", "1")
    assert not holding[0].exists()


def test_a_taken_port_gives_the_next_one_unless_it_was_typed(laptop: Laptop, server: tuple[str, int]) -> None:
    job, port = server
    with socket.create_server(("127.0.0.1", port)):
        with forwarding(laptop, job) as (process, said):
            other = local_port(url(process, said))
            assert other != port
            assert answers(other)
            assert f"port {port} of this machine can't be had" in said()
            assert f"(process {os.getpid()}) has it" in said()
            assert f"using {other} here" in said()
            typed = laptop.run("forward", job, "-p", f"{other}:{port}", check=False)
            assert typed.returncode == 65
            assert f"`mlsh forward` number 1 ({job}) has it" in typed.stderr
            assert f"mlsh forward {job} -p 0:{port}" in typed.stderr
        typed = laptop.run("forward", "gpu1", "-p", f"{port}:{port}", check=False)
        assert typed.returncode == 65
        assert f"(process {os.getpid()}) has it" in typed.stderr


def test_a_port_on_which_nothing_listens_is_told(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    port = free_port()
    with forwarding(laptop, "gpu1", "-p", str(port)) as (process, said):
        assert url(process, said) == f"http://localhost:{port}"
        wait_for(lambda: f"nothing listens on port {port} of gpu1;" in said(), 10, "the word")
        with pytest.raises((OSError, http.client.HTTPException)):
            get(port)
        wait_for(lambda: "the connection to it was closed" in said(), 30, "the second word")
        job = start(laptop, "gpu1", SERVER.format(port=port))
        wait_for(lambda: f"port {port} of gpu1 is open now" in said(), 20, "the third word")
        assert answers(port)
        laptop.run("cancel", "--grace", "0", job)
        wait_for(lambda: said().count("nothing listens on") > 2, 20, "the last word")


def test_a_job_is_waited_for_until_it_listens(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    port = free_port()
    job = start(laptop, "gpu1", f"sleep 3; {SERVER.format(port=port)}")
    with forwarding(laptop, job, "-p", str(port)) as (process, said):
        assert local_port(url(process, said)) == port
        assert answers(port)
        assert f"nothing listens on port {port} of gpu1 yet" in said()
    again = start(laptop, "gpu1", f"sleep 3; {SERVER.format(port=port + 1)}")
    with forwarding(laptop, again) as (process, said):
        assert answers(local_port(url(process, said)))
        assert f"waiting for {again} to print its server's address" in said()
    laptop.run("cancel", "--grace", "0", job, again)
    gone = laptop.run("forward", again, check=False)
    assert (gone.returncode, gone.stdout) == (66, "")
    assert f"{again} has ended (CANCELLED)" in gone.stderr


def test_two_forwards_live_side_by_side_and_one_can_be_stopped(laptop: Laptop, server: tuple[str, int]) -> None:
    job, port = server
    first = local_port(laptop.run("forward", "--background", job, "-p", f"0:{port}").stdout.strip())
    second = json.loads(laptop.run("forward", "--background", "--json", "gpu1", "-p", f"0:{port}").stdout)
    assert second["number"] == 2
    assert answers(first)
    assert answers(second["ports"][0]["local"])
    assert [record["number"] for record in listed(laptop)] == [1, 2]
    table = laptop.run("forward", "list").stdout.splitlines()
    assert table[0].split() == ["N", "WHAT", "BOX", "PORT", "STATE", "TIME", "ADDRESS"]
    assert table[2].split()[:5] == ["2", "-", "gpu1", str(port), "connected"]
    assert laptop.run("forward", "stop", "3", check=False).returncode == 66
    assert laptop.run("forward", "stop", check=False).returncode == 2
    laptop.run("forward", "stop", "1")
    assert not answers(first)
    assert answers(second["ports"][0]["local"])
    laptop.run("forward", "stop", "--all")
    assert listed(laptop) == []
    wait_for(lambda: tunnels(laptop) == [], 5, "the end of ssh")
    assert list((laptop.runtime_dir / "mlsh").glob("fwd.*")) == []


def test_the_background_survives_its_terminal_and_ends_with_its_job(laptop: Laptop, server: tuple[str, int]) -> None:
    job, port = server
    script = f"{{}} -m mlsh forward --background {job} -p 0:{port} >url; exec sleep 600"
    shell = subprocess.Popen(
        ["sh", "-c", script.format(sys.executable)],
        env=laptop.env, cwd=laptop.home, start_new_session=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: (laptop.home / "url").exists() and (laptop.home / "url").read_text(), 20, "the address")
    here = local_port((laptop.home / "url").read_text().strip())
    os.killpg(shell.pid, signal.SIGHUP)
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    assert answers(here)
    laptop.run("cancel", "--grace", "0", job)
    wait_for(lambda: listed(laptop) == [], 15, "the end of the forward")
    assert "CANCELLED" in (laptop.home / ".local/state/mlsh/forwards/log").read_text()


def test_a_supervisor_that_was_killed_leaves_no_entry_no_port_and_no_ssh(
    laptop: Laptop, server: tuple[str, int]
) -> None:
    _, port = server
    record = json.loads(laptop.run("forward", "--background", "--json", "gpu1", "-p", f"0:{port}").stdout)
    assert tunnels(laptop)
    os.kill(record["pid"], signal.SIGKILL)
    wait_for(lambda: listed(laptop) == [], 5, "an empty list")
    assert not answers(record["ports"][0]["local"])
    wait_for(lambda: tunnels(laptop) == [], 10, "the end of ssh")
    again = json.loads(laptop.run("forward", "--background", "--json", "gpu1", "-p", f"0:{port}").stdout)
    assert again["number"] == 1
    stale = [path.name for path in (laptop.runtime_dir / "mlsh").glob("fwd.*")]
    assert len({name.split(".")[1] for name in stale}) == 1


def test_the_shared_connection_is_not_what_carries_it(laptop: Laptop, server: tuple[str, int]) -> None:
    _, port = server
    with forwarding(laptop, "gpu1", "-p", f"0:{port}") as (process, said):
        here = local_port(url(process, said))
        for pid in tunnels(laptop):
            os.kill(pid, signal.SIGSTOP)
        laptop.run("ps", "--on", "gpu1", timeout=8)
        for pid in tunnels(laptop):
            os.kill(pid, signal.SIGCONT)
        assert answers(here)


def test_the_persons_own_forwardings_are_left_alone(laptop: Laptop, gpu1: Box, server: tuple[str, int]) -> None:
    own = free_port()
    laptop.add(gpu1, alias="own", options=[f"LocalForward {own} localhost:{server[1]}", "ControlPersist yes"])
    with forwarding(laptop, "own", "-p", f"0:{server[1]}") as (process, said):
        assert answers(local_port(url(process, said)))
        assert not answers(own)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    wait_for(lambda: tunnels(laptop) == [], 5, "the end of ssh")


def test_a_port_of_a_local_job_is_here_already(laptop: Laptop) -> None:
    port = free_port()
    job = start(laptop, "local", SERVER.format(port=port))
    wait_for(lambda: answers(port), 15, "the server")
    ran = laptop.run("forward", job)
    assert ran.stdout == f"http://localhost:{port}/\n"
    assert "on this machine already" in ran.stderr
    other = free_port()
    with forwarding(laptop, job, "-p", f"{other}:{port}") as (process, said):
        assert url(process, said) == f"http://localhost:{other}/"
        assert answers(other)
        laptop.run("cancel", "--grace", "0", job)
        assert process.wait(15) == 0


def test_a_box_that_can_not_be_had_is_an_error_and_no_endless_try(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.stop_sshd()
    for flags in ([], ["--background"]):
        ran = laptop.run("forward", "fresh", "-p", "8888", *flags, check=False)
        assert ran.returncode == 69, ran.stderr
        assert "nothing listens for ssh there" in ran.stderr
    assert listed(laptop) == []


@pytest.mark.parametrize("port", ["0", "65536", "x", "1:2:3", "0.0.0.0:1:2", "-1", "８", "99999:1", ""])
def test_what_is_no_port_is_refused(laptop: Laptop, port: str) -> None:
    ran = laptop.run("forward", "local", "-p", port, check=False)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_a_name_that_is_neither_job_nor_box(laptop: Laptop) -> None:
    ran = laptop.run("forward", "nosuch", "-p", "1", check=False)
    assert ran.returncode == 66
    assert "no box of that name" in ran.stderr
    assert laptop.run("forward", "local", check=False).returncode == 2


@pytest.mark.parametrize("flags", [[], ["--background"]])
def test_a_box_that_asks_at_each_login_is_asked_once(laptop: Laptop, gpu1: Box, flags: list[str]) -> None:
    laptop.add(gpu1)
    port = free_port()
    job = start(laptop, "gpu1", SERVER.format(port=port))
    until_says(gpu1, job, "Serving HTTP")
    laptop.close()
    laptop.command("ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(laptop.key))
    with at_a_terminal(laptop, "forward", "gpu1", "-p", f"0:{port}", *flags) as (client, keys, screen):
        wait_for(lambda: "Enter passphrase" in screen(), 20, "the question")
        os.write(keys, b"open sesame\n")
        here = int(wait_for(lambda: re.search(r"http://localhost:(\d+)\s", screen()), 20, "the address")[1])
        assert answers(here), screen()
        assert screen().count("Enter passphrase") == 1
        if flags:
            assert client.wait(10) == 0
    if flags:
        assert answers(here)
        for pid in tunnels(laptop):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: answers(here), 30, "an answer")
        laptop.run("forward", "stop", "--all")
    laptop.run("cancel", "--grace", "0", job, check=False)


def test_a_token_that_is_told_after_the_port_was_typed_is_in_the_address(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    port = free_port()
    job = start(laptop, "gpu1", "python3", "-u", "-c", f"import time; time.sleep(3)\n{JUPYTER.format(port=port)}")
    with forwarding(laptop, job, "-p", str(port)) as (process, said):
        assert url(process, said) == f"http://localhost:{port}/lab?token={TOKEN}"
        assert f"token={TOKEN}" in laptop.run("forward", "list").stdout
        assert TOKEN not in said()
    laptop.run("cancel", "--grace", "0", job)


@pytest.mark.root
def test_a_port_that_another_user_has_is_pointed_out(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    port = free_port()
    server = f"python3 -m http.server --bind 127.0.0.1 {port}"
    fresh_box.sh(f"cd /; setpriv --reuid 4321 --clear-groups setsid {server} >/dev/null 2>&1 </dev/null &", user="root")
    wait_for(lambda: fresh_box.processes("http.server"), 10, "the server")
    with forwarding(laptop, "fresh", "-p", f"0:{port}") as (process, said):
        wait_for(lambda: "a program of another user listens (uid 4321)" in said(), 15, "the warning")
        assert answers(local_port(url(process, said)))


@pytest.mark.root
def test_a_box_with_busybox_does_as_well(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.busybox_userland()
    port = free_port()
    job = start(laptop, "fresh", f"sleep 2; {SERVER.format(port=port)}")
    with forwarding(laptop, job) as (process, said):
        assert answers(local_port(url(process, said)))
        laptop.run("cancel", "--grace", "0", job)
        assert process.wait(20) == 0
    assert fresh_box.processes("ports.sh") == []


def test_explain_shows_the_ssh_behind_it(laptop: Laptop, server: tuple[str, int]) -> None:
    job, port = server
    for flags in (["--background"], []):
        with forwarding(laptop, job, "-p", f"0:{port}", "--explain", *flags) as (process, said):
            assert url(process, said)
            wait_for(lambda: "+ ssh -F" in said() and " -O forward -L " in said(), 5, "the commands")


def test_tab_offers_boxes_jobs_and_the_two_commands(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    job = start(laptop, "gpu1", "true", options=("-n", "web"))

    def offered(*words: str) -> set[str]:
        asked = {
            "_MLSH_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["mlsh", *words]),
            "COMP_CWORD": str(len(words)),
        }
        code = "from mlsh.cli import main; main()"
        out = laptop.command(sys.executable, "-c", code, env=asked).stdout
        return {line.partition(",")[2] for line in out.splitlines()}

    assert {"gpu1", "local", "web", job, "list", "stop"} <= offered("forward", "")
    assert offered("forward", "gp") == {"gpu1"}
    assert offered("forward", "-p", "1", "we") == {"web"}
    assert "--background" in offered("forward", "web", "--b")
