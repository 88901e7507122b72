"""Who is told what of a job, and how: `--notify WHAT[=HOW]`. Pure.

What is told from the box needs no laptop: a command, or a POST to a URL. The laptop that follows a job tells in its own
ways: on the desktop, or by one of apprise's services. URLs and commands may hold secrets: they are in no Spec, which
keeps only the events and a label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

from mlsh.errors import UsageError
from mlsh.jobs import durations, guards
from mlsh.records import JobState, Spec

EVENTS = ("end", "fail", "lost", "start", "disk")
ON_LAPTOP = ("end", "fail", "lost")
_EVENT = re.compile(r"log:/(?:[^/\\]|\\.)+/|[a-z-]+(?::[0-9a-z:-]+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}", re.ASCII)
_WEB = re.compile(r"https?://[!#-\[\]-~]+", re.ASCII)
_URL = re.compile(r"([a-z][a-z0-9]{1,31})://\S*", re.ASCII)
_WHAT = "say end, fail, lost, start, disk, idle-gpu:10m or log:/regex/, with commas between"
_HOW = "say desktop, cmd:COMMAND, https://..., a URL of apprise's, or a name from [notify] in config.toml"


class Way(msgspec.Struct, frozen=True):
    """Which events are told in one way.

    `kind` is `web` or `cmd`, told by the box, or `desktop` or `apprise`, told by a laptop that follows. `target` is a
    URL or a command and may be secret; `label` is what a Spec may keep.
    """

    events: list[str]
    kind: str
    label: str
    target: str = ""

    @property
    def on_box(self) -> bool:
        """Whether the box itself tells."""
        return self.kind in {"web", "cmd"}

    @property
    def kept(self) -> str:
        """What the Spec keeps."""
        return f"{','.join(self.events)}={self.label}"


def way(text: str, names: Mapping[str, str]) -> Way:
    """Read `WHAT[=HOW]`; `names` are those of config.toml. Raises UsageError."""
    events, how = _events(text)
    label = ""
    if how is None:
        how = names.get("default", "desktop")
    if how != "desktop" and how in names:
        label, how = how, names[how]
    found = _how(how, label, text)
    found = msgspec.structs.replace(found, events=events)
    if not found.on_box and (late := [event for event in events if event not in ON_LAPTOP]):
        raise UsageError(
            f"--notify {late[0][:40]}: {found.label} is told by this machine, which knows only how a job ended",
            "tell it from the box: =cmd:COMMAND or =https://...",
        )
    return found


def _events(text: str) -> tuple[list[str], str | None]:
    events: list[str] = []
    at = 0
    while True:
        found = _EVENT.match(text, at)
        if found is None:
            raise UsageError(f"--notify {text[at : at + 40]!r}: tell you what?", _WHAT)
        events.append(_event(found[0]))
        at = found.end()
        if at == len(text):
            return events, None
        if text[at] == "=":
            return events, text[at + 1 :]
        if text[at] != ",":
            raise UsageError(f"--notify: I can't read {text[at : at + 40]!r} after {found[0]}", _WHAT)
        at += 1


def _event(text: str) -> str:
    name, _, more = text.partition(":")
    if name == "log" and more.startswith("/"):
        guards.rule(more, "--notify log:")
        return text
    if name == "idle-gpu":
        if not more:
            raise UsageError("--notify idle-gpu: for how long?", "say idle-gpu:10m")
        durations.parse(more)
        return text
    if text not in EVENTS:
        raise UsageError(f"--notify {text[:40]}: there is no such event", _WHAT)
    return text


def _how(how: str, label: str, text: str) -> Way:
    if how == "desktop":
        return Way([], "desktop", "desktop")
    kind, _, rest = how.partition(":")
    if kind == "cmd" and rest.strip():
        if "\n" in rest or "\0" in rest:
            raise UsageError("--notify cmd: the command is one line", "put more into a script on the box")
        return Way([], "cmd", label or "cmd", rest.strip())
    if _WEB.fullmatch(how):
        return Way([], "web", label or "webhook", how)
    if found := _URL.fullmatch(how):
        if found[1] in {"http", "https"}:
            raise UsageError("--notify: this URL holds characters that no URL may", "write them as %20 and the like")
        return Way([], "apprise", label or found[1], how)
    if _NAME.fullmatch(how):
        raise UsageError(f"--notify {text[:40]}: there is no `{how}` under [notify] in config.toml", _HOW)
    raise UsageError(f"--notify {text.partition('=')[0][:40]}: how should you be told?", _HOW)


def again(kept: list[str], names: Mapping[str, str]) -> tuple[list[Way], list[str]]:
    """The ways of a job that is run again, from its Spec, and those that can't be had again without their secret."""
    ways, gone = [], []
    for text in kept:
        events, label = _events(text)
        if label == "desktop" or label in names:
            ways.append(way(f"{','.join(events)}={label}", names))
        else:
            gone.append(text)
    return ways, gone


def log_rules(kept: list[str]) -> list[str]:
    """The rules of the `log:` events of a Spec's ways, each once; their order is that of their numbers on the box."""
    found = [event for text in kept for event in _events(text)[0] if event.startswith("log:")]
    return [event.removeprefix("log:") for event in dict.fromkeys(found)]


def idle_gpu_s(ways: list[Way]) -> list[int]:
    """The lengths of time of the `idle-gpu:` events that the box tells, in seconds."""
    found = [event for one in ways if one.on_box for event in one.events if event.startswith("idle-gpu:")]
    return sorted({durations.parse(event.partition(":")[2]) for event in found})


def box_file(spec: Spec, ways: list[Way]) -> bytes:
    """The file `notify` of a job (docs/box-layout.md); empty where the box tells nothing."""
    rules = log_rules(spec.notify)
    lines = []
    for one in ways:
        if not one.on_box:
            continue
        events = [_on_box(event, rules) for event in one.events]
        lines.append(f"{','.join(events)} {one.kind} {one.target}\n")
    if not lines:
        return b""
    head = json.dumps({"name": spec.name, "box": spec.box})[1:-1]
    return "".join([f"{head}\n{spec.name}\n{spec.box}\n", *lines]).encode()


def _on_box(event: str, rules: list[str]) -> str:
    name, _, more = event.partition(":")
    match name:
        case "log":
            return f"log:{rules.index(more) + 1}"
        case "idle-gpu":
            return f"idle-gpu:{durations.parse(more)}"
        case _:
            return event


def happened(state: JobState) -> list[str]:
    """What the end of a job means, the most special first."""
    if state is JobState.LOST:
        return ["lost", "fail", "end"]
    return ["fail", "end"] if state in {JobState.FAILED, JobState.TIMEOUT} else ["end"]
