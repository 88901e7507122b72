"""The doctor at real boxes, each broken in its own way: what is wrong is found, and the rest is still told."""

import re
from collections.abc import Callable

import pytest

from mlsh.box import Box as Opened
from mlsh.box import open_box, survey
from mlsh.box.doctor import examine, look_at
from mlsh.box.findings import Finding
from mlsh.config import Settings
from tests.bed import Box, Laptop


@pytest.fixture
def opened(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> Callable[[Box], Opened]:
    """A box of the bed as mlsh has it, over the laptop's configuration."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(laptop.runtime_dir))
    return lambda box: open_box(box.name, Settings({"ssh_config": str(laptop.ssh_config)}))


@pytest.fixture
def box(gpu1: Box, laptop: Laptop) -> Box:
    """A shared box, which no test here changes."""
    laptop.add(gpu1)
    return gpu1


@pytest.fixture
def doctor(opened: Callable[[Box], Opened]) -> Callable[[Box], dict[str, Finding]]:
    def look(box: Box) -> dict[str, Finding]:
        found = examine(*look_at(opened(box)))
        # A check may have several findings, one for each disk: the worst counts.
        order = ["skip", "ok", "warn", "fail"]
        return {one.check: one for one in sorted(found, key=lambda one: order.index(one.status))}

    return look


Doctor = Callable[[Box], dict[str, Finding]]


def test_a_healthy_box_is_all_in_order_and_stays_untouched(box: Box, doctor: Doctor) -> None:
    before = sorted(box.path("~").rglob("*"))
    found = doctor(box)
    assert {finding.status for finding in found.values()} <= {"ok", "skip"}
    assert found["sharing"].status == "ok"
    assert found["sessions"].what.startswith("10 commands")
    assert sorted(box.path("~").rglob("*")) == before


def test_no_tmux_no_git_and_a_driver_that_fails(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.hide("tmux", "git")
    fresh_box.install("nvidia-smi", 'echo "NVIDIA-SMI has failed because it couldn\'t communicate"; exit 9')
    found = doctor(fresh_box)
    assert {check for check, finding in found.items() if finding.status == "fail"} == {"tmux", "git", "gpu-driver"}


def test_an_old_tmux_and_a_busy_gpu(fresh_box: Box, laptop: Laptop, doctor: Doctor, opened) -> None:
    laptop.add(fresh_box)
    fresh_box.install("tmux", "echo tmux 1.8")
    fresh_box.install(
        "nvidia-smi",
        "case $* in *query-gpu*) echo '0, GPU-1, NVIDIA H200, 143771, 9000, 3, 30, 550.54';;\n"
        '*query-compute*) echo "GPU-1, 1, 900, init";; esac',
    )
    found = doctor(fresh_box)
    assert found["tmux"].status == "fail"
    assert found["gpu-driver"].what == "1 NVIDIA H200; driver 550.54"
    assert "root" in found["gpu-processes"].what


def test_an_nvidia_smi_that_hangs_delays_nobody_for_long(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.install("nvidia-smi", "trap '' TERM INT HUP\nwhile :; do sleep 60; done")
    found = doctor(fresh_box)
    assert "does not come back" in found["gpu-driver"].what
    assert found["tmux"].status == "ok"


def test_what_no_signal_can_end_hides_nothing_else(fresh_box: Box, laptop: Laptop, opened) -> None:
    """A process that waits for a device survives SIGKILL; here nobody sends one, for there is no `timeout`."""
    laptop.add(fresh_box)
    fresh_box.hide("timeout")
    fresh_box.install("df", "exec sleep 60")
    found = survey.look(opened(fresh_box), limit_s=3).facts
    assert found.hung == ("disks",)
    assert {"tmux", "git", "flock"} <= set(found.tools)


@pytest.mark.root
def test_a_full_disk(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.fill_disk()
    assert doctor(fresh_box)["disk"].status == "fail"


@pytest.mark.root
def test_a_read_only_home(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.read_only_home()
    found = doctor(fresh_box)["home"]
    assert found.status == "fail"
    assert "read-only" in found.what or "may not write" in found.what


def test_a_changed_host_key(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.new_host_key()
    found = doctor(fresh_box)
    assert found["host-key"].status == "fail"
    assert "ssh-keygen -R" in found["host-key"].mend


def test_a_host_key_that_changed_under_an_open_connection(fresh_box: Box, laptop: Laptop, doctor, opened) -> None:
    laptop.add(fresh_box)
    opened(fresh_box).run(["true"])
    fresh_box.new_host_key()
    found = doctor(fresh_box)
    assert found["host-key"].status == "fail"
    assert found["tmux"].status == "ok"


def test_an_unknown_host_key_is_not_taken_for_a_refused_login(gpu1: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(gpu1, known=False)
    found = doctor(gpu1)
    assert found["host-key"].status == "fail"
    assert found["login"].status == "skip"


def test_a_refused_key(gpu2: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(gpu2, authorize=False)
    found = doctor(gpu2)
    assert found["login"].status == "fail"
    assert "ssh-copy-id" in found["login"].mend


def test_a_box_that_is_off(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.stop_sshd()
    found = doctor(fresh_box)
    assert list(found) == ["reachable"]
    assert found["reachable"].status == "fail"


def test_start_up_files_that_print_are_named_and_harm_nothing(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", "echo Welcome to the lab\necho $((1+1))\n")
    found = doctor(fresh_box)
    assert found["login-shell"].status == "warn"
    assert "Welcome" in found["login-shell"].what
    assert found["tmux"].status == "ok"


def test_start_up_files_that_are_slow_are_timed_on_the_box(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", "sleep 0.5\n")
    told = re.search(r"start-up files take (\d+) ms", doctor(fresh_box)["login-shell"].what)
    assert told
    assert 500 <= int(told[1]) < 2000  # on a machine that has other things to do


@pytest.mark.root
def test_a_slow_network_is_not_taken_for_slow_start_up_files(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.latency(100)
    assert doctor(fresh_box)["login-shell"].status == "ok"


def test_a_login_shell_that_ends_too_early(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", "exit 3\n")
    found = doctor(fresh_box)
    assert found["login-shell"].status == "fail"
    assert found["login"].status == "ok"


def test_few_sessions_a_connection(fresh_box: Box, laptop: Laptop, doctor: Doctor) -> None:
    laptop.add(fresh_box)
    fresh_box.sshd_option("MaxSessions 3")
    found = doctor(fresh_box)["sessions"]
    assert found.status == "warn"
    assert "only 3 commands" in found.what


@pytest.mark.parametrize("shell", ["/usr/bin/fish", "/usr/bin/tcsh", "/usr/bin/zsh", "/usr/bin/dash"])
def test_any_login_shell_tells_all_the_facts(fresh_box: Box, laptop: Laptop, opened, shell: str) -> None:
    laptop.add(fresh_box)
    fresh_box.login_shell(shell)
    found = survey.look(opened(fresh_box)).facts
    assert found.login_shell == shell
    assert found.hung == ()
    assert {"tmux", "git", "flock"} <= set(found.tools)


@pytest.mark.root
def test_a_busybox_userland_tells_all_the_facts(fresh_box: Box, laptop: Laptop, opened) -> None:
    laptop.add(fresh_box)
    fresh_box.busybox_userland()
    found = survey.look(opened(fresh_box)).facts
    assert found.hung == ()
    assert {"tmux", "git", "flock"} <= set(found.tools)
    assert found.disks["home"].total_kib > 0


def test_this_machine() -> None:
    found = {finding.check: finding for finding in examine(*look_at(open_box("local", Settings({}))))}
    assert found["reachable"].status == "ok"
    assert found["clock"].status == "ok"
