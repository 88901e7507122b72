#!/bin/sh
# Installs mlsh from this clone, for you alone: nothing outside your own folders is written, except Debian packages
# that `demo` and `test` need, which they name first. POSIX sh: runs under dash, bash and busybox sh.
set -eu

usage() {
    cat <<'END'
Usage: sh install.sh [COMMAND]

  (none)          install mlsh for you, or upgrade it in place
  --uninstall     take it back; your jobs and logs in ~/.mlsh stay
  demo [ARG...]   run the demo in a private environment, without installing (bisect, --seconds N, --help)
  test [ARG...]   check the code: linters, types, docs, then pytest with these arguments
  -h, --help      this text

mlsh goes to ${XDG_DATA_HOME:-~/.local/share}/mlsh, with a link at ~/.local/bin/mlsh.
It needs uv, or Python 3.11 or newer with venv.
END
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

# --- what this machine has ------------------------------------------------------------------------------------------

# A uv that is there but can't start (a version manager's stub, another CPU's binary) counts as none.
have_uv() { uv --version >/dev/null 2>&1; }

# Prints the first Python that is 3.11 or newer and can make a venv with pip in it.
find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

# Prints the command that installs packages here, or nothing on a system that we don't know.
package_command() {
    if command -v apt-get >/dev/null 2>&1; then
        echo "sudo apt-get install"
    elif command -v dnf >/dev/null 2>&1; then
        echo "sudo dnf install"
    elif command -v pacman >/dev/null 2>&1; then
        echo "sudo pacman -S"
    elif command -v zypper >/dev/null 2>&1; then
        echo "sudo zypper install"
    elif command -v apk >/dev/null 2>&1; then
        echo "sudo apk add"
    elif command -v brew >/dev/null 2>&1; then
        echo "brew install"
    fi
}

say_missing_python() {
    warn "install.sh: mlsh needs uv, or Python 3.11 or newer with the venv and ensurepip modules; neither is here."
    if command -v python3 >/dev/null 2>&1; then
        warn "  found: $(command -v python3), $(python3 --version 2>&1 || true)"
    fi
    how=$(package_command)
    case $how in
        "") warn "  Install a newer Python with your system's package manager," ;;
        *apt-get*) warn "  Try: $how python3 python3-venv" ;;
        *) warn "  Try: $how python3" ;;
    esac
    warn "  or install uv, which can bring its own Python: https://docs.astral.sh/uv/"
}

# Prints those of the given package:program pairs whose program isn't here, as package names.
missing_packages() {
    for pair in "$@"; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair#*:}" >/dev/null 2>&1 || printf ' %s' "${pair%%:*}"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Installs Debian packages, in one call. Returns 1 without a word where that can't be done.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root true 2>/dev/null || return 1
    say "Installing with apt-get: $*"
    if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ]; then
        as_root apt-get update -q || return 1
    fi
    if ! apt_get_install "$@"; then
        say "Trying again with fresh package lists."
        as_root apt-get update -q || return 1
        apt_get_install "$@" || return 1
    fi
}

apt_get_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}

# --- install --------------------------------------------------------------------------------------------------------

# Each build is a folder of its own, venv-<time>-<pid>, and $data/venv is a symlink to the one in use: scripts in a venv
# hold its absolute path, so a built venv can't be moved; a symlink can be swapped in one rename.

set_places() {
    [ -n "${HOME:-}" ] || die "HOME isn't set, so there is no folder to install into."
    case ${XDG_DATA_HOME:-} in
        /*) data=$XDG_DATA_HOME/mlsh ;;
        *) data=$HOME/.local/share/mlsh ;; # the XDG specification: a relative path is to be ignored
    esac
    bin=$HOME/.local/bin
    link=$bin/mlsh
}

# True if ~/.local/bin/mlsh is the link that this script makes.
link_is_ours() { [ -L "$link" ] && [ "$(readlink "$link")" = "$data/venv/bin/mlsh" ]; }

refuse_what_is_not_ours() {
    if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ -z "$(find "$HOME" -prune -user 0)" ]; then
        die "run it without sudo: it installs for one user, and $HOME isn't root's."
    fi
    if { [ -e "$link" ] || [ -L "$link" ]; } && ! link_is_ours; then
        die "$link is there and isn't this installer's. Nothing was changed. Move it away, then run this again."
    fi
    if [ -e "$data/venv" ] && [ ! -L "$data/venv" ]; then
        die "$data/venv is there and isn't this installer's. Nothing was changed. Move it away, then run this again."
    fi
}

# Both builders take the folder of the new venv, and return non-zero as soon as a step fails.

build_with_uv() {
    uv venv --quiet --python '>=3.11' "$1" || return 1
    uv export --quiet --project "$here" --frozen --no-dev --no-emit-project -o "$scratch/requirements.txt" >/dev/null || return 1
    uv pip install --quiet --python "$1/bin/python" --compile-bytecode --require-hashes \
        -r "$scratch/requirements.txt" || return 1
    # uv may reuse its cached build of a folder while pyproject.toml is unchanged: an upgrade would install old code.
    uv pip install --quiet --python "$1/bin/python" --compile-bytecode --no-deps --reinstall-package mlsh "$here"
}

build_with_pip() {
    "$python" -m venv "$1" || return 1
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --compile "$here"
}

# Two at the same moment would remove each other's builds. A folder is a lock everywhere, flock is not; the one who holds
# it is named in it, since a machine that lost its power leaves it behind.
take_turn() {
    mkdir -p "${data%/*}"
    lock=$data.installing
    waited=0
    until mkdir "$lock" 2>/dev/null; do
        [ -d "$lock" ] || die "$lock can't be made. Nothing was changed."
        holder=$(cat "$lock/pid" 2>/dev/null || true)
        if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null && mkdir "$lock/over" 2>/dev/null; then
            # It may be another's by now, who was quicker to take over.
            if [ "$(cat "$lock/pid" 2>/dev/null || true)" = "$holder" ]; then
                rm -rf "$lock"
                continue
            fi
            rmdir "$lock/over"
        fi
        [ "$waited" != 0 ] || say "Another install.sh is at work${holder:+ (process $holder)}; waiting for it ..."
        [ "$waited" -lt 600 ] || die "it is still at work after ten minutes. If it isn't: rm -r \"$lock\""
        waited=$((waited + 1))
        sleep 1
    done
    locked=$lock
    echo $$ >"$lock/pid"
}

cleanup() {
    rm -rf "${scratch:-}"
    if [ -n "${unfinished:-}" ]; then
        rm -rf "$unfinished"
        rmdir "$data" 2>/dev/null || true
    fi
    [ -z "${locked:-}" ] || rm -rf "$locked"
}

install_mlsh() {
    set_places
    refuse_what_is_not_ours
    take_turn
    refuse_what_is_not_ours
    before=$("$data/venv/bin/mlsh" --version 2>/dev/null || true)
    old=$(readlink "$data/venv" 2>/dev/null || true)
    new=venv-$(date +%Y%m%d%H%M%S)-$$
    scratch=$(mktemp -d)
    mkdir -p "$data"
    unfinished=$data/$new

    if have_uv; then
        say "Building mlsh with uv: the exact versions of uv.lock, hashes checked ..."
        build_with_uv "$data/$new" || die "the build failed (see above). Nothing was changed."
    else
        python=$(find_python) || { say_missing_python; exit 1; }
        say "Building mlsh with $python and pip ..."
        build_with_pip "$data/$new" || die "the build failed (see above). Nothing was changed."
    fi
    now=$("$data/$new/bin/mlsh" --version) || die "the new build doesn't start (see above). Nothing was changed."
    : >"$data/$new/.made-by-install.sh"

    # Python renames over a symlink in one step everywhere; `mv -T` is GNU's only.
    "$data/$new/bin/python" -c 'import os, sys
os.chdir(sys.argv[1]); os.symlink(sys.argv[2], sys.argv[2] + ".link"); os.replace(sys.argv[2] + ".link", "venv")' \
        "$data" "$new"
    unfinished=
    mkdir -p "$bin"
    [ -L "$link" ] || ln -s "$data/venv/bin/mlsh" "$link"
    remove_builds_except "$new" "$old" # an mlsh that runs now still loads modules from the old one

    if [ -z "$before" ]; then say "Installed $now."; else say "Upgraded: $before -> $now."; fi
    say "  program: $link -> $data/venv/bin/mlsh"
    say "  remove:  sh install.sh --uninstall"
    say_path
    say_completion
}

remove_builds_except() {
    for build in "$data"/venv-*; do
        [ -e "$build/.made-by-install.sh" ] || continue
        case ${build##*/} in "$1" | "$2") continue ;; esac
        rm -rf "$build"
    done
}

# The lines below are for the reader to copy: their $ and ~ are the reader's shell's to expand.
# shellcheck disable=SC2016,SC2088
say_path() {
    case ":$PATH:" in
        *":$bin:"*)
            first=$(command -v mlsh || true)
            if [ "$first" = "$link" ]; then
                say "~/.local/bin is on your PATH: type mlsh."
            else
                say "~/.local/bin is on your PATH, but \`mlsh\` is ${first:-not found}: remove that one, or put ~/.local/bin first."
            fi
            return
            ;;
    esac
    say "~/.local/bin is not on your PATH. Add it, then open a new terminal:"
    case ${SHELL##*/} in
        bash) say "  echo 'export PATH=\"\$HOME/.local/bin:\$PATH\"' >> ~/.bashrc" ;;
        zsh) say "  echo 'export PATH=\"\$HOME/.local/bin:\$PATH\"' >> ~/.zshrc" ;;
        fish) say "  fish_add_path ~/.local/bin" ;;
        tcsh | csh) say "  echo 'set path = (\$HOME/.local/bin \$path)' >> ~/.${SHELL##*/}rc" ;;
        *) say "  echo 'export PATH=\"\$HOME/.local/bin:\$PATH\"' >> ~/.profile" ;;
    esac
}

# shellcheck disable=SC2016
say_completion() {
    case ${SHELL##*/} in
        bash) say 'Tab completion: echo '\''eval "$(mlsh completion bash)"'\'' >> ~/.bashrc' ;;
        zsh) say 'Tab completion: echo '\''eval "$(mlsh completion zsh)"'\'' >> ~/.zshrc' ;;
        fish) say 'Tab completion: mlsh completion fish > ~/.config/fish/completions/mlsh.fish' ;;
        *) say 'Tab completion for bash, zsh and fish: mlsh completion bash|zsh|fish prints it.' ;;
    esac
}

uninstall() {
    set_places
    [ ! -e "$data" ] || take_turn
    found=
    if link_is_ours; then
        rm -f "$link"
        found=yes
    elif [ -e "$link" ] || [ -L "$link" ]; then
        say "Left alone: $link isn't this installer's."
    fi
    if [ -L "$data/venv" ]; then
        rm -f "$data/venv"
        found=yes
    fi
    for build in "$data"/venv-*; do
        [ -e "$build/pyvenv.cfg" ] || [ -e "$build/.made-by-install.sh" ] || continue
        rm -rf "$build"
        found=yes
    done
    rmdir "$data" 2>/dev/null || true
    if [ -n "$found" ]; then
        say "Removed $link and $data/venv."
        say "If you added lines for PATH or tab completion to your shell's files, they are yours to delete."
    else
        say "mlsh isn't installed here: nothing to remove."
    fi
    say_kept "your jobs and their logs" "${MLSH_HOME:-$HOME/.mlsh}"
    say_kept "the list of jobs that you launched" "${XDG_STATE_HOME:-$HOME/.local/state}/mlsh"
    say_kept "your settings" "${XDG_CONFIG_HOME:-$HOME/.config}/mlsh"
    say_kept "what can be made again" "${XDG_CACHE_HOME:-$HOME/.cache}/mlsh"
}

say_kept() {
    [ ! -e "$2" ] || say "Kept: $2 ($1). To delete it for good: rm -rf \"$2\""
}

# --- private environments for the demo and the tests ----------------------------------------------------------------

# Sets $env to a folder for the venv NAME: in the clone, or in the user's cache if the clone can't be written.
private_env() {
    cache=$here/.cache
    if ! { mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null; then
        cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/mlsh
        mkdir -p "$cache"
    fi
    env=$cache/$1
    # A clone that was moved, or a Python that is gone, leaves an environment that can't start.
    if [ -e "$env" ] && { [ "$(cat "$env/.made-at" 2>/dev/null)" != "$env" ] || ! "$env/bin/python" -c ''; } 2>/dev/null; then
        rm -rf "$env"
    fi
}

# fill_env GROUP...: fills $env with mlsh (editable), what it needs, and these dependency groups.
fill_env() {
    if have_uv; then
        say "Preparing $env with uv ..."
        for group in "$@"; do
            shift
            set -- "$@" --group "$group"
        done
        UV_PROJECT_ENVIRONMENT=$env uv sync --quiet --project "$here" --frozen --no-default-groups --compile-bytecode "$@" ||
            die "the environment could not be made (see above)."
    else
        fill_env_with_pip "$@"
    fi
    printf '%s\n' "$env" >"$env/.made-at"
}

fill_env_with_pip() {
    wanted="$* $(cksum <"$here/pyproject.toml")"
    [ "$(cat "$env/.filled-with" 2>/dev/null)" != "$wanted" ] || return 0
    python=$(find_python) || { say_missing_python; exit 1; }
    say "Preparing $env with $python and pip ..."
    "$python" -m venv "$env" || die "the environment could not be made (see above)."
    # --group came with pip 25.1; Debian 12 has 23.
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-input 'pip>=25.1' ||
        die "pip could not be brought up to date (see above)."
    for group in "$@"; do
        shift
        set -- "$@" --group "$here/pyproject.toml:$group"
    done
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -e "$here" "$@" ||
        die "the environment could not be filled (see above)."
    printf '%s\n' "$wanted" >"$env/.filled-with"
}

# Puts a uv on PATH for this run, so that linters and types are those of uv.lock everywhere. Where no uv can be had,
# pip takes the newest that pyproject.toml allows.
bring_uv() {
    if have_uv; then return; fi
    private_env uv
    if [ ! -x "$env/bin/uv" ]; then
        python=$(find_python) || { say_missing_python; exit 1; }
        say "Preparing $env ..."
        if ! { "$python" -m venv "$env" && "$env/bin/python" -m pip install --quiet --disable-pip-version-check uv; }; then
            say "uv can't be had here: going on with pip."
            rm -rf "$env"
            return
        fi
        printf '%s\n' "$env" >"$env/.made-at"
    fi
    PATH=$env/bin:$PATH
}

demo() {
    missing=$(missing_packages tmux:tmux git:git)
    # shellcheck disable=SC2086 # package names, split on purpose
    if [ -n "$missing" ] && ! apt_install $missing; then
        how=$(package_command)
        die "the demo needs$missing. Install with: ${how:-your package manager,}$missing"
    fi
    private_env demo
    fill_env
    # -P: a folder named mlsh where you stand is not the program.
    exec "$env/bin/python" -P -m mlsh.demo "$@"
}

# --- tests ----------------------------------------------------------------------------------------------------------

step() {
    title=$1
    shift
    printf '\n== %s\n' "$title"
    code=0
    "$@" || code=$?
    [ "$code" = 0 ] || { warn "install.sh: stopped at: $title (exit $code)"; exit "$code"; }
}

check_shell_scripts() {
    (cd mlsh/places/box && shellcheck -s sh -x -- *.sh) || return 1
    # What runs on a box is POSIX sh, and sources the files beside it (-x, from their own folder). A script takes half a
    # second and there are many, so each core gets four at a time.
    shellcheck install.sh .ci/run && (cd mlsh/jobs/box && printf '%s\n' *.sh | xargs -n 4 -P "$cores" shellcheck -s sh -x --) &&
        (cd mlsh/box && shellcheck -s sh -x -- *.sh) && (cd mlsh/sessions && shellcheck -s sh -x -- *.sh box/*.sh) &&
        (cd mlsh/aliases && shellcheck -- shell/*.sh shell/*.bash && shellcheck -s sh -- box/*.sh) &&
        (cd mlsh/bootstrap && shellcheck -s sh -- box/*.sh steps/*.sh) &&
        (cd mlsh/contact/box && shellcheck -s sh -- *.sh) &&
        (cd mlsh/dotfiles/box && shellcheck -s sh -x -- *.sh) &&
        (cd dotfiles/dot_config/mlsh && shellcheck -- bashrc prompt.sh) &&
        (cd mlsh/audit/box && shellcheck -s sh -x -- *.sh) &&
        (cd mlsh/history && shellcheck -s sh -x -- box/*.sh && shellcheck -s bash -- *.bash) &&
        (cd mlsh/recipes && shellcheck -s sh -x -- *.sh && shellcheck -s bash -- *.bash)
}

# The tests run beside each other on every core. One that fails there and passes alone has a fault of its own, mostly a
# wait that is too short: it is named and belongs mended, but up to three of them don't stop a change that has no part in
# it. What fails twice, and anything from four failures on, fails.
pytest_with_second_look() {
    lastfailed=$cache/pytest/v/cache/lastfailed
    rm -f "$lastfailed"
    first=0
    pytest "$@" || first=$?
    [ "$first" = 1 ] || return "$first"
    failed=$(python -c 'import json, sys; print(*json.load(open(sys.argv[1])), sep="\n")' "$lastfailed") || return 1
    count=$(printf '%s\n' "$failed" | grep -c .)
    [ "$count" -ge 1 ] && [ "$count" -le 3 ] || return 1
    printf '\n== a second look, alone, at what failed: %s\n' "$count"
    pytest "$@" -n 0 --last-failed --last-failed-no-failures none || return $?
    printf '\nUNSTABLE, failed beside others and passed alone; each is a fault to mend:\n%s\n\n' "$failed"
}

run_tests() {
    if [ "$#" -eq 0 ]; then asked=all; else asked=some; fi
    missing=$(missing_packages openssh-server:sshd tmux:tmux git:git busybox:busybox zsh:zsh fish:fish tcsh:tcsh \
        rsync:rsync iproute2:ip iptables:iptables sshpass:sshpass procps:ps psmisc:killall util-linux:flock mosh:mosh \
        ripgrep:rg fd-find:fdfind zoxide:zoxide)
    if [ -n "$missing" ]; then
        case $missing in
            *openssh-server*)
                [ ! -d /run/systemd/system ] ||
                    say "Note: Debian starts sshd once openssh-server is installed. To stop it: systemctl disable --now ssh"
                ;;
        esac
        # shellcheck disable=SC2086 # package names, split on purpose
        apt_install $missing || say "Not here, and can't be installed without root; tests that need them will say so:$missing"
    fi
    cd "$here"
    bring_uv
    private_env test
    if [ -e mkdocs.yml ]; then fill_env dev docs; else fill_env dev; fi
    PATH=$env/bin:$PATH
    # Beside the environment: a clone that belongs to somebody else can be tested too.
    export RUFF_CACHE_DIR="$cache/ruff" MYPY_CACHE_DIR="$cache/mypy" HYPOTHESIS_STORAGE_DIRECTORY="$cache/hypothesis"

    cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
    step "ruff check" ruff check .
    step "ruff format --check" ruff format --check .
    step "mypy" mypy
    step "lint-imports" lint-imports --cache-dir "$cache/import-linter"
    step "shellcheck" check_shell_scripts
    # Before pytest, whose closing line should be the last thing to read.
    [ ! -e mkdocs.yml ] || step "mkdocs build --strict" mkdocs build --quiet --strict --site-dir "$cache/site"
    # Tests wait on connections and clocks for more than half of their time, so two share a core. Each worker begins with
    # a row of its own, so that most boxes of a module are made once.
    workers=$((cores > 4 ? 8 : cores * 2))
    set -- -n "$workers" --dist worksteal -o cache_dir="$cache/pytest" "$@"
    if [ "$asked" = all ]; then
        # Apart: an installation needs the network, and the test bed's own networks lead nowhere. It waits for nothing.
        step "pytest tests/install" pytest_with_second_look "$@" -n "$cores" tests/install
        step "pytest, all others" pytest_with_second_look "$@" --ignore tests/install
    else
        step "pytest" pytest "$@"
    fi
}

# --- main -----------------------------------------------------------------------------------------------------------

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
    "" | --uninstall | demo | test) ;;
    *)
        warn "install.sh: unknown word: $1"
        usage >&2
        exit 2
        ;;
esac
if [ ! -e "$here/pyproject.toml" ] || [ ! -d "$here/mlsh" ]; then die "run it from a clone of mlsh: sh install.sh"; fi

# Without .pyc files every start of mlsh takes three times as long; the rest would bend where things are installed.
unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER=0
# Trust the certificates that this machine trusts, as pip does: companies put their own authority there.
if [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ]; then
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS-true}"
fi
: "${SHELL:=sh}"
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

word=${1-}
[ $# = 0 ] || shift
case $word in
    demo) demo "$@" ;;
    test) run_tests "$@" ;;
    *)
        if [ $# != 0 ]; then
            warn "install.sh: unknown word: $1"
            exit 2
        fi
        if [ "$word" = --uninstall ]; then uninstall; else install_mlsh; fi
        ;;
esac
