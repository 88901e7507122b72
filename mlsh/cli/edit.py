"""`mlsh edit`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, complete_box, verb

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.places.editing import Remote


@verb("edit")
@click.argument("what", metavar="[BOX:]PATH", required=False)
@click.option(
    "--on", "box", metavar="BOX", shell_complete=complete_box, help="The box, where it is not before the path."
)
@click.option("--save", "copy", type=click.Path(path_type=Path), metavar="COPY",
              help="Save a copy that was kept, after a conflict or a lost connection.")  # fmt: skip
@click.option("--force", is_flag=True, help="With --save: also over what somebody else wrote meanwhile.")
@common
def command(what: str | None, box: str | None, copy: Path | None, force: bool) -> None:
    """Edit a file of a box in your own $VISUAL or $EDITOR, and save it back when the editor ends.

    A relative PATH begins at the home folder there (with local: here). The file keeps its mode, its owner and its place
    behind a link, and is replaced as a whole. Where somebody else changed it meanwhile, nothing is written. Your text
    stays on this machine until the box has it, and each error names the place.

    \b
      mlsh edit gpu1:train/config.yaml
      mlsh edit .bashrc --on gpu1
      mlsh edit --save ~/.local/state/mlsh/edits/edit-x1/copy/config.yaml

    An editor with windows must wait: EDITOR='code --wait'.
    """
    from mlsh.errors import UsageError

    if copy is not None:
        if what or box:
            raise UsageError("--save knows where its copy belongs", "mlsh edit --save COPY")
        _save_again(copy.absolute(), force)
        return
    if force:
        raise UsageError("--force is for a copy that was kept", "mlsh edit --save COPY --force")
    _edit(*_place(what, box))


def _place(what: str | None, box: str | None) -> tuple[Box, str]:
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.errors import UsageError
    from mlsh.places.editing import check_path

    if not what:
        raise UsageError("which file?", "mlsh edit BOX:PATH")
    if box is None:
        # An IPv6 address stands in brackets.
        at = what.find("]:") + 1 if what.startswith("[") else what.find(":")
        if at <= 0:
            raise UsageError(f"on which box is {what}?", f"mlsh edit BOX:{what}")
        box, what = what[:at], what[at + 1 :]
    return open_box(box, config.load()), check_path(what)


def _edit(box: Box, path: str) -> None:
    from mlsh.cli import editor
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError
    from mlsh.places import editing

    editor.words()  # before the box is asked: without an editor there is nothing to do
    remote = editing.read(box, path)
    copy = editing.keep(box.name, remote)
    if remote.before == editing.NEW:
        say(f"{box.name}: {path} is new")
    elif not remote.can_write:
        say(f"{box.name}: {path} is read-only; what you change stays on this machine")
    code, at_once = editor.edit(copy)
    after = _load(copy, remote)
    if after is None:
        if at_once and code == 0:
            say(
                f"nothing was changed, but the editor ended at once: if its window is still open, save there, then: "
                f"mlsh edit --save {shlex.quote(str(copy))}"
            )
            say("an editor with windows must wait, such as EDITOR='code --wait'")
            return
        say("nothing was changed")
        editing.forget(copy)
        if code != 0:
            raise SystemExit(code)
        return
    if code != 0:
        raise MlshError(
            f"the editor ended with {code}, so {box.name}:{path} is as it was",
            f"what you wrote is in {copy}; save it: mlsh edit --save {copy}",
        )
    if not remote.can_write:
        raise MlshError(
            f"{box.name}: {path} is read-only",
            f"what you wrote is in {copy}; once it may be written: mlsh edit --save {copy}",
        )
    _write(box, path, remote.before, after, copy)


def _load(copy: Path, remote: Remote) -> bytes | None:
    """What the editor left; None where that is what was there."""
    from mlsh.places import editing

    if remote.before == editing.NEW and not copy.exists():
        return None
    after = editing.load(copy)
    return None if after == remote.data else after


def _write(box: Box, path: str, before: str, data: bytes, copy: Path) -> None:
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError
    from mlsh.places import editing

    try:
        editing.write(box, path, before, data)
    except editing.Changed as error:
        again = f"look: ssh {box.name} cat {path} | diff - {copy}"
        error.hint = f"what you wrote is in {copy}; {again}; yours over theirs: mlsh edit --save {copy} --force"
        raise
    except MlshError as error:
        error.hint = f"what you wrote is in {copy}; save it: mlsh edit --save {copy}" + (
            f"; {error.hint}" if error.hint else ""
        )
        raise
    except KeyboardInterrupt:
        say(f"interrupted; what you wrote is in {copy}; save it: mlsh edit --save {copy}")
        raise
    editing.forget(copy)
    say(f"saved: {box.name}:{path}")


def _save_again(copy: Path, force: bool) -> None:
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.places import editing

    kept = editing.about(copy)
    copy = copy.parent / kept.name
    data = editing.load(copy)
    _write(open_box(kept.box, config.load()), kept.path, editing.ANY if force else kept.before, data, copy)
