"""`mlsh shell`: what your shell reads at its start."""

from __future__ import annotations

import sys
from typing import Any

import click

from mlsh.cli.options import common

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_SHELLS = click.Choice(["bash", "zsh", "fish"])


@click.group("shell", context_settings=_HELP, no_args_is_help=True)
@common
def command() -> None:
    """Set your shell up: your aliases, and completion of mlsh."""


@command.command(context_settings=_HELP, short_help="Print what a shell is to read at its start.")
@click.argument("shell", type=_SHELLS)
@click.option("--ctrl-r", "ctrl_r", is_flag=True, help="Bind Ctrl-R to mlsh's search of the history too.")
@click.option(
    "--record", is_flag=True, help="Have the shell note how each command ended, and where (mlsh history hook)."
)
@click.option("--line", "as_line", is_flag=True, help="Print the line for your rc file instead.")
@click.option("--no-cache", is_flag=True, help="Keep no file of it.")
@common
def init(shell: str, ctrl_r: bool, record: bool, as_line: bool, no_cache: bool) -> None:
    """Print what a shell is to read at its start: your aliases (mlsh alias), and completion of mlsh.

    The text is kept in ~/.cache/mlsh/init.SHELL. The line that --line prints reads that file, without starting mlsh,
    as long as it is up to date:

    \b
      bash:  mlsh shell init bash --line >> ~/.bashrc
      zsh:   mlsh shell init zsh --line >> ~/.zshrc
      fish:  mlsh shell init fish --line >> ~/.config/fish/config.fish

    This works as well, and starts mlsh with each shell: eval "$(mlsh shell init bash)"
    """
    from mlsh.aliases import cached, shell_init
    from mlsh.aliases.shell_init import Wanted
    from mlsh.cli.talk import say
    from mlsh.errors import ConfigError, MlshError

    wanted = Wanted(shell, ctrl_r, record)
    if as_line:
        click.echo(cached.line(wanted))
        return
    try:
        if no_cache:
            click.echo(shell_init.text(shell, ctrl_r=ctrl_r, record=record), nl=False)
            return
        try:
            click.echo(cached.ready(wanted), nl=False)
        except ConfigError:
            raise
        except MlshError as error:
            # The shell gets its text all the same, and the person learns why it takes longer than it need.
            say(f"{error.what} (each new shell starts mlsh; to have that without this line: --no-cache)")
            click.echo(shell_init.text(shell, ctrl_r=ctrl_r, record=record), nl=False)
    except ConfigError as error:
        kept = cached.last(wanted)
        click.echo(kept if kept is not None else shell_init.once(wanted), nl=False)
        sys.stdout.flush()
        what = "the aliases are those from before" if kept is not None else "this shell has no aliases"
        raise ConfigError(f"{error.what}\n{what}", error.hint) from error
