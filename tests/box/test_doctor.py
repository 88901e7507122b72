"""The doctor's judgement: what a person is told for each state of a box. Pure: facts in, findings out."""

from pathlib import Path

import msgspec
import pytest

from mlsh.box.doctor import Connection, examine
from mlsh.box.facts import Facts, Quota, Tool, parse
from mlsh.box.findings import Finding, worst
from mlsh.box.inventory import Resolved
from mlsh.box.survey import Survey
from mlsh.errors import BoxUnfit, LoginRefused, Unreachable

RECORDED = Path(__file__).parents[1] / "facts"
NOW = 1700000000.0


def facts(name: str = "debian12", **changes: object) -> Facts:
    found = parse((RECORDED / f"{name}.txt").read_text())
    return msgspec.structs.replace(found, **{"clock": NOW, **changes})


def survey(found: Facts, noise: str = "", took_s: float = 0.01) -> Survey:
    return Survey(found, asked_at=NOW - took_s / 2, answered_at=NOW + took_s / 2, noise=noise)


def reached(**changes: object) -> Connection:
    plain = Connection("gpu1", Resolved("gpu1", "10.0.0.1", "ada", 22), None, True, True, 10, 10)
    return msgspec.structs.replace(plain, **changes)


def finding(check: str, found: Facts, connection: Connection | None = None, **how: object) -> Finding:
    findings = examine(connection or reached(), survey(found, **how))  # type: ignore[arg-type]
    return min(
        (finding for finding in findings if finding.check == check),
        key=lambda finding: ["fail", "warn", "ok", "skip"].index(finding.status),
    )


def test_a_healthy_box_has_nothing_to_mend() -> None:
    findings = examine(reached(), survey(facts()))
    assert worst(findings) == "ok"
    assert not any(finding.mend for finding in findings)
    assert [finding.check for finding in findings] == [
        "reachable", "host-key", "login", "sharing", "sessions", "login-shell", "clock", "system", "tmux", "git",
        "flock", "linger", "disk", "quota", "home", "shared-home", "gpu-driver",
    ]  # fmt: skip


def test_every_failure_says_what_mends_it() -> None:
    for name in ("ubuntu2204", "alpine", "centos7", "home_hangs", "driver_failed", "driver_mismatch", "nvidia_hangs"):
        for found in examine(reached(), survey(facts(name))):
            assert bool(found.mend) == (found.status in {"warn", "fail"}), found


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unreachable("gpu1", "it does not answer", "try"), {"reachable": "fail"}),
        (LoginRefused("gpu1", "its host key is not the one you trusted", "ask"),
         {"reachable": "ok", "host-key": "fail", "login": "skip"}),
        (LoginRefused("gpu1", "it refused your key", "copy"), {"reachable": "ok", "host-key": "ok", "login": "fail"}),
        (BoxUnfit("gpu1", "no-reply", "the login shell ended", "try"),
         {"reachable": "ok", "host-key": "ok", "login": "ok", "login-shell": "fail"}),
    ],
)  # fmt: skip
def test_where_the_way_ends_is_told(error: Exception, expected: dict[str, str]) -> None:
    findings = examine(reached(error=error), None)
    assert {finding.check: finding.status for finding in findings} == expected
    assert findings[-1].what.startswith(("it", "the", "not tried"))


def test_an_open_connection_that_hides_a_refused_key_is_seen_through() -> None:
    found = examine(reached(error=LoginRefused("gpu1", "it refused your key", "copy")), survey(facts()))
    login = next(one for one in found if one.check == "login")
    assert login.status == "warn"
    assert "still open" in login.what
    assert "ssh-add" in login.mend


def test_this_machine_has_no_connection_to_judge() -> None:
    checks = [found.check for found in examine(Connection("local"), survey(facts()))]
    assert not {"host-key", "login", "sharing", "sessions"} & set(checks)


def test_a_missing_or_old_tmux_is_a_failure() -> None:
    assert finding("tmux", facts("centos7")).what == "tmux 1.8 is too old: mlsh needs 3.2"
    tools = {name: tool for name, tool in facts().tools.items() if name != "tmux"}
    missing = finding("tmux", facts(tools=tools))
    assert missing.status == "fail"
    assert "apt-get install tmux" in missing.mend
    assert finding("tmux", facts("ubuntu2204")).status == "ok"
    assert finding("tmux", facts(tools={"tmux": Tool("tmux master")})).status == "ok"
    assert finding("tmux", facts(tools={"tmux": Tool("tmux: libevent not found", (), True)})).status == "fail"


def test_git_is_needed_and_not_too_old_and_installed_in_the_box_own_way() -> None:
    assert "apk add git" in finding("git", facts("alpine")).mend
    assert finding("git", facts("centos7")).status == "fail"


def test_a_full_disk() -> None:
    full = finding("disk", facts("alpine"))
    assert full.status == "fail"
    assert "mlsh prune --on gpu1" in full.mend


def test_a_disk_with_no_room_for_more_files() -> None:
    disk = msgspec.structs.replace(facts().disks["home"], inodes_free=12)
    found = finding("disk", facts(disks={"home": disk}))
    assert found.status == "fail"
    assert "12 more files" in found.what


@pytest.mark.parametrize(
    ("quota", "status"),
    [
        (Quota("/home", 50, 100, 120), "ok"),
        (Quota("/home", 116, 0, 120), "warn"),
        (Quota("/home", 110, 100, 120, "6days"), "warn"),
        (Quota("/home", 110, 100, 120, "none"), "fail"),
        (Quota("/home", 120, 100, 120, "6days"), "fail"),
        (Quota("/home", 5, 0, 0, "", 1000, 900, 1000, "2days"), "fail"),
        (Quota("/home", 5, 0, 0), "ok"),
    ],
)
def test_quotas(quota: Quota, status: str) -> None:
    assert finding("quota", facts(quotas=(quota,))).status == status


def test_a_home_that_cannot_be_written_names_the_setting_that_helps() -> None:
    found = finding("home", facts(mlsh_writable=False))
    assert found.status == "fail"
    assert "[boxes.gpu1] home" in found.mend
    disks = {"mlsh": msgspec.structs.replace(facts().disks["mlsh"], is_read_only=True)}
    assert "read-only" in finding("home", facts(disks=disks)).what
    assert finding("home", facts(home_exists=False)).status == "fail"


def test_a_shared_home_is_told() -> None:
    assert "nfs4" in finding("shared-home", facts("ubuntu2204")).what
    assert finding("shared-home", facts()).what.startswith("no:")


def test_jobs_that_systemd_would_end_at_logout() -> None:
    found = finding("linger", facts("ubuntu2204"))
    assert found.status == "fail"
    assert "loginctl enable-linger ada" in found.mend
    assert finding("linger", facts("ubuntu2204", linger=True)).status == "ok"
    assert finding("linger", facts("ubuntu2204", kills_at_logout=False)).status == "ok"
    assert finding("linger", facts("ubuntu2204", kills_at_logout=None)).status == "warn"


@pytest.mark.parametrize(
    ("clock", "took_s", "status"),
    [
        (NOW, 0.01, "ok"),
        (NOW + 1.5, 0.01, "ok"),
        (NOW - 5, 0.01, "warn"),
        (NOW + 3, 8.0, "ok"),
        (NOW + 3600, 0.01, "fail"),
        (NOW - 90000, 0.01, "fail"),
        (None, 0.01, "skip"),
    ],
)
def test_clock_skew_is_told_apart_from_a_slow_network(clock: float | None, took_s: float, status: str) -> None:
    assert finding("clock", facts(clock=clock), took_s=took_s).status == status


def test_the_direction_of_the_skew_is_right() -> None:
    assert "ahead of" in finding("clock", facts(clock=NOW + 60)).what
    assert "behind" in finding("clock", facts(clock=NOW - 60)).what


def test_start_up_files_that_print_or_take_long() -> None:
    assert "Welcome" in finding("login-shell", facts(), noise="Welcome").what
    slow = finding("login-shell", facts("ubuntu2204"))
    assert (slow.status, slow.what) == ("warn", "its start-up files take 900 ms, before each command")


def test_connections_that_cannot_be_shared() -> None:
    assert finding("sharing", facts(), reached(is_shared=False, sessions=None)).status == "warn"
    assert finding("sharing", facts(), reached(is_shared=False, wants_shared=False, sessions=None)).status == "skip"
    assert "MaxSessions" in finding("sessions", facts(), reached(sessions=2)).mend


def test_memory_that_nobody_seems_to_hold() -> None:
    found = finding("gpu-processes", facts("nvidia4"))
    assert found.status == "warn"
    assert "GPU 3" in found.what


def test_a_card_without_a_driver() -> None:
    assert finding("gpu-driver", facts(cards=("0x10de",))).status == "fail"
    assert finding("gpu-driver", facts(cards=())).status == "skip"


def test_a_hanging_disk_is_a_finding_and_not_a_hang() -> None:
    assert "hangs" in finding("disk", facts("home_hangs")).what
    assert finding("tmux", facts("home_hangs")).status == "ok"


def test_a_small_disk_is_not_a_full_one() -> None:
    small = msgspec.structs.replace(facts().disks["tmp"], mount="/tmp", total_kib=65536, free_kib=65000)
    assert finding("disk", facts(disks={"tmp": small})).status == "ok"
    full = msgspec.structs.replace(small, free_kib=0)
    told = finding("disk", facts(disks={"tmp": full}))
    assert told.status == "warn"
    assert "mlsh prune" not in told.mend
    busy = msgspec.structs.replace(small, free_kib=20000, inodes_free=8192)
    assert finding("disk", facts(disks={"tmp": busy})).status == "ok"
