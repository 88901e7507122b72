"""Tell the person at this machine how a job ended, while a laptop follows it: on the desktop, or by apprise.

Which ways were asked for is in a file of this machine's alone, since a URL of apprise's is a secret. It goes with the
job's end. A way that fails or hangs is named, and is all.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from mlsh import config
from mlsh.box import process
from mlsh.errors import MlshError, UsageError
from mlsh.jobs.notify import Way, happened
from mlsh.jobs.outcome import tell
from mlsh.records import State, from_json, to_json

LIMIT_S = 20.0
_KEEP_S = 60 * 86400


def check(way: Way) -> None:
    """Raise what keeps this machine from telling in that way, before anything has begun."""
    if way.kind != "apprise":
        return
    if _apprise().instantiate(way.target) is None:
        raise UsageError(
            f"--notify {way.label}: apprise does not take this URL",
            "its services and their URLs: https://github.com/caronc/apprise",
        )


def _apprise() -> Any:
    if importlib.util.find_spec("apprise") is None:
        pip = f"{sys.executable} -m pip install" if importlib.util.find_spec("pip") else "uv pip install"
        where = "" if importlib.util.find_spec("pip") else f" --python {sys.executable}"
        raise UsageError(
            "telling you there needs apprise, which is not installed with mlsh",
            f"install it: {pip}{where} 'apprise>=1.9,<3'   or tell from the box: =cmd:COMMAND, =https://...",
        )
    # 0.3 s and 14 MB, for nobody but those who ask for it.
    return importlib.import_module("apprise").Apprise


def _file(job_id: str) -> Path:
    return config.state_dir() / "notify" / f"{job_id}.json"


def remember(job_id: str, ways: list[Way]) -> None:
    """Keep the ways of this machine for whoever follows the job from here, now or later."""
    ours = [way for way in ways if not way.on_box]
    if not ours:
        return
    path = _file(job_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Of jobs that nobody followed from here: their addresses need not lie here for ever.
    for old in path.parent.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _KEEP_S:
                old.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(to_json(ours))


def ended(job_id: str, box: str, state: State) -> list[str]:
    """Tell that the job has ended, once for this machine; returns what went wrong, a line each."""
    path = _file(job_id)
    taken = path.with_suffix(f".{os.getpid()}")
    try:
        # Two may follow the job from here: one of them takes the file.
        path.rename(taken)
    except OSError:
        return []
    try:
        ways = from_json(taken.read_bytes(), list[Way])
    except (OSError, msgspec.DecodeError) as error:
        return [f"who wanted to be told of {job_id} can't be read: {error}"]
    finally:
        with contextlib.suppress(OSError):
            taken.unlink()
    found = set(happened(state.state))
    text = f"{job_id} on {box}: {tell(state)}"
    return [why for way in ways if found & set(way.events) for why in _send(way, text)]


def _send(way: Way, text: str) -> list[str]:
    """Send in one way; a list of what went wrong. Never takes longer than LIMIT_S, and never raises."""
    why: list[str] = []

    def send() -> None:
        try:
            if way.kind == "desktop":
                _desktop(text)
            elif not _by_apprise(way.target, text):
                why.append("it did not take the message")
        except Exception as error:  # noqa: BLE001 - a service's plugin may raise anything, and the job has its own end
            why.append(str(error) if isinstance(error, MlshError) else type(error).__name__)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if thread.is_alive():
        why.append(f"no answer in {LIMIT_S:g} s")
    return [f"you could not be told by {way.label}: {one}" for one in why]


def _by_apprise(url: str, text: str) -> bool:
    service = _apprise()()
    service.add(url)
    return bool(service.notify(title="mlsh", body=text, body_format="text"))


def _desktop(text: str) -> None:
    if sys.platform == "darwin":
        script = ["on run argv", "display notification (item 1 of argv) with title (item 2 of argv)", "end run"]
        argv = ["osascript", *(word for line in script for word in ("-e", line)), "--", text, "mlsh"]
    else:
        import html

        # The body is read as HTML; a log's words are no markup.
        argv = ["notify-send", "--app-name=mlsh", "--", "mlsh", html.escape(text, quote=False)]
    try:
        ran = process.run(argv, timeout_s=10)
    except process.TimedOut:
        raise MlshError("the desktop did not answer") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {ran.returncode}"]
        raise MlshError(f"{argv[0]}: {said[-1][:200]}")
