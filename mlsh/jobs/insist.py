"""Ask a box again when the connection broke: only for what is harmless twice."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlsh.box import process
from mlsh.errors import BoxUnfit, MlshError, Unreachable
from mlsh.jobs.onbox import OnBox

ATTEMPTS = 6
_BACK_OFF_S = (0.3, 1.0, 2.0, 4.0, 8.0)


def insist(ask: Callable[[], bytes], on_box: OnBox) -> bytes:
    """Ask, and after a broken connection ask again, with back-off. Only for what is harmless twice."""
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except (Unreachable, BoxUnfit) as error:
            # A connection that breaks between the exit code and the output looks like a shell that said nothing.
            cut = isinstance(error, Unreachable) or (error.kind == "no-reply" and attempt == 0)
            if not cut or attempt + 1 == ATTEMPTS or "no such host" in error.what:
                raise
            process.log.say(f"# {error.what}; asking again")
            if attempt:
                on_box.box.drop_connection()
            time.sleep(_BACK_OFF_S[attempt])
    raise MlshError("unreachable")


def whole(answer: bytes, on_box: OnBox) -> bytes:
    """An answer that ends with `end`; raises Unreachable for one that was cut off.

    sshd tells the exit code before the last of the output, and the connection may break in between.
    """
    if not answer.endswith(b"end\n"):
        raise Unreachable(on_box.box.name, "its answer was cut short", "try again")
    return answer
