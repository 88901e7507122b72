"""`--on any` and `--on GROUP`: look at several boxes, choose one, and say why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsh.config import Settings


def place(name: str, settings: Settings, options: dict[str, Any], with_code: bool, dry_run: bool) -> str:
    """The box that `--on` means: itself, or the one of a group that is chosen for a job with these options.

    Raises BoxUnfit where none of the group will do.
    """
    from mlsh.jobs import groups

    group = groups.find(name, settings, Path.cwd())
    if group is None:
        return name
    from mlsh.cli.queue_options import wanted
    from mlsh.cli.talk import say
    from mlsh.errors import BoxUnfit
    from mlsh.jobs import placement
    from mlsh.jobs.room import look

    if group.note:
        say(group.note)
    fields = wanted(**options)
    wish = placement.Wish(**{field: fields[field] for field in placement.Wish.__struct_fields__ if field in fields})
    choice = placement.decide(wish, look(group.boxes, wish, settings, with_code))
    if not choice.box:
        raise BoxUnfit(
            f"--on {name}",
            "no-room",
            placement.unplaced(choice, group.boxes),
            "one of them in particular, as soon as it will do: --on BOX",
        )
    say(placement.explain(choice) + ("; it may be another when the job is launched" if dry_run else ""))
    return choice.box
