"""Tab in bash, zsh and fish: verbs, options, job ids and names, box names; no box is asked."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bed import Laptop


@pytest.fixture
def mlsh(laptop: Laptop) -> Laptop:
    """A laptop with `mlsh` on its PATH, two boxes in its ssh config, and two jobs in its record."""
    binary = laptop.home / "bin"
    binary.mkdir()
    command = binary / "mlsh"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mlsh "$@"\n')
    command.chmod(0o755)
    laptop.env["PATH"] = f"{binary}:{laptop.env['PATH']}"
    laptop.ssh_config.write_text("Host gpu1 gpu-big\n  HostName 127.0.0.1\nHost *.example\n  User x\n")
    state = Path(laptop.env["XDG_STATE_HOME"]) / "mlsh"
    state.mkdir(parents=True)
    (state / "jobs.jsonl").write_text(
        '{"id":"bcdfghjk","box":"gpu1","created":1.0,"name":"train"}\n{"id":"zzzz2222","box":"local","created":2.0}\n'
    )
    return laptop


def bash(laptop: Laptop, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = f"""
        eval "$(mlsh completion bash)"
        COMP_WORDS=(mlsh {shlex.join(words)}); COMP_CWORD={len(words)}
        _mlsh_completion mlsh {shlex.quote(words[-1])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return laptop.command("bash", "--norc", "-c", script).stdout.split()


def fish(laptop: Laptop, line: str) -> list[str]:
    """What fish offers at the end of this line."""
    script = f"mlsh completion fish | source; complete -C {shlex.quote(line)}"
    out = laptop.command("fish", "--no-config", "-c", script).stdout
    return [text.split("\t")[0] for text in out.splitlines()]


def zsh(laptop: Laptop, *words: str) -> list[str]:
    """What zsh's completion function is given; the function itself is loaded by a real zsh."""
    laptop.command(
        "zsh",
        "-f",
        "-c",
        'autoload -Uz compinit && compinit -u && eval "$(mlsh completion zsh)" && whence _mlsh_completion',
    )
    asked = {
        "COMP_WORDS": shlex.join(["mlsh", *words]),
        "COMP_CWORD": str(len(words)),
        "_MLSH_COMPLETE": "zsh_complete",
    }
    return laptop.command("mlsh", env=asked).stdout.split("\n")[1::3]


def test_bash_completes_verbs_boxes_and_jobs(mlsh: Laptop) -> None:
    assert bash(mlsh, "lo") == ["logs"]
    assert bash(mlsh, "run", "--on", "gpu") == ["gpu1", "gpu-big"]
    assert bash(mlsh, "logs", "") == ["zzzz2222", "bcdfghjk", "train"]
    assert bash(mlsh, "logs", "-f", "bc") == ["bcdfghjk"]
    assert "--secret" in bash(mlsh, "run", "--se")


def test_fish_completes_verbs_boxes_and_jobs(mlsh: Laptop) -> None:
    assert fish(mlsh, "mlsh lo") == ["logs"]
    assert sorted(fish(mlsh, "mlsh run --on gpu")) == ["gpu-big", "gpu1"]
    assert sorted(fish(mlsh, "mlsh cancel ")) == ["bcdfghjk", "train", "zzzz2222"]


def test_zsh_completes_verbs_boxes_and_jobs(mlsh: Laptop) -> None:
    assert "logs" in zsh(mlsh, "lo")
    assert sorted(zsh(mlsh, "run", "--on", "gpu")) == ["gpu-big", "gpu1"]
    assert "train" in zsh(mlsh, "show", "tr")


def test_a_tab_imports_no_job_code_and_connects_to_nothing(mlsh: Laptop) -> None:
    asked = {"COMP_WORDS": "mlsh lo", "COMP_CWORD": "1", "_MLSH_COMPLETE": "bash_complete"}
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mlsh"],
        env={**mlsh.env, **asked}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert not {name for name in imported if name.startswith(("mlsh.jobs", "mlsh.git", "msgspec"))}
