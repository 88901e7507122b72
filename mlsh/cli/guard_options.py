"""The options of `mlsh run` that look after a job: what ends it early, and who is told what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.jobs.notify import Way

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--fail-if", multiple=True, metavar="RULE",
                 help="End the job as FAILED when its log says so: 'loss is nan', 'loss > 10', '/CUDA error/'."),
    click.option("--idle-timeout", default="", metavar="T", help="End the job when it printed nothing for so long."),
    click.option("--memory", default="", metavar="SIZE",
                 help="End the job when all its processes together use more memory than this: 20G."),
    click.option("--notify", multiple=True, metavar="WHAT[=HOW]",
                 help="Tell you of end, fail, lost, start, disk, idle-gpu:10m, log:/regex/ (commas between): on the "
                 "desktop while you watch, or from the box, =https://... or =cmd:COMMAND."),
)  # fmt: skip


def guard_options(function: F) -> F:
    """All of them, as keyword arguments for `guard_fields`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def guard_fields(settings: Settings, options: dict[str, Any]) -> tuple[dict[str, Any], list[Way]]:
    """Take these options out of all of a command's; returns them as fields of a Spec, and the ways to tell.

    Raises UsageError.
    """
    fail_if, idle_timeout = options.pop("fail_if"), options.pop("idle_timeout")
    memory, notify = options.pop("memory"), options.pop("notify")
    fields: dict[str, Any] = {}
    ways: list[Way] = []
    if fail_if:
        from mlsh.jobs import guards

        fields["fail_if"] = [guards.check_regex(guards.rule(text), "--fail-if").words for text in fail_if]
    if idle_timeout:
        from mlsh.jobs.durations import parse

        fields["idle_timeout_s"] = parse(idle_timeout)
    if memory:
        from mlsh.errors import UsageError
        from mlsh.jobs import queueing

        fields["memory_mib"] = queueing.memory_mib(memory, "--memory")
        if not fields["memory_mib"]:
            raise UsageError("--memory 0: a job that may use no memory can't run")
    if notify:
        ways = _ways(settings, notify, bool(options["gpus"] or options["gpu_ids"] or options["gpu_memory"]))
        fields["notify"] = [one.kept for one in ways]
    return fields, ways


def _ways(settings: Settings, texts: tuple[str, ...], has_gpus: bool) -> list[Way]:
    from mlsh.errors import UsageError
    from mlsh.jobs import guards, telling
    from mlsh.jobs.notify import idle_gpu_s, log_rules, way

    ways = [way(text, settings.notify) for text in texts]
    for rule in log_rules([one.kept for one in ways]):
        guards.check_regex(guards.rule(rule, "--notify log:"), "--notify log:")
    if idle_gpu_s(ways) and not has_gpus:
        raise UsageError("--notify idle-gpu is about the GPUs that mlsh gives to a job", "ask for some: --gpus 1")
    for one in ways:
        telling.check(one)
    return ways
