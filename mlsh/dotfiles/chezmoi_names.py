"""What chezmoi's names of files and folders mean: `private_dot_netrc` is `.netrc`, for the person's eyes only."""

from __future__ import annotations

import msgspec

_REFUSED = {
    "run_": "is a script that chezmoi runs",
    "modify_": "is a script that chezmoi runs to change a file",
    "symlink_": "is a link that chezmoi makes",
    "remove_": "names a file that chezmoi removes",
    "encrypted_": "is encrypted",
    "external_": "comes from elsewhere",
}


class Named(msgspec.Struct, frozen=True):
    """One part of a path as it is on a box, and what chezmoi's name for it asks. `problem`: what can't be done."""

    name: str
    is_private: bool = False
    is_readonly: bool = False
    is_executable: bool = False
    is_empty: bool = False
    once: bool = False
    problem: str = ""


def named(part: str, is_folder: bool) -> Named:
    """One part of a path in a chezmoi folder, read as chezmoi reads it."""
    asked: dict[str, bool] = {}
    problem = ""
    words = {"private_": "is_private", "readonly_": "is_readonly", "exact_": ""}
    if not is_folder:
        words = {"private_": "is_private", "readonly_": "is_readonly", "empty_": "is_empty", "create_": "once"}
        words["executable_"] = "is_executable"
    name = part
    while True:
        word = next((word for word in (*words, *_REFUSED) if name.startswith(word)), None)
        if word is None or (is_folder and word not in words and word not in {"remove_", "external_"}):
            break
        name = name.removeprefix(word)
        if word in _REFUSED:
            problem = problem or _REFUSED[word]
        elif words[word]:
            asked[words[word]] = True
    if name.startswith("literal_"):
        name = name.removeprefix("literal_")
    elif name.startswith("dot_"):
        name = "." + name.removeprefix("dot_")
    if not is_folder:
        if name.endswith(".literal"):
            name = name.removesuffix(".literal")
        elif name.endswith(".tmpl"):
            name = name.removesuffix(".tmpl")
            problem = problem or "is a template, which only chezmoi can fill in"
    return Named(name=name, problem=problem, **asked)


def chezmoi_name(path: str, mode: int) -> str:
    """The path in a chezmoi folder of a file with these permission bits on a box."""
    *folders, last = path.split("/")
    asked = ("" if mode & 0o077 else "private_") + ("executable_" if mode & 0o100 else "")
    return "/".join([*(_plain(part, is_folder=True) for part in folders), _plain(last, is_folder=False, asked=asked)])


def _plain(part: str, is_folder: bool, asked: str = "") -> str:
    name = "dot_" + part[1:] if part.startswith(".") else part
    if named(asked + name, is_folder).name != part and not part.startswith("."):
        name = "literal_" + name
    if not is_folder and named(asked + name, is_folder).name != part:
        name += ".literal"
    return asked + name
