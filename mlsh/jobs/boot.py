"""Have a box start jobs again after it has booted."""

from __future__ import annotations

from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox

MADE = {
    "systemd": "after a reboot its jobs are started again by a systemd user unit, mlsh-resume.service, which "
    "mlsh prune takes away",
    "cron": "after a reboot its jobs are started again by a line in your crontab there (see it: crontab -l), which "
    "mlsh prune takes away",
    "contact": "after a reboot its jobs are started again when mlsh next looks at it (mlsh ps): systemd runs no units "
    "of yours without a login there (that would be: loginctl enable-linger), and no cron runs",
}


def arrange(on_box: OnBox) -> tuple[str, bool]:
    """Put the best there that the box has; returns which (`systemd`, `cron`, `contact`), and whether that is news."""
    answer = insist(lambda: whole(on_box.call("boot", "on"), on_box), on_box).decode()
    fate, _, how = answer.splitlines()[0].partition(" ")
    return (how if how in MADE else "contact"), fate == "made"
