"""`mlsh recipe run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, dry_run_option
from mlsh.cli.recipe_look import complete_recipe, file_option, opened

if TYPE_CHECKING:
    from mlsh.recipes.cheat import Recipe
    from mlsh.recipes.collection import Found
    from mlsh.recipes.memory import Stopped
    from mlsh.recipes.render import Step, Value

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(context_settings=_HELP, short_help="Run a recipe here, or as a job on a box.")
@click.argument("name", shell_complete=complete_recipe)
@click.argument("words", nargs=-1, metavar="[PARAMETER=VALUE | VALUE]...")
@click.option("--on", "box", metavar="BOX", shell_complete=complete_box, help="As a job on this box; see mlsh run.")
@click.option("-d", "--detach", is_flag=True, help="With --on: print the job's id and return.")
@click.option("--code", is_flag=True, help="With --on: take this folder's code along, and run in it.")
@click.option("--gpus", metavar="N", help="With --on: as with mlsh run.")
@click.option("--time", "time_limit", metavar="T", help="With --on: as with mlsh run.")
@click.option("--resume", is_flag=True, help="Go on with the step at which the last run stopped.")
@click.option("--from", "first", type=click.IntRange(min=1), metavar="N", help="Begin with step N.")
@click.option("--last", is_flag=True, help="Take the values of last time for what is not given.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: defaults for what is not given.")
@file_option
@dry_run_option
@common
def run(
    name: str,
    words: tuple[str, ...],
    box: str | None,
    detach: bool,
    code: bool,
    gpus: str | None,
    time_limit: str | None,
    resume: bool,
    first: int | None,
    last: bool,
    yes: bool,
    file: Path | None,
    dry_run: bool,
) -> None:
    """Run a recipe: its steps in one shell, one after another, to the first that fails.

    Values are given by name (port=8888) or in the order of `mlsh recipe show`. What is missing is asked for; without a
    terminal, and with -y, it is the default. A secret is never given here: it is asked for, or taken from the variable
    MLSH_SECRET_NAME.

    \b
      mlsh recipe run port-holder 8888
      mlsh recipe run disk-biggest --on gpu1
      mlsh recipe run conda-to-uv --dry-run      what would run, to paste

    A recipe from outside the starter book is shown before it runs for the first time. Exits with the code of the step
    that failed.
    """
    from mlsh.errors import UsageError
    from mlsh.recipes import memory
    from mlsh.recipes.collection import find
    from mlsh.recipes.render import rendered, steps

    found = find(opened(file), name)
    recipe = found.recipe
    _check_options(recipe, box, (detach, code, gpus, time_limit), resume, first, words)
    given = _given(recipe, words)
    remembered = memory.read()
    last_values: Mapping[str, Value] = remembered.values.get(found.key, {})
    if last:
        given = {**{key: value for key, value in last_values.items() if key in recipe.parameters}, **given}
    if dry_run:
        _dry_run(found, given, box, code, first or 1, (gpus, time_limit))
        return
    stopped = remembered.stopped.get(found.key)
    is_agreed = found.origin == "book" or found.digest in remembered.agreed
    asks = os.isatty(0) and os.isatty(2) and not yes
    if not is_agreed:
        _agree(found, asks, yes)
    begin = first or 1
    if resume:
        begin, made, secrets = _resumed(found, stopped, asks)
    else:
        from mlsh.cli.recipe_ask import Asking

        asking = Asking(recipe, given, last_values, asks)
        asking.run()
        made, secrets = rendered(recipe, asking.values), asking.secret_values
        given = asking.values
    if begin > len(made):
        raise UsageError(f"{recipe.name} has {len(made)} steps, and no step {begin}")
    _confirm(recipe, made, begin, asks, yes)
    _remember(found, given)
    if box is not None:
        _as_job(recipe, made, box, begin, detach, code, (gpus, time_limit), secrets)
        return
    _here(found, made, steps(recipe), begin, stopped if resume else None, secrets, asks)


def _check_options(
    recipe: Recipe,
    box: str | None,
    job_options: Sequence[object],
    resume: bool,
    first: int | None,
    words: Sequence[str],
) -> None:
    from mlsh.errors import UsageError

    if box is None and any(job_options):
        raise UsageError("-d, --code, --gpus and --time are for a job", "say where: --on local, or --on BOX")
    if resume and box is not None:
        raise UsageError(
            "--resume goes on with a run on this machine", "of a job, its log says with which step: --on BOX --from N"
        )
    if resume and (first is not None or words):
        raise UsageError(
            "--resume goes on with the step and the values of last time", "others: --from N PARAMETER=VALUE"
        )
    if not recipe.parameters and words:
        raise UsageError(f"{recipe.name} has no parameters", f"see: mlsh recipe show {recipe.name}")


def _given(recipe: Recipe, words: Sequence[str]) -> dict[str, Value]:
    """The values that were typed, by name. Raises UsageError."""
    import re

    from mlsh.errors import UsageError

    values: dict[str, str] = {}
    in_order = []
    names = recipe.parameters
    for word in words:
        name, separator, value = word.partition("=")
        if separator and name in names:
            values[name] = value
        elif separator and re.fullmatch(r"\w+", name):
            raise UsageError(
                f"{recipe.name} has no parameter {name}; it has {', '.join(names)}",
                f"if {word} is a value, name its parameter: {names[0]}={word}",
            )
        else:
            in_order.append(word)
    free = [name for name in names if name not in values]
    if len(in_order) > len(free):
        raise UsageError(f"{recipe.name} takes {len(names)} values: {', '.join(names)}", "quote what has blanks in it")
    values.update(zip(free, in_order, strict=False))
    _check_values(recipe, values)
    return dict(values)


def _check_values(recipe: Recipe, values: Mapping[str, str]) -> None:
    from mlsh.errors import RefusedInput, UsageError
    from mlsh.recipes.render import is_secret, secret_variable

    for name, value in values.items():
        if is_secret(recipe, name):
            raise UsageError(
                f"{name} is secret, and would be seen here by everyone on this machine (ps)",
                f"export {secret_variable(name)}=…, or leave it out and be asked",
            )
        if "\0" in value:
            raise RefusedInput(f"the value of {name} has a NUL byte")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RefusedInput(f"the value of {name} is not UTF-8 text") from None


def _dry_run(
    found: Found, given: dict[str, Value], box: str | None, code: bool, first: int, more: tuple[str | None, ...]
) -> None:
    """Print what would run. No command that lists choices runs, and nobody is asked."""
    from mlsh.cli.talk import say
    from mlsh.recipes.render import is_secret, rendered

    recipe = found.recipe
    defaults: dict[str, Value] = {name: hint.default for name, hint in recipe.hints.items() if hint.default is not None}
    values = {**defaults, **given}
    open_ = [name for name in recipe.parameters if name not in values and not is_secret(recipe, name)]
    if open_:
        say(f"no value yet for: {', '.join(open_)}")
    made = rendered(recipe, values)
    if box is not None:
        _as_job(recipe, made, box, first, False, code, more, {}, dry_run=True)
        return
    from mlsh.shell.visible import printable

    for step in made[first - 1 :]:
        for note in step.notes:
            click.echo(f"# {printable(note)}")
        for line in step.text.split("\n"):
            # Tabs mean something in a here-document, and do no harm.
            click.echo("\t".join(map(printable, line.split("\t"))))


def _agree(found: Found, asks: bool, yes: bool) -> None:
    """Have a person look at a recipe that the starter book does not have, before anything of it runs."""
    from mlsh.cli.recipe_look import _describe
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.recipes import memory

    if not asks and not yes:
        raise UsageError(
            f"{found.recipe.name} of {found.path} has not run here before, and nobody can be asked",
            f"look at it (mlsh recipe show {found.recipe.name}), then: mlsh recipe run -y {found.recipe.name}",
        )
    if asks:
        _describe(found)
        say(f"this recipe of {found.path} has not run here before, or has changed since")
        if not click.confirm("Is it what you want to run?", err=True):
            raise click.Abort
    with memory.changing() as remembered:
        remembered.agreed.append(found.digest)


def _confirm(recipe: Recipe, made: Sequence[Step], begin: int, asks: bool, yes: bool) -> None:
    from mlsh.cli.talk import paint
    from mlsh.errors import UsageError
    from mlsh.shell.visible import printable

    if not asks:
        if recipe.is_careful and not yes:
            raise UsageError(
                f"{recipe.name} does what can't be undone, and nobody can be asked",
                f"look (mlsh recipe run --dry-run {recipe.name} …), then run it with -y",
            )
        return
    for number, step in enumerate(made[begin - 1 :], begin):
        for line in step.text.split("\n"):
            click.echo(f"{paint(f'{number:>3}', 'dim', 2)}  {printable(line)}", err=True)
    question = "Run this? It can't be undone" if recipe.is_careful else "Run this?"
    if not click.confirm(question, default=not recipe.is_careful, err=True):
        raise click.Abort


def _remember(found: Found, given: Mapping[str, Value]) -> None:
    from mlsh.cli.talk import say
    from mlsh.recipes import memory, running
    from mlsh.recipes.render import is_secret
    from mlsh.secrets.masking import mask

    recipe = found.recipe
    secret = frozenset(name for name in given if is_secret(recipe, name))
    kept = {
        name: value
        for name, value in running.keepable(given, secret).items()
        if all(mask(f"{name}={word}") == f"{name}={word}" for word in ([value] if isinstance(value, str) else value))
    }
    if kept:
        try:
            memory.remember(found.key, kept)
        except OSError as error:
            say(f"the values are not remembered: {error.filename}: {error.strerror}")


def _resumed(found: Found, stopped: Stopped | None, asks: bool) -> tuple[int, list[Step], dict[str, str]]:
    """The step to go on with, the steps as they were rendered, and the secrets, which are not kept."""
    from mlsh.cli.recipe_ask import Asking
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound, UsageError
    from mlsh.recipes.render import Step

    recipe = found.recipe
    if stopped is None:
        raise NotFound(f"no run of {recipe.name} stopped before its end", f"run it: mlsh recipe run {recipe.name}")
    if stopped.digest != found.digest:
        raise UsageError(
            f"{recipe.name} was changed since its last run, so its steps may be others",
            f"begin where you want: mlsh recipe run {recipe.name} --from {stopped.next}",
        )
    asking = Asking(recipe, dict.fromkeys(recipe.parameters, ""), {}, asks)
    asking.run()
    say(f"{recipe.name}: going on with step {stopped.next} of {len(stopped.steps)}")
    return stopped.next, [Step(text) for text in stopped.steps], asking.secret_values


def _as_job(
    recipe: Recipe,
    made: Sequence[Step],
    box: str,
    first: int,
    detach: bool,
    code: bool,
    more: tuple[str | None, ...],
    secrets: Mapping[str, str],
    dry_run: bool = False,
) -> None:
    from mlsh.cli.run import command
    from mlsh.recipes import running
    from mlsh.recipes.render import is_secret, secret_variable

    args = ["--on", box, "--name", _job_name(recipe.name)]
    args += [] if code or recipe.sends_code else ["--no-code"]
    args += ["--detach"] if detach else []
    gpus, time_limit = more
    args += ["--gpus", gpus] if gpus else []
    args += ["--time", time_limit] if time_limit else []
    for name in recipe.parameters:
        if is_secret(recipe, name):
            args += ["--secret", secret_variable(name)]
            if dry_run:
                os.environ.setdefault(secret_variable(name), "")  # a plan needs no value
    os.environ.update(secrets)
    args += ["--dry-run"] if dry_run else []
    command.main([*args, "--", *running.job_argv(made, recipe.name, box, first)], "mlsh run", standalone_mode=False)


def _job_name(name: str) -> str:
    """A name that a job can have: letters of other alphabets are left out."""
    import re

    return re.sub(r"[^A-Za-z0-9._-]", "", name).lstrip(".-")[:64] or "recipe"


def _here(
    found: Found,
    made: Sequence[Step],
    plain: Sequence[Step],
    first: int,
    before: Stopped | None,
    secrets: Mapping[str, str],
    shown: bool,
) -> None:
    from mlsh.cli.talk import say
    from mlsh.recipes import memory, running
    from mlsh.recipes.memory import Stopped

    recipe = found.recipe
    notes = [step.notes for step in plain] if len(plain) == len(made) else [() for _ in made]
    said = [_said(number, len(made), step, notes[number - 1], shown) for number, step in enumerate(made, 1)]
    ended = running.run(made, said, first, before.folder if before else "", secrets)
    with memory.changing() as remembered:
        old = remembered.stopped.pop(found.key, None)
        if ended.next:
            remembered.stopped[found.key] = Stopped(
                found.digest, [step.text for step in made], ended.next, folder=ended.folder
            )
    running.forget(old)
    if ended.next and (len(made) > 1 or os.isatty(2)):
        say(f"step {ended.next} of {len(made)} ended with {ended.code}")
        if len(made) > 1:
            say(f"mend it, and go on from there: mlsh recipe run {recipe.name} --resume")
            if ended.lost:
                say(f"not kept, since they may be secret: the variables {', '.join(ended.lost)}")
    raise SystemExit(ended.code)


def _said(number: int, count: int, step: Step, notes: Sequence[str], shown: bool) -> str:
    """What is printed before a step; nothing before the only one of a recipe that was shown already."""
    from mlsh.cli.talk import paint
    from mlsh.shell.visible import printable

    if count == 1 and (shown or not os.isatty(2)):
        return ""
    lines = [paint(f"; {printable(note)}", "dim", 2) for note in notes]
    lines += [printable(line) for line in step.text.split("\n")]
    mark = paint(f"[{number}/{count}] ", "cyan", 2) if count > 1 else paint("+ ", "cyan", 2)
    return "\n".join([*lines[: len(notes)], mark + lines[len(notes)], *lines[len(notes) + 1 :]]) + "\n"
