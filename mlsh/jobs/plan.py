"""What would run, in the plain commands that it is made of, for `--dry-run`."""

from __future__ import annotations

import shlex

from mlsh.box import LOCAL
from mlsh.jobs.onbox import OnBox
from mlsh.records import Spec


def path(where: str) -> str:
    """A path on a box as a word for the shell there: quotes, options and ssh would all keep a `~` from its meaning."""
    if where.startswith("~/"):
        return f'"$HOME"/{shlex.quote(where[2:])}'
    return '"$HOME"' if where == "~" else shlex.quote(where)


def on_box_line(box: str, command: str) -> str:
    """A command for a box as it is typed here: for ssh all of it is one word."""
    return command if box == LOCAL else f"ssh {shlex.quote(box)} {shlex.quote(command)}"


def lines(on_box: OnBox, spec: Spec, no_code: bool) -> list[str]:
    """A launch, step by step; the parts in <> are known only when it runs."""
    home = on_box.home
    job, tree = path(f"{home}/jobs/{spec.id}"), path(f"{home}/trees/{spec.id}")
    repo = f"{path(f'{home}/repos')}/<name>.git"
    said = []
    if not no_code:
        said += [
            "# here: the code as it is, as a commit in mlsh's own cache (your repository is not touched)",
            "shadow='--git-dir=<cache>/snapshots/<name>.git --work-tree=<top of the repository>'",
            "git $shadow ls-files -z --others --modified --exclude-standard | "
            "git $shadow update-index --add --remove -z --stdin",
            "git $shadow commit-tree -m 'mlsh snapshot' $(git $shadow write-tree)  # this is <commit>",
            "# to the box, only what it lacks",
            "echo <commit> | git $shadow pack-objects --revs --thin --stdout | "
            + on_box_line(spec.box, f"git --git-dir={repo} index-pack --stdin --fix-thin"),
        ]
    files = f"spec.json job.sh argv env{' secret' if spec.secrets else ''}"
    pipe = shlex.quote(f"cat >>{job}/log")
    tmux = (
        f"tmux -L mlsh new-session -d -s {spec.id} sh {path(f'{home}/lib')}/<version>/runner.sh {spec.id} "
        f"\\; pipe-pane {pipe}"
    )
    said += [
        f"# on {spec.box}: the job's folder, then its runner in tmux, its output into a log",
        f"{on_box_line(spec.box, f'mkdir {job}')}  # with {files}",
        on_box_line(spec.box, tmux),
        "# the runner, there, in that tmux session",
    ]
    if not no_code:
        said.append(f"git --git-dir={repo} worktree add --detach {tree} <commit>")
    if spec.setup:
        said.append(f"cd {tree} && {spec.setup}  # once for the same lock files")
    said += _command(spec, tree, no_code)
    if spec.time_limit_s:
        said.append(f"# after {spec.time_limit_s} s: SIGINT, {spec.grace_s} s later SIGTERM, 5 s later SIGKILL")
    said += [f"# ended as FAILED when its log says: {rule}" for rule in spec.fail_if]
    if spec.idle_timeout_s:
        said.append(f"# ended after {spec.idle_timeout_s} s without output")
    if spec.memory_mib:
        said.append(f"# ended when its processes use more than {spec.memory_mib} MiB together")
    said += [f"# told: {text}" for text in spec.notify]
    return said


def _command(spec: Spec, tree: str, no_code: bool) -> list[str]:
    """The command; of an array, that of its first task."""
    if not (spec.array or spec.sweep):
        return [f"cd {_folder(spec, tree, no_code)} && {shlex.join(spec.argv)}"]
    from mlsh.jobs.sweep import describe, tasks_of, words_of

    found = tasks_of(spec)
    first = found.tasks[0]
    at_once = f"{found.at_once} at a time" if found.at_once else "as many at a time as fit"
    tree = f"{tree}-{first.number:06}"
    return [
        f"# {len(found.tasks)} tasks, {at_once}, each in a folder of its own; the first: {describe(first)}",
        f"cd {_folder(spec, tree, no_code)} && {shlex.join(words_of(spec.argv, first))}",
    ]


def _folder(spec: Spec, tree: str, no_code: bool) -> str:
    if spec.workdir.startswith(("/", "~")):
        return path(spec.workdir)
    inside = f"/{shlex.quote(spec.workdir)}" if spec.workdir else ""
    return f"{path('~') if no_code else tree}{inside}"
