"""What a rule finds in a log, and what it must not: tried with the shells, greps and awks that boxes have."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mlsh.errors import UsageError
from mlsh.jobs import guards

LIB = Path(guards.__file__).parent / "box"
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
# What guard.sh defines around it: how a job ends, and what is told of it.
AROUND = """
set -u
end_job() { printf 'END %s\\n' "$1"; exit 0; }
tell() { printf 'TELL %s %s\\n' "$1" "$2"; }
say() { printf 'SAY %s\\n' "$1"; }
at=0
. "$0"
log_size
read_on "$1"
echo "AT $at"
"""


def look(
    folder: Path, rules: list[str], log: bytes, shell: list[str], how: str = "lines", told: list[str] | None = None
) -> str:
    """What guard_log.sh makes of a log."""
    (folder / "guard-told").unlink(missing_ok=True)
    (folder / "guards").write_bytes(guards.rules_file(rules, told or []))
    (folder / "log").write_bytes(log)
    words = shell
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    if shell[0] == "busybox":
        # Its own grep, sed and awk, not those of the machine.
        tools = folder / "tools"
        tools.mkdir(exist_ok=True)
        for tool in ("sh", "grep", "sed", "awk", "tail", "head", "tr", "wc", "cut", "stat"):
            (tools / tool).symlink_to(shutil.which("busybox") or "busybox") if not (tools / tool).exists() else None
        words, env = [str(tools / "sh")], {"PATH": str(tools), "LC_ALL": "C"}
    ran = subprocess.run(
        [*words, "-c", AROUND, str(LIB / "guard_log.sh"), how],
        cwd=folder,
        env=env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert not ran.stderr, ran.stderr.decode(errors="replace")[:2000]
    return ran.stdout.decode(errors="replace")


FOUND = [
    ("loss is nan", "step 3 loss: nan"),
    ("loss is nan", "loss=NaN"),
    ("loss is nan", '{"step": 3, "loss": NaN, "lr": 1}'),
    ("loss is nan", "\x1b[31mloss\x1b[0m: \x1b[1mnan\x1b[0m lr: 1"),
    ("loss is nan", " 10%|#   | 1/10 [00:01, loss=0.5]\r 20%|##  | 2/10 [00:02, loss=nan]\r"),
    ("loss is nan", "loss: tensor(nan, device='cuda:0')"),
    ("loss is nan", "\x00loss = -nan(ind)"),
    ("loss is nan", "a\x1b]0;title\x07loss=nan\xff\xfe"),
    ("loss is inf", "loss: -inf"),
    ("loss is inf", "loss=Infinity"),
    ("val loss is nan", "val loss: nan"),
    ("train/loss is nan", "train/loss=nan"),
    ("a.b > 1", "a.b=2"),
    ("loss > 10", "loss: 10.5"),
    ("loss > 10", "loss=1.1e1,acc=3"),
    ("loss > 10", '{"loss":11,"acc":3}'),
    ("loss > 10", "loss: inf"),
    ("loss > 10", "loss: 11."),
    ("loss > 10", "loss: 1 | loss: 12"),
    ("loss >= 10", "loss=10"),
    ("acc < 0.1", "acc: .05"),
    ("acc<=-1e-3", "acc: -0.001"),
    ("acc < 0.1", "acc: 5e-2%"),
    ("/CUDA (error|out of memory)/", "RuntimeError: CUDA out of memory."),
    ("/a\\/b/", "x a/b y"),
    ("/^Traceback/", "Traceback (most recent call last):"),
    ("/[0-9]{3}\\$/", "cost 123$"),
    ("loss is nan", "x" * 5_000_000 + " loss=nan " + "y" * 5_000_000),
]
NOT_FOUND = [
    ("loss is nan", "step 3 loss: 0.5"),
    ("loss is nan", "val_loss: nan"),
    ("loss is nan", "train/loss: nan"),
    ("loss is nan", "loss: nano"),
    ("loss is nan", "glossy: nan"),
    ("loss is nan", "the loss is nan"),
    ("loss is nan", "mlsh: attempt 1 ended with 1 (loss is nan: loss: nan)"),
    ("a.b is nan", "axb=nan"),
    ("loss is inf", "loss: info"),
    ("loss > 10", "loss: 10"),
    ("loss > 10", "loss: 0.5"),
    ("loss > 10", "loss: nan"),
    ("loss > 10", "loss: -inf"),
    ("loss > 10", "loss: 12ms"),
    ("loss > 10", "loss: 11.2.3"),
    ("loss > 10", "loss: 1e-20"),
    ("loss > 10", "loss_scale: 65536"),
    ("loss < 0", "loss: 1 - 2"),
    ("/^Trace/", "a Traceback"),
    ("/a.c/", "$(touch /tmp/owned) `touch /tmp/owned` %s%s%n \\n"),
    ("loss > 10", "x" * 9_000_000),
]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_a_rule_finds_what_it_is_about_and_nothing_else(shell: list[str], tmp_path: Path) -> None:
    for rule, text in FOUND:
        said = look(tmp_path, [rule], text.encode("latin-1") + b"\n", shell)
        assert said.startswith("END "), (rule, text[:80], said[:300])
        assert len(said) < 260
    for rule, text in NOT_FOUND:
        said = look(tmp_path, [rule], text.encode("latin-1") + b"\r\n", shell)
        assert said == f"AT {len(text) + 2}\n", (rule, text[:80], said[:300])


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_a_line_that_is_half_there_is_not_judged_until_the_job_has_ended(shell: list[str], tmp_path: Path) -> None:
    assert look(tmp_path, ["loss > 10"], b"loss: 1\nloss: 12", shell) == "AT 8\n"
    assert look(tmp_path, ["loss > 10"], b"loss: 1\nloss: 12", shell, "all").startswith("END loss > 10: loss: 12")


def test_each_event_of_the_log_is_told_once(tmp_path: Path) -> None:
    said = look(tmp_path, ["loss is nan"], b"a\nb 1\nb 2\nc\n", ["dash"], told=["/^b/", "/c$/", "/d/"])
    assert said == "TELL log:1 its log says: b 1\nTELL log:2 its log says: c\nAT 12\n"


def test_a_log_of_hundreds_of_megabytes_does_not_keep_the_box_busy(tmp_path: Path) -> None:
    began = time.monotonic()
    said = look(tmp_path, ["loss is nan"], b"step 1 loss: 0.25 lr: 1e-4\n" * 8_000_000, ["dash"])
    assert "SAY the log grows faster" in said
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loss",
        "loss is big",
        "loss >",
        "> 3",
        "//",
        "/a\nb/",
        "loss > 1 > 2",
        "loss is nan; rm",
        "x" * 600,
        "loss > nan",
    ],
)
def test_a_rule_that_means_nothing_is_refused_before_the_job_is_sent(text: str) -> None:
    with pytest.raises(UsageError):
        guards.rule(text)


def test_a_regex_that_grep_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match=r"[Uu]nmatched"):
        guards.check_regex(guards.rule("/a(b/"), "--fail-if")
    guards.check_regex(guards.rule("/-e a/"), "--fail-if")
