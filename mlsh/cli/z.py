"""`mlsh z`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, complete_box, verb


@verb("z")
@click.argument("words", nargs=-1, metavar="QUERY...", required=True)
@click.option(
    "--on", "box", default="local", metavar="BOX", shell_complete=complete_box, help="Ask the zoxide of a box."
)
@click.option("-l", "--list", "all_", is_flag=True, help="Every folder that fits, the likeliest first.")
@common
def command(words: tuple[str, ...], box: str, all_: bool) -> None:
    """Print the folder that zoxide takes you to for these words: where you were often and lately.

    \b
      cd "$(mlsh z train)"
      ssh -t gpu1 "cd $(printf %q "$(mlsh z --on gpu1 train)") && exec bash -l"

    The name of a folder goes into a shell there only quoted, as `printf %q` does it in bash and zsh.

    zoxide learns where you go in shells that it is set up in: eval "$(zoxide init bash)".
    """
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.places import jump
    from mlsh.shell.visible import printable

    for folder in jump.folders(open_box(box, config.load()), words, all_):
        # A name with a line's end can't be told from two: it is shown, and cd says that there is no such folder.
        click.echo(printable(folder))
