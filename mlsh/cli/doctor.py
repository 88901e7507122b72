"""`mlsh doctor`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, json_option, verb


@verb("doctor")
@click.option("-q", "--quiet", is_flag=True, help="Only what is not in order.")
@json_option
@common
def command(quiet: bool, as_json: bool) -> None:
    """Check this machine: keys, ssh's settings, tokens that others can read, known hosts, tools. Says what mends it.

    Changes nothing, and connects to nothing. Exits with 71 if a check failed. For boxes: mlsh box doctor.

    \b
    --json: status (ok, warn, fail), findings: check, status (ok, warn, fail, skip), what, mend
    """
    from mlsh import config
    from mlsh.audit.doctor import examine
    from mlsh.audit.machine import look
    from mlsh.box.findings import worst
    from mlsh.cli.findings_view import show_findings
    from mlsh.errors import ExitCode

    findings = examine(look(config.load()))
    status = worst(findings)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({"status": status, "findings": msgspec.to_builtins(findings)}).decode())
    else:
        show_findings("this machine", findings, quiet)
    if status == "fail":
        raise SystemExit(int(ExitCode.BOX_UNFIT))
