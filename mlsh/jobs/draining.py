"""Let nothing begin on a box any more, and let it again."""

from __future__ import annotations

from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox


def drain(on_box: OnBox, why: str) -> None:
    """From now on nothing begins there: launches are refused, and what stands in line waits. What runs goes on."""
    _tell(on_box, "on", " ".join(why.split()))


def undrain(on_box: OnBox) -> None:
    """Let jobs begin there again."""
    _tell(on_box, "off", "-")


def _tell(on_box: OnBox, how: str, why: str) -> None:
    insist(lambda: whole(on_box.call("drain", how, why), on_box), on_box)
