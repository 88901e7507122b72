"""`mlsh completion`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, verb


@verb("completion")
@common
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the lines that switch completion on: verbs, options, job ids, box names.

    \b
      bash:  echo 'eval "$(mlsh completion bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(mlsh completion zsh)"' >> ~/.zshrc
      fish:  mlsh completion fish > ~/.config/fish/completions/mlsh.fish
    """
    from click.shell_completion import get_completion_class

    from mlsh.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(cli, {}, "mlsh", "_MLSH_COMPLETE").source())
