"""Real boxes for tests: real sshd, real tmux, real disks and networks that a test may break.

`bed.box("name")` makes a box in about 0.2 s; `laptop.add(box)` lets a client reach it; the fixtures in
tests/conftest.py hand both out. Everything belongs to one pytest process and ends with it, however it ends.
"""

from .bed import Bed
from .box import Box, Process, ScriptError
from .chaos_proxy import ChaosProxy
from .laptop import CommandError, Laptop
from .terminal import Sit, Terminal
from .waiting import DeadlineError, wait_for

__all__ = [
    "Bed",
    "Box",
    "ChaosProxy",
    "CommandError",
    "DeadlineError",
    "Laptop",
    "Process",
    "ScriptError",
    "Sit",
    "Terminal",
    "wait_for",
]
