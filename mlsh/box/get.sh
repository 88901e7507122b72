#!/bin/sh
# Print a file after a line with its size and mode.
# sh -c "$(cat get.sh)" mlsh SOURCE
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
# shellcheck disable=SC2088
case $1 in '~/'*) source=$HOME/${1#??} ;; /*) source=$1 ;; *) source=./$1 ;; esac
[ -d "$source" ] && refuse 'it is a folder'
[ -e "$source" ] || refuse 'there is no such file'
exec <"$source"
if ! size=$(wc -c <"$source") || ! mode=$(stat -L -c %a "$source"); then refuse 'it can not be read'; fi
printf 'size %d mode %s\n' "$size" "$mode"
# A file that grows meanwhile is as it was when it was asked for.
exec head -c "$size"
