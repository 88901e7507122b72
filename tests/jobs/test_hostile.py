"""Names, values and logs that would do harm if any shell or terminal took them for its own."""

import json
import os
import pty
import re
import select
import sys
import time
from pathlib import Path

import pytest

from tests.bed import Box, CommandError, Laptop

VALUES = ["", "-rf", "--", "a b", "it's", '"', "a\nb\n", "$(touch pwned)", "`touch pwned`", "${HOME}", "!!", "\\",
          "\\'", "\\n", "~", "*", "\t", "\r", "é", "e\u0301", "日本", "\x1b]0;x\x07", "%s", "#{pid}",
          "a;b", "&&", "|",
          ">pwned", "x" * 10_000, "\u2028", "\U0001f600", " lead",
          "trail ", "'\\''", "a=b", "$'x'", "\x01", "\x7f"]  # fmt: skip
DUMP = """
import json, os, sys
json.dump([sys.argv[1:], dict(os.environ), os.getcwd()], open(os.path.expanduser('~/dump'), 'w'))
"""
# What may reach a terminal from a log.
INERT = re.compile(rb"(?:\x1b\[[0-9;:]*[mK]|[\t\n\r]|[^\x00-\x1f\x7f])*")


def test_arguments_values_and_folders_arrive_byte_for_byte(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    folder = "odd 'folder' $(touch pwned)\n-x"
    project = laptop.project({"dump.py": DUMP, f"{folder}/f": "1"}, name="-rf 'quoted' $(touch pwned) é\n")
    env = {f"V{number}": value for number, value in enumerate(VALUES)}
    # Names that the scripts on the box use for themselves, and which a person may use too.
    env |= dict.fromkeys(
        ["job", "id", "file", "folder", "workdir", "commit", "LIB", "state", "line"], "of the person's"
    )
    flags = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    ran = laptop.run(
        "run", "--on", "gpu1", "-n", "odd+name=1,2", "--tag", "a.b", "--workdir", folder, *flags, "--",
        "python3", "../dump.py", *VALUES, cwd=project,
    )  # fmt: skip
    assert ran.stdout == "", ran
    argv, found, cwd = json.loads(gpu1.path("~/dump").read_text())
    assert argv == VALUES
    assert {name: found.get(name) for name in env} == env
    assert cwd.endswith(f"/{folder}")
    assert not gpu1.sh("find / -xdev -name pwned 2>/dev/null", check=False).stdout
    assert not [*laptop.directory.rglob("pwned")]
    told = laptop.run("show", "@")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028]", told.stdout)
    assert len(told.stdout.splitlines()) < 25


def test_a_setup_with_quotes_runs_as_it_is(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project({"uv.lock": "1"})
    setup = "printf '%s' \"it's \\$HOME\" >made; x='a\nb'; test \"$x\" = 'a\nb'"
    ran = laptop.run("run", "--on", "gpu1", "--setup", setup, "--", "cat", "made", cwd=project)
    assert ran.stdout.endswith("it's $HOME")


@pytest.mark.parametrize(
    "words",
    [
        ["--on", "-oProxyCommand=touch pwned", "--", "true"],
        ["--on", "a b", "--", "true"],
        ["--on", "x;touch pwned", "--", "true"],
        ["--on", "x\n", "--", "true"],
        ["--on", "", "--", "true"],
        ["--on", "../x", "--", "true"],
        ["-n", "-rf", "--", "true"],
        ["-n", "a b", "--", "true"],
        ["-n", "$(touch pwned)", "--", "true"],
        ["--tag", "a\nb", "--", "true"],
        ["--env", "A-B=1", "--", "true"],
        ["--env", "LD_PRELOAD\n=1", "--", "true"],
        ["--env", "MLSH_JOB_ID=x", "--", "true"],
        ["--", "echo", os.fsdecode(b"\xff\xfe")],
        ["--workdir", os.fsdecode(b"\xff"), "--", "true"],
        ["--setup", os.fsdecode(b"\xff"), "--", "true"],
    ],
)
def test_what_can_not_travel_is_refused_before_anything_runs(laptop: Laptop, words: list[str]) -> None:
    project = laptop.project()
    ran = laptop.run("run", "--explain", *words, cwd=project, check=False)
    assert ran.returncode == 65, ran
    assert "mlsh: " in ran.stderr
    assert "\n+ " not in f"\n{ran.stderr}"  # no command was run
    assert "Traceback" not in ran.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ran.stderr)
    assert not [*laptop.directory.rglob("pwned")]
    assert not (laptop.home / ".local/state/mlsh").exists()


LOG = (
    b"\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]52;c;cHduZWQ=\x07\x1b[2J\x1b[6n\x1bP+q\x1b\\ nul\0 invalid\xff\xfe "
    b"\xc2\x9b31m rtl\xe2\x80\xae \x08\x7f end\r\n"
)


def _on_a_terminal(laptop: Laptop, *args: str) -> bytes:
    """What reaches the terminal of a person who types this."""
    controller, terminal = pty.openpty()
    process = laptop.spawn(*args, env={"PAGER": ""}, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    seen: list[bytes] = []
    deadline = time.monotonic() + 30
    try:
        while True:
            # Not `wait_for`: a terminal holds a few KiB, and each of its pauses would keep mlsh waiting.
            assert select.select([controller], [], [], max(0, deadline - time.monotonic()))[0], f"no end of mlsh {args}"
            try:
                data = os.read(controller, 1 << 16)
            except OSError:
                data = b""
            if not data:
                break
            seen.append(data)
        process.wait(10)
    finally:
        os.close(controller)
    return b"".join(seen)


def test_a_log_is_inert_on_a_terminal_and_byte_exact_in_a_pipe(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    job = laptop.run("run", "--on", "gpu1", "--no-code", "-d", "--", "true").stdout.strip()
    laptop.run("wait", job)
    log = LOG * 20 + b"x" * 10_000_000 + b"\n" + b"\x1b]" + b"y" * 1000 + b"\nlast\n"
    (gpu1.path("~/.mlsh/jobs") / job / "log").write_bytes(log)
    assert laptop.run("logs", job, text=False).stdout == log
    assert laptop.run("logs", "-f", job, text=False).stdout == log
    for words in (["logs", job], ["logs", "-f", "--tail", "3", job]):
        shown = _on_a_terminal(laptop, *words)
        assert INERT.fullmatch(shown), re.sub(INERT, b"", shown)[:200]
        assert b"last" in shown
        assert b"pwned" not in shown
    raw = _on_a_terminal(laptop, "logs", "--raw", "--tail", "2", job)
    assert b"\x1b]" in raw


def test_a_record_on_the_box_can_not_write_to_the_terminal(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project()
    job = laptop.run("run", "--on", "gpu1", "-d", "-n", "fine", "--", "true", cwd=project).stdout.strip()
    laptop.run("wait", job)
    folder = gpu1.path("~/.mlsh/jobs") / job
    evil = "\x1b]0;pwned\x07\x1b[2Jx\n\u202ey\u009b31m"
    spec = json.loads((folder / "spec.json").read_text())
    spec |= {"name": evil, "who": evil, "workdir": evil, "tags": [evil], "env": [evil], "argv": [evil], "setup": evil}
    spec["code"] |= {"branch": evil, "folder": evil, "repo": evil}
    (folder / "spec.json").write_text(json.dumps(spec, separators=(",", ":")) + "\n")
    state = json.loads((folder / "state.json").read_text())
    state |= {"state": "FAILED", "reason": evil, "phase": evil, "code": 3}
    (folder / "state.json").write_text(json.dumps(state, separators=(",", ":")) + "\n")
    for words in (["ps", "-a", "--on", "gpu1"], ["show", job], ["logs", "-f", job], ["diff", job, job], ["wait", job],
                  ["cancel", job], ["attach", job]):  # fmt: skip
        shown = _on_a_terminal(laptop, *words)
        plain = laptop.run(*words, check=False)
        for text in (shown, plain.stdout.encode(), plain.stderr.encode()):
            assert INERT.fullmatch(text), (words, text)
            assert b"\xc2\x9b" not in text
            assert "\u202e".encode() not in text
        assert "Traceback" not in plain.stderr
    fields = json.loads(laptop.run("ps", "-a", "--on", "gpu1", "--json").stdout.split("\n")[0])
    assert fields["id"]


def test_a_diff_of_hostile_files_is_inert_and_whole(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project({"a.txt": "one\n", "b": "1"})
    first = laptop.run("run", "--on", "gpu1", "-d", "--env", "A=1", "--", "true", cwd=project).stdout.strip()
    (project / "a.txt").write_bytes(b"\x1b]0;pwned\x07\x1b[2Jtwo\n")
    (project / "\x1b]0;name\x07").write_text("x\n")
    second = laptop.run("run", "--on", "gpu1", "-d", "--env", "B=2", "--", "echo", "hi", cwd=project).stdout.strip()
    laptop.run("wait", first, second)
    shown = _on_a_terminal(laptop, "diff", first, second)
    assert INERT.fullmatch(shown), shown
    assert b"two" in shown
    piped = laptop.run("diff", first, second, text=False).stdout
    assert b"+\x1b]0;pwned\x07\x1b[2Jtwo\n" in piped
    for line in (b"command:", b"variables:", b"  - A\n", b"  + B\n", b"  + echo hi\n"):
        assert line in piped
    shown = _on_a_terminal(laptop, "show", "--patch", second)
    assert INERT.fullmatch(shown), shown
    patch = laptop.run("show", "--patch", second, text=False).stdout
    assert b"-one\n+\x1b]0;pwned" in patch
    assert b"code: identical" in laptop.run("diff", second, second, text=False).stdout
    stat = laptop.run("diff", "--stat", first, second).stdout
    assert "a.txt" in stat
    assert "+two" not in stat


def test_jobs_of_another_laptop_are_compared_on_the_box(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project({"a.txt": "one\n"})
    first = laptop.run("run", "--on", "gpu1", "-d", "--", "true", cwd=project).stdout.strip()
    (project / "a.txt").write_text("two\n")
    second = laptop.run("run", "--on", "gpu1", "-d", "--", "true", cwd=project).stdout.strip()
    laptop.run("wait", first, second)
    here = laptop.run("diff", first, second).stdout
    elsewhere = {"XDG_CACHE_HOME": str(laptop.home / "c2"), "XDG_STATE_HOME": str(laptop.home / "s2")}
    assert laptop.run("diff", "--on", "gpu1", first, second, env=elsewhere).stdout == here
    assert "-one\n+two\n" in here
    ran = laptop.run("show", "--patch", "--on", "gpu1", first, env=elsewhere, check=False)
    assert ran.returncode == 66
    gpu1.sh("mv .mlsh/repos/project.git .mlsh/repos/elsewhere.git")
    ran = laptop.run("diff", "--on", "gpu1", first, second, env=elsewhere, check=False)
    assert ran.returncode == 66, ran
    assert "Traceback" not in ran.stderr


def test_the_code_on_the_box_is_the_folder_byte_for_byte_and_runs_none_of_it(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project({"a.txt": "1", "run.sh": "#!/bin/sh\ntrue\n"})
    (project / "run.sh").chmod(0o755)
    (project / ".gitattributes").write_text(
        "* text=auto eol=crlf ident export-subst\n*.dat filter=evil\n*.u16 working-tree-encoding=UTF-16\n"
    )
    (project / "lf").write_bytes(b"a\nb\n$Id$\n$Format:%H$\n")
    (project / "crlf").write_bytes(b"a\r\nb\r\n")
    (project / "x.dat").write_bytes(bytes(range(256)))
    (project / "x.u16").write_text("é")
    (project / "abs").symlink_to("/etc/passwd")
    (project / "dangling").symlink_to("nowhere")
    (project / "deep/er").mkdir(parents=True)
    for name in (b"new\nline", b"-rf", b"\xff\xfe", "e\u0301".encode(), b"x" * 255, b"git~1", b".gitmodules"):
        (project / "deep/er" / os.fsdecode(name)).write_bytes(name)
    gpu1.sh(
        "git config --global filter.evil.smudge 'touch ~/pwned; cat' && "
        "git config --global filter.evil.required true && "
        "mkdir -p hooks && for h in post-checkout post-index-change reference-transaction pre-receive update "
        "post-receive; do printf '#!/bin/sh\\ntouch ~/pwned\\n' >hooks/$h; chmod 755 hooks/$h; done && "
        "git config --global core.hooksPath ~/hooks && git config --global core.fsmonitor 'touch ~/pwned' && "
        "git config --global core.autocrlf true"
    )
    try:
        job = laptop.run("run", "--on", "gpu1", "-d", "--", "true", cwd=project).stdout.strip()
        laptop.run("wait", job)
        assert not gpu1.path("~/pwned").exists()
        tree = gpu1.path("~/.mlsh/trees") / job
        from tests.git.folders import on_disk

        assert on_disk(tree) == on_disk(project)
    finally:
        gpu1.sh("rm -rf .gitconfig hooks pwned")


def test_a_command_line_with_a_nul_can_not_even_be_typed(laptop: Laptop) -> None:
    script = "import sys; sys.argv[1:] = ['run', '--', 'a\\0b']; from mlsh.cli import main; main()"
    with pytest.raises(CommandError, match="NUL byte"):
        laptop.command(sys.executable, "-c", script, cwd=Path(laptop.project()))
