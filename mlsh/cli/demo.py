"""`mlsh demo`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, verb


@verb("demo")
@click.argument("what", type=click.Choice(["job", "bisect"]), default="job")
@click.option("--seconds", default=15.0, show_default=True, help="How long the training takes.")
@common
def command(what: str, seconds: float) -> None:
    """See a job outlive its terminal: snapshot, launch, follow, a follower that is killed, and the result.

    `mlsh demo bisect`: see a flaky test lead to the commit that broke it.
    """
    if what == "bisect":
        from mlsh.demo.hunt import main as hunt

        raise SystemExit(hunt())
    from mlsh.demo.story import main

    raise SystemExit(main(["--seconds", str(seconds)]))
