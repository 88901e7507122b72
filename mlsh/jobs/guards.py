"""What ends a job early, or is told while it runs: rules on its log, silence, memory. Pure, but for `check_regex`.

A rule is `NAME is nan`, `NAME is inf`, `NAME > 10` (also < >= <=), or `/regex/`. The box has nothing but grep and awk
to try it with (guard_log.sh), so it is put into an extended regular expression here.
"""

from __future__ import annotations

import re

import msgspec

from mlsh.box import process
from mlsh.errors import UsageError
from mlsh.records import Spec

_NAME = r"[A-Za-z0-9_@%./-]+(?: [A-Za-z0-9_@%./-]+)*"
_IS = re.compile(rf"({_NAME}) is (nan|inf)", re.ASCII)
_BEYOND = re.compile(rf"({_NAME}) ?(>=|<=|>|<) ?([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)", re.ASCII)
_REGEX = re.compile(r"/(.+)/")
_LONGEST = 500

# `val_loss` is not `loss`, and `train/loss` is not either.
_BEFORE = "(^|[^A-Za-z0-9_./-])"
_BETWEEN = r'"?[[:space:]]*[=:][[:space:]]*"?(tensor\()?'
_AFTER = "([^A-Za-z0-9_]|$)"
_VALUES = {"nan": "[-+]?[nN][aA][nN]", "inf": "[-+]?[iI][nN][fF]([iI][nN][iI][tT][yY])?"}

RULES = "say NAME is nan, NAME is inf, NAME > 10 (or < >= <=), or /regex/"


class Rule(msgspec.Struct, frozen=True):
    """One rule: its words, how the box reads it (guard_log.sh), and an extended regular expression."""

    words: str
    kind: str
    pattern: str


def rule(text: str, option: str = "--fail-if") -> Rule:
    """Read a rule. Raises UsageError."""
    words = re.sub(r"[ \t]+", " ", text.strip()) if not text.startswith("/") else text
    if "\n" in text or "\0" in text or len(text) > _LONGEST:
        raise UsageError(f"{option}: a rule is one line, of at most {_LONGEST} characters")
    if found := _REGEX.fullmatch(words):
        return Rule(words, "line", found[1].replace(r"\/", "/"))
    if found := _IS.fullmatch(words):
        return Rule(words, "line", f"{_BEFORE}{_quoted(found[1])}{_BETWEEN}{_VALUES[found[2]]}{_AFTER}")
    if found := _BEYOND.fullmatch(words):
        number = r'[-+]?(\.?[0-9]|[iI][nN][fF])[^[:space:]"]*'
        return Rule(
            f"{found[1]} {found[2]} {found[3]}",
            f"number {found[2]} {found[3]}",
            f"{_BEFORE}{_quoted(found[1])}{_BETWEEN}{number}",
        )
    raise UsageError(f"{option} {text[:80]!r} is no rule", RULES)


def _quoted(name: str) -> str:
    return name.replace(".", r"\.")


def check_regex(found: Rule, option: str) -> Rule:
    """Return the rule if grep, which tries it on the box, takes its expression. Raises UsageError."""
    if found.words.startswith("/"):
        ran = process.run(["grep", "-E", "-e", found.pattern], stdin=b"\n", timeout_s=10)
        if ran.returncode > 1:
            said = ran.stderr.decode(errors="replace").strip().rpartition(": ")[2]
            raise UsageError(f"{option} {found.words[:80]!r}: {said}", "it is an expression as of grep -E")
    return found


def plan(spec: Spec, *, told: bool, idle_gpu_s: list[int]) -> dict[str, str]:
    """Variables of job.sh (docs/box-layout.md); none where nothing is watched. `told`: the box tells of something."""
    said: dict[str, str] = {}
    if spec.idle_timeout_s:
        said["idle_timeout"] = str(spec.idle_timeout_s)
    if spec.memory_mib:
        said["memory_limit"] = str(spec.memory_mib * 1024)
    if idle_gpu_s:
        said["idle_gpu"] = " ".join(map(str, idle_gpu_s))
    if said or spec.fail_if or told:
        said["guarded"] = "1"
    return said


def rules_file(fail_if: list[str], log: list[str]) -> bytes:
    """The file `guards` of a job: three lines a rule; empty where there is none. `log` are rules that are only told.

    They come first, for a rule that ends the job ends the look too.
    """
    lines: list[str] = []
    for what, texts in (("log", log), ("fail", fail_if)):
        for text in texts:
            found = rule(text)
            lines += [f"{what} {found.kind}", found.words, found.pattern]
    return "".join(f"{line}\n" for line in lines).encode()
