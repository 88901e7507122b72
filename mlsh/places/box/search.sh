#!/bin/sh
# Search the content of files below a folder by rg, where it is.
# sh -c "$(cat search.sh)" mlsh ROOT HIDDEN IGNORED CASE PATTERN [GLOB]...
PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
# shellcheck disable=SC2088
case $1 in '~') root=$HOME ;; '~/'*) root=$HOME/${1#??} ;; /*) root=$1 ;; *) root=./$1 ;; esac
[ -d "$root" ] || refuse 'no-folder'
cd -- "$root" 2>/dev/null || refuse 'no-read'
case $(rg --version 2>/dev/null) in 'ripgrep '*) ;; *) refuse 'no-rg' ;; esac
[ -z "${MLSH_PLAIN_FIND-}" ] || refuse 'no-rg'
hidden=$2 ignored=$3 case=$4 pattern=$5
shift 5
count=$#
[ "$count" = 0 ] || set -- "$@" --type mlsh
while [ "$count" -gt 0 ]; do
	set -- "$@" --type-add "mlsh:$1"
	shift
	count=$((count - 1))
done
# What --type takes is shown though it is hidden.
if [ "$hidden" = yes ]; then set -- "$@" --hidden; else set -- "$@" --glob '!.*'; fi
if [ "$ignored" = yes ]; then set -- "$@" --no-ignore; else set -- "$@" --glob '!.git'; fi
if [ "$case" = i ]; then set -- "$@" --ignore-case; else set -- "$@" --case-sensitive; fi
rg --no-config --json "$@" --regexp "$pattern" -- .
# 1: nothing found; 2: some file could not be read, or the pattern makes no sense, which it says.
code=$?
[ "$code" -lt 2 ] && exit 0
case $(rg --no-config --quiet --regexp "$pattern" /dev/null 2>&1) in *regex*) refuse 'pattern' ;; esac
exit 0
