"""A job's life as its box tells it: started over the command line, looked at without ssh."""

import json
from pathlib import Path
from typing import Any

from tests.bed import Box, Laptop, wait_for
from tests.bed.waiting import DeadlineError


def start(laptop: Laptop, box: str, *command: str, options: tuple[str, ...] = (), cwd: Path | None = None) -> str:
    """Launch a command and return the job's id; without code unless `cwd` is given. A single word is for `sh -c`."""
    words = command if len(command) > 1 else ("sh", "-c", command[0])
    code = () if cwd else ("--no-code",)
    return laptop.run("run", "--on", box, "-d", *code, *options, "--", *words, cwd=cwd).stdout.strip()


def folder(box: Box, job: str) -> Path:
    """The job's folder on the box."""
    return box.path(f"~/.mlsh/jobs/{job}")


def state(box: Box, job: str) -> dict[str, Any]:
    """What the job's state.json says, untouched by any reader of mlsh's."""
    told: dict[str, Any] = json.loads((folder(box, job) / "state.json").read_text())
    return told


def log(box: Box, job: str) -> str:
    """The job's log, with plain line ends."""
    return (folder(box, job) / "log").read_bytes().decode(errors="replace").replace("\r\n", "\n")


def until_says(box: Box, job: str, text: str, timeout_s: float = 30) -> None:
    """Wait until the job's log has a text."""
    wait_for(lambda: text in log(box, job), timeout_s, f"{text!r} in the log of {job}")


def until(box: Box, job: str, wanted: str, timeout_s: float = 40) -> dict[str, Any]:
    """Wait until state.json says the wanted state (or phase), and return all it says."""

    def there() -> dict[str, Any] | None:
        now = state(box, job)
        return now if wanted in {now["state"], now["phase"]} else None

    try:
        return wait_for(there, timeout_s, f"{job} to be {wanted}")
    except DeadlineError as late:
        running = box.sh("ps -eo pid,ppid,sess,stat,etime,args", check=False).stdout
        files = sorted(path.name for path in folder(box, job).iterdir())
        raise DeadlineError(f"{late}; it is {state(box, job)}, with {files}, beside:\n{running}") from late


def asked(laptop: Laptop, job: str) -> dict[str, Any]:
    """How the job stands, as `mlsh show` tells."""
    told: dict[str, Any] = json.loads(laptop.run("show", "--json", job).stdout)
    return told
