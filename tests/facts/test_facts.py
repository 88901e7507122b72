"""What boxes print, and what mlsh makes of it: a file of output, and the facts expected. See each file's first line."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.box.check_gpus import driver_and_processes
from mlsh.box.facts import Facts, Quota, argv, parse, version_of
from mlsh.box.gpus import Gpu, GpuProcess, gpus, trouble

HERE = Path(__file__).parent
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])


def facts(name: str) -> Facts:
    return parse((HERE / f"{name}.txt").read_text())


def test_debian_12() -> None:
    found = facts("debian12")
    assert found.os == "Debian GNU/Linux 12 (bookworm)"
    assert found.os_family == ("debian",)
    assert found.tools["tmux"].version == (3, 3)
    assert found.tools["git"].version == (2, 39, 5)
    assert found.disks["home"].filesystem == "ext4"
    assert found.disks["home"].total_kib == 264212084
    assert not found.disks["home"].is_shared
    assert found.clock_step_s == 0.001
    assert found.hung == ()
    assert not found.systemd


def test_ubuntu_22_04_with_a_shared_home_and_a_quota() -> None:
    found = facts("ubuntu2204")
    assert found.disks["home"].is_shared
    assert found.disks["home"].mount == "/home/ada"
    assert found.disks["home"].inodes_total is None
    assert found.disks["tmp"].inodes_free == 60122208
    assert found.quotas == (Quota("nas:/export/home", 104857601, 104857600, 115343360, "6days", 81234),)
    assert found.login_s == 0.9
    assert found.kills_at_logout is True
    assert not found.linger
    assert found.memory_mib == 515613
    assert found.os_family == ("ubuntu", "debian")


def test_alpine_with_busybox() -> None:
    found = facts("alpine")
    assert found.clock == 1700000000
    assert found.clock_step_s == 1.0
    assert found.login_s is None
    assert "git" not in found.tools
    assert found.disks["home"].free_kib == 0
    assert found.disks["home"].inodes_free is None
    assert found.hung == ()


def test_centos_7_with_its_old_tmux() -> None:
    found = facts("centos7")
    assert found.tools["tmux"].version == (1, 8)
    assert found.tools["git"].version == (1, 8, 3, 1)
    assert found.kills_at_logout is False
    assert found.quotas == ()
    assert found.disks["mlsh"].is_shared
    assert found.disks["mlsh"].free_kib == 500000000000


def test_a_hanging_home_hides_nothing_else() -> None:
    found = facts("home_hangs")
    assert found.hung == ("disks",)
    assert found.tools["tmux"].version == (3, 3)
    assert "home" not in found.disks


def test_four_gpus_and_who_computes_on_them() -> None:
    found = gpus(facts("nvidia4"))
    assert [gpu.index for gpu in found] == [0, 1, 2, 3]
    assert found[0] == Gpu(
        index=0,
        uuid="GPU-11111111-1111-1111-1111-111111111111",
        name="NVIDIA A100-SXM4-80GB",
        memory_total_mib=81920,
        memory_used_mib=40536,
        utilization_percent=98,
        temperature_c=61,
        driver="535.129.03",
        processes=(GpuProcess(4711, "ada", 30536, "python"), GpuProcess(4712, "bob", 9990, "/opt/a, b/train")),
    )
    assert found[1].processes == (GpuProcess(99, "", None, "[Not Found]"),)
    assert trouble(facts("nvidia4")) == ""


def test_a_gpu_that_is_cut_into_slices() -> None:
    (gpu,) = gpus(facts("mig"))
    assert gpu.utilization_percent is None
    assert gpu.slices == ("3g.20gb", "1g.5gb")
    assert gpu.processes == (GpuProcess(4711, "ada", 10000, "python"),)
    assert trouble(facts("mig")) == ""


def test_amd_gpus() -> None:
    found = gpus(facts("amd"))
    assert [gpu.name for gpu in found] == ["AMD INSTINCT MI250 (MCM) OAM AC MBA"] * 2
    assert (found[0].memory_total_mib, found[0].memory_used_mib) == (65520, 32760)
    assert (found[0].utilization_percent, found[0].temperature_c, found[0].driver) == (97, 42, "6.2.4")
    assert found[1].temperature_c is None


@pytest.mark.parametrize(
    ("name", "what", "mend"),
    [
        ("driver_failed", "couldn't communicate with the NVIDIA driver", "modprobe nvidia"),
        ("driver_mismatch", "version mismatch", "restart the box"),
        ("nvidia_hangs", "does not come back", "restart of the box"),
    ],
)
def test_a_failed_driver_is_named_with_its_mend(name: str, what: str, mend: str) -> None:
    (finding,) = driver_and_processes("gpu1", facts(name))
    assert finding.status == "fail"
    assert what in finding.what
    assert mend in finding.mend
    assert gpus(facts(name)) == []


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("tmux 3.4", (3, 4)),
        ("tmux next-3.5", (3, 5)),
        ("tmux openbsd-7.4", (7, 4)),
        ("tmux master", ()),
        ("git version 2.39.3 (Apple Git-146)", (2, 39, 3)),
        ("", ()),
    ],
)
def test_versions(said: str, version: tuple[int, ...]) -> None:
    assert version_of(said) == version


_KEYS = ["clock", "login", "df.home", "mount.home", "inodes.home", "quota", "nvidia.gpu", "nvidia.app", "amd",
         "nvidia.list", "owner", "memory", "os", "kill.conf", "nvidia.gpu.exit", "tool.tmux", "asked"]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(_KEYS), st.text(max_size=60)), max_size=12))
def test_no_answer_can_make_the_reading_fail(lines: list[tuple[str, str]]) -> None:
    found = parse("\n".join(f"{key} {value}" for key, value in lines))
    gpus(found)
    trouble(found)
    list(driver_and_processes("gpu1", found))


@given(st.integers(0, 400))
def test_an_answer_that_was_cut_off_still_tells_something(length: int) -> None:
    assert isinstance(parse((HERE / "ubuntu2204.txt").read_text()[:length]), Facts)


# The script itself, in each shell that a box may have


def told(shell: list[str], home: Path, what: str) -> str:
    """What the script says under a shell; `home` is on the PATH too."""
    command = [*shell, "-c", *argv("~/.mlsh", what)[2:]]
    env = {"PATH": f"{home}:/usr/bin:/bin", "HOME": str(home), "USER": "ada"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env)
    assert ran.stderr == ""
    return ran.stdout


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_script_tells_the_same_in_every_shell(shell: list[str], tmp_path: Path) -> None:
    found = parse(told(shell, tmp_path, "all"))
    assert found.home == str(tmp_path)
    assert found.mlsh_home == f"{tmp_path}/.mlsh"
    assert {"tmux", "git", "flock"} <= set(found.tools)
    assert found.disks["home"].total_kib > 0
    assert found.disks["mlsh"].mount == found.disks["home"].mount
    assert found.hung == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_gpu_processes_get_their_owners(shell: list[str], tmp_path: Path) -> None:
    """A fake nvidia-smi: no test machine has a GPU."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text(
        "#!/bin/sh\n"
        "case $* in\n"
        "*--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,driver_version*)\n"
        "  echo '0, GPU-1, NVIDIA H200, 143771, 1000, 3, 30, 550.54';;\n"
        '*--query-compute-apps=gpu_uuid,pid,used_memory,process_name*) echo "GPU-1, 1, 900, init";;\n'
        "*) echo unknown; exit 6;;\n"
        "esac\n"
    )
    fake.chmod(0o755)
    (gpu,) = gpus(parse(told(shell, tmp_path, "gpus")))
    assert gpu.processes == (GpuProcess(1, "root", 900, "init"),)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_long_line_arrives_whole(shell: list[str], tmp_path: Path) -> None:
    """rocm-smi answers with one line, of some 4 KB for eight cards."""
    fake = tmp_path / "rocm-smi"
    card = '{"card0": {"Card series": "' + "x y" * 4000 + '", "GPU use (%)": "7"}}'
    fake.write_text(f"#!/bin/sh\ncat <<'END'\n{card}\nEND\n")
    fake.chmod(0o755)
    (gpu,) = gpus(parse(told(shell, tmp_path, "gpus")))
    assert gpu.name == "x y" * 4000
    assert gpu.utilization_percent == 7


def test_the_script_is_clean() -> None:
    script = Path(__file__).parents[2] / "mlsh/box/facts.sh"
    subprocess.run(["shellcheck", script], check=True)
