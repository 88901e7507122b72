"""Names for several boxes: groups in config.toml or in a project's mlsh.toml, and `any`.

    [groups]
    lab = ["gpu1", "gpu2"]

A project's file comes with code from elsewhere. So it may name only boxes that the person has, and a group of
config.toml wins over one of the same name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlsh.box import LOCAL, check_name
from mlsh.config import Settings, bad_groups
from mlsh.errors import ConfigError, UsageError
from mlsh.jobs import journal

ANY = "any"
FILE = "mlsh.toml"


class Group(NamedTuple):
    """The boxes of a group, and a note where its name means something to ssh too."""

    boxes: list[str]
    note: str = ""


def expand(names: Sequence[str], settings: Settings, folder: Path) -> list[str]:
    """Boxes for names of boxes and groups, each once, in that order. Raises what `find` does."""
    found: list[str] = []
    for name in names:
        group = find(name, settings, folder)
        found += group.boxes if group else [name]
    return list(dict.fromkeys(found))


def find(name: str, settings: Settings, folder: Path) -> Group | None:
    """The group of that name, None where there is none: then the name is that of a box.

    `any` is every box of a group in config.toml, and those that jobs were launched on from here; this machine is
    among them only where a group names it. Raises ConfigError for a group that can't be, UsageError for an `any`
    that means no box.
    """
    if name == LOCAL:
        return None
    mine = settings.groups
    boxes = mine.get(name)
    if boxes is None:
        boxes = _of_project(name, settings, folder)
    if boxes is None and name == ANY:
        grouped = [box for group in mine.values() for box in group]
        boxes = list(dict.fromkeys([*grouped, *(box for box in _launched_on(settings) if box != LOCAL)]))
        if not boxes:
            raise UsageError(
                "--on any: no job was launched on another machine from here, and config.toml has no groups",
                'name them in config.toml: [groups] lab = ["gpu1", "gpu2"]',
            )
    if boxes is None:
        return None
    from mlsh.box import inventory

    note = ""
    if name in inventory.names(settings):
        note = f"--on {name} is the group of boxes here, not the Host {name} of your ssh config"
    return Group([check_name(box) for box in dict.fromkeys(boxes)], note)


def _launched_on(settings: Settings) -> list[str]:
    from mlsh.box import inventory

    return journal.boxes(lambda: inventory.names(settings))


def _of_project(name: str, settings: Settings, folder: Path) -> list[str] | None:
    path = project_file(folder)
    if path is None:
        return None
    boxes = read_groups(path).get(name)
    if boxes is None:
        return None
    from mlsh.box import inventory

    known = {*inventory.names(settings), *_launched_on(settings)}
    for box in boxes:
        if box not in known:
            raise ConfigError(
                f"{path}: the group {name} names {box}, which is no Host of your ssh config",
                "a project's file can name only boxes that you have; see: mlsh box list",
            )
    return boxes


def project_file(folder: Path) -> Path | None:
    """The mlsh.toml of a folder or of the nearest one above it; none that somebody else could have put there."""
    for above in (folder, *folder.parents):
        path = above / FILE
        try:
            if path.stat().st_uid in {os.getuid(), 0}:
                return path
        except OSError:
            continue
    return None


def read_groups(path: Path) -> dict[str, list[str]]:
    """The groups of a mlsh.toml; raises ConfigError where it is anything else."""
    import tomllib

    try:
        table: dict[str, Any] = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    groups = table.get("groups", {})
    unknown = sorted(set(table) - {"groups", "bootstrap"})
    bad = f"there is no setting `{unknown[0]}`" if unknown else ""
    bad = bad or ("`groups` must be a table" if not isinstance(groups, dict) else bad_groups(groups))
    if bad:
        raise ConfigError(f"{path}: {bad}", "mlsh's settings: docs/reference/settings.md")
    return {str(name): [str(box) for box in boxes] for name, boxes in groups.items()}
