"""What mlsh's line in an rc file costs a shell at its start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Row, once, pairs, row

if TYPE_CHECKING:
    from tests.bench.cases import Bench

_RC = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
_REACH_S = 0.005


def start(bench: Bench) -> list[Row]:
    """CPU of an interactive shell that ends at once: its rc file with mlsh's line and the starter set, and empty."""
    rows = []
    for shell, rc in _RC.items():
        bare = _home(bench, f"{shell}-bare", rc)
        ours = _home(bench, f"{shell}-ours", rc)
        once([bench.mlsh, "alias", "import", "--starter"], _env(bench, ours), ours)
        with (ours / rc).open("wb") as file:
            once([bench.mlsh, "shell", "init", shell, "--line"], _env(bench, ours), ours, stdout=file.fileno())
        argv = [shell, "-i", "-c", "exit 0"]
        left, right = pairs(
            lambda ours=ours, argv=argv: once(argv, _env(bench, ours), ours).cpu_s,
            lambda bare=bare, argv=argv: once(argv, _env(bench, bare), bare).cpu_s,
            bench.rounds * 5,
        )
        assert list((ours / ".cache/mlsh").glob(f"init.{shell}")), "the first start keeps the text"
        more = [with_line - without for with_line, without in zip(left, right, strict=True)]
        what = f"CPU of a start of {shell} with mlsh's line and 80 aliases, less that of one without"
        rows.append(row(what, "5 ms", more, [_REACH_S] * len(more), 1))
    return rows


def _home(bench: Bench, name: str, rc: str) -> Path:
    home = bench.laptop.directory / name
    (home / ".config/fish").mkdir(parents=True)
    (home / rc).touch()
    return home


def _env(bench: Bench, home: Path) -> dict[str, str]:
    kept = {key: value for key, value in bench.env.items() if not key.startswith("XDG_")}
    return kept | {"HOME": str(home), "PATH": f"{Path(bench.mlsh).parent}:{kept['PATH']}"}
