"""`mlsh pull`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, dry_run_option, job_argument, json_option, on_option, verb

if TYPE_CHECKING:
    from mlsh.files.patterns import Patterns
    from mlsh.files.plan import Plan
    from mlsh.files.target import Target
    from mlsh.jobs.onbox import OnBox


@verb("pull")
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR",
              help="The folder for it; default: ./NAME, or ./ID where the job has no name.")  # fmt: skip
@json_option
@on_option
@dry_run_option
@common
@job_argument
@click.argument("paths", nargs=-1, metavar="[PATH]...")
def command(to: Path | None, as_json: bool, on: str | None, dry_run: bool, job: str, paths: tuple[str, ...]) -> None:
    """Bring files of JOB's folder here: what differs, and again from where it was cut off.

    PATH is a file, a folder or a pattern ('ckpt/*.pt') in the folder that the job ran in. Without one: what
    --outputs named at launch, else all that the job made or changed, other than environments and caches.

    \b
      mlsh pull base                   into ./base
      mlsh pull base metrics.csv 'ckpt/*.pt' --to results
      mlsh pull base .                 everything, the code too

    Each file is verified and appears only when it is whole. Files that differ here are replaced; nothing is
    deleted. Links that lead out of the folder, devices and pipes are named and left there.
    """
    from mlsh import config
    from mlsh.cli import outcomes
    from mlsh.files import patterns
    from mlsh.files.outcome import exit_code
    from mlsh.files.pull import Pull, chosen, default_target
    from mlsh.files.target import Target
    from mlsh.jobs.find import find
    from mlsh.jobs.store import get_job

    asked = [patterns.check(path) for path in paths]
    on_box, job_id = find(job, config.load(), on)
    spec = get_job(on_box, job_id).spec
    wanted = chosen(spec, asked)
    target = to if to is not None else default_target(spec, job_id)
    with Target(target, owner=job_id if to is None else "") as here:
        if dry_run:
            outcomes.planned(_planned(on_box, job_id, wanted, job, here), as_json)
            return
        moving = outcomes.Moving("pulling")
        pull = Pull(on_box, job_id, here, progress=moving.show, say=moving.say)
        try:
            pull.run(wanted, job)
        finally:
            moving.clear()
            outcomes.show(pull.outcomes, as_json)
    outcomes.summary(pull.outcomes, "brought", str(target))
    raise SystemExit(exit_code(pull.outcomes))


def _planned(
    on_box: OnBox, job_id: str, wanted: Patterns | None, job: str, here: Target
) -> list[tuple[str, bytes, int, str]]:
    from mlsh.files import listing
    from mlsh.files.patterns import Patterns
    from mlsh.files.plan import plan

    entries = listing.whole(on_box, job_id, wanted, listing.new_nonce())
    listing.check_found(entries, wanted, job)
    return _rows(plan(entries, wanted or Patterns(["."]), here.look))


def _rows(plan: Plan) -> list[tuple[str, bytes, int, str]]:
    rows = [("bring", entry.path, entry.size, "") for entry in plan.fetch]
    rows += [("compare", entry.path, entry.size, "") for entry in plan.compare]
    rows += [("same", entry.path, entry.size, "") for entry in plan.same]
    rows += [("link", entry.path, 0, "") for entry in plan.links]
    rows += [("skip", path, 0, why) for path, why in plan.skipped]
    rows += [("refuse", path, 0, why) for path, why in plan.refused]
    return sorted(rows, key=lambda row: row[1])
