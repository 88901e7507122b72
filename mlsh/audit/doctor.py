"""What is careless on this machine, and for each thing the command that mends it. Pure: `machine.look` looks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from mlsh.audit.known_hosts import Judged, Odd
from mlsh.audit.machine import Machine, Seen
from mlsh.audit.ssh_keys import Key
from mlsh.box.check_system import OLDEST_GIT, OLDEST_TMUX
from mlsh.box.findings import Finding, Status

# NIST SP 800-131A: what is to be safe past 2030 has 128 bits, for RSA 3072; ssh-keygen's own default.
_RSA_GOOD, _RSA_LEAST = 3072, 2048
_NEW_KEY = "mlsh box rotate-key BOX; elsewhere ssh-keygen -t ed25519, ssh-copy-id, then take the old one away there"
_OLDEST_SSH = (7, 6)


def examine(machine: Machine) -> list[Finding]:
    """All checks, in the order in which a person mends them."""
    return [
        *_folders(machine),
        *_config(machine),
        *_options(machine),
        *_keys(machine),
        *_authorized(machine),
        *_hosts(machine),
        *_tokens(machine),
        *_git(machine),
        *_tools(machine),
        *(Finding("unread", "warn", what, "look at it: ls -l") for what in machine.unread),
    ]


# Folders and the config


def _folders(machine: Machine) -> Iterator[Finding]:
    home, folder = machine.home, machine.ssh_folder
    if home is not None and home.mode & 0o022:
        what = f"others can write to your home ({home.shown}), and so replace ~/.ssh; sshd takes no key of yours"
        yield Finding("home", "fail", what, f"chmod go-w {_path(home)}")
    if folder is None:
        yield Finding("~/.ssh", "skip", "there is none yet; ssh-keygen makes it with the right mode")
        return
    if folder.uid not in {machine.uid, 0}:
        what = f"{folder.path} belongs to another user (uid {folder.uid})"
        yield Finding("~/.ssh", "fail", what, f"sudo chown -R $(id -un) {_path(folder)}")
    if folder.mode & 0o022:
        what = f"others can write to {folder.path} ({folder.shown}): they may put keys there, and sshd takes none"
        yield Finding("~/.ssh", "fail", what, f"chmod 700 {_path(folder)}")
    elif folder.mode & 0o077:
        what = f"others can look into {folder.path} ({folder.shown}): which keys and machines you have"
        yield Finding("~/.ssh", "warn", what, f"chmod 700 {_path(folder)}")
    else:
        yield Finding("~/.ssh", "ok", f"{folder.path} is yours alone")
    for own in machine.own:
        if own.mode & 0o077:
            whole = "write to" if own.mode & 0o022 else "look into"
            status: Status = "fail" if own.mode & 0o022 else "warn"
            mode = "600" if own.path.endswith(".json") else "700"
            if status == "fail" or own.path.endswith(".json"):
                yield Finding(
                    "mlsh", status, f"others can {whole} {own.path} ({own.shown})", f"chmod {mode} {_path(own)}"
                )


def _config(machine: Machine) -> Iterator[Finding]:
    file = machine.ssh_config
    if file is None:
        yield Finding("ssh config", "skip", f"there is no {machine.ssh_config_path}")
    elif file.mode & 0o022 or file.uid not in {machine.uid, 0}:
        what = f"others can change {file.path} ({file.shown}, uid {file.uid}), so ssh refuses it"
        yield Finding("ssh config", "fail", what, f"chmod 600 {_path(file)}")
    elif machine.options_error:
        yield Finding(
            "ssh config", "fail", f"ssh can't read its config: {machine.options_error}", "see: ssh -G somewhere"
        )
    else:
        yield Finding("ssh config", "ok", f"{file.path} is read by ssh, and only you can change it")


def _options(machine: Machine) -> Iterator[Finding]:
    """What holds for every host that has no block of its own."""
    options = machine.options
    if not options:
        return
    if options.get("forwardagent", "no") != "no":
        what = "your agent is forwarded to every machine: whoever is root there can log in as you, anywhere"
        mend = "give it only to the hosts that need it, or use ProxyJump instead, which needs none"
        yield Finding("forwarding", "fail", what, _at(machine, "forwardagent", "take ForwardAgent out of Host *", mend))
    elif options.get("forwardx11") == "yes":
        what = "X11 is forwarded to every machine: whoever is root there can read your keyboard"
        yield Finding(
            "forwarding", "warn", what, _at(machine, "forwardx11", "take ForwardX11 out of Host *", "use ssh -X")
        )
    else:
        yield Finding("forwarding", "ok", "no agent is forwarded by default")
    if options.get("stricthostkeychecking") in {"false", "no", "off"}:
        what = "host keys are not checked: anybody on the way can be the machine that you log in to"
        mend = "StrictHostKeyChecking accept-new asks nothing, and still notices a change"
        yield Finding("host keys", "fail", what, _at(machine, "stricthostkeychecking", "take it out of Host *", mend))
    elif "/dev/null" in options.get("userknownhostsfile", "").split():
        what = "known host keys go to /dev/null: a machine that is not the one of before is not noticed"
        yield Finding("host keys", "fail", what, _at(machine, "userknownhostsfile", "take it out of Host *", ""))
    else:
        yield Finding("host keys", "ok", "host keys are checked")


def _at(machine: Machine, option: str, what: str, besides: str) -> str:
    places = [where.partition(" ")[2] for where in machine.suspects if where.startswith(f"{option} ")]
    said = f"{what} ({', '.join(places[:4])})" if places else f"{what} (in an included file, or /etc/ssh/ssh_config)"
    return f"{said}; {besides}" if besides else said


# Keys


def _keys(machine: Machine) -> Iterator[Finding]:
    keys = machine.keys
    if not keys:
        yield Finding("keys", "skip", "there is no private key in ~/.ssh")
        return
    open_ = [one.file for one in keys if one.file.mode & 0o077]
    if open_:
        what = f"others can read {_names(open_)}; ssh refuses such a key"
        yield Finding(
            "key modes", "fail", what, f"chmod 600 {_paths(open_)}; take it for stolen if others use this machine"
        )
    else:
        yield Finding("key modes", "ok", f"{_count(len(keys), 'private key')}, readable by you alone")
    strange = [one.file for one in keys if one.file.uid != machine.uid]
    if strange:
        yield Finding("key owner", "fail", f"not yours: {_names(strange)}", f"sudo chown $(id -un) {_paths(strange)}")
    yield from _weak("key strength", [(one.file.path, one.key) for one in keys], _NEW_KEY)
    bare = [one for one in keys if one.key.encrypted is False and not one.key.is_hardware]
    if bare:
        what = f"no passphrase: {_names([one.file for one in bare])}. Whoever gets the file has the key"
        yield Finding("passphrase", "warn", what, f"ssh-keygen -p -f {_path(bare[0].file)}; an agent types it: ssh-add")
    else:
        yield Finding("passphrase", "ok", "every key file is encrypted, or only names a hardware key")


def _weak(check: str, keys: Iterable[tuple[str, Key]], mend: str) -> Iterator[Finding]:
    """Keys that can be broken, then those that soon can."""
    bad, poor, unknown, good = [], [], [], 0
    for where, key in keys:
        if key.kind == "ssh-dss":
            bad.append(f"{where} is DSA")
        elif key.kind == "ssh-rsa" and key.bits is not None and key.bits < _RSA_LEAST:
            bad.append(f"{where} is RSA of {key.bits} bits")
        elif key.kind == "ssh-rsa" and key.bits is not None and key.bits < _RSA_GOOD:
            poor.append(f"{where} is RSA of {key.bits} bits")
        elif not key.kind or (key.kind == "ssh-rsa" and key.bits is None):
            unknown.append(where)
        else:
            good += 1
    if bad:
        yield Finding(check, "fail", f"weak: {_some(bad)}", mend)
    if poor:
        yield Finding(check, "warn", f"getting weak: {_some(poor)}; {_RSA_GOOD} is today's least", mend)
    if unknown:
        yield Finding(check, "skip", f"can't be told without the passphrase: {_some(unknown)}")
    if good and not bad and not poor:
        yield Finding(check, "ok", f"{_count(good, 'key')}, strong")


def _authorized(machine: Machine) -> Iterator[Finding]:
    file = machine.authorized
    if file is None:
        return
    if file.mode & 0o022 or file.uid not in {machine.uid, 0}:
        what = (
            f"others can write to {file.path} ({file.shown}, uid {file.uid}): they let themselves in; sshd ignores it"
        )
        yield Finding("authorized", "fail", what, f"chmod 600 {_path(file)}; look at each line of it")
    else:
        count = len(machine.authorized_keys)
        yield Finding("authorized", "ok", f"{count} {'key lets' if count == 1 else 'keys let'} somebody in here")
    weak = [(key.name, key) for key in machine.authorized_keys if key.kind in {"ssh-dss", "ssh-rsa"}]
    yield from (
        finding
        for finding in _weak("authorized", weak, f"take these lines out of {file.path}, with a new key in their place")
        if finding.status != "ok"
    )


# Known hosts


def _hosts(machine: Machine) -> Iterator[Finding]:
    for file, judged in machine.known_hosts:
        if file.mode & 0o022:
            what = f"others can write to {file.path} ({file.shown}): they can make a false machine a known one"
            yield Finding("known hosts", "fail", what, f"chmod 600 {_path(file)}")
        yield from _stale(file, judged)


def _stale(file: Seen, judged: Judged) -> Iterator[Finding]:
    path = _path(file)
    if judged.conflicting:
        what = f"{file.path}: different keys of one kind for {_odd(judged.conflicting)}: ssh takes either"
        host = shlex.quote(judged.conflicting[0].host)
        mend = f"ssh-keygen -R {host} -f {path}, then log in and compare the fingerprint"
        yield Finding("known hosts", "warn", what, mend)
    if judged.old:
        yield Finding(
            "known hosts",
            "warn",
            f"{file.path}: DSA keys, which no server has any more: {_odd(judged.old)}",
            _delete(file, judged.old),
        )
    if judged.repeated:
        what = f"{file.path}: the same again: {_odd(judged.repeated)}"
        yield Finding("known hosts", "warn", what, _delete(file, judged.repeated))
    if judged.broken:
        lines = ", ".join(map(str, judged.broken[:8]))
        yield Finding("known hosts", "warn", f"{file.path}: not understood by ssh: line {lines}", f"look at it: {path}")
    if not (judged.conflicting or judged.old or judged.repeated or judged.broken):
        yield Finding(
            "known hosts", "ok", f"{_count(judged.keys, 'key')} in {file.path}, none twice and none against another"
        )


def _odd(odd: Iterable[Odd]) -> str:
    return _some([f"{one.host} (line {', '.join(map(str, one.lines[:4]))})" for one in odd])


def _delete(file: Seen, odd: Iterable[Odd]) -> str:
    lines = sorted({line for one in odd for line in one.lines})
    return (
        f"sed -i.old '{';'.join(f'{line}d' for line in lines[:40])}' {_path(file)}  # keeps the file as it was as .old"
    )


# Tokens, git, tools


def _tokens(machine: Machine) -> Iterator[Finding]:
    world = [one for one in machine.tokens if one.mode & 0o007 and one.is_reachable]
    group = [one for one in machine.tokens if one.mode & 0o077 and one not in world]
    if world:
        what = f"everybody on this machine can read {_names(world)}"
        yield Finding(
            "tokens", "fail", what, f"chmod 600 {_paths(world)}; where others use this machine, make new ones"
        )
    if group:
        what = f"more than you may read {_names(group)}"
        yield Finding("tokens", "warn", what, f"chmod 600 {_paths(group)}")
    if not world and not group:
        count = len(machine.tokens)
        yield Finding(
            "tokens",
            "ok" if count else "skip",
            f"{_count(count, 'file')} with tokens, readable by you alone" if count else "no token file is known here",
        )
    open_ = [one for one in machine.histories if one.mode & 0o077]
    if open_:
        yield Finding(
            "history", "warn", f"others can read what you typed: {_names(open_)}", f"chmod 600 {_paths(open_)}"
        )


def _git(machine: Machine) -> Iterator[Finding]:
    if any(re.match(r"(?:\S*/)?(?:git-credential-)?store\b", helper) for helper in machine.helpers):
        what = "git writes passwords into a file in plain text (credential.helper store)"
        mend = "git config --global credential.helper 'cache --timeout=36000', or ssh keys; then rm ~/.git-credentials"
        yield Finding("git", "warn", what, mend)
    elif any(one.path.endswith(("/.git-credentials", "/git/credentials")) for one in machine.tokens):
        what = "there is a file of git's passwords in plain text, which nothing uses any more"
        yield Finding("git", "warn", what, "rm ~/.git-credentials; revoke what is in it")


def _tools(machine: Machine) -> Iterator[Finding]:
    least = {"ssh": _OLDEST_SSH, "ssh-keygen": (), "git": OLDEST_GIT, "tmux": OLDEST_TMUX}
    packages = {"ssh": "openssh-client", "ssh-keygen": "openssh-client"}
    for name, oldest in least.items():
        said = machine.tools.get(name)
        mend = f"sudo apt-get install {packages.get(name, name)}"
        # On a laptop, tmux is for jobs on the laptop itself.
        status: Status = "warn" if name == "tmux" else "fail"
        if said is None:
            what = f"there is no {name}" + (": jobs run on boxes, and not here" if name == "tmux" else "")
            yield Finding(name, status, what, mend)
            continue
        version = re.search(r"(\d+)\.(\d+)", said)
        if oldest and version and tuple(map(int, version.groups())) < oldest:
            yield Finding(
                name, status, f"{said} is too old: mlsh needs {'.'.join(map(str, oldest))}", f"a newer one: {mend}"
            )
        elif name != "ssh-keygen":
            yield Finding(
                name, "ok" if said else status, said.partition(",")[0] or f"{name} does not start", "" if said else mend
            )
    if machine.on_path is None:
        yield Finding("mlsh", "warn", "mlsh is not on your PATH", "uv tool update-shell, or add its folder to PATH")


# Words


def _path(seen: Seen) -> str:
    """A path as it can be pasted: with `~` where that is the home."""
    if seen.path.startswith("~/"):
        return "~/" + shlex.quote(seen.path[2:])
    return shlex.quote(seen.path)


def _paths(many: Iterable[Seen]) -> str:
    return " ".join(map(_path, many))


def _names(many: Iterable[Seen]) -> str:
    return _some([f"{one.path} ({one.shown})" for one in many])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - 8} more" if len(texts) > 8 else ""
    return ", ".join(texts[:8]) + more
