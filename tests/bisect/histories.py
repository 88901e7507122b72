"""Repositories with a history of any shape, made by one `git fast-import`, and git as a person would call it."""

import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

IDENTITY = "Ada <ada@example.org>"


class History:
    """A repository in `folder`; `sha` maps the names of its commits to their full names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sha: dict[str, str] = {}
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str, check: bool = True, stdin: str = "") -> str:
        """The output of a git command in the folder."""
        ran = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, input=stdin.encode(), check=False)
        if check and ran.returncode:
            raise AssertionError(f"git {words}: {ran.stderr.decode(errors='replace')}")
        return (ran.stdout if check else ran.stdout + ran.stderr).decode(errors="replace").strip()

    def write(
        self,
        commits: Mapping[str, Sequence[str]],
        *,
        files: Mapping[str, Mapping[str, str]] | None = None,
        subjects: Mapping[str, str] | None = None,
        dates: Mapping[str, int] | None = None,
        branch: str = "main",
    ) -> None:
        """Add commits, each with the names of its parents, and put the last one on the branch.

        `files` are what a commit changes (default: a file named as the commit), `subjects` its messages.
        """
        marks = {name: number for number, name in enumerate(commits, 1)}
        stream = []
        for number, (name, parents) in enumerate(commits.items(), 1):
            message = (subjects or {}).get(name, name).encode()
            date = (dates or {}).get(name, 1_700_000_000 + len(self.sha) + number)
            if not parents:
                # A commit without `from` would continue its branch.
                stream.append(f"reset refs/heads/{branch}\n".encode())
            stream.append(f"commit refs/heads/{branch}\nmark :{number}\ncommitter {IDENTITY} {date} +0100\n".encode())
            stream.append(b"data %d\n%s\n" % (len(message), message))
            for word, parent in zip(["from", *["merge"] * len(parents)], parents, strict=False):
                stream.append(f"{word} {f':{marks[parent]}' if parent in marks else self.sha[parent]}\n".encode())
            for path, content in (files or {}).get(name, {f"f-{name}": name}).items():
                stream.append(f"M 100644 inline {path}\ndata {len(content)}\n{content}\n".encode())
        out = self.folder / ".git/marks"
        argv = ["git", "fast-import", "--quiet", "--force", f"--export-marks={out}"]
        subprocess.run(argv, cwd=self.folder, input=b"".join(stream), check=True, capture_output=True)
        by_mark = dict(line.split() for line in out.read_text().splitlines())
        self.sha.update({name: by_mark[f":{number}"] for name, number in marks.items()})
        out.unlink()
        if branch == "main":
            self.git("reset", "-q", "--hard")

    def line(self, *names: str, after: str = "") -> None:
        """Add commits one after another."""
        self.write({name: [parent] if parent else [] for name, parent in zip(names, [after, *names], strict=False)})

    def named(self, shas: Sequence[str]) -> list[str]:
        """Our names of commits."""
        back = {sha: name for name, sha in self.sha.items()}
        return [back[sha] for sha in shas]

    def bisecting(self) -> str:
        """The commit that git bisect has checked out."""
        return self.git("rev-parse", "HEAD")


def random_dag(seed: int, size: int) -> dict[str, list[str]]:
    """A history with branches, octopus merges and now and then a second root."""
    chance = random.Random(seed)
    commits: dict[str, list[str]] = {}
    heads: list[str] = []
    for number in range(size):
        name = f"c{number}"
        if not heads or (number < size // 3 and chance.random() < 0.03):
            commits[name] = []
        elif chance.random() < 0.25:
            commits[name] = chance.sample(heads, min(len(heads), chance.choice([2, 2, 2, 3])))
        else:
            commits[name] = [chance.choice(heads)]
        for parent in commits[name]:
            if parent in heads and chance.random() < 0.7:
                heads.remove(parent)
        heads.append(name)
    heads = [name for name in commits if all(name not in parents for parents in commits.values())]
    commits["end"] = heads
    return commits


def plain_environment(home: Path) -> dict[str, str]:
    """An environment for git that has a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "XDG_"))}
    return {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
