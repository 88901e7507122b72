#!/bin/sh
# Write a file, whole or not at all: aside, then renamed.
# sh -c "$(cat put.sh)" mlsh TARGET SIZE MODE <file   (after padding and a line `mlsh-begin`)
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
# shellcheck disable=SC2088
case $1 in '~/'*) target=$HOME/${1#??} ;; /*) target=$1 ;; *) target=./$1 ;; esac
while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
[ "$line" = mlsh-begin ] || refuse 'the start-up files of the login shell read what was meant for mlsh'
[ -d "$target" ] && refuse 'there is a folder of that name'
umask 077
aside=${target%/*}/.mlsh-$$.part
trap 'rm -f "$aside"' EXIT
trap 'exit 1' HUP INT PIPE TERM
why=$({ cat >"$aside"; } 2>&1) || refuse "${why##*: }"
[ "$(wc -c <"$aside")" -eq "$2" ] || refuse 'it arrived only in part'
why=$({ chmod "$3" "$aside" && mv -f "$aside" "$target"; } 2>&1) || refuse "${why##*: }"
printf 'done\n'
