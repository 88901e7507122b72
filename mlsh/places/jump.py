"""Ask zoxide, where it is, which folder is meant."""

from __future__ import annotations

from collections.abc import Sequence

from mlsh.box import CALL_TIMEOUT_S, LOCAL, Box, process
from mlsh.errors import BoxUnfit, NotFound, RefusedInput
from mlsh.places import scripts

_MISSING = 97


def folders(box: Box, words: Sequence[str], every: bool) -> list[str]:
    """The folder that these words mean on a box; with `every` all that fit, the likeliest first.

    Raises BoxUnfit where there is no zoxide, NotFound where no folder fits.
    """
    if any("\0" in word for word in words):
        raise RefusedInput("a word can't have a NUL byte")
    asked = [*(["--list"] if every else []), "--", *words]
    if box.name == LOCAL:
        # With the person's own variables: they say where zoxide keeps what it knows.
        ran = process.run(scripts.argv("zoxide", *asked), timeout_s=CALL_TIMEOUT_S)
        answer = ran.stdout.partition(b"\n")[2]
    else:
        ran, answer = scripts.call(box, "zoxide", *asked)
    if ran.returncode == _MISSING:
        bootstrap = "" if box.name == LOCAL else f", or: mlsh bootstrap {box.name}"
        raise BoxUnfit(
            box.name,
            "no-zoxide",
            "there is no zoxide",
            f'sudo apt-get install zoxide{bootstrap}; then in ~/.bashrc: eval "$(zoxide init bash)"',
        )
    found = answer.decode(errors="surrogateescape").splitlines()
    if ran.returncode != 0 or not found:
        raise NotFound(f"{box.name}: zoxide knows no folder for {' '.join(words)}", "it learns where you cd to")
    return found
