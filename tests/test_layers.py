"""Each layer imports only those below it, and only mlsh/box starts processes (the contracts in pyproject.toml)."""

import subprocess
import sys
from pathlib import Path


def test_the_layers_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [command, "--no-cache"], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
