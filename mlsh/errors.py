"""Everything that mlsh reports to a person, and the exit code of each.

    MlshError                 what happened, where, and what to type next
    ├── UsageError            the command line makes no sense as typed                  2
    ├── RefusedInput          a name, value or file that could not travel byte-exact   65
    ├── NotFound              no such job, box or file                                 66
    ├── BoxError              something about one box
    │   ├── Unreachable       no answer: name, network, time-out                       69
    │   ├── LoginRefused      it answers, and won't let us in (key, host key)          77
    │   ├── BoxUnfit          it lets us in, but lacks something (tmux, disk, home)    71
    │   └── BoxBusy           somebody else is at work there; later it will do         75
    ├── SecretsLocked         the keyring or the encrypted file does not open          77
    ├── SnapshotRefused       the code could not be taken as it is (too large, ...)    65
    └── ConfigError           a file of settings that can't be read                    78

A job's own exit code is passed on as it is, so ours stay above 63, where few programs go.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What `mlsh` exits with when it is not passing on a job's own code."""

    OK = 0
    USAGE = 2
    REFUSED = 65
    NOT_FOUND = 66
    UNREACHABLE = 69
    INTERNAL = 70
    BOX_UNFIT = 71
    LOST = 72
    TRY_AGAIN = 75
    LOGIN_REFUSED = 77
    CONFIG = 78
    TIMEOUT = 124
    INTERRUPTED = 130
    """Ctrl-C on mlsh itself, and a job that was cancelled."""


class MlshError(Exception):
    """An error that a person can act on.

    `what` says what happened and where; `hint` is the next thing to do, a command where there is one.
    """

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(MlshError):
    """The command line makes no sense as typed."""

    exit_code = ExitCode.USAGE


class RefusedInput(MlshError):
    """A name, value or file that could not travel byte-exact, refused before anything ran."""

    exit_code = ExitCode.REFUSED


class SnapshotRefused(MlshError):
    """The code could not be taken as it is."""

    exit_code = ExitCode.REFUSED


class NotFound(MlshError):
    """No such job, box or file."""

    exit_code = ExitCode.NOT_FOUND


class SecretsLocked(MlshError):
    """Where secrets are kept does not open: a locked keyring, a wrong passphrase, nobody to ask for it."""

    exit_code = ExitCode.LOGIN_REFUSED


class ConfigError(MlshError):
    """A file of settings that can't be read."""

    exit_code = ExitCode.CONFIG


class BoxError(MlshError):
    """Something about one box; `box` is its name.

    `is_early` where it is certain that the command of this call never began: there was no login.
    """

    is_early = False

    def __init__(self, box: str, what: str, hint: str = "") -> None:
        super().__init__(f"{box}: {what}", hint)
        self.box = box


class Unreachable(BoxError):
    """The box did not answer: name, network, or time-out. Trying again may help."""

    exit_code = ExitCode.UNREACHABLE


class LoginRefused(BoxError):
    """The box answered and did not let us in: key, password, or a changed host key."""

    exit_code = ExitCode.LOGIN_REFUSED


class BoxUnfit(BoxError):
    """The box let us in but can't do the work; `kind` is a word from docs/box-layout.md."""

    exit_code = ExitCode.BOX_UNFIT

    def __init__(self, box: str, kind: str, what: str, hint: str = "") -> None:
        super().__init__(box, what, hint)
        self.kind = kind


class BoxBusy(BoxError):
    """Somebody else is at work there, or a network is away: the same later may do."""

    exit_code = ExitCode.TRY_AGAIN
