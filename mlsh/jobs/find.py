"""Find a job: in the laptop's record, else by asking boxes."""

from __future__ import annotations

from mlsh.box import LOCAL, Box, open_box
from mlsh.config import Settings
from mlsh.errors import MlshError, NotFound, RefusedInput
from mlsh.jobs import ids, journal
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.refs import choose, only_job
from mlsh.records import Launched


def find(text: str, settings: Settings, on: str | None = None) -> tuple[OnBox, str]:
    """The box and the id of the job that `text` means, or of the task (`ID-17`); see `refs.choose`.

    Asks boxes only for a job that was not launched from here: the box `on`, else every box that jobs were
    ever launched on from here, and `local`. Raises NotFound, UsageError.
    """
    choice = choose(text, journal.read(), on)
    if choice.problem is not None:
        raise choice.problem
    if choice.found is not None:
        return OnBox(open_box(choice.found.box, settings)), choice.id
    if not ids.is_prefix(text):
        ids.check_name(text, "a job")
    return _ask(text, settings, [on] if on else known_boxes(settings))


def known_boxes(settings: Settings) -> list[str]:
    """`local`, and the boxes that jobs were launched on from here."""

    def names() -> list[str]:
        from mlsh.box import inventory  # only a launch that was never confirmed makes this necessary

        return inventory.names(settings)

    return list(dict.fromkeys([LOCAL, *journal.boxes(names)]))


def _ask(text: str, settings: Settings, names: list[str]) -> tuple[OnBox, str]:
    from mlsh.box.fanout import side_by_side
    from mlsh.jobs.standing import is_array
    from mlsh.jobs.store import Listing, list_jobs

    def listing(box: Box) -> Listing:
        return list_jobs(OnBox(box))

    known: list[Launched] = []
    silent: list[str] = []
    for box, answer in side_by_side([open_box(name, settings) for name in names], listing):
        if isinstance(answer, MlshError):
            silent.append(box.name)
        else:
            known += [
                Launched(job.id, box.name, job.spec.created, job.spec.name, array=is_array(job.spec))
                for job in answer.jobs
            ]
    known.sort(key=lambda job: job.created)
    choice = choose(text, known)
    if choice.problem is not None:
        raise choice.problem
    if choice.found is not None:
        return OnBox(open_box(choice.found.box, settings)), choice.id
    if single := only_job(text, known):
        raise NotFound(
            f"{single.box}: {single.name or single.id} is one job, and has no tasks", f"see: mlsh show {single.id}"
        )
    unasked = f" ({', '.join(silent)} did not answer)" if silent else ""
    raise NotFound(
        f"there is no job {text} on {', '.join(names)}{unasked}",
        "see what there is: mlsh ps -a; another box: --on BOX",
    )


def refuse_box_reference(name: str) -> None:
    """Raise RefusedInput for a job name that would be read as something else."""
    if ids.is_id(name):
        raise RefusedInput(f"{name} looks like a job's id, so it can't be a name", "choose another name")
