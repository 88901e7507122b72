"""Options and arguments that several verbs share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _explain(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from mlsh.box import process

        process.log.listen(process.printable_to(sys.stderr))


def _dry_run(_ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    if value:
        from mlsh.box import process

        process.log.dry_run = True
    return value


def _debug(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        os.environ["MLSH_DEBUG"] = "1"


def complete_box(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of boxes for shell completion."""
    from mlsh import config
    from mlsh.box.inventory import aliases

    return [alias.name for alias in aliases(config.load()) if alias.name.startswith(incomplete)]


def complete_job(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Ids and names of jobs launched from here, newest first, for shell completion: no box is asked."""
    from click.shell_completion import CompletionItem

    from mlsh.jobs import journal

    entries = list(reversed(journal.read()))[:200]
    items = [CompletionItem(job.id, help=f"{job.name or 'job'} on {job.box}") for job in entries]
    items += [CompletionItem(name) for name in dict.fromkeys(job.name for job in entries if job.name)]
    return [item for item in items if item.value.startswith(incomplete)]


explain_option = click.option(
    "--explain",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_explain,
    help="Print the commands that mlsh runs, to stderr.",
)
dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    is_eager=True,
    callback=_dry_run,
    help="Print what would run, and do nothing.",
)
debug_option = click.option("--debug", is_flag=True, expose_value=False, is_eager=True, callback=_debug, hidden=True)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
launched_json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the job's id, box and name as JSON. Without -d, then follow without its log; exit with its code.",
)
on_option = click.option(
    "--on", metavar="BOX", shell_complete=complete_box, help="The box; default: wherever the job is."
)
job_argument = click.argument("job", shell_complete=complete_job)


def common(function: F) -> F:
    """--explain and --debug, which every verb has."""
    return explain_option(debug_option(function))


class Sectioned(click.Command):
    """A command with so many options that its help shows them under headings."""

    sections: Mapping[str, Sequence[str]] = {}
    """The headings, and the names of the options under each; what is named nowhere comes first, and last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of `--help`."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        placed = {name for names in self.sections.values() for name in names}
        plain = [name for name in records if name not in placed]
        general = {"as_json", "dry_run", "explain", "help", "_click_default_help"}
        headings = {
            "Options": [name for name in plain if name not in general],
            **self.sections,
            "As everywhere": [name for name in plain if name in general],
        }
        for title, names in headings.items():
            rows = [record for name in names if (record := records.get(name)) is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def verb(
    name: str, *, wraps_command: bool = False, sections: Mapping[str, Sequence[str]] | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with `-h`.

    `wraps_command`: what follows its first word belongs to that word, options too. `sections`: see `Sectioned`.
    """
    settings: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    if wraps_command:
        settings["allow_interspersed_args"] = False
    if sections is None:
        return click.command(name, context_settings=settings)
    made = type("Command", (Sectioned,), {"sections": sections})
    return click.command(name, cls=made, context_settings=settings)
