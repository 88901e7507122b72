"""`mlsh box doctor`: whether machines are fit for jobs, and what mends them."""

from __future__ import annotations

import sys

import click

from mlsh.cli.box_words import HELP, guess, open_all, put
from mlsh.cli.options import common, complete_box, json_option

# A box may take its time to connect, and then to tell its facts.
_LIMIT_S = 60.0


@click.command(context_settings=HELP, short_help="Check boxes, and say what mends them.")
@click.argument("boxes", nargs=-1, metavar="[BOX]...", shell_complete=complete_box)
@click.option("-q", "--quiet", is_flag=True, help="Only what is not in order.")
@json_option
@common
def doctor(boxes: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Check whether boxes can be reached and are fit for jobs, and say what mends them. Default: this machine.

    Changes nothing. Each box is printed when it has answered. Exits with 71 if a check failed.

    \b
    --json: box, status (ok, warn, fail), findings: check, status (ok, warn, fail, skip), what, mend
    """
    from mlsh.box import doctor as checks
    from mlsh.box.fanout import side_by_side
    from mlsh.box.findings import Finding, worst
    from mlsh.cli.findings_view import show_findings
    from mlsh.errors import ExitCode, MlshError

    settings, opened = open_all(boxes)
    is_bad = False
    for box, answer in side_by_side(opened, checks.look_at, _LIMIT_S):
        if isinstance(answer, MlshError):
            findings = [Finding("reachable", "fail", answer.what, answer.hint)]
        else:
            findings = checks.examine(*answer)
        status = worst(findings)
        is_bad = is_bad or status == "fail"
        if as_json:
            import msgspec

            put({"box": box.name, "status": status, "findings": msgspec.to_builtins(findings)})
        else:
            show_findings(box.name, findings, quiet)
            if findings[0].status == "fail" and (near := guess(box.name, settings)):
                click.echo(f"mlsh: {near}", err=True)
        sys.stdout.flush()
    if is_bad:
        raise SystemExit(int(ExitCode.BOX_UNFIT))
