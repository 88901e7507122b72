#!/bin/sh
# Print a file for editing: a line about it, then its bytes.
# sh -c "$(cat read.sh)" mlsh PATH LIMIT
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
# shellcheck disable=SC2088
case $1 in '~') path=$HOME ;; '~/'*) path=$HOME/${1#??} ;; /*) path=$1 ;; *) path=./$1 ;; esac
[ -d "$path" ] && refuse 'folder'
# Where it leads, with an x behind: a name may end with a newline.
if ! target=$(readlink -f -- "$path" && printf x); then refuse 'no-folder'; fi
target=${target%?x}
folder=${target%/*}
[ -d "${folder:-/}" ] || refuse 'no-folder'
if [ ! -e "$target" ]; then
	[ -w "${folder:-/}" ] || refuse 'no-write'
	printf 'new\n'
	exit 0
fi
[ -f "$target" ] || refuse 'odd'
[ -r "$target" ] || refuse 'no-read'
if ! size=$(wc -c <"$target") || [ "$size" -gt "$2" ]; then refuse "large $size"; fi
command -v sha256sum >/dev/null 2>&1 || refuse 'no-sha256'
# Read-only for us: as root everything can be written, and the mode still says that it was not meant to be.
can=rw
[ -w "$target" ] || can=r
case $(stat -c %A -- "$target") in *w*) ;; *) can=r ;; esac
printf 'file %d %s\n' "$size" "$can"
exec head -c "$size" <"$target"
