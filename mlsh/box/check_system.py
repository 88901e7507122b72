"""Judge a box's system: the commands that mlsh needs there, and whether systemd lets jobs outlive a logout."""

from __future__ import annotations

from collections.abc import Iterator

from mlsh.box.facts import Facts
from mlsh.box.findings import Finding

OLDEST_TMUX = (3, 2)
# `git worktree remove` came with it.
OLDEST_GIT = (2, 17)


def tools(facts: Facts) -> Iterator[Finding]:
    """The findings about the system and the commands that mlsh needs there."""
    if "machine" in facts.hung:
        yield Finding("system", "fail", "it does not come to say what is installed", "look at its load: uptime; dmesg")
        return
    yield Finding("system", "ok", ", ".join(filter(None, (facts.os, facts.kernel, facts.node))))
    yield _tool(facts, "tmux", OLDEST_TMUX, "conda install -c conda-forge tmux, or build it into ~/.local")
    yield _tool(facts, "git", OLDEST_GIT, "conda install -c conda-forge git")
    yield _tool(facts, "flock", (), "conda install -c conda-forge util-linux")


_PACKAGES = {"flock": "util-linux"}


def _tool(facts: Facts, name: str, oldest: tuple[int, ...], without_root: str) -> Finding:
    tool = facts.tools.get(name)
    mend = f"{_install(facts, _PACKAGES.get(name, name))}; without root: {without_root}"
    if tool is None:
        return Finding(name, "fail", f"there is no {name}", mend)
    if tool.is_broken:
        return Finding(name, "fail", f"{name} does not start: {tool.said}", mend)
    # A tmux built from git calls itself `master`.
    if tool.version and tool.version < oldest:
        needs = ".".join(map(str, oldest))
        old = f"{tool.said} is too old: mlsh needs {needs}"
        return Finding(name, "fail", old, f"a newer one, without root: {without_root}")
    return Finding(name, "ok", tool.said)


def _install(facts: Facts, package: str) -> str:
    family = set(facts.os_family)
    if family & {"rhel", "fedora", "centos", "rocky", "almalinux", "amzn"}:
        return f"sudo dnf install {package}"
    if "alpine" in family:
        return f"sudo apk add {package}"
    if "arch" in family:
        return f"sudo pacman -S {package}"
    if family & {"suse", "opensuse", "sles"}:
        return f"sudo zypper install {package}"
    return f"sudo apt-get install {package}"


def linger(facts: Facts) -> Finding:
    """Whether jobs outlive the last logout."""
    if not facts.systemd:
        return Finding("linger", "skip", "no systemd")
    if facts.linger:
        return Finding("linger", "ok", "jobs outlive your logout (linger is on)")
    user = facts.user or "$USER"
    if facts.kills_at_logout is None:
        return Finding(
            "linger",
            "warn",
            "it does not tell whether systemd ends your processes when you log out",
            f"make sure: loginctl enable-linger, or with root: sudo loginctl enable-linger {user}",
        )
    if facts.kills_at_logout:
        return Finding(
            "linger",
            "fail",
            "systemd ends your jobs when you log out (KillUserProcesses=yes, and no linger)",
            f"there: loginctl enable-linger; if that is refused: sudo loginctl enable-linger {user}",
        )
    return Finding("linger", "ok", "jobs outlive your logout")
