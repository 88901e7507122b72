"""`mlsh forward`: ports of boxes on this machine; and `mlsh forward list` and `stop`."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.forward_talk import Show, put
from mlsh.cli.options import common, complete_box, complete_job, json_option, on_option

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.jobs.forward_plan import Asked
    from mlsh.jobs.forward_records import Forward
    from mlsh.jobs.onbox import OnBox
    from mlsh.jobs.ports import Found

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_OPEN = "JOB|BOX"
_SETTLE_S = 1.0
_STOP_S = 10.0


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Jobs and boxes for shell completion."""
    from click.shell_completion import CompletionItem

    boxes = [CompletionItem(name, help="box") for name in complete_box(ctx, param, incomplete)]
    return [*boxes, *complete_job(ctx, param, incomplete)]


class _Open(click.Command):
    """`mlsh forward JOB|BOX`: it has no name of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None and info_name == _OPEN:
            info_name, parent = parent.info_name, parent.parent
        return super().make_context(info_name, args, parent, **extra)


class _Forward(click.Group):
    """A group in which a word that is none of its commands is what to forward."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mine = args[: args.index("--")] if "--" in args else args
        if args and args[0] not in self.commands and not {"-h", "--help"} & set(mine):
            args = [_OPEN, *args]
        elif args and args[0] not in self.commands:
            args = ["--help"]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return _OPEN, open_, args[args[0] == _OPEN :]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        return [*super().shell_complete(ctx, incomplete), *open_.params[-1].shell_complete(ctx, incomplete)]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        whole = click.Context(open_, ctx.parent, ctx.info_name, help_option_names=ctx.help_option_names)
        open_.format_usage(whole, formatter)
        open_.format_help_text(whole, formatter)
        open_.format_options(whole, formatter)
        self.format_commands(ctx, formatter)
        open_.format_epilog(whole, formatter)


@click.group("forward", cls=_Forward, context_settings=_HELP, no_args_is_help=True)
def command() -> None:
    """Reach a port of a box from this machine."""


@click.command(_OPEN, cls=_Open, context_settings=_HELP)
@click.option("-p", "--port", "ports", multiple=True, metavar="[LOCAL:]PORT",
              help="A port of the box, and the port here; 0: any free one. May be given several times. "
                   "Default for a job: what its log tells of.")  # fmt: skip
@click.option("--background", is_flag=True, help="Return once it stands; it goes on without this terminal.")
@on_option
@json_option
@common
@click.argument("target", metavar="JOB|BOX", shell_complete=complete_target)
def open_(ports: tuple[str, ...], background: bool, on: str | None, as_json: bool, target: str) -> None:
    """Make ports of a box reachable on this machine, at localhost: TensorBoard, Jupyter, a model server.

    Without -p, JOB's log is searched for the servers that it started, and their addresses are printed,
    token included. Only programs on this machine can use the ports. A lost connection is made again,
    and the ports stay the same. It ends with the job, or with Ctrl-C.
    """
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.jobs.forward_plan import Asked, parse, take

    asked = parse(ports)
    on_box, job_id = _find(target, on, config.load())
    found: dict[int, Found] = {}
    if job_id:
        found = {server.port: server for server in _servers(on_box, job_id, wait=not asked)}
        asked = asked or [Asked(port) for port in found]
    elif not asked:
        raise UsageError(f"which port of {target}?", f"mlsh forward {target} -p 8888")
    if on_box.box.name == "local" and all(one.local in {None, one.remote} for one in asked):
        _is_here(asked, found)
        return
    listeners = [take(one, target, say) for one in asked]
    forward = _record(on_box, job_id, asked, [group[0].getsockname()[1] for group in listeners], found)
    if background:
        if sys.stdin.isatty() and not job_id:
            # What a login asks is asked here: in the background nobody could answer.
            on_box.box.run(["true"])
        _hand_over(forward, listeners, as_json)
    else:
        _keep(on_box, forward, listeners, as_json)


def _find(target: str, on: str | None, settings: Settings) -> tuple[OnBox, str]:
    """What to reach: a box and a job on it, or a box alone. What is both is the box."""
    from mlsh.box import inventory, open_box
    from mlsh.errors import NotFound
    from mlsh.jobs.find import find
    from mlsh.jobs.onbox import OnBox

    if on is None and target in inventory.names(settings):
        return OnBox(open_box(target, settings)), ""
    try:
        return find(target, settings, on)
    except NotFound as error:
        # A name that only DNS knows, or `user@host`.
        if on is None and set(target[1:]) & set(".@:"):
            return OnBox(open_box(target, settings)), ""
        if on is not None or target.startswith("@"):
            raise
        raise NotFound(f"{error.what}, and no box of that name", "see: mlsh ps -a, mlsh box list") from None


def _servers(on_box: OnBox, job_id: str, wait: bool) -> list[Found]:
    """The servers that the job's log tells of; with `wait`, until there is one."""
    from mlsh.cli.talk import Status, is_watched, say
    from mlsh.errors import NotFound
    from mlsh.jobs.outcome import tell
    from mlsh.jobs.servers import looks

    status = Status()
    until: float | None = None
    told = False
    try:
        for look in looks(on_box, job_id):
            if look.state is not None and look.state.state.is_final:
                ended = f"{job_id} has ended ({tell(look.state)}), and what it served with it"
                raise NotFound(ended, f"see: mlsh logs {job_id}")
            if not wait:
                return look.found
            if look.found:
                # One that says more than one thing says them together.
                until = until or time.monotonic() + _SETTLE_S
                if time.monotonic() >= until:
                    return look.found
                continue
            if not told and not is_watched():
                say(f"waiting for {job_id} to print its server's address; if it never does: -p PORT")
                told = True
            where = f" ({look.lost})" if look.lost else ""
            status.show(f"waiting for {job_id} to print its server's address (or: -p PORT){where}")
    finally:
        status.clear()
    return []


def _is_here(asked: list[Asked], found: dict[int, Found]) -> None:
    from mlsh.cli.talk import say

    say("it is on this machine already")
    for one in asked:
        click.echo(_url(one.remote, found.get(one.remote)))


def _url(port: int, server: Found | None) -> str:
    return server.url(port) if server else f"http://localhost:{port}"


def _record(on_box: OnBox, job_id: str, asked: list[Asked], here: list[int], found: dict[int, Found]) -> Forward:
    from mlsh.jobs.forward_records import Forward, Port

    ports = []
    for one, local in zip(asked, here, strict=True):
        server = found.get(one.remote)
        ports.append(Port(local, one.remote, server.kind if server else "", _url(local, server)))
    return Forward(on_box.box.name, ports, job=job_id)


def _hand_over(forward: Forward, listeners: list[list[Any]], as_json: bool) -> None:
    import msgspec

    from mlsh.box import process
    from mlsh.cli.talk import Status, say
    from mlsh.jobs.forward_background import start

    status = Status()
    status.show(f"connecting to {forward.box}")
    try:
        answer = start(msgspec.structs.replace(forward, background=True), listeners)
    finally:
        status.clear()
    for command in answer.commands:
        process.log.say(command)
    if answer.forward is None:
        from mlsh.cli.ps import _complain

        _complain(answer)
        raise SystemExit(answer.exit_code)
    if as_json:
        put(answer.forward)
        return
    for port in answer.forward.ports:
        click.echo(port.url)
    say(f"in the background as number {answer.forward.number}; end it: mlsh forward stop {answer.forward.number}")


def _keep(on_box: OnBox, forward: Forward, listeners: list[list[Any]], as_json: bool) -> None:
    from mlsh.box.relay import Relay
    from mlsh.jobs import forward_records
    from mlsh.jobs.forwarding import Forwarding, Opened, keep

    relays = [(port.remote, Relay(group)) for port, group in zip(forward.ports, listeners, strict=True)]
    forwarding = Forwarding(on_box, relays, forward.job)
    entry = forward_records.claim(forward)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    show = Show(on_box.box, entry.forward, as_json)
    try:
        for event in keep(forwarding, entry):
            if isinstance(event, Opened) and forward.job:
                entry.update(_named(on_box, entry.forward, event.port))
            show.event(event, entry.forward)
        show.end(entry.is_asked_to_stop)
    finally:
        show.status.clear()
        forwarding.close()
        entry.release()


def _named(on_box: OnBox, forward: Forward, remote: int) -> Forward:
    """The record, with what the log says by now of a port that has just opened: its server may have told its token."""
    import msgspec

    from mlsh.errors import MlshError
    from mlsh.jobs.servers import looks

    if all(port.kind for port in forward.ports if port.remote == remote):
        return forward
    try:
        found = {server.port: server for server in next(looks(on_box, forward.job)).found}
    except MlshError:
        return forward  # an address without a token is better than none
    ports = [
        msgspec.structs.replace(port, kind=found[remote].kind, url=found[remote].url(port.local))
        if port.remote == remote and remote in found
        else port
        for port in forward.ports
    ]
    return msgspec.structs.replace(forward, ports=ports)


def _leave(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)


@command.command("list", context_settings=_HELP, short_help="The forwards of this machine.")
@json_option
@common
def list_(as_json: bool) -> None:
    """List the forwards that are open on this machine, in terminals and in the background.

    \b
    The fields of --json are in the reference: docs/reference/json.md
    """
    from mlsh.cli.talk import paint, say
    from mlsh.jobs.durations import show
    from mlsh.jobs.forward_records import living
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    rows = [("N", "WHAT", "BOX", "PORT", "STATE", "TIME", "ADDRESS")]
    for forward in living():
        if as_json:
            put(forward)
            continue
        for port in forward.ports:
            state = "no listener" if forward.state == "connected" and port.is_open is False else forward.state
            what = forward.job or "-"
            if port.kind:
                what = f"{port.kind} of {what}"
            took = show(time.time() - forward.since)
            rows.append(
                (str(forward.number), printable(what), forward.box, str(port.remote), state, took, printable(port.url))
            )
    if as_json:
        return
    if len(rows) == 1:
        say("no forwards")
        return
    lines = columns(rows, None, frozenset({0, 3, 5}))
    click.echo("\n".join([paint(lines[0], "dim"), *lines[1:]]))


@command.command(context_settings=_HELP, short_help="End forwards.")
@click.option("--all", "everything", is_flag=True, help="All forwards of this machine.")
@common
@click.argument("numbers", nargs=-1, type=click.IntRange(1), metavar="[N...]")
def stop(everything: bool, numbers: tuple[int, ...]) -> None:
    """End the forwards with these numbers; jobs go on. The numbers are those of mlsh forward list."""
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError, NotFound, UsageError
    from mlsh.jobs.forward_records import ask_to_stop, is_living, living

    known = {forward.number: forward for forward in living()}
    if everything == bool(numbers):
        raise UsageError("name the numbers of forwards, or --all", "see which there are: mlsh forward list")
    chosen = list(known) if everything else list(dict.fromkeys(numbers))
    for number in chosen:
        if number not in known:
            raise NotFound(f"there is no forward {number}", "see which there are: mlsh forward list")
    for number in chosen:
        ask_to_stop(number)
    deadline = time.monotonic() + _STOP_S
    for number in chosen:
        while is_living(number):
            if time.monotonic() > deadline:
                forward = known[number]
                raise MlshError(
                    f"forward {number} does not end; it is process {forward.pid} on {forward.node}",
                    f"is it stopped? kill -9 {forward.pid}",
                )
            time.sleep(0.05)
        say(f"{number} stopped")
    if not chosen:
        say("no forwards")
