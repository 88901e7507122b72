"""Packages of dnf and apk, by programs that say what the real ones said; apt is in test_on_boxes.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsh.bootstrap.changes import Packages, Run
from tests.bootstrap.home import Home

DNF = r"""
case $* in
*install*--assumeno*) cat <<'END'
Last metadata expiration check: 0:12:01 ago on Tue Nov 10 09:00:00 2026.
Dependencies resolved.
================================================================================
 Package          Architecture   Version              Repository           Size
================================================================================
Installing:
 fzf              x86_64         0.40.0-1.el9         epel                1.2 M
 ripgrep          x86_64         14.1.1-1.el9         epel                1.6 M
Installing dependencies:
 pcre2-tools      x86_64         10.40-5.el9          baseos              200 k
Upgrading:
 pcre2            x86_64         10.40-5.el9          baseos              233 k

Transaction Summary
================================================================================
Install  3 Packages
Upgrade  1 Package

Operation aborted.
END
	exit 1 ;;
*remove*--assumeno*)
	echo 'Removing:'
	[ ! -e "$FAKE/needed" ] || printf 'Removing dependent packages:\n theirs  x86_64  1-1  @epel  1 k\n'
	;;
*install*)
	shift
	if [ -e "$FAKE/broken" ]; then
		cat "$FAKE/broken" | while read -r name; do : >"$FAKE/is.$name"; done
		echo 'Error: Cannot download Packages/fzf-0.40.0-1.el9.x86_64.rpm'
		exit 1
	fi
	for word; do case $word in -*) ;; *) : >"$FAKE/is.$word" ;; esac; done
	: >"$FAKE/is.pcre2-tools"
	;;
*remove*) for word; do rm -f "$FAKE/is.$word"; done ;;
esac
"""
RPM = '[ "$1" = -q ] && [ -e "$FAKE/is.$2" ]\n'
APK = r"""
case $* in
*--simulate*) echo '(1/1) Installing ripgrep (14.1.0-r0)' ;;
'add '*) shift; for word; do case $word in -* | [0-9]*) ;; *) : >"$FAKE/is.$word" ;; esac; done ;;
'del '*) shift; for word; do rm -f "$FAKE/is.$word"; done ;;
'info -e '*) [ -e "$FAKE/is.$3" ] ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path, ("dash",))
    made.install("dnf", DNF)
    made.install("rpm", RPM)
    made.install("apk", APK)
    # Who runs the tests may not be root.
    made.install("sudo", 'shift 2\nexec "$@"\n')
    return made


def installed(home: Home) -> list[str]:
    return sorted(path.name[3:] for path in home.fakes.glob("is.*"))


def test_dnf_takes_back_what_it_added_and_not_what_it_upgraded(home: Home) -> None:
    with home.held():
        assert home.apply([Packages(manager="dnf", names=("ripgrep", "fzf"))]).endswith("through\n")
    assert installed(home) == ["fzf", "pcre2-tools", "ripgrep"]
    [what] = (home.path / ".mlsh/bootstrap/receipt").glob("*/what")
    assert "after fzf ripgrep pcre2-tools" in what.read_text()
    with home.held():
        assert "kept" not in home.remove()
    assert installed(home) == []
    assert home.tree() == {}


@pytest.mark.parametrize("came", ["", "pcre2-tools\n"])
def test_what_an_installation_that_failed_did_not_bring_is_its_later_owners(home: Home, came: str) -> None:
    (home.fakes / "broken").write_text(came)
    with home.held():
        assert "mlsh-error no-network" in home.apply([Packages(manager="dnf", names=("ripgrep", "fzf"))])
    for name in ("ripgrep", "pcre2-tools"):
        (home.fakes / f"is.{name}").touch()
    with home.held():
        home.remove()
    assert installed(home) == (["ripgrep"] if came else ["pcre2-tools", "ripgrep"])
    assert home.tree() == {}


def test_packages_that_others_need_now_are_left_and_named(home: Home) -> None:
    with home.held():
        home.apply([Packages(manager="dnf", names=("ripgrep",))])
    (home.fakes / "needed").touch()
    with home.held():
        said = home.remove()
    assert "needed now by: theirs" in said
    assert "ripgrep" in installed(home)


def test_apk_takes_back_what_was_asked_for(home: Home) -> None:
    with home.held():
        assert home.apply([Packages(manager="apk", names=("ripgrep",))]).endswith("through\n")
    assert installed(home) == ["ripgrep"]
    with home.held():
        assert "kept" not in home.remove()
    assert installed(home) == []


def test_what_was_done_to_another_machine_of_a_shared_home_is_left_to_it(home: Home) -> None:
    marker = home.path / "linger"
    with home.held():
        home.apply([Run(label="linger", do=f"touch '{marker}'", undo=f"rm -f '{marker}'")])
    [what] = (home.path / ".mlsh/bootstrap/receipt").glob("*/what")
    text = what.read_text()
    node = next(line for line in text.splitlines() if line.startswith("node "))
    what.write_text(text.replace(node, "node another"))
    with home.held():
        assert "kept linger\tthat was on another: take it back there" in home.remove()
    assert marker.exists()
    what.write_text(text)
    with home.held():
        assert "kept" not in home.remove()
    assert home.tree() == {}


def test_an_entry_of_a_newer_mlsh_is_left_and_named(home: Home) -> None:
    with home.held():
        home.apply([Run(label="linger", do="true", undo="true")])
    [what] = (home.path / ".mlsh/bootstrap/receipt").glob("*/what")
    what.write_text(what.read_text().replace("kind run", "kind hologram"))
    with home.held():
        assert "made by another version of mlsh, as a hologram" in home.remove()
    assert what.exists()
