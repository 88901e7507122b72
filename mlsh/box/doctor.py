"""What stands between a person and jobs on a box, and for each thing the command that mends it.

`look_at` asks the box, and changes nothing on it; `examine` judges what came, and is pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mlsh.box import LOCAL, Box, check_disks, check_gpus, check_system
from mlsh.box.findings import Finding, Status
from mlsh.box.inventory import Resolved
from mlsh.box.survey import Survey
from mlsh.config import Settings
from mlsh.errors import BoxUnfit, LoginRefused, MlshError

SLOW_LOGIN_S = 0.3
# make and rsync start to go wrong at a second or two; the times of a log mislead after some minutes.
SKEW_WARN_S = 2.0
SKEW_FAIL_S = 300.0
STOP_EARLY = "make this the first line of ~/.bashrc there: case $- in *i*) ;; *) return ;; esac"


class Connection(msgspec.Struct, frozen=True):
    """How the way to a box behaved.

    `error` is what a new login came to, where it did not come in. `is_shared` says whether calls share a
    connection; `wants_shared`, whether config.toml lets them. `sessions` is how many commands of the
    `sessions_tried` could run over it at once; None where that was not tried.
    """

    box: str
    resolved: Resolved | None = None
    error: MlshError | None = None
    is_shared: bool = False
    wants_shared: bool = True
    sessions: int | None = None
    sessions_tried: int = 0

    @property
    def is_local(self) -> bool:
        """Whether there is no connection at all."""
        return self.box == LOCAL


class _Unshared(Settings):
    """The same settings for a login of its own, which tells what an open connection hides."""

    def __init__(self, settings: Settings) -> None:
        super().__init__({"ssh_config": settings.ssh_config} if settings.ssh_config else {})

    def multiplex(self, box: str) -> bool:
        """Never."""
        del box
        return False


def look_at(box: Box) -> tuple[Connection, Survey | None]:
    """Everything that `examine` wants to know. Errors of ours on the way are part of the answer.

    A new login is tried once, with the keys that there are; nothing is asked, and no password is sent.
    """
    from mlsh.box import inventory, survey

    if box.name == LOCAL:
        try:
            return Connection(LOCAL), survey.look(box)
        except MlshError as error:
            return Connection(LOCAL, error=error), None
    resolved = None
    try:
        resolved = inventory.resolve(box.name, box.settings)
        return _look_over_there(box, resolved)
    except MlshError as error:
        return Connection(box.name, resolved, error), None


def _look_over_there(box: Box, resolved: Resolved) -> tuple[Connection, Survey | None]:
    from mlsh.box import sessions, survey

    error = _new_login(box)
    if error is not None and not (isinstance(error, LoginRefused) and sessions.is_shared(box)):
        return Connection(box.name, resolved, error), None
    seen = survey.look(box)
    shared = sessions.is_shared(box)
    connection = Connection(
        box.name,
        resolved,
        error,
        is_shared=shared,
        wants_shared=box.settings.multiplex(box.name),
        sessions=sessions.count(box) if shared else None,
        sessions_tried=sessions.SESSIONS,
    )
    return connection, seen


def _new_login(box: Box) -> MlshError | None:
    """What keeps a new login out, or None. Not over a shared connection: that may be from before a change."""
    from mlsh.box.openssh import OpenSSHBox

    fresh = OpenSSHBox(box.name, _Unshared(box.settings))
    fresh.may_prompt = False
    if isinstance(box, OpenSSHBox):
        box.may_prompt, box.attempts = False, 1
    try:
        failure = fresh.explain_failure(fresh.run(["true"]))
    except MlshError as error:
        return error
    return failure if isinstance(failure, MlshError) else None


def examine(connection: Connection, survey: Survey | None) -> list[Finding]:
    """Judge a box: the way there first, then what it is and has. Each check has one finding; `disk` one a disk."""
    found = list(_way(connection, survey is not None))
    if survey is None:
        return found
    facts = survey.facts
    found += _calls(connection, survey)
    found.append(_clock(connection.box, survey))
    found += check_system.tools(facts)
    found.append(check_system.linger(facts))
    found += check_disks.disks(connection.box, facts)
    found += check_gpus.driver_and_processes(connection.box, facts)
    return found


# The way there


def _way(connection: Connection, is_surveyed: bool) -> Iterator[Finding]:
    error, box = connection.error, connection.box
    # The heading names the box already.
    said = error.what.removeprefix(f"{box}: ") if error is not None else ""
    if connection.is_local:
        if error is None:
            yield Finding("reachable", "ok", "this machine, with no ssh in between")
        else:
            yield Finding("reachable", "fail", said, error.hint)
        return
    where = _where(connection.resolved) if connection.resolved else box
    if error is not None and not isinstance(error, LoginRefused | BoxUnfit):
        yield Finding("reachable", "fail", said, error.hint)
        return
    yield Finding("reachable", "ok", f"{where} answers")
    if isinstance(error, LoginRefused) and "host key" in said:
        yield Finding("host-key", "fail", said, error.hint)
        yield Finding("login", "skip", "not tried: the host key comes first")
        return
    yield Finding("host-key", "ok", "it is the one that you confirmed")
    if isinstance(error, LoginRefused):
        mend = f"{error.hint}; a key with a passphrase: ssh-add, then again"
        what = f"{said}; only a connection that is still open works" if is_surveyed else said
        yield Finding("login", "warn" if is_surveyed else "fail", what, mend)
        return
    yield Finding("login", "ok", "your key opens it")
    if error is not None:
        yield Finding("login-shell", "fail", said, error.hint)


def _where(resolved: Resolved) -> str:
    port = "" if resolved.port == 22 else f":{resolved.port}"
    way = f" by way of {resolved.proxy_jump}" if resolved.proxy_jump else ""
    return f"{resolved.user}@{resolved.hostname}{port}{way}"


def _calls(connection: Connection, survey: Survey) -> Iterator[Finding]:
    if not connection.is_local:
        yield _sharing(connection)
        yield _sessions(connection)
    took = survey.facts.login_s
    said = f"its start-up files print something for each command: {survey.noise!r}" if survey.noise else ""
    if said:
        yield Finding("login-shell", "warn", said, STOP_EARLY)
    elif took is not None and took > SLOW_LOGIN_S:
        yield Finding(
            "login-shell", "warn", f"its start-up files take {took * 1000:.0f} ms, before each command", STOP_EARLY
        )
    elif connection.is_local:
        yield Finding("login-shell", "ok", survey.facts.login_shell or "unknown")
    else:
        shell = survey.facts.login_shell or "the login shell"
        yield Finding("login-shell", "ok", f"{shell}; a command takes {survey.call_s * 1000:.0f} ms to begin")


def _sharing(connection: Connection) -> Finding:
    if connection.is_shared:
        return Finding("sharing", "ok", "commands share one connection")
    if not connection.wants_shared:
        return Finding("sharing", "skip", "turned off in config.toml (multiplex = false): each command connects anew")
    return Finding(
        "sharing",
        "warn",
        "no connection can be shared from this machine, so each command connects anew and is slow",
        "put the sockets on a local disk: export XDG_RUNTIME_DIR=/run/user/$(id -u)",
    )


def _sessions(connection: Connection) -> Finding:
    count = connection.sessions
    if count is None:
        return Finding("sessions", "skip", "not tried: there is no shared connection")
    if count >= connection.sessions_tried:
        return Finding("sessions", "ok", f"{count} commands at once over one connection")
    return Finding(
        "sessions",
        "warn",
        f"its sshd lets only {count} commands at once through one connection, and others connect anew",
        "whoever runs it: set MaxSessions 10 in /etc/ssh/sshd_config, then: sudo systemctl reload ssh",
    )


def _clock(box: str, survey: Survey) -> Finding:
    told = survey.facts.clock
    if told is None:
        return Finding("clock", "skip", "it does not tell its time")
    # The box told its time somewhere between the two readings of ours.
    ahead = told - survey.answered_at, told + survey.facts.clock_step_s - survey.asked_at
    skew = 0.0 if ahead[0] <= 0 <= ahead[1] else min(ahead, key=abs)
    if abs(skew) < SKEW_WARN_S:
        return Finding("clock", "ok", f"within {max(abs(skew), survey.call_s):.1f} s of this machine's")
    way = "ahead of" if skew > 0 else "behind"
    status: Status = "fail" if abs(skew) >= SKEW_FAIL_S else "warn"
    return Finding(
        "clock",
        status,
        f"it is {_duration(abs(skew))} {way} this machine's",
        f"see which of the two is wrong: timedatectl; ssh {box} timedatectl; there: sudo timedatectl set-ntp true",
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 172800 else f"{seconds / 86400:.0f} days"
